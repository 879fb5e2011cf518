"""A dry run: what a run of older events would lead to at one connection as it is now. Nothing is sent or saved.

It starts from the people that Hogline and the connection know, and keeps all people of the run in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hogline.backfill.forecast import MOST_HELD_BYTES, Totals
from hogline.backfill.views import DayCount, DryRunView
from hogline.clock import Clock
from hogline.delivery.installed import Installed
from hogline.delivery.rehearsal import Rehearsal
from hogline.posthog.entry import decode_entry
from hogline.posthog.received import Received
from hogline.posthog.uuids import Uuids, told_apart
from hogline.store.base import State

CAMPAIGN_MS = 72 * 3_600_000
"""Customer.io starts campaigns for events that are younger."""
EVENTS_PER_S = 10_000
"""A cautious figure for one process (docs/performance.md)."""
_DAY_MS = 86_400_000


class DryRun:
    def __init__(self, one: Installed[Any], state: State, clock: Clock) -> None:
        self._one = one
        self._clock = clock
        self._rehearsal = Rehearsal(one, clock, state=state, hold_max_bytes=MOST_HELD_BYTES)
        self._totals = Totals(one.destination.limits)
        self._uuids = Uuids()
        self._by_day: Counter[tuple[int, str]] = Counter()
        self._attributes: Counter[str] = Counter()
        self._young = 0

    async def rows(self, rows: Sequence[bytes]) -> None:
        """The next events, as the journal keeps them."""
        young_ms = self._clock.time_ms() - CAMPAIGN_MS
        for row in rows:
            received = told_apart(Received(decode_entry(row), row), self._uuids)
            entry = received.entry
            self._by_day[entry.timestamp_ms // _DAY_MS, entry.name] += 1
            self._young += entry.timestamp_ms > young_ms
            self._rehearsal.add(entry, len(row))
            while self._rehearsal.is_full:
                await self._ship()

    async def _ship(self) -> bool:
        rehearsed = await self._rehearsal.ship()
        if rehearsed is None:
            return False
        self._totals.count(rehearsed)
        for effect in rehearsed.shipment.effects:
            if effect.kind == "identify":
                self._attributes.update(list(effect.names))
        return True

    async def view(self, share: int) -> DryRunView:
        """What it came to; `share`: percent of the requests a second that the run may take."""
        while await self._ship():
            pass
        totals, events = self._totals, self._by_day.total()
        rate = self._one.destination.requests_per_second(self._one.options) * share / 100
        return DryRunView(
            connection=self._one.connection.name,
            events=events,
            by_day=[
                DayCount(datetime.fromtimestamp(day * _DAY_MS // 1_000, UTC).strftime("%Y-%m-%d"), name, n)
                for (day, name), n in sorted(self._by_day.items())
            ],
            younger_than_72_hours=self._young,
            delivered=totals.delivered,
            filtered=dict(totals.filtered),
            held=totals.held,
            failures=dict(totals.failures),
            adjusted=dict(totals.adjusted),
            customers=totals.customers,
            customers_left=totals.customers - totals.merged,
            attributes=dict(self._attributes.most_common()),
            requests=totals.requests,
            seconds=max(totals.requests / max(rate, 0.01), events / EVENTS_PER_S),
        )
