"""How much an event takes: as it is kept, and in memory once it is decoded. A byte of MessagePack can be a whole empty
list in memory, so both are bounded.
"""

from __future__ import annotations

from collections.abc import Iterable

from hogline.model import Event
from hogline.posthog.entry import Entry

MOST_EVENT_BYTES = 1_000_000
"""Of one event, as it is kept."""
MOST_EVENT_VALUES = 50_000
"""Values in one event: each in an array or object counts, and an array or object itself counts as four."""
_CONTAINER_VALUES = 4

_ORDINARY = 8
"""Memory that an ordinary event takes, as a multiple of its bytes."""
_VALUE_BYTES = 64


def is_too_heavy(body: bytes, event: Event) -> bool:
    """Whether an event is larger than one may be. `body`: as it is kept."""
    if len(body) <= MOST_EVENT_VALUES // (_CONTAINER_VALUES + 1):
        return False
    if len(body) > MOST_EVENT_BYTES:
        return True
    said = (event.properties, event.set, event.set_once, event.person_properties)
    return _count(said, len(event.unset), MOST_EVENT_VALUES) > MOST_EVENT_VALUES


def weight_bytes(body: bytes, entry: Entry) -> int:
    """An event's share of a bound on memory that is told in bytes of ordinary events: its own bytes, or an eighth of
    the memory that it takes, whichever is more. Its data is text, and takes what it has; only what it says is decoded.
    """
    said = entry.said
    if said is None:
        return len(body)
    return max(len(body), _count((said.set, said.set_once, said.person), len(said.unset)) * _VALUE_BYTES // _ORDINARY)


def _count(said: Iterable[object], count: int, most: int | None = None) -> int:
    """The values in these, and so many more; no further than beyond `most`."""
    waiting = list(said)
    while waiting and (most is None or count <= most):
        value = waiting.pop()
        if isinstance(value, dict):
            count += _CONTAINER_VALUES + 2 * len(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            count += _CONTAINER_VALUES + len(value)
            waiting.extend(value)
    return count
