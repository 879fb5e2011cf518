"""Values of events as JSON can or cannot hold them. Knows no destination."""

from __future__ import annotations

import math


def not_numbers(value: object) -> int:
    """How many NaN and infinities are in a value; as JSON each of them is written null."""
    found = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, float):
            found += not math.isfinite(item)
        elif isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return found
