"""The JSON bodies of what Customer.io is asked, within its limit for one operation.

Everything is encoded once, here; the keys' order never changes, so the same operation is the same bytes.
Knows nothing of why something is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    if len(body) <= limits.OPERATION_BYTES:
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
            Promise(
                customer=promise.customer,
                attributes={name: promise.attributes[name] for name in some if name in promise.attributes},
                linked_email=promise.linked_email if "email" in some else None,
            ),
        )
    return parts


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
        return Refusal(
            "event_too_large",
            f"The event's data is {size} bytes; Customer.io takes {limits.EVENT_DATA_BYTES}.",
        )
    if not _fits_path(identifier, email):
        return Refusal(
            "event_too_large",
            f"The event's data is {size} bytes. Customer.io takes that much only with the customer's"
            " identifier in the request's path, and this identifier would mean something else there.",
        )
    body = _encode({"name": name, "id": event_ulid, "type": kind, "timestamp": timestamp_s, "data": data})
    return Operation(kind, body, promise, f"/api/v1/customers/{quote(identifier.value, safe='')}/events")


def _fits_path(identifier: Identifier, email: str | None) -> bool:
    """Whether the identifier means in v1's path what it means in v2.

    `.` and `..` leave the path, encoded or not. v1 tells the kinds of identifiers apart by their looks.
    """
    value = identifier.value
    if identifier.kind == "email" or value == email:
        return True
    return value not in {".", ".."} and not value.startswith("cio_") and address(value) is None
