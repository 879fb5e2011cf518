"""Lanes: events waiting to be planned, spread by person, each lane in the journal's order. Pure bookkeeping.

One person's events are always in the same lane, and a lane's events leave it in order: that is the whole
mechanism behind the order per person. Since a lane settles in order, one position for each lane says exactly
which events are settled, whatever the others do; after a crash nothing is counted twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NamedTuple
from zlib import crc32

from hogline.model import Event

LANES = 32
"""Enough to use 100 requests a second at 200 ms. The number stands in every data directory: changing it needs
a migration.
"""


class Source(Enum):
    """Why an event is in a lane."""

    JOURNAL = "journal"
    """It was received and is not settled yet."""
    RETRY = "retry"
    """It was a dead letter, and somebody asked for another try."""
    REPLAY = "replay"
    """It was settled, and somebody asked to send it again."""


class Item(NamedTuple):
    position: int
    event: Event
    size_bytes: int
    """What the event took in the journal: a measure for memory."""
    source: Source = Source.JOURNAL


class Lane:
    __slots__ = ("again", "busy", "number", "settled", "waiting")

    def __init__(self, number: int, settled: int) -> None:
        self.number = number
        self.settled = settled
        self.waiting: deque[Item] = deque()
        self.again: deque[Item] = deque()
        """What is sent again; it says nothing about the lane's position."""
        self.busy = False

    @property
    def line(self) -> deque[Item]:
        """Where the next event comes from."""
        return self.again or self.waiting


def lane_of(distinct_id: str) -> int:
    return crc32(distinct_id.encode("utf-8", "surrogatepass")) % LANES


class Lanes:
    def __init__(self, start: int, settled: Mapping[int, int]) -> None:
        """`start`: where the connection begins; `settled`: what the state says of lanes that settled some."""
        self._lanes = [Lane(number, settled.get(number, start)) for number in range(LANES)]
        self.read = min(lane.settled for lane in self._lanes)
        """Every event up to here is waiting, in flight or settled."""
        self.size_bytes = 0
        """Of all events that are waiting or in flight."""

    def add(self, position: int, event: Event, size_bytes: int) -> None:
        """The next event of the journal. One that was settled before a crash is passed over."""
        self.read = position
        lane = self._lanes[lane_of(event.distinct_id)]
        if position > lane.settled:
            lane.waiting.append(Item(position, event, size_bytes))
            self.size_bytes += size_bytes

    def add_again(self, item: Item) -> None:
        """An event that is sent once more, before what waits in its lane."""
        self._lanes[lane_of(item.event.distinct_id)].again.append(item)
        self.size_bytes += item.size_bytes

    def ready(self) -> list[Lane]:
        """Lanes with waiting events and none in flight; the one that waits longest first."""
        ready = [lane for lane in self._lanes if lane.line and not lane.busy]
        ready.sort(key=lambda lane: lane.line[0].position)
        return ready

    def settle(self, shipped: Iterable[Lane]) -> dict[int, int]:
        """The lanes' new positions when everything that was in flight in those is settled: theirs, and those of
        all lanes that just stand idle, so that no lane holds back the journal because nobody lives in it.
        """
        shipped_numbers = {lane.number for lane in shipped}
        positions = {}
        for lane in self._lanes:
            if lane.busy and lane.number not in shipped_numbers:
                continue
            position = lane.waiting[0].position - 1 if lane.waiting else self.read
            if position > lane.settled:
                positions[lane.number] = position
        return positions

    def settled(self, positions: Mapping[int, int], shipped: Iterable[Lane], size_bytes: int) -> None:
        """The positions are on disk: the lanes are free again."""
        for number, position in positions.items():
            lane = self._lanes[number]
            lane.settled = max(lane.settled, position)
        for lane in shipped:
            lane.busy = False
        self.size_bytes -= size_bytes
