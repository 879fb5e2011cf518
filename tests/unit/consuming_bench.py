"""A service that reads from a topic in memory, for the tests of sources that read from Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kafka_log import Kafka
from service_bench import GOOD, ServiceBench, bench_in

from hogline.posthog.entry import decode_entry, event_of
from hogline.store.base import Unwritable
from hogline.views.connections import SourceView


class Consuming:
    """A service that reads from a topic."""

    def __init__(self, bench: ServiceBench, kafka: Kafka) -> None:
        self.bench = bench
        self.kafka = kafka
        self.sources = bench.service.sources
        self.journal = bench.service.journal
        self.full = False
        self.refused = 0
        """How often it was asked while it was full."""
        self._running: asyncio.Task[None] | None = None

    async def add(self, **more: Any) -> SourceView:
        given = {"settings": {"sasl.password": "hunter22"}} | more
        return await self.sources.add_kafka("kafka:9092", "clickhouse_events_json", 1, **given)

    async def append(self, events: Any, refused: Any = None, positions: Any = None) -> int:
        if self.full:
            self.refused += 1
            raise Unwritable("Too many events are pending.", retry_after_s=30)
        return await self.journal.append(events, refused, positions=positions)

    def start(self) -> None:
        self._running = asyncio.create_task(self.bench.service.consuming.run(self.append))

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def again(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """As after a restart of the process, but for its memory."""
        await self.stop()
        meanwhile()
        self.start()

    async def until(self, true: Callable[[SourceView], bool]) -> SourceView:
        async with asyncio.timeout(20):
            while not true(view := await self.view()):
                await asyncio.sleep(0.005)
        return view

    async def view(self) -> SourceView:
        return (await self.sources.all())[0]

    async def numbers(self, many: int) -> list[object]:
        """Of the events in the journal, in its order, as soon as there are so many."""
        async with asyncio.timeout(20):
            await self.journal.wait(many - 1)
        return [event_of(decode_entry(body)).properties["n"] for _, body in await self.journal.read(0, 10_000)]


@asynccontextmanager
async def consuming(
    folder: Path, kafka: Kafka, *, connected: bool = True, **settings: object
) -> AsyncIterator[Consuming]:
    async with bench_in(folder, **settings) as bench:
        if connected and not await bench.service.connections.all():
            await bench.service.connections.add("customerio", GOOD | {"anonymous_users": "all"}, name="shop")
        bench.service.consuming._opens = kafka.open
        made = Consuming(bench, kafka)
        made.start()
        try:
            yield made
        finally:
            await made.stop()
