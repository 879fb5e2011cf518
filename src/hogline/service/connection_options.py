"""Options of a connection: as they are shown, what changed in them, and stored ones combined with new ones. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from hogline.destinations.base import Destination
from hogline.destinations.catalogue import DESTINATIONS, destination_of
from hogline.destinations.given import grown, modern, over
from hogline.service.core import CannotDo, read_options
from hogline.store.base import Connection


class SecretsNeeded(CannotDo):
    """Stored credentials would go to another host. `problems` has a sentence for each option to enter again."""

    def __init__(self, sentence: str, problems: Mapping[str, str]) -> None:
        super().__init__(sentence)
        self.problems = problems


def shown(connection: Connection) -> dict[str, object]:
    """The options without secrets."""
    options = destination_of(connection.destination).options
    declared = {option.key: option for option in options if not option.secret}
    return {
        key: value
        for key, value in grown(options, connection.options).items()
        # That it has a default of today only says that it is new.
        if key in declared and (declared[key].before is None or value != declared[key].default)
    }


def differences(was: Mapping[str, object], now: Mapping[str, object]) -> dict[str, tuple[object, object]]:
    return {
        key: (was.get(key), now.get(key)) for key in sorted(was.keys() | now.keys()) if was.get(key) != now.get(key)
    }


def changes_of(
    destination: Destination[Any], before: Mapping[str, object], now: Mapping[str, object]
) -> dict[str, object]:
    """For the audit log: what each option was and is (null: its default). Of a secret, only that it was set."""
    options = {option.key: option for option in destination.options}

    def chosen(values: Mapping[str, object], key: str) -> object:
        value, default = values.get(key), options[key].default if key in options else None
        return None if value == default or (value == "" and not default) else value

    found: dict[str, object] = {}
    for key in sorted(before.keys() | now.keys()):
        was, becomes = chosen(before, key), chosen(now, key)
        if was != becomes:
            found[key] = "set anew" if key in options and options[key].secret else [was, becomes]
    return found


def notes_of(destination: Destination[Any], before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """What a change of options does to what is at the destination already, a sentence for each."""
    was, becomes = modern(destination.options, grown(destination.options, before)), modern(destination.options, now)
    changed = [
        option
        for option in destination.options
        if was.get(option.key, option.default) != becomes.get(option.key, option.default)
    ]
    return list(dict.fromkeys(option.changing for option in changed if option.changing))


def given(options: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in options.items() if value is not None}


def over_its_own(connection: Connection, options: Mapping[str, object]) -> dict[str, object]:
    """The connection's options with these on top; None removes one.

    Everything that combines stored credentials with other options goes through here: credentials are only ever sent to
    the host they were entered for. Raises `SecretsNeeded` for a different host without new ones.
    """
    destination = destination_of(connection.destination)
    given = over(destination.options, grown(destination.options, connection.options), options)
    stored = {option.key: option for option in destination.options if option.secret and option.key not in options}
    if not stored:
        return given
    before, now = (host_of(destination, values) for values in (connection.options, given))
    if now != before:
        titles = " and ".join(option.title for option in stored.values())
        raise SecretsNeeded(
            f"The stored credentials were entered for {before} and are not sent to {now}. Enter {titles} again.",
            {
                key: f"Enter {option.title} again. The stored one is only sent to {before}."
                for key, option in stored.items()
            },
        )
    return given


def host_of(destination: Destination[Any], values: Mapping[str, object]) -> str:
    """Scheme, host and port that requests go to."""
    url = urlsplit(destination.base_url(read_options(destination, values)))
    return f"{url.scheme}://{url.netloc}"


def destination_named(key: str) -> Destination[Any]:
    chosen = DESTINATIONS.get(key)
    if chosen is None:
        raise CannotDo(f"Unknown destination {key!r}. Choose one of: {', '.join(DESTINATIONS)}.")
    return chosen
