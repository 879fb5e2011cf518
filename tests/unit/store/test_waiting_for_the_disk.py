"""Those who wait for a write: cancelled, in a crowd, or when the store closes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from hogline.core.changes import Settlement
from hogline.store.base import Unwritable
from hogline.store.datadir.secrets import Vault
from hogline.store.sqlite.database import trouble_of
from hogline.store.sqlite.journal import SqliteJournal
from hogline.store.sqlite.state import SqliteState
from hogline.store.writer import MOST_JOBS_A_COMMIT, Writer

pytestmark = pytest.mark.anyio


class Desk:
    """Performs jobs when it is let, and remembers which were done together. A job is a text; `bad` ones fail."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.let.set()
        self.busy = threading.Event()
        self.commits: list[list[str]] = []
        self.written: list[object] = []
        self.full = False
        self.probes = 0

    def perform(self, jobs: list[str]) -> list[object]:
        self.busy.set()
        self.let.wait(10)
        for job in jobs:
            if job == "bad":
                raise ValueError(job)
            if job == "full":
                raise apsw.FullError(job)
        self.commits.append(list(jobs))
        return [job.upper() for job in jobs]

    def probe(self) -> None:
        self.probes += 1
        if self.full:
            raise apsw.FullError("probe")

    def writer(self, hold_s: float = 60.0) -> Writer[str]:
        return Writer(
            self.perform,
            name="desk",
            probe=self.probe,
            trouble_of=trouble_of,
            written=self.written.append,
            hold_s=hold_s,
        )


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.let.set()


async def crowd(desk: Desk, writer: Writer[str], jobs: list[str]) -> list[asyncio.Task[object]]:
    """Jobs that wait together, behind one that is under way."""
    desk.let.clear()
    first = asyncio.create_task(writer.write("first"))
    assert await asyncio.to_thread(desk.busy.wait, 10)
    waiting = [first, *(asyncio.create_task(writer.write(job)) for job in jobs)]
    await asyncio.sleep(0)
    return waiting


async def test_those_who_wait_together_share_a_commit_and_each_gets_their_own_result(desk: Desk) -> None:
    writer = desk.writer()
    waiting = await crowd(desk, writer, ["a", "b", "c"])
    desk.let.set()
    assert await asyncio.gather(*waiting) == ["FIRST", "A", "B", "C"]
    assert desk.commits == [["first"], ["a", "b", "c"]]
    await writer.close()


async def test_a_commit_has_an_end_however_many_wait(desk: Desk) -> None:
    writer = desk.writer()
    waiting = await crowd(desk, writer, ["x"] * (MOST_JOBS_A_COMMIT + 1))
    desk.let.set()
    await asyncio.gather(*waiting)
    assert [len(commit) for commit in desk.commits] == [1, MOST_JOBS_A_COMMIT, 1]
    await writer.close()


async def test_only_the_job_that_is_at_fault_fails(desk: Desk) -> None:
    writer = desk.writer()
    waiting = await crowd(desk, writer, ["a", "bad", "b", "full"])
    desk.let.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [results[index] for index in (0, 1, 3)] == ["FIRST", "A", "B"]
    assert isinstance(results[2], ValueError)
    assert isinstance(results[4], Unwritable)
    assert desk.commits == [["first"], ["a"], ["b"]]
    assert desk.written == ["FIRST", "A", "B"]
    await writer.close()


async def test_a_full_disk_is_not_asked_again_for_each_who_waits(desk: Desk) -> None:
    writer = desk.writer()
    waiting = await crowd(desk, writer, ["full", "a", "b"])
    desk.let.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [str, Unwritable, Unwritable, Unwritable]
    assert desk.commits == [["first"]]
    assert await writer.write("after") == "AFTER"
    await writer.close()


async def test_trouble_is_told_for_its_time_however_many_small_writes_succeed(desk: Desk) -> None:
    writer = desk.writer()
    assert writer.trouble is None
    with pytest.raises(Unwritable) as refused:
        await writer.write("full")
    told = [writer.trouble]
    for job in ("a", "b", "c"):
        await writer.write(job)
        told.append(writer.trouble)
    assert told == [str(refused.value)] * 4
    assert desk.probes == 0
    await writer.close()


async def test_trouble_ends_by_itself_once_the_disk_takes_something_again(desk: Desk) -> None:
    writer = desk.writer(hold_s=0.01)
    desk.full = True
    with pytest.raises(Unwritable) as refused:
        await writer.write("full")
    await writer.write("a")  # had nothing to write, for all that is known
    async with asyncio.timeout(10):
        while desk.probes < 3:
            await asyncio.sleep(0.002)
    assert writer.trouble == str(refused.value)
    desk.full = False
    async with asyncio.timeout(10):
        while writer.trouble is not None:
            await asyncio.sleep(0.002)
    probes = desk.probes
    await writer.write("b")
    assert desk.probes == probes  # while all is well the disk is not asked
    await writer.close()


async def test_a_write_whose_waiter_was_cancelled_stands(desk: Desk) -> None:
    writer = desk.writer()
    waiting = await crowd(desk, writer, ["a", "b"])
    waiting[1].cancel()
    desk.let.set()
    assert [await waiting[0], await waiting[2]] == ["FIRST", "B"]
    assert waiting[1].cancelled()
    assert desk.written == ["FIRST", "A", "B"]
    await writer.close()


async def test_after_closing_nothing_is_taken(desk: Desk) -> None:
    writer = desk.writer()
    await writer.close()
    with pytest.raises(RuntimeError, match="closed"):
        await writer.write("late")


async def test_an_event_whose_sender_went_away_is_delivered_all_the_same(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db")
    sender = asyncio.ensure_future(journal.append([b"one"]))
    reader = asyncio.ensure_future(journal.wait(0))
    await asyncio.sleep(0)
    sender.cancel()

    async with asyncio.timeout(10):
        await reader
    assert journal.end == 1
    assert await journal.read(0, 10) == [(1, b"one")]
    await journal.close()


async def test_a_settlement_whose_worker_was_cancelled_is_written_once(tmp_path: Path) -> None:
    state = SqliteState(tmp_path / "state.db", Vault(Vault.new_key()))
    settling = asyncio.ensure_future(state.settle(Settlement(connection=1, lanes={0: 1}, delivered=1)))
    await asyncio.sleep(0)
    settling.cancel()
    await state.settle(Settlement(connection=1, lanes={1: 1}))
    assert (await state.counts(1)).delivered == 1
    await state.close()
