"""What Kafka deleted before it was read, fetched from PostHog (from an emulator of its API)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from kafka_log import Kafka, row
from posthog_emulator import KEY, PROJECT, PostHog, emulated
from service_bench import GOOD, RECEIVED_MS, ServiceBench, bench_in

from hogline.backfill.posthog import PostHogExports
from hogline.posthog.entry import decode_entry, event_of
from hogline.service import CannotDo, gaps
from hogline.store.base import Journal, Unusable
from hogline.store.datadir.sources import Source
from hogline.store.datadir.sources import Sources as Kept
from hogline.testing.clock import SkippingClock
from hogline.views.connections import SourceView

pytestmark = pytest.mark.anyio

HOUR_MS = 3_600_000


@pytest.fixture
def posthog() -> Iterator[PostHog]:
    with emulated() as made:
        made.polls = 0
        yield made


class Both:
    """A service that reads from Kafka, and may fetch from PostHog, which has everything."""

    def __init__(self, bench: ServiceBench, posthog: PostHog) -> None:
        self.bench = bench
        self.posthog = posthog
        self.kafka = Kafka(1)
        self.sources = bench.service.sources
        self.clock = cast("SkippingClock", bench.service.clock)
        self._reading: asyncio.Task[None] | None = None

    def write(self, number: int) -> None:
        """PostHog gets an event."""
        now_ms = self.clock.time_ms()
        self.kafka.write(0, number, now_ms, team_id=int(PROJECT))
        fields: dict[str, Any] = msgspec.json.decode(row(number))
        at = datetime.fromtimestamp(now_ms / 1_000, UTC).isoformat()
        properties = msgspec.json.decode(fields["properties"])
        self.posthog.events.append(fields | {"properties": properties, "_inserted_at": at, "timestamp": at})

    async def add_kafka(self) -> None:
        await self.sources.add_kafka("kafka:9092", "clickhouse_events_json", int(PROJECT), {})

    async def add_posthog(self, **more: Any) -> SourceView:
        return await self.sources.add(self.posthog.url, PROJECT, KEY, **more)

    def read(self) -> None:
        journal = self.bench.service.journal
        self._reading = asyncio.create_task(self.bench.service.consuming.run(partial(_append, journal)))

    async def read_nothing(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def miss(self, *numbers: int) -> None:
        """Kafka has these events for a while, and nobody reads."""
        await self.read_nothing()
        self.clock.off_ms += HOUR_MS
        for number in numbers:
            self.write(number)
        self.kafka.trim(0, self.kafka.next(0))
        self.clock.off_ms += HOUR_MS
        self.read()
        await self.until(lambda views: bool(views["kafka"].gaps) and views["kafka"].state == "reading")

    async def later(self) -> None:
        """Some minutes pass, and what is due is fetched."""
        self.clock.off_ms += 6 * 60_000
        for standing in self.bench.service.fetching._standings.all():
            standing.due_s = 0.0
        await asyncio.sleep(0.02)

    async def views(self) -> dict[str, SourceView]:
        return {view.name: view for view in await self.sources.all()}

    async def until(self, true: Callable[[dict[str, SourceView]], bool]) -> dict[str, SourceView]:
        async with asyncio.timeout(20):
            while not true(views := await self.views()):
                await asyncio.sleep(0.005)
        return views

    async def numbers(self) -> list[object]:
        bodies = await self.bench.service.journal.read(0, 1_000)
        return [event_of(decode_entry(body)).properties["n"] for _, body in bodies]


async def _append(journal: Journal, events: Any, refused: Any, positions: Any) -> int:
    return await journal.append(events, refused, positions=positions)


@asynccontextmanager
async def both(folder: Path, posthog: PostHog) -> AsyncIterator[Both]:
    async with bench_in(folder) as bench, AsyncExitStack() as stack:
        await bench.service.connections.add("customerio", GOOD | {"anonymous_users": "all"}, name="shop")
        made = Both(bench, posthog)
        bench.service.fetching._opens = partial(PostHogExports, sleep=lambda _: None)
        bench.service.consuming._opens = made.kafka.open
        fetching = asyncio.create_task(bench.service.fetching.run())
        stack.push_async_callback(made.read_nothing)
        stack.callback(fetching.cancel)
        await made.add_kafka()
        made.read()
        made.write(1)
        await bench.service.journal.wait(0)
        yield made
        fetching.cancel()
        await asyncio.gather(fetching, return_exceptions=True)


async def test_what_kafka_lost_is_fetched_by_the_source_for_it_and_told_until_then(
    tmp_path: Path, posthog: PostHog
) -> None:
    async with both(tmp_path, posthog) as one:
        added = await one.add_posthog(only_gaps=True)
        await one.later()
        assert (await one.views())["posthog"].state == "standby"
        assert posthog.exports == []
        await one.miss(2, 3)
        view = (await one.views())["kafka"]
        assert view.missed == ""
        assert f"; {added.name} fetches them from PostHog." in view.refetched
        one.write(4)
        for _ in range(3):
            await one.later()
        await one.until(lambda views: not views["kafka"].gaps and views["posthog"].state == "standby")
        assert sorted(map(str, await one.numbers())) == ["1", "2", "3", "4"]
        (since, until) = (posthog.exports[0]["body"][f"data_interval_{end}"] for end in ("start", "end"))
        assert datetime.fromisoformat(since) < datetime.fromtimestamp(RECEIVED_MS / 1_000, UTC)
        assert datetime.fromisoformat(until) - datetime.fromisoformat(since) < timedelta(hours=3)
        exports = len(posthog.exports)
        await one.miss(5)
        for _ in range(3):
            await one.later()
        await one.until(lambda views: not views["kafka"].gaps)
        assert sorted(map(str, await one.numbers())) == ["1", "2", "3", "4", "5"]
        assert len(posthog.exports) > exports


async def test_a_source_that_is_added_later_fills_what_was_told(tmp_path: Path, posthog: PostHog) -> None:
    async with both(tmp_path, posthog) as one:
        await one.miss(2)
        assert "Kafka deleted 1 record that" in (await one.views())["kafka"].missed
        await one.add_posthog(only_gaps=True)
        for _ in range(3):
            await one.later()
        await one.until(lambda views: not views["kafka"].gaps)
        assert sorted(map(str, await one.numbers())) == ["1", "2"]


async def test_a_source_that_fetches_everything_fills_it_too(tmp_path: Path, posthog: PostHog) -> None:
    async with both(tmp_path, posthog) as one:
        await one.add_posthog(since_ms=RECEIVED_MS - HOUR_MS)
        await one.miss(2)
        await one.until(lambda views: views["kafka"].missed == "")
        for _ in range(3):
            await one.later()
        await one.until(lambda views: not views["kafka"].gaps)
        assert sorted(map(str, await one.numbers())) == ["1", "2"]


async def test_it_does_not_fetch_forever_what_it_has(
    tmp_path: Path, posthog: PostHog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a crash between the last event and the note that the gap is filled."""
    async with both(tmp_path, posthog) as one:
        await one.add_posthog(only_gaps=True)
        await one.miss(2)
        drop, dropped = gaps.drop_filled, list[str]()

        def fail(kept: Kept, helper: Source) -> None:
            if helper.filling and helper.up_to_ms >= helper.until_ms and not dropped:
                dropped.append(helper.name)
                raise Unusable("sources.json cannot be written.")
            drop(kept, helper)

        monkeypatch.setattr(gaps, "drop_filled", fail)
        one.clock.off_ms += HOUR_MS
        for _ in range(4):
            await one.later()
        await one.until(lambda views: not views["kafka"].gaps and views["posthog"].state == "standby")
        assert dropped == ["posthog"]


async def test_a_source_that_fetches_everything_stays_one(tmp_path: Path, posthog: PostHog) -> None:
    async with both(tmp_path, posthog) as one:
        assert not (await one.add_posthog()).only_gaps
        with pytest.raises(CannotDo, match="To fetch only that, remove it first"):
            await one.add_posthog(only_gaps=True)


async def test_without_the_source_that_was_to_fill_it_it_is_told_again(tmp_path: Path, posthog: PostHog) -> None:
    async with both(tmp_path, posthog) as one:
        await one.add_posthog(only_gaps=True)
        posthog.troubles = [500] * 50
        await one.miss(2)
        assert (await one.views())["kafka"].missed == ""
        await one.sources.remove("posthog")
        assert "Kafka deleted 1 record" in (await one.views())["kafka"].missed
        await one.sources.dismiss("kafka")
        assert (await one.views())["kafka"].gaps == []
