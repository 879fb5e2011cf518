"""How much an event takes: as it is kept, and in memory once it is decoded. A byte of MessagePack can be a whole empty
list in memory, so both are bounded.
"""

from __future__ import annotations

from hogline.model import Event

MOST_EVENT_BYTES = 1_000_000
"""Of one event, as it is kept."""
MOST_EVENT_VALUES = 50_000
"""Values in one event: each in an array or object counts, and an array or object itself counts as four."""
_CONTAINER_VALUES = 4

_ORDINARY = 8
"""Memory that an ordinary event takes, as a multiple of its bytes."""
_VALUE_BYTES = 64
_CONTAINER_BYTES = 256
_OWN_CONTAINERS, _OWN_TEXTS = 7, 4
"""Of every event, whatever it says."""
_ALL = frozenset(range(256))
_NO_CONTAINERS = bytes(_ALL - set(range(0x80, 0xA0)))
_NO_SHORT_TEXTS = bytes(_ALL - set(range(0xA0, 0xC0)))


def is_too_heavy(body: bytes, event: Event) -> bool:
    """Whether an event is larger than one may be. `body`: as it is kept."""
    if len(body) <= MOST_EVENT_VALUES // (_CONTAINER_VALUES + 1):
        return False
    return len(body) > MOST_EVENT_BYTES or _count(event, MOST_EVENT_VALUES) > MOST_EVENT_VALUES


def weight_bytes(body: bytes, event: Event) -> int:
    """An event's share of a bound on memory that is told in bytes of ordinary events: its own bytes, or an eighth of
    the memory that it takes, whichever is more.
    """
    # Every header of a container or a short text is one of these bytes; in others' text some are, too.
    containers = len(body.translate(None, _NO_CONTAINERS)) - _OWN_CONTAINERS
    texts = len(body.translate(None, _NO_SHORT_TEXTS)) - _OWN_TEXTS
    if containers * _CONTAINER_BYTES + texts * _VALUE_BYTES <= _ORDINARY * len(body):
        return len(body)
    return max(len(body), _count(event) * _VALUE_BYTES // _ORDINARY)


def _count(event: Event, most: int | None = None) -> int:
    """The values in an event; no further than beyond `most`."""
    count = len(event.unset)
    waiting: list[object] = [event.properties, event.set, event.set_once, event.person_properties]
    while waiting and (most is None or count <= most):
        value = waiting.pop()
        if isinstance(value, dict):
            count += _CONTAINER_VALUES + 2 * len(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            count += _CONTAINER_VALUES + len(value)
            waiting.extend(value)
    return count
