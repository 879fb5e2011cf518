"""Runs the connections that should run, one change at a time, and says how each is doing."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from hogline.clock import Clock
from hogline.delivery.installed import installed
from hogline.delivery.workers import Workers
from hogline.destinations.base import InvalidOptions, Learning
from hogline.service.core import note_stopped
from hogline.store.base import Connection, State

log = structlog.get_logger("hogline.service")


class Runner:
    def __init__(self, workers: Workers, state: State, clock: Clock, *, delivers: bool) -> None:
        """`delivers`: connections run as long as this process does."""
        self._workers = workers
        self._state = state
        self._clock = clock
        self.delivers = delivers
        self.changing = asyncio.Lock()
        """Held while a connection is being changed: one change at a time."""

    async def start(self) -> None:
        """Start every connection that is not paused."""
        await self.look_at_options()
        if self.delivers:
            self._workers.fold()
        for connection in await self._state.connections():
            await self.run(connection)

    async def look_at_options(self) -> None:
        """Tell the folder what the connections need to know about people."""
        wanted = []
        for connection in await self._state.connections():
            with suppress(InvalidOptions):  # it is stopped, and says so
                if (rules := installed(connection).rules) is not None:
                    wanted.append(rules.learning)
        await self._workers.learn(
            Learning(
                any(one.properties for one in wanted),
                min({one.email_property for one in wanted} - {"email"}, default="email"),
                any(one.protects_emails for one in wanted),
                any(one.set_once for one in wanted),
            )
        )

    async def run(self, connection: Connection) -> None:
        """Unless it is paused or stopped, or this process does not deliver. It stops if it cannot be opened."""
        if self._workers.runs(connection.id):
            return
        if self.delivers and not connection.paused and connection.stopped is None:
            try:
                one = installed(connection)
                self._workers.start(one, await self._workers.part(connection.id))
            except InvalidOptions as invalid:
                log.warning("connection stopped", connection=connection.name, reason=str(invalid))
                await note_stopped(self._state, self._clock, connection, str(invalid))

    def standing(self, connection: Connection) -> tuple[str, str | None]:
        """Its state, and the reason."""
        if connection.paused:
            return "paused", None
        if connection.stopped is not None:
            return "stopped", connection.stopped
        if not self.delivers:
            return "not_running", "Start `hogline serve` to receive and deliver."
        trouble = self._workers.trouble(connection.id)
        return ("retrying", trouble) if trouble else ("delivering", None)
