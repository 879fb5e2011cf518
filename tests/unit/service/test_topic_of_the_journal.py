"""The topic into which Hogline's own receivers put events, read from a log in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from consuming_bench import Consuming, consuming
from kafka_log import Kafka

from hogline.model import Event
from hogline.posthog.entry import encode_event
from hogline.service.consuming import LONGEST_OWN_PAUSE_S, NOT_SET_HERE
from hogline.service.core import CannotDo
from hogline.service.topic_reader import KEPT_MS
from hogline.sources.kafka.writer import NOTHING
from hogline.store.datadir.secrets import Vault
from hogline.store.datadir.sources import Sources as Kept
from hogline.testing.clock import SkippingClock

pytestmark = pytest.mark.anyio

ADDRESS = "kafka://kafka:9092/hogline"


def entry(number: int, *, uuid: str = "") -> bytes:
    event = Event(uuid or f"0199f3a0-0000-7000-8000-{number:012}", "ordered", f"user-{number}", 1, 2, {"n": number})
    return encode_event(event)


@pytest.fixture
def kafka() -> Kafka:
    made = Kafka(partitions=1)
    made.topic = "hogline"
    return made


@asynccontextmanager
async def taking(folder: Path, kafka: Kafka) -> AsyncIterator[Consuming]:
    async with consuming(folder, kafka) as one:
        one.bench.service.consuming.begin_own(ADDRESS, {"sasl.password": "hunter22"})
        yield one


def kept(one: Consuming) -> Kept:
    found = one.bench.service.consuming._kept
    assert found is not None
    return found


def taken(one: Consuming) -> list[dict[int, int]]:
    """How far it was, as it notes once an hour."""
    topic = kept(one).get("journal").topic
    assert topic is not None
    return [each.offsets for each in topic.taken]


async def test_events_and_counts_are_taken_in_order(tmp_path: Path, kafka: Kafka) -> None:
    kafka.first[0] = 5  # an earlier store had those
    kafka.put(1_000, entry(1))
    kafka.put(1_001, b'{"distinct_id_missing":2}')
    kafka.put(1_001, NOTHING)
    kafka.put(1_002, entry(2))
    kafka.put(1_003, entry(2))
    for wrong in (None, b"", b"nothing", b'{"a":"b"}', b"\xc1"):
        kafka.put(1_004, wrong)
    async with taking(tmp_path, kafka) as one:
        assert await one.numbers(3) == [1, 2, 2]
        view = await one.until(lambda view: view.settled == 3 and bool(kafka.noted))
        assert (view.name, view.ours, view.state, view.gaps, view.unreadable) == ("journal", True, "reading", [], 5)
        assert await one.journal.refused() == {"distinct_id_missing": 2, "not_an_event": 5}
    async with taking(tmp_path, kafka) as one:
        kafka.put(1_005, entry(3))
        assert await one.numbers(4) == [1, 2, 2, 3]
    assert b"hunter22" not in (tmp_path / "sources.json").read_bytes()


async def test_the_position_is_found_even_if_nothing_else_is_known_of_the_topic(tmp_path: Path, kafka: Kafka) -> None:
    kafka.put(1_000, entry(1))
    async with taking(tmp_path, kafka) as one:
        await one.until(lambda view: view.settled == 1)
    (tmp_path / "sources.json").unlink()
    kafka.put(2_000, entry(2))
    async with taking(tmp_path, kafka) as one:
        assert await one.numbers(2) == [1, 2]
        assert (await one.until(lambda view: view.settled == 2)).gaps == []


async def test_settings_and_brokers_may_change_and_another_name_is_another_topic(tmp_path: Path, kafka: Kafka) -> None:
    async with taking(tmp_path, kafka) as one:
        one.bench.service.consuming.begin_own("kafka://b1:9092,b2:9092/hogline", {})
        assert [(view.name, view.address) for view in await one.sources.all()] == [
            ("journal", "kafka://b1:9092,b2:9092/hogline")
        ]
        one.bench.service.consuming.begin_own("kafka://kafka:9092/other", {})
        assert [view.name for view in await one.sources.all()] == ["journal", "journal-2"]
        await one.sources.remove("journal")
        assert kept(one).get("journal-2").run < -(1 << 22)


async def test_a_command_does_not_remove_the_source_of_the_topic_that_receivers_use(
    tmp_path: Path, kafka: Kafka
) -> None:
    async with taking(tmp_path, kafka):
        pass
    settings: dict[str, Any] = {
        "journal": ADDRESS,
        "store": "postgresql://postgresql/hogline",
        "secret_key": Vault.new_key(),
    }
    async with consuming(tmp_path, kafka, **settings) as command:  # it has not begun to read
        with pytest.raises(CannotDo, match="Hogline's own receivers put events into journal"):
            await command.sources.remove("journal")
    async with consuming(tmp_path, kafka) as command:
        await command.sources.remove("journal")


async def test_a_topic_that_only_receivers_were_told_of_is_read_too(tmp_path: Path, kafka: Kafka) -> None:
    topics = [ADDRESS]
    kafka.put(1_000, entry(1))
    async with consuming(tmp_path, kafka) as one:
        one.bench.service.consuming._others = lambda: topics
        assert await one.numbers(1) == [1]
        with pytest.raises(CannotDo, match="Hogline's own receivers put events into journal"):
            await one.sources.remove("journal")
        kafka.trouble = "Kafka does not let Hogline in."
        told = await one.until(lambda view: view.state == "retrying")
        assert told.reason == f"Kafka does not let Hogline in.{NOT_SET_HERE}"
        topics.clear()
        await one.sources.remove("journal")


async def test_once_kafka_is_back_it_is_read_soon(tmp_path: Path, kafka: Kafka) -> None:
    async with taking(tmp_path, kafka) as one:
        kafka.trouble = "Kafka is away."
        standing = one.bench.service.consuming.standing("journal")
        await one.until(lambda _: standing.pause_s == LONGEST_OWN_PAUSE_S)
        kafka.trouble = None
        await one.until(lambda view: view.state == "reading")


async def test_what_was_taken_a_day_ago_is_deleted(
    tmp_path: Path, kafka: Kafka, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka.put(1_000, entry(1))  # it has waited for longer
    kafka.put(1_001, entry(2))
    async with taking(tmp_path, kafka) as one:
        clock = cast(SkippingClock, one.sources._clock)
        await one.until(lambda _: taken(one) == [{0: 2}])

        async def later(by_ms: int) -> None:
            await one.again(lambda: setattr(clock, "off_ms", clock.off_ms + by_ms))

        kafka.put(1_002, entry(3))
        await later(KEPT_MS - 1)
        await one.until(lambda _: taken(one) == [{0: 2}, {0: 3}])
        assert kafka.first[0] == 0
        kafka.may_drop = False
        await later(1)
        await one.until(lambda _: "cannot be deleted in Kafka" in capsys.readouterr().out)
        kafka.may_drop = True
        await later(0)
        await one.until(lambda _: taken(one) == [{0: 3}])
        assert kafka.first[0] == 2
        assert (await one.view()).gaps == []


async def test_in_a_log_that_was_cut_back_nothing_is_deleted_by_old_offsets(tmp_path: Path, kafka: Kafka) -> None:
    kafka.put(1_000, entry(1))
    kafka.put(1_001, entry(2))
    async with taking(tmp_path, kafka) as one:
        await one.until(lambda _: taken(one) == [{0: 2}])
        await one.again(lambda: kafka.records.update({0: [(1_002, entry(3))]}))
        await one.until(lambda _: taken(one) == [{0: 1}])
        assert await one.numbers(3) == [1, 2, 3]


async def test_a_topic_that_was_created_again_is_read_from_its_beginning(tmp_path: Path, kafka: Kafka) -> None:
    kafka.put(1_000, entry(1))
    kafka.put(1_001, entry(2))
    async with taking(tmp_path, kafka) as one:
        await one.until(lambda view: view.settled == 2 and taken(one) == [{0: 2}])

        def create_again() -> None:
            kafka.id = "second"
            kafka.records[0] = [(2_000, entry(3))]

        await one.again(create_again)
        assert await one.numbers(3) == [1, 2, 3]
        view = await one.until(lambda _: taken(one) == [{0: 1}])
        assert view.state == "reading"
        assert [(gap.records, gap.from_ms) for gap in view.gaps] == [(0, 1_001)]
        assert view.missed.startswith("Kafka deleted an unknown number of records that Hogline had not read")
        assert "run `hogline source dismiss journal`" in view.missed
