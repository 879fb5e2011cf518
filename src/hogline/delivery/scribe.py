"""The scribe takes what the state has noted for the event log, in large batches and behind everyone's back.

Nobody waits for it: what is settled is on disk with its note, in one transaction. If the log cannot be written, notes
gather in the state up to a bound, and the scribe catches up later. Meanwhile, readers get what is in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress

import structlog

from hogline.clock import Clock
from hogline.store.base import State, Unwritable
from hogline.store.event_log import Attempt, EventLog, Found, Query

log = structlog.get_logger("hogline.delivery")

EVERY_S = 1.0
TRY_AGAIN_S = 5.0
AT_ONCE = 500
"""Shipments, at most."""
AT_ONCE_BYTES = 2_000_000
MOST_WAITING_BYTES = 500_000_000
"""What waits in the state for a log that cannot be written."""


class Scribe:
    def __init__(self, state: State, log: EventLog, clock: Clock) -> None:
        self._state = state
        self._log = log
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._compared = False
        self._news = asyncio.Event()
        self._news.set()  # what a crash left
        self._writing: asyncio.Task[None] | None = None
        self.trouble: str | None = None
        """Why the log does not have what happened last; None: it has."""

    def start(self) -> None:
        """From now on, take what is noted."""
        self._writing = asyncio.create_task(self._run(), name="event log")

    def wake(self) -> None:
        """Something was noted. What other parts note (a failure that is discarded, say) comes with it, or when somebody
        reads."""
        self._news.set()

    async def close(self) -> None:
        """Take what is left, and stop. If the disk fails, the next start catches up."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        with suppress(Unwritable):
            await self.catch_up()

    # the log, with everything that is settled; what it promises, see `EventLog`

    async def find(self, query: Query, limit: int) -> list[Found]:
        await self._catch_up_if_possible()
        return await self._log.find(query, limit)

    async def attempts(self, connection: int, positions: Sequence[int]) -> dict[int, list[Attempt]]:
        await self._catch_up_if_possible()
        return await self._log.attempts(connection, positions)

    async def forget(self, positions: Collection[int]) -> None:
        await self.catch_up()
        await self._log.forget(positions)

    async def keep_only(self, connections: Collection[int]) -> None:
        await self.catch_up()
        await self._log.keep_only(connections)

    async def _run(self) -> None:
        while True:
            pause_s = EVERY_S
            await self._news.wait()
            self._news.clear()
            try:
                await self.catch_up()
            except Unwritable as trouble:
                log.warning("the event log cannot be written", reason=str(trouble))
                await self._bound_what_waits()
                pause_s = TRY_AGAIN_S
                self._news.set()
            except Exception as error:  # a bug in what is only looked at must not stop anything
                log.error("the event log failed", error=type(error).__name__)  # noqa: TRY400  # the kind says it
                pause_s = TRY_AGAIN_S
                self._news.set()
            await self._clock.sleep(pause_s)

    async def _catch_up_if_possible(self) -> None:
        with suppress(Unwritable):
            await self.catch_up()

    async def _bound_what_waits(self) -> None:
        with suppress(Unwritable):
            if dropped := await self._state.drop_unlogged(MOST_WAITING_BYTES):
                log.error("the event log will have a gap", shipments=dropped)

    async def catch_up(self) -> None:
        """Returns when the log has all that was noted before the call. Raises `Unwritable`."""
        try:
            await self._take_all()
        except Unwritable as trouble:
            self.trouble = str(trouble)
            raise
        self.trouble = None

    async def _take_all(self) -> None:
        async with self._one_at_a_time:
            if not self._compared:
                newest = await self._state.logged(self._log.taken)
                if newest < self._log.taken:
                    await self._log.go_back(newest)
                self._compared = True
            while news := await self._state.unlogged(self._log.taken, AT_ONCE, AT_ONCE_BYTES):
                await self._log.take(news, self._clock.time_ms())
                await self._state.logged(news[-1].number)
                if len(news) < AT_ONCE // 10:
                    return
