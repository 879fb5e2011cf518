"""Sources that read from Kafka: from a log in memory, with everything that can happen to one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka_log import Kafka, row
from msgspec.structs import replace
from service_bench import GOOD, ServiceBench, bench_in

from hogline.posthog.entry import decode_entry, event_of
from hogline.service import CannotDo
from hogline.service.alerts import AlertRules, Reading
from hogline.settings import Settings
from hogline.store.base import Unwritable
from hogline.views.connections import SourceView

pytestmark = pytest.mark.anyio

HOUR_MS = 3_600_000


class Consuming:
    """A service that reads from a topic."""

    def __init__(self, bench: ServiceBench, kafka: Kafka) -> None:
        self.bench = bench
        self.kafka = kafka
        self.sources = bench.service.sources
        self.journal = bench.service.journal
        self.full = False
        self._running: asyncio.Task[None] | None = None

    async def add(self, **more: Any) -> SourceView:
        given = {"settings": {"sasl.password": "hunter22"}} | more
        return await self.sources.add_kafka("kafka:9092", "clickhouse_events_json", 1, **given)

    async def append(self, events: Any, refused: Any = None, positions: Any = None) -> int:
        if self.full:
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
async def consuming(folder: Path, kafka: Kafka, *, connected: bool = True) -> AsyncIterator[Consuming]:
    async with bench_in(folder) as bench:
        if connected and not await bench.service.connections.all():
            await bench.service.connections.add("customerio", GOOD | {"anonymous_users": "all"}, name="shop")
        bench.service.consuming._opens = kafka.open
        made = Consuming(bench, kafka)
        made.start()
        try:
            yield made
        finally:
            await made.stop()


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


async def test_what_comes_from_now_on_is_read_in_the_order_of_its_times(tmp_path: Path, kafka: Kafka) -> None:
    kafka.write(0, 1, 1_000)
    async with consuming(tmp_path, kafka) as one:
        added = await one.add()
        assert (added.name, added.kind, added.settled, added.gaps) == ("kafka", "kafka", 0, [])
        assert added.address == "kafka://kafka:9092/clickhouse_events_json"
        kafka.write(0, 2, 2_000)
        kafka.write(1, 3, 1_500)
        kafka.write(1, 9, 1_600, team_id=2)
        kafka.write(0, 4, 3_000)
        assert sorted(map(str, await one.numbers(3))) == ["2", "3", "4"]
        view = await one.until(lambda view: view.settled == 3 and view.other_projects == 1 and bool(kafka.noted))
        assert (view.state, view.reason, view.missed) == ("reading", None, "")
        assert kafka.settings == {"sasl.password": "hunter22"}
        status = await one.bench.service.status.show()
        assert status.sources == [view]
    assert b"hunter22" not in (tmp_path / "sources.json").read_bytes()


async def test_what_is_there_since_a_time_is_read_in_the_order_of_all_partitions(tmp_path: Path, kafka: Kafka) -> None:
    for number in range(1, 41):
        kafka.write(number * 7 % 2, number, number * 1_000)
    async with consuming(tmp_path, kafka) as one:
        await one.add(since_ms=11_000)
        assert await one.numbers(30) == list(range(11, 41))


async def test_after_a_restart_it_goes_on_behind_the_last_record(tmp_path: Path, kafka: Kafka) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        kafka.write(0, 1, 1_000)
        kafka.write(1, 2, 2_000)
        await one.numbers(2)
        await one.again(lambda: kafka.write(0, 3, 3_000))
        assert (await one.numbers(3))[2] == 3
    kafka.write(1, 4, 4_000)
    async with consuming(tmp_path, kafka) as one:
        assert (await one.numbers(4))[3] == 4
        assert (await one.until(lambda view: view.settled == 4)).gaps == []
        assert "repeated" not in (await one.bench.service.status.show()).connections[0].adjusted


async def test_what_was_deleted_before_it_was_read_is_told_and_the_rest_is_read(tmp_path: Path, kafka: Kafka) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        kafka.write(0, 1, 1_000)
        await one.numbers(1)

        def trim() -> None:
            for number in (2, 3, 4):
                kafka.write(0, number, number * 1_000)
            kafka.trim(0, 3)

        await one.again(trim)
        await one.again()  # it is told already
        assert await one.numbers(2) == [1, 4]
        view = await one.view()
        assert [(gap.partition, gap.records, gap.from_ms, gap.filled_by) for gap in view.gaps] == [(0, 2, 1_000, "")]
        assert "Kafka deleted 2 records that Hogline had not read (1970-01-01 00:00 to" in view.missed
        assert "hogline source dismiss kafka" in view.missed
        (finding,) = [found for found in await one.bench.service.doctor.examine() if found.subject == "Source kafka"]
        assert (finding.level, finding.sentence) == ("warning", view.missed)
        assert (await one.sources.dismiss("kafka")).missed == ""
        assert (await one.sources.dismiss("kafka")).gaps == []


async def test_what_is_deleted_while_it_runs_is_a_gap_too(tmp_path: Path, kafka: Kafka) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        kafka.first[0] = 70
        kafka.write(0, 1, 1_000)
        assert await one.numbers(1) == [1]
        assert [gap.records for gap in (await one.view()).gaps] == [70]


async def test_a_log_that_was_cut_back_is_read_again_and_repeats_are_known(tmp_path: Path, kafka: Kafka) -> None:
    at_ms = 10 * HOUR_MS
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        for number in range(1, 6):
            kafka.write(0, number, at_ms + number)
        await one.numbers(5)

        def cut() -> None:
            kafka.records[0] = [*kafka.records[0][:3], (at_ms + 9, row(9))]

        await one.again(cut)
        assert set(await one.numbers(6)) == {1, 2, 3, 4, 5, 9}
        view = await one.until(lambda view: view.behind == 0)
        assert [gap.records for gap in view.gaps] == [0]
        assert "Kafka deleted an unknown number of records" in view.missed
        async with asyncio.timeout(20):
            while (await one.bench.service.status.show()).connections[0].adjusted.get("repeated") != 3:
                await asyncio.sleep(0.005)


async def test_other_records_at_the_same_offsets_are_noticed(tmp_path: Path, kafka: Kafka) -> None:
    kafka.id = ""
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        kafka.write(0, 1, HOUR_MS)
        await one.numbers(1)

        def replace() -> None:
            kafka.records[0] = [(2 * HOUR_MS + number, row(number)) for number in (2, 3, 4)]

        await one.again(replace)
        assert await one.numbers(4) == [1, 2, 3, 4]
        assert [gap.records for gap in (await one.view()).gaps] == [0]


async def test_a_topic_that_was_created_again_stops_it_until_somebody_says_so(tmp_path: Path, kafka: Kafka) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        kafka.write(0, 1, 1_000)
        await one.numbers(1)

        def create_again() -> None:
            kafka.id = "second"
            kafka.records = {0: [(2_000, row(2))], 1: []}

        await one.again(create_again)
        view = await one.until(lambda view: view.state == "stopped")
        assert "`hogline source add kafka` again" in str(view.reason)
        rules = AlertRules(Settings(data=tmp_path))
        reading = Reading(0.0, (), [view], None, 0.0, 1.0)
        assert rules.alerts(reading) == {"source kafka: stopped": f"The source kafka has stopped: {view.reason}"}
        await one.again()
        await one.until(lambda view: view.state == "stopped")
        again = await one.add(settings={})
        assert [gap.records for gap in again.gaps] == [0]
        assert await one.numbers(2) == [1, 2]
        assert (await one.until(lambda view: view.state == "reading")).reason is None


async def test_new_partitions_are_read_from_their_beginning(tmp_path: Path, kafka: Kafka) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        await one.until(lambda view: view.state == "reading")
        kafka.first[2], kafka.records[2] = 0, [(1_000, row(1))]
        assert await one.numbers(1) == [1]
        assert (await one.view()).gaps == []


async def test_trouble_is_told_and_it_goes_on_by_itself(tmp_path: Path, kafka: Kafka) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        await one.until(lambda view: view.state == "reading")
        kafka.trouble = "Kafka cannot be read."
        kafka.write(0, 1, 1_000)
        view = await one.until(lambda view: view.state == "retrying")
        assert view.reason == "Kafka cannot be read."
        one.bench.service.clock.off_ms += HOUR_MS  # type: ignore[attr-defined]  # a clock of tests
        view = await one.view()
        assert view.trouble_s >= 3_600
        alerts = AlertRules(Settings(data=tmp_path)).alerts(Reading(0.0, (), [view], None, 0.0, 1.0))
        assert "Nothing could be read from the source kafka for 60 minutes" in alerts["source kafka"]
        with pytest.raises(CannotDo, match="Kafka cannot be read"):
            await one.add()
        kafka.trouble = None
        assert await one.numbers(1) == [1]
        view = await one.until(lambda view: view.state == "reading")
        assert view.trouble_s == 0
    assert kafka.opened == kafka.closed


async def test_while_too_many_events_are_pending_nothing_more_is_read(tmp_path: Path, kafka: Kafka) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        await one.until(lambda view: view.state == "reading")
        opened, one.full = kafka.opened, True
        for number in range(1, 5_001):
            kafka.write(0, number, number)
        view = await one.until(lambda view: view.state == "waiting")
        assert view.reason == "Too many events are pending."
        read = kafka.reading[0]
        await asyncio.sleep(0.05)
        assert kafka.reading[0] == read <= 2_000
        one.full = False
        assert await one.numbers(5_000) == list(range(1, 5_001))
        assert kafka.opened == opened


async def test_without_a_connection_it_waits(tmp_path: Path, kafka: Kafka) -> None:
    async with consuming(tmp_path, kafka, connected=False) as one:
        await one.add()
        kafka.write(0, 1, 1_000)
        view = await one.until(lambda view: view.state == "waiting")
        assert "Connect a destination first" in str(view.reason)
        await one.bench.service.connections.add("customerio", GOOD | {"anonymous_users": "all"}, name="shop")
        assert await one.numbers(1) == [1]
        assert (await one.sources.pause("kafka")).state == "paused"
        await one.bench.service.connections.remove("shop")
        kafka.write(0, 2, 2_000)
        await one.sources.resume("kafka")
        await one.until(lambda view: view.state == "waiting")
        assert one.journal.end == 1


async def test_unreadable_records_are_counted_and_the_rest_goes_on(
    tmp_path: Path, kafka: Kafka, capsys: pytest.CaptureFixture[str]
) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        kafka.records[0] += [(1, b"{secret nonsense"), (2, None)]
        kafka.write(0, 1, 3)
        assert await one.numbers(1) == [1]
        await one.until(lambda view: view.unreadable == 2)
        assert sum((await one.bench.service.status.show()).refused.values()) == 2
    assert "secret nonsense" not in capsys.readouterr().out


async def test_a_removed_source_begins_anew(tmp_path: Path, kafka: Kafka) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        kafka.write(0, 1, 1_000)
        await one.numbers(1)
        await one.sources.remove("kafka")
        assert await one.sources.all() == []
        assert one.journal.backfilled.taken == {}
        assert (await one.add(name="other")).settled == 0
        with pytest.raises(CannotDo, match="other reads project 1 from this topic"):
            await one.sources.add_kafka("kafka:9092", "clickhouse_events_json", 2, {})


@pytest.mark.parametrize(
    ("brokers", "more", "sentence"),
    [
        ("", {}, "--brokers must be like kafka:9092"),
        ("kafka:9092, other:9092", {}, "--brokers must be like kafka:9092"),
        ("kafka:9092", {"since_ms": 2**50}, "--since must not be in the future"),
        ("kafka:9092", {"name": "No!"}, "--name takes"),
    ],
)
async def test_what_is_wrong_is_said(
    tmp_path: Path, kafka: Kafka, brokers: str, more: dict[str, Any], sentence: str
) -> None:
    async with consuming(tmp_path, kafka) as one:
        with pytest.raises(CannotDo, match=sentence):
            await one.sources.add_kafka(brokers, "clickhouse_events_json", 1, {}, **more)
        assert await one.sources.all() == []


async def test_a_lag_is_an_alert(tmp_path: Path, kafka: Kafka) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        await one.until(lambda view: view.state == "reading")
        view = replace(await one.view(), behind=1_200, lag_s=2 * HOUR_MS / 1_000)
        alerts = AlertRules(Settings(data=tmp_path)).alerts(Reading(0.0, (), [view], None, 0.0, 1.0))
        assert alerts["source kafka: lag"] == "The source kafka is 120 minutes behind; 1,200 records wait in Kafka."
