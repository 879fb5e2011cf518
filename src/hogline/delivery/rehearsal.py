"""A rehearsal: events are delivered to a connection's destination in memory, where everything is accepted.

The same planning, packing and settling as in delivery, without the network, the disk, and pauses: what a preview
and a forecast tell is what delivery would do. Everything travels in one lane, in the order in which it came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from hogline.delivery.clock import Clock
from hogline.delivery.lanes import Item, Lanes, Source
from hogline.delivery.planner import DestinationPlanner
from hogline.delivery.remembered import Remembered
from hogline.delivery.settle import settle
from hogline.delivery.shipment import MOST_EVENTS, Shipment, plan_shipment
from hogline.destinations.base import Destination
from hogline.model import Event
from hogline.posthog.joins import join_of
from hogline.store.base import Settlement, State

MOST_WAITING = MOST_EVENTS
MOST_WAITING_BYTES = 8_000_000
_START = 2**53
"""Positions of the rehearsal lie behind all positions of a journal."""
_TOGETHER = ""
"""One name for whom everybody travels with."""


class Rehearsed(NamedTuple):
    """What one shipment came to."""

    shipment: Shipment
    settlement: Settlement
    given_up: Counter[str]
    """Held events that are not sent any more, by reason."""


class Rehearsal:
    def __init__(
        self,
        destination: Destination[Any],
        options: Mapping[str, object],
        clock: Clock,
        *,
        state: State | None = None,
        connection: int = 0,
        hold_max_bytes: int = 2**62,
    ) -> None:
        """`state`, `connection`: whose people are known already; without a state nobody is."""
        self._destination = destination
        self._options: object = destination.read_options(options)
        self._clock = clock
        self._records = Remembered(state, connection, hold_max_bytes=hold_max_bytes)
        self._lanes = Lanes(_START, {})
        self._planner: DestinationPlanner[Any] | None = None
        self._waiting = 0

    @property
    def known(self) -> int:
        """How many people are remembered."""
        return self._records.known

    @property
    def is_full(self) -> bool:
        """Enough waits to fill a shipment."""
        return self._waiting >= MOST_WAITING or self._lanes.size_bytes >= MOST_WAITING_BYTES

    def add(self, event: Event, size_bytes: int = 0) -> int:
        """The next event; returns its position here."""
        position = self._lanes.read + 1
        join = join_of(event)
        self._lanes.add(position, event, size_bytes, _TOGETHER, other=None if join is None else join.other)
        self._waiting += 1
        return position

    async def ship(self) -> Rehearsed | None:
        """The next shipment of what waits, accepted; None if nothing waits. Merges wait once both sides are
        accepted: they come with the next one.
        """
        ready = self._lanes.ready()
        if not ready:
            return None
        if self._planner is None:
            self._planner = DestinationPlanner(self._destination, self._options, self._records.suppressed)
        shipment = await plan_shipment(ready, self._lanes, self._records, self._planner, self._destination.limits)
        now_ms = self._clock.time_ms()
        result = settle(
            shipment,
            [None] * len(shipment.operations),
            self._planner,
            connection=0,
            positions={},
            now_ms=now_ms,
            due_ms=now_ms,
            requests=0,
            retries={},
            replay_settled=None,
        )
        given_up = await self._records.settled(result.settlement, result.people, result.claims)
        self._lanes.settled(self._lanes.settle(shipment.lanes), shipment.lanes, shipment.items)
        self._waiting -= sum(item.source is Source.JOURNAL for item in shipment.items)
        for distinct_id in result.settlement.due:
            self._lanes.add_again(Item(0, distinct_id, None, 0, Source.DUE, due_ms=now_ms), _TOGETHER)
        return Rehearsed(shipment, result.settlement, given_up)
