"""What one event says of its user, read as PostHog reads it. Knows nothing of what is remembered of anybody, nor of
any destination.

Sources: PostHog's ingestion (`person-merge-service.ts`, `person-update.ts`) and its documentation of identifying users.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

from hogline.model import Event

_NAMES_ANOTHER = {
    "$identify": "$anon_distinct_id",
    "$create_alias": "alias",
    "$merge_dangerously": "alias",
}
"""Events that name another id of their person, and the property that does."""
_WORDS = {None: "null", True: "true", False: "false"}
_RECORDINGS = frozenset({"$snapshot", "$snapshot_items"})
_PLUMBING = frozenset({"$performance_event"})


def other_id(name: str, properties: Mapping[str, object]) -> str | None:
    """The other id that an event says to be its person's, as text; None if it names none."""
    key = _NAMES_ANOTHER.get(name)
    value = properties.get(key) if key is not None else None
    return None if value is None else id_of(value)


def with_other_id_as_text(name: str, properties: dict[str, object]) -> bool:
    """Turns the other id in these properties into text, so it can be found. Returns whether it was not text."""
    key = _NAMES_ANOTHER.get(name)
    value = properties.get(key) if key is not None else None
    if key is None or value is None or isinstance(value, str):
        return False
    properties[key] = id_of(value)
    return True


def id_of(value: object) -> str:
    """A value as JavaScript's `String()` writes it, which is what PostHog makes of another id.

    Integers keep all their digits. JavaScript has no more than 53 bits of them, and so might name somebody else.
    """
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list):
        return ",".join("" if element is None else id_of(element) for element in value)
    return "[object Object]" if isinstance(value, dict) else str(value)


def _number(number: float) -> str:
    """As ECMAScript's Number::toString: the shortest digits that give this number, without an exponent from 1e-6 up
    to 1e21."""
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")
    if number == 0:
        return "0"
    if 1e-6 <= abs(number) < 1e21:
        text = format(Decimal(repr(number)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    digits, _, exponent = repr(number).partition("e")
    return f"{digits.removesuffix('.0')}e{int(exponent):+d}"


def identifies(event: Event) -> bool:
    """Whether its user is identified by this event alone, as the filter for identified users means it."""
    return event.name.strip() == "$identify" or is_true(event.properties.get("$is_identified"))


def is_true(value: object) -> bool:
    return value is True or value == "true"


def not_analytics(name: str) -> str | None:
    """Why PostHog itself keeps an event of this name out of its analytics; None if it does not."""
    if name in _RECORDINGS:
        return "snapshot"
    return "posthog_internal" if name.startswith("$$") or name in _PLUMBING else None
