"""Customer.io's documented limits, and the checks of single values against them. Pure.

All sizes are bytes of UTF-8. A check raises the `Problem` that Customer.io would answer with; no problem
repeats a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

BATCH_BYTES = 500_000
OPERATION_BYTES = 32_000
V1_DATA_BYTES = 100_000
IDENTIFIER_BYTES = 150
ATTRIBUTE_NAME_BYTES = 150
ATTRIBUTE_VALUE_BYTES = 1_000
ATTRIBUTES = 300
EVENT_NAME_BYTES = 100

PERSON_IDENTIFIERS = frozenset({"id", "email", "cio_id", "phone"})

_ULID_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz"
_ADDRESS = re.compile(r"[^\s@<>()\[\],;:\"\\]+@[^\s@<>()\[\],;:\"\\.]+(\.[^\s@<>()\[\],;:\"\\.]+)+")
_encode = msgspec.json.Encoder().encode


class Problem(Exception):
    """Why something is refused, in the form of Customer.io's v2 errors."""

    def __init__(self, reason: str, field: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field
        self.message = message


def longer_than(text: str, limit: int) -> bool:
    """Whether the text has more than `limit` bytes; no character has more than four."""
    length = len(text)
    if length * 4 <= limit:
        return False
    return length > limit or len(text.encode()) > limit


def is_address(text: str) -> bool:
    return _ADDRESS.fullmatch(text) is not None and ".." not in text


def check_identifier(kind: str, value: object, field: str = "identifiers") -> str:
    """The value, if a person can be named like this, whichever identifiers the workspace uses."""
    if kind not in PERSON_IDENTIFIERS:
        raise Problem("invalid", field, "identifiers must be one of id, email, cio_id or phone")
    field = f"{field}.{kind}"
    if not isinstance(value, str):
        raise Problem("invalid", field, f"{kind} must be a string")
    if not value.strip():
        raise Problem("required", field, f"{kind} cannot be blank")
    if longer_than(value, IDENTIFIER_BYTES):
        raise Problem("invalid", field, f"{kind} must be {IDENTIFIER_BYTES} bytes or fewer")
    if kind == "email" and not is_address(value):
        raise Problem("invalid", field, "email must be a valid email address")
    return value


def check_name(name: str | None) -> str:
    """The name of an event, page or screen, spaces at its ends trimmed."""
    name = (name or "").strip()
    if not name:
        raise Problem("required", "name", "name cannot be blank")
    if longer_than(name, EVENT_NAME_BYTES):
        raise Problem("invalid", "name", f"name must be {EVENT_NAME_BYTES} bytes or fewer")
    return name


def check_ulid(text: str | None) -> str | None:
    """An event's id in capitals: 26 characters of Crockford's base 32, the first of only three bits."""
    if text is None:
        return None
    if len(text) != 26 or text[0] not in "01234567" or text.strip(_ULID_ALPHABET):
        raise Problem("invalid", "id", "id must be a valid ULID")
    return text.upper()


def check_attributes(attributes: Mapping[str, object]) -> None:
    """Whether these can be a person's or an object's attributes: their number, names and values."""
    if len(attributes) > ATTRIBUTES:
        raise Problem("invalid", "attributes", f"there can be at most {ATTRIBUTES} attributes")
    for name, value in attributes.items():
        if not name.strip():
            raise Problem("invalid", "attributes", "an attribute name cannot be blank")
        if longer_than(name, ATTRIBUTE_NAME_BYTES):
            sentence = f"attribute names must be {ATTRIBUTE_NAME_BYTES} bytes or fewer"
            raise Problem("invalid", "attributes", sentence)
        if _value_is_too_long(value):
            sentence = f"attribute values must be {ATTRIBUTE_VALUE_BYTES:,} bytes or fewer"
            raise Problem("invalid", f"attributes.{name}", sentence)


def _value_is_too_long(value: object) -> bool:
    if isinstance(value, str):
        return longer_than(value, ATTRIBUTE_VALUE_BYTES)
    return isinstance(value, (dict, list)) and len(_encode(value)) > ATTRIBUTE_VALUE_BYTES
