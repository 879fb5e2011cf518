"""What waits for a paused connection: how many events, and how many new customers they would make."""

from __future__ import annotations

import asyncio

import structlog

from hogline.backfill.forecast import created
from hogline.clock import Clock
from hogline.core.changes import Noted, Settlement
from hogline.core.known import EVER, Known
from hogline.core.lanes import LANES, checksum, lane_of
from hogline.delivery.rehearsal import Rehearsal
from hogline.delivery.workers import Workers
from hogline.destinations.catalogue import destination_of
from hogline.posthog.entry import decode_entry
from hogline.service.core import connection_named, opened
from hogline.settings import Settings
from hogline.store.base import Connection, Journal, State
from hogline.store.positions import settled_position
from hogline.views.connections import BacklogView

log = structlog.get_logger("hogline.service")

READ = 500
"""Events that are counted before others get a turn."""


class _Count:
    """Counts new customers in what waits, in memory, as delivery would make them."""

    def __init__(self, connection: int, until: int) -> None:
        self.connection = connection
        self.until = until
        self.customers = 0
        self.events = 0
        self.task: asyncio.Task[None] | None = None


class Backlogs:
    def __init__(
        self,
        settings: Settings,
        *,
        journal: Journal,
        state: State,
        clock: Clock,
        workers: Workers,
        changing: asyncio.Lock,
        logs: bool,
    ) -> None:
        """`changing`: held while a connection is being changed. `logs`: there is an event log."""
        self._settings = settings
        self._journal = journal
        self._state = state
        self._clock = clock
        self._workers = workers
        self._changing = changing
        self._logs = logs
        self._counting: _Count | None = None
        """The last count that was asked for."""

    async def show(self, name: str) -> BacklogView:
        """What waits for a connection. New customers are counted in the background: ask again until it is `counted`."""
        connection = await connection_named(self._state, name)
        events = await self._pending(connection)
        if not events or destination_of(connection.destination).people is None:
            return BacklogView(connection=name, events=events, customers=0, counted=True)
        count, end = self._counting, self._journal.end
        if count is None or count.connection != connection.id or count.until != end:
            self.close()
            count = self._counting = _Count(connection.id, end)
            count.task = asyncio.create_task(self._count(connection, count))
        assert count.task is not None
        return BacklogView(connection=name, events=events, customers=count.customers, counted=count.task.done())

    def close(self) -> None:
        """Stop counting."""
        if self._counting is not None and self._counting.task is not None:
            self._counting.task.cancel()

    async def _count(self, connection: Connection, count: _Count) -> None:
        await self._workers.catch_up()
        lanes = await self._state.lanes(connection.id)
        hold_max_bytes = self._settings.hold_max_bytes
        rehearsal = Rehearsal(opened(connection), self._clock, state=self._state, hold_max_bytes=hold_max_bytes)
        after = await settled_position(connection, self._state)
        while after < count.until and (rows := await self._journal.read(after, READ)):
            after = rows[-1][0]
            for position, body in rows:
                entry = decode_entry(body)
                if entry.distinct_id and position > lanes.get(lane_of(rehearsal.who(entry)), connection.start):
                    rehearsal.add(entry, len(body))
            while (rehearsed := await rehearsal.ship()) is not None:
                count.customers += created(rehearsed.shipment)
                await asyncio.sleep(0)

    async def _note_skipped(self, connection: Connection, until: int, reason: str) -> None:
        """What waits up to that position is not sent: in the event log, before it is settled."""
        if not self._logs:
            return
        known = Known(self._state, EVER)
        lanes, now_ms = await self._state.lanes(connection.id), self._clock.time_ms()
        after = await settled_position(connection, self._state)
        while after < until and (rows := await self._journal.read(after, min(READ, until - after))):
            after = rows[-1][0]
            entries = [
                (position, entry)
                for position, entry in ((position, decode_entry(body)) for position, body in rows)
                if position > lanes.get(lane_of(known.group(entry.distinct_id, position)), connection.start)
            ]
            noted = Noted(
                began_ms=now_ms,
                at_ms=now_ms,
                positions=[position for position, _ in entries],
                names=[checksum(entry.name) for _, entry in entries],
                people=[checksum(entry.distinct_id) for _, entry in entries],
                others={position: ("filtered", reason) for position, _ in entries},
            )
            if entries:
                await self._state.settle(Settlement(connection=connection.id, lanes={}, noted=noted))

    async def _pending(self, connection: Connection) -> int:
        settled = (await self._state.counts(connection.id)).settled
        return await self._journal.newest() - connection.start - settled

    async def bound(self) -> None:
        """Drop the oldest of what waits for each connection that does not run, as far as it is more than the settings
        allow: nobody may notice for weeks, and the others must go on."""
        most_bytes, events = self._settings.paused_max_bytes, self._journal.end - self._journal.first + 1
        if not most_bytes or events <= 0:
            return
        # An estimate, as for the bound on all: events that wait are as large as all that are there.
        most = most_bytes * events // max(await self._journal.size_bytes(), 1)
        for connection in await self._state.connections():
            if not self._workers.runs(connection.id) and await self._pending(connection) > most:
                async with self._changing:
                    await self._drop_old(connection.id, most)

    async def _drop_old(self, connection_id: int, most: int) -> None:
        found = [one for one in await self._state.connections() if one.id == connection_id]
        if not found or self._workers.runs(connection_id):  # removed or resumed in the meantime
            return
        connection = found[0]
        await self._workers.catch_up()
        last, _ = self._state.settled_before(connection.id)
        until = max(last, await self._journal.newest() - most, *(await self._state.lanes(connection.id)).values())
        dropped = until - connection.start - (await self._state.counts(connection.id)).settled
        if dropped > 0:
            await self._note_skipped(connection, until, "backlog_dropped")
            lanes, filtered = dict.fromkeys(range(LANES), until), {"backlog_dropped": dropped}
            await self._state.settle(Settlement(connection=connection.id, lanes=lanes, filtered=filtered))
            log.warning("events of a paused connection dropped", connection=connection.name, events=dropped)

    async def skip(self, connection: Connection) -> int:
        """What waits is not sent; it counts as filtered. Returns how many events. No worker of it may run."""
        await self._workers.catch_up()
        end = await self._journal.newest()
        events = end - connection.start - (await self._state.counts(connection.id)).settled
        if events:
            await self._note_skipped(connection, end, "skipped")
            lanes = dict.fromkeys(range(LANES), end)
            await self._state.settle(Settlement(connection=connection.id, lanes=lanes, filtered={"skipped": events}))
        return events
