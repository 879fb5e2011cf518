"""How what came from outside is shown: values as JSON text, reasons as sentences. For several pages; knows none."""

from __future__ import annotations

from typing import Any

import msgspec

from hogline.reasons import why_adjusted, why_event_not_sent, why_not_sent, why_refused, why_sent_again

OUTCOMES = {
    "delivered": ("good", "Delivered"),
    "filtered": ("off", "Filtered"),
    "held": ("warn", "Held"),
    "failed": ("bad", "Failed"),
}
"""The result of an event: its color and word."""
LOGGED = {**OUTCOMES, "pending": ("warn", "Pending")}
"""The same for the event log."""


def as_json(value: object, most: int = 0) -> str:
    """Over several lines, for people; at most so many characters (0: all)."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return f"{text[:most]}\n…" if 0 < most < len(text) else text


def in_short(value: object) -> str:
    """On one line; text without quotes."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


WORDS: dict[str, Any] = {
    "as_json": as_json,
    "in_short": in_short,
    "why_adjusted": why_adjusted,
    "why_not_sent": why_not_sent,
    "why_event_not_sent": why_event_not_sent,
    "why_refused": why_refused,
    "why_sent_again": why_sent_again,
    "outcomes": OUTCOMES,
}
"""What templates of these pages are given besides their own."""
