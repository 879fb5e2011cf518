"""The operations of Customer.io's v2 API as typed values, read from JSON one by one. Pure.

Reading checks shapes and the size; what an operation means, and whether its values are allowed, is the
workspace's business.
"""

from __future__ import annotations

import re

import msgspec
from msgspec import Raw, Struct

from hogline.sandbox.limits import BATCH_BYTES, OPERATION_BYTES, Problem


class Device(Struct, gc=False):
    token: str
    platform: str | None = None
    last_used: int | None = None
    attributes: dict[str, object] | None = None


class Relationship(Struct, gc=False):
    """To an object (of a person), or to a person (of an object)."""

    identifiers: dict[str, str | int]
    relationship_attributes: dict[str, object] | None = None


class Operation(Struct, gc=False):
    """One operation, as it was sent."""

    type: str
    action: str
    identifiers: dict[str, str | int] | None = None
    name: str | None = None
    id: str | None = None
    timestamp: int | None = None
    attributes: Raw = Raw(b"{}")
    """JSON text: the data of an event is kept as it came and only read when somebody looks at it."""
    primary: dict[str, str | int] | None = None
    secondary: dict[str, str | int] | None = None
    device: Device | None = None
    cio_relationships: list[Relationship] | None = None


class _Batch(Struct, gc=False):
    batch: list[Raw]


_read_batch = msgspec.json.Decoder(_Batch).decode
_read_operation = msgspec.json.Decoder(Operation).decode
_read_object = msgspec.json.Decoder(dict[str, object]).decode
_MISSING = re.compile(r"missing required field `(\w+)`")
_PLACE = re.compile(r"at `\$\.?([^`]*)`")


def read_batch(body: bytes) -> list[Raw]:
    """The JSON texts of a batch's operations; raises the `Problem` that refuses it as a whole."""
    if len(body) > BATCH_BYTES:
        raise Problem("invalid", "batch", f"batch must be {BATCH_BYTES:,} bytes or smaller")
    check_text(body)
    try:
        batch = _read_batch(body).batch
    except msgspec.ValidationError as error:
        raise shape_problem(error, "batch") from None
    except (msgspec.DecodeError, RecursionError):
        raise Problem("invalid", "body", "the request body must be valid JSON") from None
    if not batch:
        raise Problem("required", "batch", "batch must contain at least one operation")
    return batch


def read_operation(text: Raw | bytes) -> Operation:
    """One operation, at most 32,000 bytes of JSON text; raises the `Problem` that refuses it."""
    if len(text) > OPERATION_BYTES:
        raise Problem("invalid", "", f"an operation must be {OPERATION_BYTES:,} bytes or smaller")
    # The copy frees what is kept of this operation from the rest of its batch.
    try:
        return _read_operation(bytes(text))
    except msgspec.ValidationError as error:
        raise shape_problem(error, "") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Problem("invalid", "", "an operation must be valid JSON") from None


def read_entity(body: bytes) -> Operation:
    """The one operation that is the whole body of a request."""
    check_text(body)
    return read_operation(body)


def read_attributes(text: Raw) -> dict[str, object]:
    if bytes(text) == b"null":
        return {}
    try:
        return _read_object(text)
    except (msgspec.DecodeError, RecursionError):
        raise Problem("invalid", "attributes", "attributes must be an object") from None


def event_data(text: Raw) -> bytes:
    """An event's data as JSON text of an object."""
    data = bytes(text)
    if data.startswith(b"{"):
        return data
    if data == b"null":
        return b"{}"
    raise Problem("invalid", "attributes", "attributes must be an object")


def check_text(body: bytes) -> None:
    """Bytes that are no UTF-8 would get past the decoder where it only reads outlines."""
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            raise Problem("invalid", "body", "the request body must be UTF-8") from None


def shape_problem(error: msgspec.ValidationError, otherwise: str) -> Problem:
    """The decoder's complaint in Customer.io's form; of the decoder's text only names of fields are used."""
    text = str(error)
    place = _PLACE.search(text)
    field = place.group(1) if place else ""
    missing = _MISSING.search(text)
    if missing:
        field = f"{field}.{missing.group(1)}" if field else missing.group(1)
        return Problem("required", field, f"{field} is required")
    if not field:
        return Problem("invalid", otherwise, "must be an object")
    return Problem("invalid", field, f"{field} has the wrong type")
