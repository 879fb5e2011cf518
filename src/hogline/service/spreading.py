"""Which connections several processes deliver, and when one of them goes alone: while someone watches each event, older
events are brought in, or something is sent again."""

from __future__ import annotations

from collections.abc import Collection

import structlog

from hogline.clock import Clock
from hogline.delivery.crew import Leader
from hogline.delivery.installed import installed
from hogline.delivery.workers import Workers
from hogline.destinations.base import InvalidOptions
from hogline.service.runner import Runner
from hogline.store.base import Connection, Journal, State, Unwritable
from hogline.store.positions import lag_ms
from hogline.telemetry.internal_errors import kind_and_place

log = structlog.get_logger("hogline.service")

LOOK_EVERY_S = 1.0
ALONE_S = 5.0
"""At least so long one goes alone."""
CAUGHT_UP_S = 60.0
"""So long a connection that has caught up stays spread."""
PATIENCE = 10
"""After so many looks, one goes alone with what the others have left undone."""


class Spreading:
    def __init__(
        self,
        leader: Leader,
        *,
        workers: Workers,
        runner: Runner,
        journal: Journal,
        state: State,
        clock: Clock,
        behind_s: float,
    ) -> None:
        """`behind_s`: a connection that is further behind is spread."""
        self._leader = leader
        self._workers = workers
        self._runner = runner
        self._journal = journal
        self._state = state
        self._clock = clock
        self._behind_ms = round(behind_s * 1_000)
        self._caught_up_s: dict[int, float] = {}
        """By connection, since when it has been less far behind."""
        workers.go_alone = self.alone
        self._undone: dict[int, int] = {}
        """By connection, in how many looks something was left."""
        self._alone_until_s: dict[int, float] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._look()
            except Unwritable as trouble:
                log.warning("lanes cannot be given to others", reason=str(trouble))
            except Exception as error:  # without the next look, nobody would learn who is lost
                log.error("giving lanes to others failed", error=kind_and_place(error))  # noqa: TRY400  # the kind and place say it
            await self._clock.sleep(LOOK_EVERY_S)

    async def _look(self) -> None:
        await self._leader.look()
        async with self._runner.changing:
            await self._start_all()
            running = [one for one in await self._state.connections() if self._workers.runs(one.id)]
            wanted = [one.id for one in running if await self._may_be_spread(one)]
            again = self._leader.spread(wanted, anew=self._workers.removed_some)
            await self._restart(again)
            self._workers.removed_some = False
            for one in running:
                if one.id not in again and (reason := self._leader.stopped(one.id)) is not None:
                    await self._workers.stop_for(one.id, reason)

    async def alone(self, connections: Collection[int]) -> None:
        """Returns when only this process delivers these."""
        async with self._runner.changing:
            for one in connections:
                self._alone_until_s[one] = self._clock.now_s() + ALONE_S
            await self._restart([one for one in self._leader.keep(connections) if self._workers.runs(one)])

    async def _start_all(self) -> None:
        """Also what an earlier look stopped, and could not start again because PostgreSQL was away."""
        for one in await self._state.connections():
            await self._runner.run(one)

    async def _restart(self, connections: Collection[int]) -> None:
        """All are stopped before any starts, so that others forget what they have read."""
        for one in connections:
            await self._workers.stop(one)
        for connection in await self._state.connections():
            if connection.id in connections:
                await self._runner.run(connection)

    async def _may_be_spread(self, connection: Connection) -> bool:
        now_s = self._clock.now_s()
        if await self._needs_one(connection):
            self._alone_until_s[connection.id] = now_s + ALONE_S
        return self._alone_until_s.get(connection.id, 0.0) <= now_s and await self._is_behind(connection)

    async def _is_behind(self, connection: Connection) -> bool:
        """Or was until a while ago."""
        now_ms, now_s = self._clock.time_ms(), self._clock.now_s()
        behind_ms = await lag_ms(connection, self._journal, self._state, now_ms)
        if behind_ms >= self._behind_ms:
            self._caught_up_s.pop(connection.id, None)
            return True
        since_s = self._caught_up_s.setdefault(connection.id, now_s)
        return self._leader.is_spread(connection.id) and now_s < since_s + CAUGHT_UP_S

    async def _needs_one(self, connection: Connection) -> bool:
        if not self._leader.mates:
            return True
        if self._can_only_be_one(connection) or self._workers.is_watched(connection.id):
            return True
        state = self._state
        positions = await state.lanes(connection.id)
        settled = min(positions.values(), default=connection.start)
        if any(stretch.last > settled for stretch in self._journal.backfilled.stretches):
            return True
        if await state.replay(connection.id) is not None:
            return True
        if await state.failures(connection.id, retrying=True, limit=1):
            return True
        left = state.again(connection.id, 1)
        self._undone[connection.id] = self._undone.get(connection.id, 0) + 1 if left else 0
        return self._undone[connection.id] > PATIENCE or any(kind == "again" for kind, _ in left)

    def _can_only_be_one(self, connection: Connection) -> bool:
        try:
            one = installed(connection)
        except InvalidOptions:
            return True
        # A value that names a customer may be somebody's distinct_id, too: only one process can see that.
        by_property = one.rules is not None and one.rules.by_property is not None
        return by_property or one.destination.requests_per_second(one.options) <= len(self._leader.mates)
