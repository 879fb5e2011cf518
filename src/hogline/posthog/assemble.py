"""The parts that all shapes share, put together into an `Event`.

Knows what PostHog's fields mean, not where a shape keeps them.
"""

from __future__ import annotations

from contextlib import suppress

from hogline.model import Event
from hogline.posthog.bounds import NotJson
from hogline.posthog.identity import ABSENT, DISTINCT_ID_AS_TEXT, event_uuid, is_uuid
from hogline.posthog.meaning import with_other_id_as_text
from hogline.posthog.received import Receipt, Unreadable
from hogline.posthog.repair import decode, note, repair

_MISSING = object()
_NULLS = ("", "\\N")
"""Nothing, as text: `\\N` is what databases write into CSV for it."""


def assemble(
    outer: dict[str, object],
    properties: dict[str, object],
    receipt: Receipt,
    reasons: list[str],
    *,
    name: object,
    distinct_id: str,
    timestamp_ms: int | Unreadable,
    person_properties: dict[str, object],
    personless: bool = False,
) -> Event:
    """The event. `outer` holds what stands beside its properties; `properties` becomes the event's own.

    Raises `Unreadable` for an event without a name, a distinct_id or a time.
    """
    if not isinstance(name, str) or not name.strip():
        raise Unreadable("The event has no name: `event` must be a text.", reason="event_without_name")
    if not distinct_id:
        raise Unreadable(
            "The event has no `distinct_id`, or it is blank.",
            reason="distinct_id_missing",
        )
    if isinstance(timestamp_ms, Unreadable):
        raise timestamp_ms
    if with_other_id_as_text(name, properties):
        note(reasons, DISTINCT_ID_AS_TEXT)
    uuid = outer.get("uuid")
    if not uuid:
        uuid = _row_id(outer)
    elements_chain = outer.get("elements_chain")
    url = outer.get("url")
    # Positions, not names: this is the hot path.
    return Event(
        event_uuid(uuid, receipt.received_ms, receipt.new_uuid, reasons),
        name,
        distinct_id,
        timestamp_ms,
        receipt.received_ms,
        properties,
        _take_values("$set", outer, properties, reasons),
        _take_values("$set_once", outer, properties, reasons),
        _take_names(outer, properties, reasons),
        person_properties,
        personless or properties.get("$process_person_profile") is False,
        elements_chain if isinstance(elements_chain, str) else "",
        url if isinstance(url, str) else "",
        tuple(reasons),
        receipt.public,
    )


def _row_id(outer: dict[str, object]) -> object:
    """The uuid of a row that has none under that name: PostHog's Events API gives it as `id`. A sender's own `id` may
    be anything, and is nothing to us."""
    found = outer.get("id")
    return found if isinstance(found, str) and is_uuid(found) else outer.get("uuid", ABSENT)


def _take_values(
    key: str, outer: dict[str, object], properties: dict[str, object], reasons: list[str]
) -> dict[str, object]:
    """`$set` or `$set_once`, from the top and from the properties, where it is taken out; the top wins, name
    by name."""
    if key not in properties and key not in outer:
        return {}
    inner = properties.pop(key, _MISSING)
    top = outer.get(key, _MISSING)
    values: dict[str, object] = {}
    for found in (inner, top):
        if isinstance(found, dict):
            values = {**values, **found} if values else found
        elif found is not _MISSING:
            note(reasons, f"{key[1:]}_not_an_object")
    return values


def _take_names(outer: dict[str, object], properties: dict[str, object], reasons: list[str]) -> tuple[str, ...]:
    """`$unset`: the names from the properties, where it is taken out, and from the top."""
    if "$unset" not in properties and "$unset" not in outer:
        return ()
    names: dict[str, None] = {}
    for found in (properties.pop("$unset", _MISSING), outer.get("$unset", _MISSING)):
        if isinstance(found, (list, dict)):  # of an object PostHog takes the names
            for name in found:
                if isinstance(name, str):
                    names[name] = None
                else:
                    note(reasons, "unset_name_not_text")
        elif found is not _MISSING:
            note(reasons, "unset_not_a_list")
    return tuple(names)


def event_object(value: object) -> dict[str, object]:
    """The value, if it can be an event at all. Raises `Unreadable`."""
    if not isinstance(value, dict):
        raise Unreadable("An event must be a JSON object.", reason="not_an_event")
    return value


def object_in(holder: dict[str, object], key: str, reasons: list[str]) -> dict[str, object]:
    """The object under a key; empty if it is missing, null, or something else, which is recorded."""
    found = holder.get(key)
    if isinstance(found, dict):
        return found
    if found is not None:
        note(reasons, f"{key}_not_an_object")
    return {}


def object_or_text_in(holder: dict[str, object], key: str, reasons: list[str]) -> dict[str, object]:
    """The same where the object may come as JSON text (Kafka, Parquet). Raises `Unreadable` for text that is
    not JSON: properties are never dropped for a broken column."""
    found = holder.get(key)
    if not isinstance(found, str):
        return object_in(holder, key, reasons)
    if found.strip() in _NULLS:
        return {}
    try:
        return object_in({key: from_text(found, reasons)}, key, reasons)
    except NotJson:
        raise Unreadable(f"The column `{key}` does not hold JSON text.", reason=f"{key}_unreadable") from None


def person_properties(holder: dict[str, object], reasons: list[str]) -> dict[str, object]:
    """The properties of the `person` beside an event; each of both may be JSON text. A person that is nothing of that
    costs no event."""
    person = holder.get("person")
    if isinstance(person, str):
        if person.strip() in _NULLS:
            return {}
        with suppress(NotJson):
            holder = {"person": from_text(person, reasons)}
    return object_or_text_in(object_in(holder, "person", reasons), "properties", reasons)


def from_text(text: str, reasons: list[str]) -> object:
    """The value of a JSON text inside JSON. Raises `NotJson`."""
    decoded = decode(text.encode(errors="replace"))
    return repair(decoded.value, reasons) if decoded.suspicious else decoded.value
