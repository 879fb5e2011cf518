"""Lanes: events waiting to be planned, spread by person, each lane in the journal's order. Pure bookkeeping.

One person's events are always in the same lane, and a lane's events leave it in order: that is the whole
mechanism behind the order per person. Since a lane settles in order, one position for each lane says exactly
which events are settled, whatever the others do; after a crash nothing is counted twice.

An event that joins two ids brings them into one lane, and waits until the lane that one of them leaves has settled
what came before. Everything waits only for what was there earlier, so nothing waits in a circle.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NamedTuple
from zlib import crc32

from hogline.delivery.routes import Move
from hogline.model import Event
from hogline.store.base import Route

LANES = 32
"""Enough to use 100 requests a second at 200 ms. The number stands in every data directory: changing it needs
a migration.
"""


class Source(Enum):
    """Why something is in a lane."""

    JOURNAL = "journal"
    """It was received and is not settled yet."""
    RETRY = "retry"
    """It was a dead letter, and somebody asked for another try."""
    REPLAY = "replay"
    """It was settled, and somebody asked to send it again."""
    HELD = "held"
    """It was held, and its user qualifies now. It never waits: it goes with the event that qualified them."""
    DUE = "due"
    """No event: something is to be done for a person, now that a pause is over."""


_SENT_AGAIN = frozenset({Source.RETRY, Source.REPLAY, Source.DUE})


class Wait(NamedTuple):
    """What has to be settled first."""

    lane: int
    before: int
    """Everything of that lane before this position,"""
    added: int
    """and what is sent again and was added before this count."""


class Item(NamedTuple):
    position: int
    distinct_id: str
    event: Event | None
    """None: something is due."""
    size_bytes: int
    """What the event took in the journal: a measure for memory."""
    source: Source = Source.JOURNAL
    other: str | None = None
    """The id that the event says belongs to the same person."""
    routes: tuple[Route, ...] = ()
    """What the event changed for those that follow."""
    waits: tuple[Wait, ...] = ()
    lane: int = 0
    due_ms: int = 0
    """Since when something is due."""


class Lane:
    __slots__ = ("again", "again_left", "busy", "number", "out", "settled", "waiting")

    def __init__(self, number: int, settled: int) -> None:
        self.number = number
        self.settled = settled
        self.waiting: deque[Item] = deque()
        self.again: deque[Item] = deque()
        """What is sent again; it says nothing about the lane's position."""
        self.again_left: deque[int] = deque()
        """Of everything that is sent again here and not settled, when it was added."""
        self.busy = False
        self.out: int | None = None
        """The position of the first event in flight."""

    def passed(self, wait: Wait) -> bool:
        """Whether nothing of what is waited for is left here. Once true it stays true."""
        first = self.out if self.out is not None else self.waiting[0].position if self.waiting else None
        return (first is None or first >= wait.before) and not (self.again_left and self.again_left[0] < wait.added)

    def take(self, line: deque[Item]) -> None:
        """The next of a line goes into a shipment."""
        item = line.popleft()
        if item.source is Source.JOURNAL and self.out is None:
            self.out = item.position


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
        self._added = 0

    def add(  # noqa: PLR0917  # every event comes by here
        self,
        position: int,
        event: Event,
        size_bytes: int,
        group: str | None = None,
        other: str | None = None,
        routes: tuple[Route, ...] = (),
        waits: tuple[Wait, ...] = (),
    ) -> bool:
        """The next event of the journal, which travels with `group` (None: its own id). False: it was settled before a
        crash, and is passed over.
        """
        self.read = position
        lane = self._lanes[lane_of(event.distinct_id if group is None else group)]
        if position <= lane.settled:
            return False
        lane.waiting.append(
            Item(position, event.distinct_id, event, size_bytes, Source.JOURNAL, other, routes, waits, lane.number)
        )
        self.size_bytes += size_bytes
        return True

    def join(
        self,
        position: int,
        event: Event,
        size_bytes: int,
        group: str,
        *,
        other: str,
        routes: tuple[Route, ...],
        leaving: Iterable[str],
    ) -> bool:
        """The next event of the journal, one that joins its id and `other`. Both travel with `group` from here on, as
        `routes` tell; `leaving`: the groups that they travelled with until now.
        """
        numbers = {lane_of(name) for name in leaving} - {lane_of(group)}
        waits = tuple(Wait(number, position, self._added + 1) for number in numbers)
        return self.add(position, event, size_bytes, group, other, routes, waits)

    def add_again(self, item: Item, group: str | None = None, moves: Iterable[Move] = ()) -> None:
        """Something that is sent once more, or that is due; before what waits in its lane. `moves`: where its id
        travelled before: nothing of that may be left.
        """
        self._added += 1
        lane = self._lanes[lane_of(item.distinct_id if group is None else group)]
        waits = tuple(Wait(lane_of(move.name), move.since, self._added) for move in moves)
        waits = tuple(wait for wait in waits if wait.lane != lane.number)
        lane.again.append(item._replace(waits=waits, lane=lane.number))
        lane.again_left.append(self._added)
        self.size_bytes += item.size_bytes

    def may_go(self, item: Item) -> bool:
        """Whether everything that it waits for is settled."""
        return all(self._lanes[wait.lane].passed(wait) for wait in item.waits)

    def line(self, lane: Lane) -> deque[Item]:
        """Where the lane's next one comes from; empty if nothing may go."""
        for line in (lane.again, lane.waiting):
            if line and self.may_go(line[0]):
                return line
        return deque()

    def ready(self) -> list[Lane]:
        """Lanes of which something may go and nothing is in flight; the one that waits longest first."""
        ready = [
            (line[0].position, lane.number, lane) for lane in self._lanes if not lane.busy and (line := self.line(lane))
        ]
        ready.sort()
        return [lane for _, _, lane in ready]

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

    def settled(self, positions: Mapping[int, int], shipped: Iterable[Lane], items: Iterable[Item]) -> None:
        """The positions are on disk, and so is what became of these items: the lanes are free again."""
        for number, position in positions.items():
            lane = self._lanes[number]
            lane.settled = max(lane.settled, position)
        for lane in shipped:
            lane.busy = False
            lane.out = None
        for item in items:
            self.size_bytes -= item.size_bytes
            if item.source in _SENT_AGAIN:
                self._lanes[item.lane].again_left.popleft()
