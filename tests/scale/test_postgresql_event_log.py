"""What is kept in PostgreSQL passes the suite of every store; and what only many writers and parts can break."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import psycopg
import pytest

from hogline.store.event_log import Query
from hogline.store.postgresql.aside import Aside
from hogline.store.postgresql.event_log import PostgresqlEventLog
from hogline.testing.logs import log_suite
from hogline.testing.logs.event_log import noted, shipped

pytestmark = pytest.mark.anyio


@pytest.fixture
def opens(aside: Aside) -> Callable[..., PostgresqlEventLog]:
    return partial(PostgresqlEventLog, aside)


globals().update(log_suite("event_log"))


DAY_MS = 86_400_000


def parts(url: str) -> list[str]:
    with psycopg.connect(url) as link:
        found = link.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'hogline' AND tablename LIKE 'event_shipments_%'"
        )
        return sorted(name for (name,) in found.fetchall())


async def test_two_processes_take_each_note_once(aside: Aside, url: str) -> None:
    other_aside = Aside(url, "other")
    one, other = PostgresqlEventLog(aside), PostgresqlEventLog(other_aside)
    news = [shipped(noted(position), noted(position + 1)) for position in range(1, 60, 2)]
    await asyncio.gather(*(log.take(news[:n], 0) for n in (10, 20, 30) for log in (one, other)))
    assert {position: len(each) for position, each in (await one.attempts(1, range(61))).items()} == dict.fromkeys(
        range(1, 61), 1
    )
    assert (one.taken, other.taken) == (news[-1].number,) * 2
    await other_aside.close()


async def test_a_day_that_the_journal_let_go_is_dropped_whole(aside: Aside, url: str) -> None:
    log = PostgresqlEventLog(aside)
    for day in range(1, 5):
        await log.take([shipped(noted(10 * day), noted(10 * day + 1))], day * DAY_MS)
    assert parts(url) == [f"event_shipments_{n}" for n in (1, 2, 3, 4)]
    await log.trim(31)  # half of the third day
    assert parts(url) == ["event_shipments_3", "event_shipments_4"]
    assert [found.position for found in await log.find(Query(connections=[1]), 10)] == [41, 40, 31]
    await log.trim(99)
    assert parts(url) == []
    await log.take([shipped(noted(100))], 4 * DAY_MS)
    assert parts(url) == ["event_shipments_5"]
    assert [len(each) for each in (await log.attempts(1, [100])).values()] == [1]


async def test_a_part_that_someone_reads_is_dropped_later_and_nobody_waits(aside: Aside, url: str) -> None:
    log = PostgresqlEventLog(aside)
    await log.take([shipped(noted(1))], DAY_MS)
    await log.take([shipped(noted(2))], 2 * DAY_MS)
    with psycopg.connect(url) as link:  # pg_dump, for example
        link.execute("SELECT * FROM hogline.event_shipments_1")
        await log.trim(2)
        assert len(parts(url)) == 2
    await log.take([shipped(noted(3))], 2 * DAY_MS)
    await log.trim(3)
    assert parts(url) == ["event_shipments_2"]


async def test_forgetting_removes_what_the_journal_let_go_earlier_that_day(aside: Aside, url: str) -> None:
    log = PostgresqlEventLog(aside)
    await log.take([shipped(noted(1)), shipped(noted(2))], DAY_MS)
    await log.trim(2)
    await log.forget([2])
    with psycopg.connect(url) as link:
        rows = link.execute("SELECT sent FROM hogline.event_shipments_1").fetchall()
    assert [len(sent) for (sent,) in rows] == [0]


async def test_a_part_does_not_grow_beyond_its_bounds(aside: Aside, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hogline.store.postgresql.event_shipments.PART_BYTES", 1)
    log = PostgresqlEventLog(aside)
    for position in range(1, 4):
        await log.take([shipped(noted(position))], DAY_MS)
    assert len(parts(url)) == 3
    assert sorted(await log.attempts(1, [1, 2, 3])) == [1, 2, 3]


async def test_too_many_outcomes_are_found_as_other(aside: Aside) -> None:
    log = PostgresqlEventLog(aside, most_outcomes=2)
    await log.take([shipped(noted(n, "failed", f"reason {n}")) for n in range(1, 5)], 0)
    found = await log.find(Query(connections=[1]), 10)
    assert [each.reason for each in found] == ["other", "other", "other", "reason 1"]
