"""A tally: what happens to certain events, for someone who waits for just those."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from hogline.core.settle import Outcome


class Notes(Protocol):
    """Something that wants to know what was settled."""

    def note(self, outcomes: Iterable[Outcome]) -> None:
        """Events were settled."""
        ...


class Tally:
    """Counts the results of claimed events. An event may be settled before it is claimed."""

    def __init__(self) -> None:
        self.delivered = 0
        self.filtered: Counter[str] = Counter()
        self.held = 0
        self.failures: Counter[str] = Counter()
        self.adjusted: Counter[str] = Counter()
        self.claimed = 0
        self._unclaimed: dict[int, Outcome] = {}
        self._claims: list[range] = []
        self._changed = asyncio.Event()

    @property
    def settled(self) -> int:
        return self.delivered + self.filtered.total() + self.held + self.failures.total()

    def claim(self, positions: range) -> None:
        """These events are meant. Later claims come after earlier ones."""
        self.claimed += len(positions)
        early = {position: outcome for position, outcome in self._unclaimed.items() if position in positions}
        for outcome in early.values():
            self._count(outcome)
        self._unclaimed = {
            position: outcome for position, outcome in self._unclaimed.items() if position >= positions.stop
        }
        if len(early) < len(positions):
            self._remember(positions)

    def _remember(self, positions: range) -> None:
        if self._claims and self._claims[-1].stop == positions.start:
            positions = range(self._claims.pop().start, positions.stop)
        self._claims.append(positions)

    def note(self, outcomes: Iterable[Outcome]) -> None:
        """Events were settled."""
        claims = self._claims
        for outcome in outcomes:
            for positions in claims:  # nearly always one
                if outcome.position in positions:
                    self._count(outcome)
                    break
            else:
                self._unclaimed[outcome.position] = outcome

    def _count(self, outcome: Outcome) -> None:
        match outcome.kind:
            case "delivered":
                self.delivered += 1
            case "filtered":
                self.filtered[outcome.reason] += 1
            case "held":
                self.held += 1
            case _:
                self.failures[outcome.reason] += 1
        if outcome.adjusted:
            self.adjusted.update(outcome.adjusted)
        self._changed.set()

    async def wait(self) -> None:
        """Returns when every claimed event is settled."""
        while self.settled < self.claimed:
            self._changed.clear()
            await self._changed.wait()
