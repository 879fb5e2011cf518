"""Sources that read from Kafka: what is in the way, what users change, and what they are told meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from consuming_bench import consuming
from kafka_log import Kafka, row
from msgspec.structs import replace
from service_bench import GOOD, RECEIVED_MS, bench_in
from structlog.testing import capture_logs

from hogline.service import CannotDo
from hogline.service.alerts import AlertRules, Reading
from hogline.service.consuming import LONGEST_PAUSE_S
from hogline.settings import Settings
from hogline.store.base import Connection, Unusable, Unwritable
from hogline.store.datadir.sources import Sources as Kept

pytestmark = pytest.mark.anyio

HOUR_MS = 3_600_000


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


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


async def test_a_kafka_that_can_only_be_looked_at_is_asked_less_often_and_is_an_alert(
    tmp_path: Path, kafka: Kafka
) -> None:
    async with consuming(tmp_path, kafka) as one:
        kafka.may_read = False
        await one.add()
        standing = one.bench.service.consuming.standing("kafka")
        await one.until(lambda _: standing.pause_s == LONGEST_PAUSE_S)
        one.bench.service.clock.off_ms += HOUR_MS  # type: ignore[attr-defined]  # a clock of tests
        opened = kafka.opened
        view = await one.until(lambda view: kafka.opened > opened + 2 and view.state == "retrying")
        assert view.reason == "Kafka does not allow it."
        assert view.trouble_s >= 3_600
        kafka.may_read = True
        view = await one.until(lambda view: view.state == "reading")
        assert view.trouble_s == 0


async def test_a_store_that_was_away_is_asked_again(
    tmp_path: Path, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        await one.until(lambda _: bool(kafka.reading))
        state, asked = one.bench.service.state, list[str]()

        async def away() -> list[Connection]:
            asked.append("PostgreSQL")
            if len(asked) == 10:
                raise RuntimeError
            raise Unwritable("PostgreSQL is away.", retry_after_s=1)

        with monkeypatch.context() as patched, capture_logs() as logs:
            patched.setattr(state, "connections", away)
            async with asyncio.timeout(20):
                while len(asked) < 20:
                    await asyncio.sleep(0)
        assert [entry["reason"] for entry in logs if entry["event"] == "sources are not looked after"] == [
            "PostgreSQL is away.",
            ANY,
            "PostgreSQL is away.",
        ]
        await one.sources.pause("kafka")
        await one.sources.resume("kafka")
        kafka.write(0, 1, 1_000)
        assert await one.numbers(1) == [1]


async def test_each_outage_is_logged_once(tmp_path: Path, kafka: Kafka) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        with capture_logs() as logs:
            for _ in range(2):
                await one.until(lambda view: view.state == "reading")
                kafka.trouble = "Kafka cannot be read."
                await one.until(lambda view: view.state == "retrying")
                kafka.trouble = None
        assert [entry["reason"] for entry in logs if entry["event"] == "nothing can be read"] == 2 * [
            "Kafka cannot be read."
        ]


async def test_a_full_journal_is_no_trouble_of_kafka(tmp_path: Path, kafka: Kafka) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        kafka.trouble = "Kafka cannot be read."
        await one.until(lambda view: view.state == "retrying")
        one.full, kafka.trouble = True, None
        kafka.write(0, 1, 1_000)
        view = await one.until(lambda view: view.state != "retrying")
        assert (view.state, view.reason, view.trouble_s) == ("waiting", "Too many events are pending.", 0)


async def test_who_is_suppressed_while_the_journal_is_full_is_not_let_in(tmp_path: Path, kafka: Kafka) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        one.full = True
        kafka.write(0, 1, 1_000)
        kafka.write(0, 2, 2_000)
        await one.until(lambda view: view.state == "waiting")
        await one.bench.service.forgetting.suppress("user-1")
        one.full = False
        assert await one.numbers(1) == [2]
        await one.until(lambda view: view.settled == 1)
        assert (await one.bench.service.status.show()).refused == {"suppressed": 1}


async def test_after_a_restart_it_still_says_how_far_it_is(tmp_path: Path, kafka: Kafka) -> None:
    at_ms = RECEIVED_MS + HOUR_MS
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        kafka.write(0, 1, at_ms - 5)
        kafka.write(1, 2, at_ms)
        await one.numbers(2)
    async with bench_in(tmp_path) as bench:
        (view,) = await bench.service.sources.all()
        assert (view.state, view.up_to_ms) == ("not_running", at_ms)


async def test_what_is_lost_again_before_anything_is_read_is_lost_since_the_last_record(
    tmp_path: Path, kafka: Kafka
) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        kafka.write(0, 1, RECEIVED_MS + HOUR_MS)
        await one.numbers(1)
        await one.stop()
        for gaps in (1, 2):
            kafka.first[0] += 10
            one.start()
            await one.until(lambda view, gaps=gaps: len(view.gaps) == gaps)  # type: ignore[misc]  # its default binds it
            await one.stop()
        assert [gap.from_ms for gap in (await one.view()).gaps] == 2 * [RECEIVED_MS + HOUR_MS]


async def test_what_changes_while_settings_are_checked_stays(tmp_path: Path, kafka: Kafka) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        kafka.may_find.clear()
        adding = asyncio.create_task(one.add(since_ms=1, settings={"client.rack": "b"}))
        await asyncio.sleep(0)
        await one.sources.pause("kafka")
        kafka.may_find.set()
        assert (await adding).state == "paused"
        await one.sources.resume("kafka")
        kafka.write(0, 1, 1_000)
        await one.numbers(1)
        assert kafka.settings == {"client.rack": "b"}


async def test_once_it_is_paused_nothing_is_read(tmp_path: Path, kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        standings, standing = one.bench.service.consuming._standings, one.bench.service.consuming.standing("kafka")
        end = standings.end

        async def slowly(name: str) -> None:
            await end(name)
            for _ in range(1_000):
                await asyncio.sleep(0)

        await one.until(lambda _: standing.is_busy)
        monkeypatch.setattr(standings, "end", slowly)
        await one.sources.pause("kafka")
        assert not standing.is_busy


async def test_while_it_is_changed_it_has_not_stopped(tmp_path: Path, kafka: Kafka) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        await one.until(lambda _: bool(kafka.reading))
        async with one.bench.service.consuming.held("kafka"):
            assert (await one.view()).state == "reading"
            kafka.write(0, 1, 1_000)
        assert await one.numbers(1) == [1]


def _fail(*_: object) -> None:
    raise Unusable("sources.json cannot be written.")


async def test_a_source_that_cannot_be_removed_is_read_on(
    tmp_path: Path, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()

        monkeypatch.setattr(Kept, "_write", _fail)
        with pytest.raises(Unusable):
            await one.sources.remove("kafka")
        kafka.write(0, 1, 1_000)
        assert await one.numbers(1) == [1]


async def test_a_source_that_stopped_stays_so_if_it_cannot_be_changed(
    tmp_path: Path, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        kafka.write(0, 1, 1_000)
        await one.numbers(1)
        kafka.id = "second"
        await one.until(lambda view: view.state == "stopped")

        monkeypatch.setattr(Kept, "_write", _fail)
        with pytest.raises(Unusable):
            await one.add()
        assert (await one.view()).state == "stopped"


async def test_while_too_many_events_are_pending_nothing_more_is_read(tmp_path: Path, kafka: Kafka) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        await one.until(lambda view: view.state == "reading")
        opened, one.full = kafka.opened, True
        for number in range(1, 5_001):
            kafka.write(0, number, number)
        view = await one.until(lambda view: view.state == "waiting")
        assert view.reason == "Too many events are pending."
        read, refused = kafka.reading[0], one.refused
        await one.until(lambda _: one.refused > refused + 20)
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
