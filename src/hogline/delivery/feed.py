"""The feed of a connection: its latest events with their results, for anyone who is watching. It costs nothing if
nobody is, and little when many events come: only some of each shipment are shown, the others are counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from hogline.clock import Clock
from hogline.core.items import OperationOutcome, Source
from hogline.core.settle import answered
from hogline.core.shipment import Shipment
from hogline.destinations.base import People
from hogline.model import Event, Operation, Refusal
from hogline.posthog.entry import event_of

KEPT = 200
OF_ONE_SHIPMENT = 20
ON_FOR_S = 15.0
"""After the last time someone looked."""


class Shown(Struct, frozen=True):
    """One event, and what happened to it."""

    number: int
    """Counts what was shown, from 1."""
    at_ms: int
    event: Event
    filtered: str | None
    held: bool
    adjusted: tuple[str, ...]
    refusals: tuple[Refusal, ...]
    """What could not be sent at all."""
    operations: tuple[tuple[Operation, Refusal | None], ...]
    """As sent, with the response (None: accepted)."""


class Feed:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._looked_s = float("-inf")
        self._told: deque[Shown] = deque(maxlen=KEPT)
        self._grown = asyncio.Event()
        self.last = 0
        self.skipped = 0
        """How many events were not shown."""

    @property
    def is_on(self) -> bool:
        return self._clock.now_s() - self._looked_s < ON_FOR_S

    def note(self, shipment: Shipment, people: People[Any] | None, outcomes: Sequence[OperationOutcome]) -> None:
        """A shipment is settled."""
        if not self.is_on:
            return
        sent: dict[int, list[tuple[Operation, Refusal | None]]] = {}
        for operation, effect, refusal in answered(shipment, people, outcomes):
            if effect.item is not None:
                sent.setdefault(id(effect.item), []).append((operation, refusal))
        told = 0
        at_ms = self._clock.time_ms()
        for item in shipment.items:
            if item.entry is None or item.source is Source.REPLAY:
                continue
            told += 1
            if told > OF_ONE_SHIPMENT:
                self.skipped += 1
                continue
            self.last += 1
            self._told.append(
                Shown(
                    self.last,
                    at_ms,
                    event_of(item.entry),
                    item.filtered,
                    item.held,
                    item.adjusted,
                    item.refusals,
                    tuple(sent.get(id(item), ())),
                )
            )
        if told:
            grown, self._grown = self._grown, asyncio.Event()
            grown.set()

    def forget(self) -> None:
        """Show nothing from before again."""
        self._told.clear()

    async def after(self, number: int, wait_s: float) -> list[Shown]:
        """What was shown after this number; waits at most this long for the first. Calling it keeps the feed on."""
        self._looked_s = self._clock.now_s()
        if self.last <= number:
            try:
                await asyncio.wait_for(self._grown.wait(), wait_s)
            except TimeoutError:
                return []
        return [one for one in self._told if one.number > number]
