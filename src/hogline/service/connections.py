"""Installing, changing, checking, enabling and removing connections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import structlog
from msgspec.structs import replace

from hogline.destinations.base import Check, Destination
from hogline.destinations.catalogue import DESTINATIONS, destination_of
from hogline.destinations.given import begun, grown, modern, over
from hogline.service.backlog import Backlogs
from hogline.service.core import CannotDo, evolved, opened, read_options
from hogline.store.base import Connection, NameTaken
from hogline.views import CheckView, ConnectionView

# Options are not logged but by their names: secrets are among their values.
log = structlog.get_logger("hogline.service")

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class SecretsNeeded(CannotDo):
    """Stored credentials were to go to another host; `problems` has a sentence for each option to enter again."""

    def __init__(self, sentence: str, problems: Mapping[str, str]) -> None:
        super().__init__(sentence)
        self.problems = problems


class ChangedMeanwhile(CannotDo):
    """The options are not as they were seen; `changes` has what each was and is now, by key."""

    def __init__(self, name: str, changes: Mapping[str, tuple[object, object]]) -> None:
        super().__init__(f"Somebody else changed {name} in the meantime. Nothing was saved. Look at it again.")
        self.changes = changes


class Connections(Backlogs):
    async def connect(
        self, destination: str, options: dict[str, object], *, name: str = "", paused: bool = False
    ) -> ConnectionView:
        """Install a destination. Its credentials are checked first; refused, nothing is kept. Without a name it
        gets the destination's.
        """
        chosen = _destination(destination)
        options = begun(chosen.options, options)
        parsed = read_options(chosen, options)
        name = name or await self._free_name(destination)
        if not _NAME.fullmatch(name):
            raise CannotDo(
                "A name has up to 64 lower-case letters, digits, - and _, and begins with a letter or digit."
            )
        if any(existing.name == name for existing in await self._state.connections()):
            raise CannotDo(_taken(name))
        check = await chosen.check(parsed, self._send)
        if check.outcome != "ok" and (not paused or check.outcome != "unreachable"):
            raise CannotDo(f"{check.sentence} Nothing was kept.")
        try:
            connection = await self._state.add_connection(
                name=name,
                destination=destination,
                options=options,
                paused=paused,
                start=self._journal.end,
                now_ms=self._clock.time_ms(),
                workspace=check.workspace,
            )
        except NameTaken:
            raise CannotDo(_taken(name)) from None
        await self._look_at_options()
        log.info("connection made", connection=name, destination=destination, paused=paused)
        await self._run(connection)
        await self.trail.note(
            "connection_made",
            {"destination": destination, "options": _changes(chosen, {}, options)},
            connection=name,
        )
        return self._view(connection)

    async def _free_name(self, destination: str) -> str:
        taken = {connection.name for connection in await self._state.connections()}
        names = (destination if n == 1 else f"{destination}-{n}" for n in range(1, len(taken) + 2))
        return next(name for name in names if name not in taken)

    async def configure(
        self, name: str, options: dict[str, object], *, seen: dict[str, object] | None = None
    ) -> ConnectionView:
        """Change some options of a connection; None takes one back to its default. A connection that had
        stopped itself goes on where it stopped, if the credentials are good now. Another host needs the credentials
        again. `seen`: the options as the user saw them. Raises `ChangedMeanwhile` if they are others by now.
        """
        connection = await self._find(name)
        if seen is not None and seen != _shown(connection):
            raise ChangedMeanwhile(name, _differences(seen, _shown(connection)))
        kept = _over_its_own(connection, options)
        destination = destination_of(connection.destination)
        parsed = read_options(destination, kept)
        check = await destination.check(parsed, self._send)
        if not connection.paused and check.outcome != "ok":
            raise CannotDo(f"{check.sentence} Nothing was changed.")
        workspace = _same_workspace(connection, check)
        changed = await self._change(name, was=connection, options=kept, stopped=None, workspace=workspace)
        log.info("connection changed", connection=name, options=sorted(options))
        changes = _changes(destination, connection.options, kept)
        await self.trail.note("options_changed", {"options": changes}, connection=name)
        return replace(changed, notes=_notes(destination, connection.options, kept))

    async def test_options(self, destination: str, options: dict[str, object], name: str = "") -> CheckView:
        """Whether the destination would take these options; nothing is kept. With the name of a connection they go
        over its own, as they do for `configure`.
        """
        given = _given(options)
        if name:
            connection = await self._find(name)
            destination, given = connection.destination, _over_its_own(connection, options)
        chosen = _destination(destination)
        parsed = read_options(chosen, given)
        await self.trail.note("options_tested", {"host": _host(chosen, given)}, connection=name)
        check = await chosen.check(parsed, self._send)
        return CheckView(name=name, ok=check.outcome == "ok", outcome=check.outcome, sentence=check.sentence)

    async def check(self, name: str) -> CheckView:
        """Whether the credentials are good, and what to do if not."""
        connection = await self._find(name)
        one = opened(connection)
        check = await one.destination.check(one.options, self._send)
        return CheckView(name=name, ok=check.outcome == "ok", outcome=check.outcome, sentence=check.sentence)

    async def connections(self) -> list[ConnectionView]:
        return [self._view(connection) for connection in await self._state.connections()]

    async def resume(self, name: str, *, from_now_on: bool = False) -> ConnectionView:
        """Check the credentials and run the connection, from where it was; refused, it stays as it is. `from_now_on`:
        without the events that wait, which count as filtered (`skipped`).
        """
        connection = await self._find(name)
        one = opened(connection)
        check = await one.destination.check(one.options, self._send)
        if check.outcome != "ok":
            raise CannotDo(f"{check.sentence} {name} is still paused.")
        workspace = _same_workspace(connection, check)
        resumed = await self._change(name, skip=from_now_on, paused=False, stopped=None, workspace=workspace)
        log.info("connection resumed", connection=name, skipped_backlog=from_now_on)
        await self.trail.note("connection_enabled", {"from_now_on": True} if from_now_on else {}, connection=name)
        return resumed

    async def pause(self, name: str) -> ConnectionView:
        """Stop sending. Events that come in wait until it is resumed."""
        paused = await self._change(name, paused=True)
        log.info("connection paused", connection=name)
        await self.trail.note("connection_disabled", connection=name)
        return paused

    async def _change(
        self, name: str, *, was: Connection | None = None, skip: bool = False, **changes: object
    ) -> ConnectionView:
        """Stop what is under way, write the change, and go on from there. `was`: the connection that the change was
        made from; raises `ChangedMeanwhile` if its options are others by now. `skip`: without what waits.
        """
        async with self._changing:
            connection = await self._find(name)
            if was is not None and was.options != connection.options:
                raise ChangedMeanwhile(name, _differences(_shown(was), _shown(connection)))
            await self._workers.stop(connection.id)
            if skip:
                await self._skip_pending(connection)
            connection = evolved(connection, **changes)
            await self._state.change_connection(connection)
            if "options" in changes:
                await self._state.options_changed(connection.id, self._clock.time_ms())
                await self._look_at_options()
            await self._run(connection)
            return self._view(connection)

    async def disconnect(self, name: str) -> None:
        """Remove the connection with all that it knows. The destination keeps what it has."""
        async with self._changing:
            connection = await self._find(name)
            await self._workers.stop(connection.id)
            await self._state.remove_connection(connection.id)
        await self.cleaning.finish()
        log.info("connection removed", connection=name)
        await self.trail.note("connection_removed", {"destination": connection.destination}, connection=name)

    def _view(self, connection: Connection) -> ConnectionView:
        state, reason = self._standing(connection)
        return ConnectionView(
            name=connection.name,
            destination=connection.destination,
            paused=connection.paused,
            state=state,
            reason=reason,
            options=_shown(connection),
        )


def _shown(connection: Connection) -> dict[str, object]:
    """The options without secrets."""
    options = destination_of(connection.destination).options
    declared = {option.key: option for option in options if not option.secret}
    return {
        key: value
        for key, value in grown(options, connection.options).items()
        # That it has a default of today only says that it is new.
        if key in declared and (declared[key].before is None or value != declared[key].default)
    }


def _differences(was: Mapping[str, object], now: Mapping[str, object]) -> dict[str, tuple[object, object]]:
    return {
        key: (was.get(key), now.get(key)) for key in sorted(was.keys() | now.keys()) if was.get(key) != now.get(key)
    }


def _changes(
    destination: Destination[Any], before: Mapping[str, object], now: Mapping[str, object]
) -> dict[str, object]:
    """For the audit log: what each option was and is (null: its default); of a secret, that it was set anew."""
    secret = {option.key for option in destination.options if option.secret}
    changed = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    return {key: "set anew" if key in secret else [before.get(key), now.get(key)] for key in changed}


def _notes(destination: Destination[Any], before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """What a change of options does to what is at the destination already, a sentence for each."""
    was, becomes = modern(destination.options, grown(destination.options, before)), modern(destination.options, now)
    changed = [
        option
        for option in destination.options
        if was.get(option.key, option.default) != becomes.get(option.key, option.default)
    ]
    return list(dict.fromkeys(option.changing for option in changed if option.changing))


def _given(options: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in options.items() if value is not None}


def _over_its_own(connection: Connection, options: Mapping[str, object]) -> dict[str, object]:
    """The connection's options with these over them; None takes one away.

    Everything that uses stored credentials together with options from outside comes through here: credentials are
    only ever sent to the host that they were entered for. Raises `SecretsNeeded` for another host without its own.
    """
    destination = destination_of(connection.destination)
    given = over(destination.options, grown(destination.options, connection.options), options)
    stored = {option.key: option for option in destination.options if option.secret and option.key not in options}
    if not stored:
        return given
    before, now = (_host(destination, values) for values in (connection.options, given))
    if now != before:
        titles = " and ".join(option.title for option in stored.values())
        raise SecretsNeeded(
            f"The stored credentials were entered for {before} and are not sent to {now}. Enter {titles} again.",
            {
                key: f"Enter {option.title} again: the stored one is only sent to {before}."
                for key, option in stored.items()
            },
        )
    return given


def _host(destination: Destination[Any], values: Mapping[str, object]) -> str:
    """Scheme, host and port of where requests go."""
    url = urlsplit(destination.base_url(read_options(destination, values)))
    return f"{url.scheme}://{url.netloc}"


def _destination(key: str) -> Destination[Any]:
    chosen = DESTINATIONS.get(key)
    if chosen is None:
        raise CannotDo(f"There is no destination {key!r}. Known are: {', '.join(DESTINATIONS)}.")
    return chosen


def _taken(name: str) -> str:
    return f"There is a connection {name!r} already. Choose another --name, or change it with `hogline configure`."


def _same_workspace(connection: Connection, check: Check) -> str | None:
    """The workspace that a connection belongs to from now on. What it knows of people was accepted in one workspace
    and is true there only.
    """
    if connection.workspace is not None and check.workspace not in {None, connection.workspace}:
        raise CannotDo(
            f"These credentials are those of another workspace ({check.workspace}) than the one that {connection.name} "
            f"knows the people of ({connection.workspace}). Make a connection of its own for it."
        )
    return connection.workspace or check.workspace
