"""The JSON bodies of what Customer.io is asked, within its limit for one operation.

Everything is encoded once, here; the keys' order never changes, so the same operation is the same bytes.
Knows nothing of why something is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast
from urllib.parse import quote

import msgspec

from hogline.destinations.customerio import limits
from hogline.destinations.customerio.emails import address
from hogline.model import Identifier, Operation, Promise, Refusal

_encode = msgspec.json.Encoder().encode


def identify(
    identifier: Identifier, attributes: dict[str, object], timestamp_s: int, promise: Promise
) -> tuple[Operation, ...]:
    """An identify; as many as it takes, if it is too big for one. Each promises what itself carries of the
    attributes that `promise` names."""
    body = _encode(
        {
            "type": "person",
            "identifiers": {identifier.kind: identifier.value},
            "action": "identify",
            "timestamp": timestamp_s,
            "attributes": attributes,
        }
    )
    if len(body) <= limits.OPERATION_BYTES and len(attributes) <= limits.ATTRIBUTES:
        return (Operation("identify", body, promise),)
    # One attribute within its limits always fits, so there are two halves.
    names = list(attributes)
    half = len(names) // 2
    parts: tuple[Operation, ...] = ()
    for some in (names[:half], names[half:]):
        parts += identify(
            identifier,
            {name: attributes[name] for name in some},
            timestamp_s,
            _promise_of(some, promise),
        )
    return parts


def identify_object(
    object_type: str, key: str, attributes: dict[str, object], timestamp_s: int
) -> tuple[Operation, ...]:
    """An object with its attributes; in as many operations as it takes."""
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


def add_relationships(identifier: Identifier, objects: list[tuple[str, str]], promise: Promise) -> Operation:
    """A person belongs to these objects, each given by its type's id and its own."""
    body = _encode(
        {
            "type": "person",
            "identifiers": {identifier.kind: identifier.value},
            "action": "add_relationships",
            "cio_relationships": [
                {"identifiers": {"object_type_id": object_type, "object_id": key}} for object_type, key in objects
            ],
        }
    )
    return Operation("add_relationships", body, promise)


def merge(primary: Identifier, secondary: Identifier) -> Operation:
    """One customer becomes part of another; it cannot be undone."""
    body = _encode(
        {
            "type": "person",
            "action": "merge",
            "primary": {primary.kind: primary.value},
            "secondary": {secondary.kind: secondary.value},
        }
    )
    return Operation("merge", body, Promise(merged=secondary))


def remove(identifier: Identifier, action: Literal["delete", "suppress", "unsuppress"]) -> Operation:
    """A customer is deleted; suppressed, they cannot come back either, until they are unsuppressed."""
    body = _encode({"type": "person", "identifiers": {identifier.kind: identifier.value}, "action": action})
    return Operation(action, body)


def parts(operation: Operation, refusal: Refusal) -> tuple[Operation, ...]:
    """A refused identify in two: without the attribute that the refusal names, and that one; else in halves.

    They go out when what followed in the request was accepted already: it may have given the customer another email.
    So they name the customer by the id, if there is one.
    """
    if operation.action != "identify":
        return ()
    body = msgspec.json.decode(operation.body, type=dict[str, object])
    attributes = cast("dict[str, object]", body["attributes"])
    names = list(attributes)
    if len(names) < 2:
        return ()
    named = refusal.field.removeprefix("attributes.")
    first = [name for name in names if name != named] if named in attributes else names[: len(names) // 2]
    promise = operation.promise
    customer = promise.customer
    if customer is not None and customer.kind == "id":
        body["identifiers"] = {"id": customer.value}
    return tuple(
        Operation(
            "identify",
            _encode({**body, "attributes": {name: attributes[name] for name in some}}),
            _promise_of(some, promise),
        )
        for some in (first, [name for name in names if name not in first])
    )


def _promise_of(names: list[str], promise: Promise) -> Promise:
    """What an identify with only these attributes promises of the whole one's promise."""
    return Promise(
        customer=promise.customer,
        attributes={name: promise.attributes[name] for name in names if name in promise.attributes},
        linked_email=promise.linked_email if "email" in names else None,
        known_anonymous_id=promise.known_anonymous_id if "anonymous_id" in names else None,
    )


def event(
    identifier: Identifier,
    kind: str,
    *,
    name: str,
    event_ulid: str,
    timestamp_s: int,
    data: Mapping[str, object],
    promise: Promise,
    email: str | None,
) -> Operation | Refusal:
    """An event of the kind `event`, `page` or `screen`: by v2, or by v1 if it is too big for that.

    `email` is the customer's, if one is known: an id that looks like an address may only stand in v1's path
    if it is the same.
    """
    body = _encode(
        {
            "type": "person",
            "identifiers": {identifier.kind: identifier.value},
            "action": kind,
            "name": name,
            "id": event_ulid,
            "timestamp": timestamp_s,
            "attributes": data,
        }
    )
    if len(body) <= limits.OPERATION_BYTES:
        return Operation(kind, body, promise)
    size = len(_encode(data))
    if size > limits.EVENT_DATA_BYTES:
        return _too_large(size)
    if not _fits_path(identifier, email):
        return Refusal(
            "event_too_large",
            f"The event's data is {size} bytes. Customer.io takes that much only with the customer's"
            " identifier in the request's path, and this identifier would mean something else there.",
        )
    body = _encode({"name": name, "id": event_ulid, "type": kind, "timestamp": timestamp_s, "data": data})
    return Operation(kind, body, promise, f"/api/v1/customers/{quote(identifier.value, safe='')}/events")


def anonymous_event(
    anonymous_id: str, kind: str, *, name: str, event_ulid: str, timestamp_s: int, data: Mapping[str, object]
) -> Operation | Refusal:
    """An event of somebody who is no customer and does not become one by it. Only v1 documents it."""
    size = len(_encode(data))
    if size > limits.EVENT_DATA_BYTES:
        return _too_large(size)
    body = _encode(
        {
            "name": name,
            "anonymous_id": anonymous_id,
            "id": event_ulid,
            "type": kind,
            "timestamp": timestamp_s,
            "data": data,
        }
    )
    return Operation(kind, body, Promise(anonymous_id=anonymous_id), "/api/v1/events")


def _too_large(size: int) -> Refusal:
    return Refusal(
        "event_too_large",
        f"The event's data is {size} bytes; Customer.io takes {limits.EVENT_DATA_BYTES}.",
    )


def _fits_path(identifier: Identifier, email: str | None) -> bool:
    """Whether the identifier means in v1's path what it means in v2.

    `.` and `..` leave the path, encoded or not. v1 tells the kinds of identifiers apart by their looks.
    """
    value = identifier.value
    if identifier.kind == "email" or value == email:
        return True
    return value not in {".", ".."} and not value.startswith("cio_") and address(value) is None
