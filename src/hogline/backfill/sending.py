"""Events from files that are kept and followed until they are settled."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from hogline.backfill.views import Delivery, Row
from hogline.clock import Clock
from hogline.delivery.tally import Tally
from hogline.posthog.entry import decode_entry
from hogline.posthog.received import Received
from hogline.sources.seen import SeenUuids
from hogline.sources.suppression import REASON, let_in_bodies
from hogline.store.base import Connection, Journal
from hogline.store.forgetting import Suppressed


class Sending:
    """Events that somebody waits for."""

    def __init__(
        self,
        *,
        journal: Journal,
        suppressed: Suppressed,
        seen: SeenUuids,
        clock: Clock,
        connections: Sequence[Connection],
        tallies: dict[int, Tally],
    ) -> None:
        self._journal = journal
        self._suppressed = suppressed
        self._seen = seen
        self._clock = clock
        self._connections = connections
        self.tallies = tallies

    async def keep(self, rows: Sequence[Row], refused: Mapping[str, int]) -> None:
        """Keep these events; `refused` were read and cannot be kept, by reason."""
        kept = let_in_bodies([row.body for row in rows], self._suppressed)
        if len(kept) < len(rows):
            refused = {**refused, REASON: len(rows) - len(kept)}
        if kept or refused:
            end = await self._seen.append_bodies(self._journal, kept, refused)
            for tally in self.tallies.values():
                tally.claim(range(end - len(kept) + 1, end + 1))

    async def wait(self, wait_s: float) -> None:
        """Returns when all is settled, or after that time."""
        waiting = [asyncio.ensure_future(tally.wait()) for tally in self.tallies.values()]
        _, late = await asyncio.wait(waiting, timeout=wait_s)
        for task in late:
            task.cancel()

    def deliveries(self, standing: Mapping[int, tuple[str, str | None]]) -> list[Delivery]:
        found = []
        for connection in self._connections:
            tally = self.tallies[connection.id]
            state, reason = standing.get(connection.id, ("stopped", "It was disconnected."))
            found.append(
                Delivery(
                    connection=connection.name,
                    events=tally.claimed,
                    delivered=tally.delivered,
                    filtered=dict(tally.filtered),
                    held=tally.held,
                    failures=dict(tally.failures),
                    adjusted=dict(tally.adjusted),
                    pending=tally.claimed - tally.settled,
                    state=state,
                    reason=reason,
                )
            )
        return found


def received_in(row: Row) -> Received:
    return Received(decode_entry(row.body), row.body)
