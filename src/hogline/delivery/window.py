"""The newest events, decoded, so that connections that keep up need not read them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from hogline.posthog.entry import Entry, decode_entry
from hogline.posthog.weight import weight_bytes
from hogline.store.base import READ_BYTES, Journal

Received: TypeAlias = tuple[int, Entry, int]
"""An event in the journal: its position, the entry, and its size in a window (`weight_bytes`)."""

WINDOW_BYTES = 8_000_000


class Window:
    def __init__(self, journal: Journal, begins: int) -> None:
        """`begins`: the position of the next event."""
        self._journal = journal
        self._base = begins
        self._events: list[Received] = []
        self._size_bytes = 0

    def add(self, received: Sequence[Received], expected: int) -> None:
        """The next events; one is there. `expected`: the position of the first one, if nothing was trimmed in the
        meantime. Nobody needs what was in between."""
        if expected != received[0][0]:
            self._events, self._size_bytes = [], 0
        events = self._events
        if not events:
            self._base = received[0][0]
        events.extend(received)
        self._size_bytes += sum([one[2] for one in received])
        if self._size_bytes > WINDOW_BYTES:
            gone = 0
            while self._size_bytes > WINDOW_BYTES // 2 and gone < len(events) - 1:
                self._size_bytes -= events[gone][2]
                gone += 1
            del events[:gone]
            self._base = events[0][0]

    async def read(self, after: int, limit: int, last: int) -> list[Received]:
        """At most `limit` events after a position, in order, none after `last`."""
        first = after + 1
        limit = min(limit, last - after)
        if self._events and self._base <= first:
            begin = first - self._base
            return self._events[begin : begin + limit]
        return [one for one in await received_after(self._journal, after, limit) if one[0] <= last]


async def received_after(journal: Journal, after: int, limit: int) -> list[Received]:
    """The next events in the journal."""
    return [(position, *weighed(body)) for position, body in await journal.read(after, limit, READ_BYTES)]


def weighed(body: bytes) -> tuple[Entry, int]:
    """An event, and its size in a window."""
    entry = decode_entry(body)
    return entry, weight_bytes(body, entry)
