"""A rehearsal: events are delivered to a connection's destination in memory, where everything is accepted.

It uses the same desk as delivery, without network, disk or pauses. So a preview and a forecast show what delivery would
do.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from hogline.clock import Clock
from hogline.core.changes import Settlement
from hogline.core.desk import MOST_EVENTS, Desk
from hogline.core.fold import EMAIL, Fold
from hogline.core.items import Item, Origin
from hogline.core.known import Known
from hogline.core.shipment import Shipment
from hogline.delivery.installed import Installed
from hogline.model import UNKNOWN
from hogline.posthog.entry import NOTHING, Entry
from hogline.store.base import State
from hogline.store.forgetting import NOBODY
from hogline.store.memory import MemoryStore

MOST_WAITING = MOST_EVENTS
MOST_WAITING_BYTES = 8_000_000
_START = 2**53
"""Positions of the rehearsal are after all positions of a journal."""


class Rehearsed(NamedTuple):
    """What one shipment led to."""

    shipment: Shipment
    settlement: Settlement
    given_up: Counter[str]
    """Held events that were given up, by reason."""


class Rehearsal:
    def __init__(
        self,
        one: Installed[Any],
        clock: Clock,
        *,
        state: State | None = None,
        hold_max_bytes: int = 2**62,
    ) -> None:
        """`state`: what is known of people already; without one nothing is. `hold_max_bytes`: held events
        beyond that are given up, the oldest first."""
        self._clock = clock
        self._connection = 0 if state is None else one.connection.id
        self._store = MemoryStore(state, hold_max_bytes=hold_max_bytes)
        self._known = Known(self._store, _START)
        suppressed = NOBODY if state is None else state.suppressed
        self._desk = Desk(
            one.destination,
            one.options,
            connection=self._connection,
            known=self._known,
            reads=self._store,
            start=_START,
            lanes={},
            start_s=0,
            suppressed=suppressed,
            merge_delay_ms=0,
        )
        self._fold = Fold(
            self._known,
            suppressed=suppressed,
            learning=self._desk.rules.learning,
        )
        self._people, self._options = one.destination.people, one.options
        self._met: set[str] = set()

    @property
    def known(self) -> int:
        """How many people are known; a person with several ids counts once."""
        return self._store.remembered(self._connection)

    @property
    def is_full(self) -> bool:
        """Enough is waiting to fill a shipment."""
        lanes = self._desk.lanes
        return lanes.waiting >= MOST_WAITING or lanes.size_bytes >= MOST_WAITING_BYTES

    def add(self, entry: Entry, size_bytes: int = 0) -> int:
        """Add the next event; returns its position here."""
        position = self._known.folded + 1
        self._fold.fold(position, entry)
        self._desk.feed([(position, entry, size_bytes)])
        return position

    def who(self, event: Entry) -> str:
        """Whose an event is, after all merges so far: the distinct_id that names them."""
        return self._known.who(event.distinct_id)

    def left_out(self, item: Item) -> list[str]:
        """Properties of an event that is sent, and attributes that it set, which the options leave out."""
        people, entry = self._people, item.entry
        if people is None or entry is None or item.filtered is not None or item.refusals:
            return []
        said = entry.said or NOTHING
        names = [
            name
            for name, value in said.set.items()
            if name != EMAIL and people.attribute(name, value, self._options) == (UNKNOWN, None)
        ]
        if entry.name not in people.applied:
            names = [*people.left_out(entry, self._options), *names]
        return list(dict.fromkeys(names))

    async def ship(self) -> Rehearsed | None:
        """The next shipment, accepted; None if nothing is waiting. Merges come with the next one, once both sides are
        accepted.
        """
        now_ms = self._clock.time_ms()
        shipment = self._desk.plan(now_ms)
        if shipment is None:
            return None
        settled = self._desk.settle(shipment, [None] * len(shipment.operations), now_ms)
        given_up = self._store.settle(settled.settlement)
        self._desk.settled(shipment, settled)
        settlement = settled.settlement
        for person, told in settlement.told.items():
            if told is not None and 0 < told.due_ms <= now_ms:
                self._desk.resends.add(Item(Origin.DUE, 0, person, None))
        denied = self._store.denied(self._connection, settlement.denied)
        for person in (*self._store.known_by(settlement.freed), *settlement.unwritten, *denied):
            self._desk.resends.add(Item(Origin.FREED, 0, person, None))
        flush = self._known.take_flush()
        self._store.flush(flush)
        self._known.flushed(flush)
        return Rehearsed(shipment, settlement, given_up)
