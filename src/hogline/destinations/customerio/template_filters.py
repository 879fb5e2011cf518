"""The filters of a hog function of PostHog: which events it gets. PostHog says what is kept, Hogline what is
ignored."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct

_OPPOSITE = {
    "exact": "is_not",
    "is_not": "exact",
    "icontains": "not_icontains",
    "not_icontains": "icontains",
    "regex": "not_regex",
    "not_regex": "regex",
    "is_set": "is_not_set",
    "is_not_set": "is_set",
    "gt": "lte",
    "gte": "lt",
    "lt": "gte",
    "lte": "gt",
}


class Filters(Struct):
    events: list[str] = []
    """Names; none: all."""
    options: dict[str, object] = {}
    """The options that say who is sent, and whose events to ignore."""


def read_filters(given: object, notes: list[str]) -> Filters:
    """What cannot be taken over is added to the notes, a sentence each."""
    filters = given if isinstance(given, dict) else {}
    found = Filters()
    for event in _objects(filters.get("events")):
        if isinstance(name := event.get("id"), str) and name:
            found.events.append(name)
        if event.get("properties"):
            notes.append("The conditions of single events are not taken over: use --ignore-when.")
    if filters.get("actions"):
        notes.append("Its actions are not taken over: name their events with --events.")
    ignored: list[str] = []
    for condition in _objects(filters.get("properties")):
        whom = _whom(condition)
        if whom is not None:
            found.options["anonymous_users"] = whom
        elif (opposite := _opposite(condition)) is not None:
            ignored.append(opposite)
        else:
            notes.append(
                "A filter is not taken over, since it is no condition on an event or a person: use --ignore-when."
            )
    if ignored:
        found.options["ignore_when"] = " or ".join(ignored)
    if filters.get("filter_test_accounts"):
        notes.append(
            "PostHog filters internal and test users by the settings of its project, which are not in this file: add"
            " them with --ignore-when."
        )
    return found


def _objects(given: object) -> Iterator[dict[str, object]]:
    yield from (one for one in given if isinstance(one, dict)) if isinstance(given, list) else ()


def _whom(condition: dict[str, object]) -> str | None:
    """The filters that the migration of PostHog's old app made."""
    key, operator, of = condition.get("key"), condition.get("operator"), condition.get("type")
    if (key, operator, of) == ("email", "is_set", "person"):
        return "emails"
    if (key, operator, of) == ("$is_identified", "exact", "event"):
        return "identified"
    return None


def _opposite(condition: dict[str, object]) -> str | None:
    """When an event is ignored that this condition does not keep."""
    operator, of, value = (
        str(condition.get("operator", "exact")),
        condition.get("type", "event"),
        condition.get("value"),
    )
    key = condition.get("key")
    if operator not in _OPPOSITE or of not in {"event", "person"} or not isinstance(key, str) or not key:
        return None
    name = _quoted(f"person.{key}" if of == "person" else key)
    if operator in {"is_set", "is_not_set"}:
        return f"{name} {_OPPOSITE[operator]}"
    values = value if isinstance(value, list) else [value]
    binds = " and " if operator == "exact" else " or "
    return binds.join(f"{name} {_OPPOSITE[operator]} {_quoted(one)}" for one in values)


def _quoted(value: object) -> str:
    """As written in a condition: in quotes if it would be read differently without."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return (
        text if text and not any(mark.isspace() or mark == '"' for mark in text) else msgspec.json.encode(text).decode()
    )
