"""Sources that read from Kafka: from a log in memory, with everything that can happen to one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from consuming_bench import consuming
from kafka_log import Kafka, row

pytestmark = pytest.mark.anyio

HOUR_MS = 3_600_000


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


async def test_what_comes_from_now_on_is_read_in_the_order_of_its_times(tmp_path: Path, kafka: Kafka) -> None:
    kafka.write(0, 1, 1_000)
    async with consuming(tmp_path, kafka) as one:
        added = await one.add()
        assert (added.name, added.kind, added.settled, added.gaps) == ("kafka", "kafka", 0, [])
        assert added.address == "kafka://kafka:9092/clickhouse_events_json"

        def write() -> None:
            kafka.write(0, 2, 2_000)
            kafka.write(1, 3, 1_500)
            kafka.write(1, 9, 1_600, team_id=2)
            kafka.write(0, 4, 3_000)

        await one.again(write)
        assert await one.numbers(3) == [3, 2, 4]
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
        kafka.write(1, 1, 1_000)
        await one.numbers(1)
        opened = kafka.opened
        kafka.first[0] = 70
        kafka.write(0, 2, 2_000)
        assert await one.numbers(2) == [1, 2]
        assert [gap.records for gap in (await one.view()).gaps] == [70]
        assert kafka.opened == opened


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


async def test_new_partitions_are_read_from_their_beginning(tmp_path: Path, kafka: Kafka) -> None:
    async with consuming(tmp_path, kafka) as one:
        await one.add()
        await one.until(lambda view: view.state == "reading")
        kafka.first[2], kafka.records[2] = 0, [(1_000, row(1))]
        assert await one.numbers(1) == [1]
        assert (await one.view()).gaps == []


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
