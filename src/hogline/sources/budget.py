"""How much memory all bodies together may take, while they arrive, are read, and are kept.

One for the process: it does not matter how many connections there are, nor who listens. A pure counter.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

MIB = 1024 * 1024
SMALL_BYTES = 64 * 1024
"""What one request takes up to here, it takes from the whole; beyond, from the share for large ones."""


class Spent(Exception):
    """There is no room now; later there is."""


class Budget:
    def __init__(self, most_bytes: int = 48 * MIB) -> None:
        self.most_bytes = most_bytes
        self._most_large_bytes = most_bytes * 3 // 4
        """The rest is for small ones: large bodies cannot keep ordinary events out."""
        self.used_bytes = 0
        self._large_bytes = 0

    def grow(self, held_bytes: int, more_bytes: int) -> bool:
        """A request that holds `held_bytes` takes more. False: there is no room, and it keeps what it had."""
        large = max(held_bytes + more_bytes - SMALL_BYTES, 0) - max(held_bytes - SMALL_BYTES, 0)
        if self.used_bytes + more_bytes > self.most_bytes or (
            large and self._large_bytes + large > self._most_large_bytes
        ):
            return False
        self.used_bytes += more_bytes
        self._large_bytes += large
        return True

    def release(self, held_bytes: int) -> None:
        """One request gives back all that it has."""
        self.used_bytes -= held_bytes
        self._large_bytes -= max(held_bytes - SMALL_BYTES, 0)

    @contextmanager
    def holding(self, size_bytes: int) -> Iterator[None]:
        """For a request that takes everything in one go. Raises `Spent`."""
        if not self.grow(0, size_bytes):
            raise Spent
        try:
            yield
        finally:
            self.release(size_bytes)
