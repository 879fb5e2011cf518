"""Puts the records of all partitions into one order: that of the times at which they were written. Pure.

PostHog spreads a person's events over all partitions. It writes them in order, so their times bring them back into it,
even if Hogline catches up and some brokers answer faster than others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from heapq import heappop, heappush
from typing import NamedTuple

from hogline.sources.kafka.log import Record

SETTLE_S = 0.2
"""So long a record waits for an earlier one from partitions that seemed to have no more."""
PATIENCE_S = 5.0
"""So long it waits for partitions that have more, but are slow to give it."""
MOST_BYTES = 8_000_000
RECORD_BYTES = 200
"""What a record takes beside its value."""


class Change(NamedTuple):
    """Which partitions not to read for now, and which to read again."""

    pause: Collection[int]
    resume: Collection[int]


class Merge:
    def __init__(self, partitions: Collection[int], most_bytes: int = MOST_BYTES) -> None:
        """`most_bytes`: about how much it holds. Partitions that have more than their share should be paused."""
        self._waiting: dict[int, deque[tuple[Record, float]]] = {partition: deque() for partition in partitions}
        self._bytes = dict.fromkeys(partitions, 0)
        self._share_bytes = most_bytes // max(len(partitions), 1)
        self._empty = set(partitions)
        self._ended: set[int] = set()
        self._paused: set[int] = set()
        self._heads: list[tuple[int, int]] = []
        """The time and partition of the first record of each that has any."""

    def add(self, record: Record, now_s: float) -> None:
        partition = record.partition
        waiting = self._waiting[partition]
        if not waiting:
            heappush(self._heads, (record.time_ms, partition))
            self._empty.discard(partition)
        waiting.append((record, now_s))
        self._bytes[partition] += _bytes(record)
        self._ended.discard(partition)

    def end(self, partition: int) -> None:
        """It has no more for now."""
        self._ended.add(partition)

    @property
    def is_over(self) -> bool:
        """All is taken, and there is no more for now."""
        return not self._heads and len(self._ended) == len(self._waiting)

    def take(self, most: int, now_s: float) -> list[Record]:
        """The next records. Of each partition, they are in its own order, whatever their times."""
        taken: list[Record] = []
        heads, empty, ended = self._heads, self._empty, self._ended
        while heads and len(taken) < most:
            partition = heads[0][1]
            waiting = self._waiting[partition]
            record, came_s = waiting[0]
            if empty and now_s < came_s + (SETTLE_S if empty <= ended else PATIENCE_S):
                break
            heappop(heads)
            waiting.popleft()
            self._bytes[partition] -= _bytes(record)
            taken.append(record)
            if waiting:
                heappush(heads, (waiting[0][0].time_ms, partition))
            else:
                empty.add(partition)
        return taken

    def change(self) -> Change:
        """Since the last time."""
        too_much = {one for one, held in self._bytes.items() if held > self._share_bytes} - self._paused
        little = {one for one in self._paused if self._bytes[one] < self._share_bytes // 2}
        self._paused = (self._paused | too_much) - little
        return Change(too_much, little)


def _bytes(record: Record) -> int:
    return len(record.value or b"") + RECORD_BYTES
