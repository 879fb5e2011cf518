"""The JSON bodies of Customer.io's operations, within its size limit.

The order of keys never changes, so the same operation is always the same bytes. An event's data is already JSON text,
so the rest is added around it. Knows nothing about why something is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast
from urllib.parse import quote

import msgspec

from hogline.destinations.base import Removal
from hogline.destinations.customerio import limits
from hogline.destinations.customerio.pages import kind_of
from hogline.destinations.customerio.ulid import ulid
from hogline.emails import address
from hogline.model import Identifier, Operation, Refusal
from hogline.posthog.entry import Entry

_encode = msgspec.json.Encoder().encode


def identify(
    identifier: Identifier, attributes: dict[str, object], timestamp_s: int
) -> list[tuple[Operation, list[str]]]:
    """An identify, or several if it is too large for one. With each, the attributes in it."""
    body = _encode(
        {
            "type": "person",
            "identifiers": {identifier.kind: identifier.value},
            "action": "identify",
            "timestamp": timestamp_s,
            "attributes": attributes,
        }
    )
    names = list(attributes)
    if len(body) <= limits.OPERATION_BYTES and len(attributes) <= limits.ATTRIBUTES:
        return [(Operation("identify", body), names)]
    # A single attribute within its limits always fits, so there are two halves.
    half = len(names) // 2
    return [
        made
        for some in (names[:half], names[half:])
        for made in identify(identifier, {name: attributes[name] for name in some}, timestamp_s)
    ]


def identify_object(
    object_type: str, key: str, attributes: dict[str, object], timestamp_s: int
) -> tuple[Operation, ...]:
    """An object with its attributes, in one or more operations."""
    body = _encode(
        {
            "type": "object",
            "identifiers": {"object_type_id": object_type, "object_id": key},
            "action": "identify",
            "timestamp": timestamp_s,
            "attributes": attributes,
        }
    )
    if len(body) <= limits.OPERATION_BYTES:
        return (Operation("identify", body),)
    names = list(attributes)
    half = len(names) // 2
    return tuple(
        operation
        for some in (names[:half], names[half:])
        for operation in identify_object(object_type, key, {name: attributes[name] for name in some}, timestamp_s)
    )


def add_relationships(identifier: Identifier, relationships: Sequence[object]) -> Operation:
    """Relates a person to objects."""
    body = _encode(
        {
            "type": "person",
            "identifiers": {identifier.kind: identifier.value},
            "action": "add_relationships",
            "cio_relationships": relationships,
        }
    )
    return Operation("add_relationships", body)


def with_relationships(operation: Operation, relationships: Sequence[object]) -> Operation | None:
    """An identify that also relates the person to objects; None if that does not fit."""
    body = msgspec.json.decode(operation.body, type=dict[str, object])
    made = _encode({**body, "cio_relationships": relationships})
    return Operation("identify", made) if len(made) <= limits.OPERATION_BYTES else None


def merge(primary: Identifier, secondary: Identifier) -> Operation:
    """Merges one customer into another. This cannot be undone."""
    body = _encode(
        {
            "type": "person",
            "action": "merge",
            "primary": {primary.kind: primary.value},
            "secondary": {secondary.kind: secondary.value},
        }
    )
    return Operation("merge", body)


def remove(identifier: Identifier, action: Removal) -> Operation:
    """`delete`: the customer is deleted. `suppress`: they also cannot come back until they are unsuppressed."""
    body = _encode({"type": "person", "identifiers": {identifier.kind: identifier.value}, "action": action})
    return Operation(action, body)


def parts(operation: Operation, refusal: Refusal) -> tuple[Operation, ...]:
    """A rejected identify in two: without its relationships, and those; else without the attribute that the refusal
    names, and that one; otherwise in halves."""
    if operation.action != "identify":
        return ()
    body = msgspec.json.decode(operation.body, type=dict[str, object])
    attributes = cast("dict[str, object]", body["attributes"])
    relationships = body.pop("cio_relationships", None)
    if relationships is not None:
        related = {"type": "person", "identifiers": body["identifiers"], "action": "add_relationships"}
        return (
            Operation("identify", _encode(body)),
            Operation("add_relationships", _encode({**related, "cio_relationships": relationships})),
        )
    names = list(attributes)
    if len(names) < 2:
        return ()
    named = refusal.field.removeprefix("attributes.")
    first = [name for name in names if name != named] if named in attributes else names[: len(names) // 2]
    return tuple(
        Operation("identify", _encode({**body, "attributes": {name: attributes[name] for name in some}}))
        for some in (first, [name for name in names if name not in first])
    )


def bare(operation: Operation) -> Operation | None:
    """An identify without its attributes."""
    if operation.action != "identify" or not names(operation):
        return None
    body = msgspec.json.decode(operation.body, type=dict[str, object])
    return Operation("identify", _encode({**body, "attributes": {}}))


def names(operation: Operation) -> list[str]:
    """The attributes in an identify."""
    body = msgspec.json.decode(operation.body, type=dict[str, object])
    return list(cast("dict[str, object]", body.get("attributes", {})))


def head(identifier: Identifier) -> bytes:
    """How every event of a customer starts."""
    return b'{"type":"person","identifiers":{"%b":%b},"action":"' % (
        identifier.kind.encode(),
        _encode(identifier.value),
    )


def event(
    head: bytes, identifier: Identifier, entry: Entry, data: bytes, *, name: str, email: str | None
) -> Operation | Refusal:
    """An event of type `event`, `page` or `screen`: with v2, or with v1 if it is too large for that.

    `name` is its name at Customer.io, `data` is JSON text. `email` is the customer's, if known: an id that looks like
    an address may only be in v1's path if it is the same.
    """
    kind, start = _start(entry.name, name)
    body = b'%b%b"id":"%b","timestamp":%d,"attributes":%b}' % (
        head,
        start,
        ulid(entry.uuid),
        entry.time_ms // 1_000,
        data,
    )
    if len(body) <= limits.OPERATION_BYTES:
        return Operation(kind, body, None, len(body) - len(data) - 1 if data is entry.data else 0)
    customer = identifier.value
    if identifier.kind == "cio_id" and not customer.startswith("cio_"):
        customer = f"cio_{customer}"  # how v1 knows it from an id
    if len(data) > limits.EVENT_DATA_BYTES:
        return _too_large(len(data))
    if not _fits_path(identifier, email):
        return Refusal(
            "event_too_large",
            f"The event's data is {len(data)} bytes. Customer.io only accepts that much with the customer's"
            " identifier in the request's path, and this identifier would mean something else there.",
        )
    return Operation(kind, _by_v1(entry, name, data), f"/api/v1/customers/{quote(customer, safe='')}/events")


def anonymous_event(entry: Entry, name: str, data: bytes) -> Operation | Refusal:
    """An event that does not belong to a customer and does not create one. Only v1 documents it."""
    if len(data) > limits.EVENT_DATA_BYTES:
        return _too_large(len(data))
    body = _by_v1(entry, name, data, anonymous_id=entry.distinct_id)
    return Operation(kind_of(entry.name), body, "/api/v1/events")


def _by_v1(entry: Entry, name: str, data: bytes, **more: str) -> bytes:
    short, _ = limits.event_name(name.strip())
    return _encode(
        {
            "name": short,
            **more,
            "id": ulid(entry.uuid).decode(),
            "type": kind_of(entry.name),
            "timestamp": entry.time_ms // 1_000,
            "data": msgspec.Raw(data),
        }
    )


@lru_cache(maxsize=16_384)
def _start(event_name: str, name: str) -> tuple[str, bytes]:
    """The type of an event, and how it continues after its customer under this name."""
    kind = kind_of(event_name)
    short, _ = limits.event_name(name.strip())
    return kind, b'%b","name":%b,' % (kind.encode(), _encode(short))


def _too_large(size: int) -> Refusal:
    return Refusal(
        "event_too_large",
        f"The event's data is {size} bytes. Customer.io accepts {limits.EVENT_DATA_BYTES}.",
    )


def _fits_path(identifier: Identifier, email: str | None) -> bool:
    """Whether the identifier means the same in v1's path as in v2.

    `.` and `..` would leave the path, encoded or not. v1 recognizes the kind of an identifier by its looks.
    """
    value = identifier.value
    if identifier.kind != "id" or value == email:
        return True
    return value not in {".", ".."} and not value.startswith("cio_") and address(value) is None
