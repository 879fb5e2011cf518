"""Lanes: events waiting to be planned, spread by person, each lane in the journal's order. Pure bookkeeping.

One person's events are always in the same lane, and leave it in order. That is the whole mechanism behind the order per
person. Because a lane settles in order, one position for each lane says exactly which events are settled, whatever the
others do; after a crash, nothing is counted twice.

From the event that joins two ids on, both are in the lane of the group's root. That event may go when the lane that one
of them leaves has nothing earlier left, or only what goes in the same shipment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from zlib import crc32

from hogline.core.items import Item

LANES = 32
"""Enough to use 100 requests a second at 200 ms. The number is stored in every data directory; changing it needs a
migration.
"""


def checksum(text: str) -> int:
    return crc32(text.encode("utf-8", "surrogatepass"))


checksum_of_name = lru_cache(10_000)(checksum)


def lane_of(group: str) -> int:
    return checksum(group) % LANES


class Lane:
    __slots__ = ("mine", "number", "out", "settled", "shipment", "since", "waiting")

    def __init__(self, number: int, settled: int, *, mine: bool = True) -> None:
        """`mine`: not another process's."""
        self.number = number
        self.mine = mine
        self.settled = settled
        self.waiting: deque[Item] = deque()
        self.shipment: object | None = None
        """What carries events of this lane: one shipment at a time."""
        self.out: int | None = None
        """The position of the first event in flight."""
        self.since: int | None = None
        """If others have lanes, too, and something other than an event is in flight: how far all events were read when
        that was begun."""


class Lanes:
    def __init__(self, start: int, settled: Mapping[int, int], mine: Collection[int] = range(LANES)) -> None:
        """`start`: where the connection begins; `settled`: what is on disk, for lanes that settled something. `mine`:
        those that get events here; another process has the others."""
        self.all = [Lane(number, settled.get(number, start), mine=number in mine) for number in range(LANES)]
        self.mine = [lane for lane in self.all if lane.mine]
        self.read = min(lane.settled for lane in self.mine)
        """Every event up to here is waiting, in flight or settled."""
        self.size_bytes = 0
        """Of all events that are waiting or in flight."""
        self.waiting = 0

    def add(self, item: Item) -> None:
        self.all[item.lane].waiting.append(item)
        self.size_bytes += item.size_bytes
        self.waiting += 1

    def waiting_longest(self) -> list[Lane]:
        """Lanes with waiting events and nothing in flight; the one that has waited longest first."""
        ready = [(lane.waiting[0].position, lane) for lane in self.mine if lane.shipment is None and lane.waiting]
        ready.sort(key=lambda one: one[0])
        return [lane for _, lane in ready]

    def take(self, lane: Lane) -> Item:
        item = lane.waiting.popleft()
        if lane.out is None:
            lane.out = item.position
        self.waiting -= 1
        return item

    def give_back(self, item: Item) -> None:
        """It was taken, and goes later. Of several, the last one first."""
        lane = self.all[item.lane]
        lane.waiting.appendleft(item)
        self.waiting += 1

    def free(self, shipment: object) -> None:
        """Nothing of this shipment is in a lane anymore."""
        for lane in self.mine:
            if lane.shipment is shipment:
                lane.shipment = lane.out = lane.since = None

    def clear(self, shipment: object = None) -> dict[int, int]:
        """Of each lane, `Far.clear`, when everything in this shipment is settled."""
        return {
            lane.number: self.read if lane.since is None or lane.shipment is shipment else lane.since
            for lane in self.mine
        }

    def positions(self, shipment: object) -> dict[int, int]:
        """The lanes' new positions when everything in this shipment is settled: those of its lanes, and of all idle
        ones, so that an empty lane does not hold back the journal."""
        positions = {}
        for lane in self.mine:
            if lane.shipment is not None and lane.shipment is not shipment:
                continue
            position = lane.waiting[0].position - 1 if lane.waiting else self.read
            if position > lane.settled:
                positions[lane.number] = position
        return positions

    def settled(self, positions: Mapping[int, int], shipment: object, items: Iterable[Item]) -> None:
        """The positions and the results of these items are on disk, so the lanes are free again."""
        for number, position in positions.items():
            lane = self.all[number]
            lane.settled = max(lane.settled, position)
        self.free(shipment)
        for item in items:
            self.size_bytes -= item.size_bytes
