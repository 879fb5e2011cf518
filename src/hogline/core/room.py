"""Limits what is kept in memory of what was read, by its size in bytes, however large single people are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from sys import getsizeof

from msgspec import Struct

MB = 1_000_000
SAMPLES = 50
LOOKS_EVERY = 50
"""People grow while they are in memory, so their size is looked at again after so many calls."""
_SLOT_BYTES = 100
"""About what a dict takes for one entry besides its key and value."""


class Room:
    """For one cache. A few entries are measured instead of all, because that costs nothing worth mentioning."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._most = 0
        """As many entries as fit, as of the last look."""
        self._calls = 0

    def surplus(self, cache: Mapping[str, object]) -> list[str]:
        """Which to drop: none while all fit. Then those that were read first, so that a quarter of the room is free."""
        self._calls += 1
        if len(cache) > self._most or self._calls >= LOOKS_EVERY:
            self._most = self._fitting(cache)
            self._calls = 0
        if len(cache) <= self._most:
            return []
        return list(islice(cache, len(cache) - self._most * 3 // 4))

    def _fitting(self, cache: Mapping[str, object]) -> int:
        some = list(cache.items())[:: max(len(cache) // SAMPLES, 1)]
        size_bytes = sum(_SLOT_BYTES + _size_bytes(key) + _size_bytes(value) for key, value in some)
        return self._most_bytes * len(some) // max(size_bytes, 1)


def _size_bytes(value: object) -> int:
    """Of a value and everything in it. What is shared counts each time."""
    size = getsizeof(value)
    if isinstance(value, Struct):
        return size + sum(_size_bytes(getattr(value, name)) for name in value.__struct_fields__)
    if isinstance(value, dict):
        return size + sum(_size_bytes(key) + _size_bytes(one) for key, one in value.items())
    if isinstance(value, (tuple, list)):
        return size + sum(map(_size_bytes, value))
    return size
