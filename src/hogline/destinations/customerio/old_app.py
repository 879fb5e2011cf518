"""The configuration of PostHog's old Customer.io app (customerio-plugin) → the options of a connection.

The app had its own names for its choices. Knows no file and no connection. A sentence about a mistake names the app's
key and never repeats a value, which may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import msgspec

from hogline.destinations.base import Imported, Importer, InvalidOptions, OptionProblem
from hogline.destinations.customerio.endpoint import EU, US

_KEYS = {
    "customerioSiteId": "site_id",
    "customerioToken": "api_key",
    "host": "tracking_endpoint",
    "identifyByEmail": "identify_by",
    "sendEventsFromAnonymousUsers": "anonymous_users",
    "eventsToSend": "events",
}
"""The app's keys, and the options that they became."""
_AS_IT_DID = {"page_names": "event", "attribute_mapping": "identifier=distinct_id"}
"""What the app always did."""
_SECRETS = frozenset({"customerioSiteId", "customerioToken"})
_WHOM = {
    "send all events": "all",
    "only send events from users that have been identified": "identified",
    "only send events from users with emails": "emails",
}
_NO_CONFIGURATION = (
    "This is not a configuration of PostHog's Customer.io app: a JSON object with customerioSiteId, customerioToken"
    " and so on, or one with such an object under “config”."
)


class _Wrong(Exception):
    """The rest of a sentence that starts with the key."""


def read_old_app(text: bytes, beside: Collection[str] = ()) -> Imported:
    """The options in a configuration, as the app stored it, alone or as PostHog's API returns it.

    `beside`: options that are given in another way, so the configuration does not need them. Raises `InvalidOptions`
    with a sentence for each mistake.
    """
    config = _configuration(text)
    options: dict[str, object] = {key: value for key, value in _AS_IT_DID.items() if key not in beside}
    hidden: dict[str, str] = {}
    problems: list[OptionProblem] = []
    for key, option in _KEYS.items():
        value = config.get(key)
        if option in beside or value is None or value == "":
            continue
        if key in _SECRETS and _is_hidden(value):
            hidden[key] = option
            continue
        try:
            options[option] = _READERS.get(key, _text)(value)
        except _Wrong as wrong:
            problems.append(OptionProblem(option, f"{key} {wrong}"))
    if problems:
        raise InvalidOptions(problems)
    return Imported(options, hidden, tuple(key for key in config if key not in _KEYS))


def _configuration(text: bytes) -> Mapping[str, object]:
    try:
        given = msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf"), type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise InvalidOptions([OptionProblem("", _NO_CONFIGURATION)]) from None
    config = given.get("config", given)
    if not isinstance(config, dict) or _KEYS.keys().isdisjoint(config):
        raise InvalidOptions([OptionProblem("", _NO_CONFIGURATION)])
    return config


def _is_hidden(value: object) -> bool:
    """PostHog shows a placeholder for a stored secret: an object, or a text with a row of stars or dots."""
    if isinstance(value, dict):
        return True
    return isinstance(value, str) and any(mark * 3 in value for mark in "*•")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Wrong("must be a text.")
    return value.strip()


def _host(value: object) -> str:
    host = _text(value)
    if host not in {US, EU}:
        raise _Wrong(f"must be {US} or {EU}. Give any other endpoint with --tracking-endpoint.")
    return host


def _by_email(value: object) -> str:
    answer = {True: "yes", False: "no"}[value] if isinstance(value, bool) else _text(value).lower()
    if answer not in {"yes", "no"}:
        raise _Wrong("must be Yes or No.")
    return "email" if answer == "yes" else "id"


def _whom(value: object) -> str:
    whom = _WHOM.get(" ".join(_text(value).lower().split()))
    if whom is None:
        raise _Wrong(
            "must be one of: Send all events, Only send events from users that have been identified, Only send events"
            " from users with emails."
        )
    return whom


_READERS: Mapping[str, Callable[[object], object]] = {
    "host": _host,
    "identifyByEmail": _by_email,
    "sendEventsFromAnonymousUsers": _whom,
}
"""How a value is read. The others are text."""


OLD_APP = Importer(
    "A JSON file with the configuration of PostHog's old Customer.io app: its values become options.",
    "the app",
    read_old_app,
)
