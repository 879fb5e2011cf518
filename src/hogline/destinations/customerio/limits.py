"""Customer.io's limits, and what happens to a value beyond one. All sizes are in bytes.

Knows single values and their names, but nothing about people or when something is sent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from unicodedata import normalize

import msgspec

from hogline.model import UNKNOWN
from hogline.posthog.values import not_numbers

REQUEST_BYTES = 500_000
OPERATION_BYTES = 32_000
EVENT_DATA_BYTES = 100_000
"""For an event that is sent with v1 because it is too large for an operation."""
IDENTIFIER_BYTES = 150
EVENT_NAME_BYTES = 100
ATTRIBUTE_NAME_BYTES = 150
ATTRIBUTE_VALUE_BYTES = 1_000
ATTRIBUTES = 300
"""For a person, and for an identify."""

RESERVED_ATTRIBUTES = frozenset({"id", "cio_id", "_update", "_timestamp", "cio_relationships", "anonymous_id"})
"""Names that are not attributes: they say who a call is for, or how it is applied."""

_REDIRECTING = frozenset({"recipient", "from_address", "fromaddress", "reply_to", "replyto"})
"""Event data with these names overrides a campaign's settings (or might be read so)."""
_SEPARATORS = re.compile(r"[\s._-]+")


def cut(text: str, most_bytes: int) -> str:
    """The text, or as many of its first characters as fit; never part of a character."""
    if len(text) * 4 <= most_bytes:
        return text
    encoded = text.encode()
    return text if len(encoded) <= most_bytes else encoded[:most_bytes].decode(errors="ignore")


def too_long(text: str, most_bytes: int) -> bool:
    return len(text) * 4 > most_bytes and len(text.encode()) > most_bytes


def attribute_name_problem(name: str) -> str | None:
    """Why a name cannot be an attribute's, as a reason to count by; None if it can."""
    bare = name.strip()
    if not bare:
        return "attribute_name_blank"
    if bare in RESERVED_ATTRIBUTES or (bare == "email" and name != bare):
        return "reserved_attribute"
    if too_long(name, ATTRIBUTE_NAME_BYTES):
        return "attribute_name_too_long"
    return None


def attribute_value(value: object) -> tuple[object, str | None]:
    """A value within Customer.io's limits, and why it was changed; `UNKNOWN` if it must be left out."""
    if isinstance(value, str):
        short = cut(value, ATTRIBUTE_VALUE_BYTES)
        return short, None if short is value else "attribute_cut"
    if isinstance(value, float):
        return (value, None) if math.isfinite(value) else (UNKNOWN, "not_a_number")
    if isinstance(value, (list, dict)):
        encoded = msgspec.json.encode(value)
        if len(encoded) > ATTRIBUTE_VALUE_BYTES:
            return UNKNOWN, "attribute_too_large"
        if b"null" in encoded and not_numbers(value):
            return UNKNOWN, "not_a_number"
    return value, None


def event_name(name: str) -> tuple[str, str | None]:
    """A trimmed event name within the limit, and why it was changed."""
    short = cut(name, EVENT_NAME_BYTES)
    return (name, None) if short is name else (short.rstrip(), "event_name_cut")


def event_data(properties: Mapping[str, object]) -> tuple[Mapping[str, object], tuple[str, ...]]:
    """An event's properties, without names that could redirect a campaign's mail."""
    renamed = _redirecting(tuple(properties))
    if not renamed:
        return properties, ()
    data = {name: value for name, value in properties.items() if name not in renamed}
    for name in renamed:
        safe = f"posthog_{name.strip()}"
        while safe in data:
            safe = f"posthog_{safe}"
        data[safe] = properties[name]
    return data, ("property_renamed",) * len(renamed)


@lru_cache(maxsize=2_048)
def _redirecting(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names that could redirect mail. Events with the same name have the same properties, so most are already
    known."""
    return tuple(name for name in names if _redirects(name))


def _redirects(name: str) -> bool:
    return _SEPARATORS.sub("_", normalize("NFKC", name).strip().casefold()) in _REDIRECTING
