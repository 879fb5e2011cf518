"""The feeder: rows of a run go into the journal beside live events, which go first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from hogline.backfill import feeder
from hogline.backfill.feeder import Feeder
from hogline.backfill.run_file import write_rows
from hogline.model import Event
from hogline.posthog.entry import FORGOTTEN, encode_event
from hogline.posthog.uuids import REPEATED
from hogline.sources.seen import SeenUuids
from hogline.store.backfilled import Backfilled, Taken
from hogline.store.base import Unwritable
from hogline.store.forgetting import NOBODY, Suppressed
from hogline.testing.clock import SkippingClock


def body(number: int, distinct_id: str = "u1") -> bytes:
    return encode_event(Event(f"0199f3a0-0000-7000-8000-{number:012d}", "seen", distinct_id, number, number, {}))


class Journal:
    """In memory."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.backfilled = Backfilled((), {})
        self.failures = 0

    @property
    def end(self) -> int:
        return len(self.bodies)

    async def append(
        self, events: Sequence[bytes], refused: Mapping[str, int] | None = None, taken: Taken | None = None
    ) -> int:
        del refused
        if self.failures:
            self.failures -= 1
            raise Unwritable("The disk is full.", 1)
        first = self.end + 1
        self.bodies += events
        if taken is not None:
            self.backfilled.add(first, self.end, taken)
        return self.end

    async def read(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        return list(enumerate(self.bodies, 1))[after : after + limit]


class Target:
    def __init__(self) -> None:
        self.position = 0
        self.requests = 0
        self.runs = True

    def settled(self) -> tuple[int, int] | None:
        return (self.position, self.requests) if self.runs else None

    def all_run(self) -> bool:
        return self.runs

    def requests_per_second(self) -> float:
        return 10.0


class Feeding:
    def __init__(self, folder: Path, rows: Sequence[bytes], *, share: int = 50) -> None:
        self.journal, self.target, self.clock = Journal(), Target(), SkippingClock(0, now_s=0.0)
        self.file, self.share, self.suppressed = folder / "rows", share, NOBODY
        write_rows(self.file, rows)
        self.task: asyncio.Task[None] | None = None
        self.feeder = self.made()

    def made(self) -> Feeder:
        journal: Any = self.journal
        return Feeder(
            7,
            self.file,
            connection=3,
            share=self.share,
            target=self.target,
            journal=journal,
            seen=SeenUuids(journal),
            suppressed=self.suppressed,
            clock=self.clock,
        )

    async def turns(self, most: int = 200) -> None:
        if self.task is None:
            self.task = asyncio.create_task(self.feeder.run())
        for _ in range(most):
            await asyncio.sleep(0)

    async def stop(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.task = None


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeder, "CHUNK_ROWS", 10)
    monkeypatch.setattr(feeder, "AHEAD_ROWS", 50)
    monkeypatch.setattr(feeder, "MOST_LIVE", 5)


def test_no_more_is_taken_than_what_is_soon_settled(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Feeding(tmp_path, [body(number) for number in range(200)])
        await bench.turns()
        assert bench.journal.end == 50
        bench.target.position = 30
        bench.feeder.note(())
        await bench.turns()
        assert bench.journal.end == 80
        while not (bench.task and bench.task.done()):
            bench.target.position = bench.journal.end
            await bench.turns(5)
        assert bench.journal.bodies == [body(number) for number in range(200)]
        await bench.task

    asyncio.run(work())


def test_while_live_events_wait_nothing_is_taken(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Feeding(tmp_path, [body(number) for number in range(100)])
        bench.journal.bodies = [body(1_000 + number) for number in range(6)]
        await bench.turns()
        assert (bench.journal.end, bench.feeder.waits) == (6, "live events go first")
        bench.target.position = 6
        await bench.turns()
        assert (bench.journal.end, bench.feeder.waits) == (56, None)
        await bench.stop()

    asyncio.run(work())


def test_no_more_than_its_share_of_the_requests_is_used(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Feeding(tmp_path, [body(number) for number in range(200)])

        class Still(SkippingClock):
            async def sleep(self, seconds: float) -> None:
                del seconds
                await asyncio.sleep(0)

        bench.clock = Still(0, now_s=0.0)
        bench.feeder = bench.made()
        await bench.turns()
        bench.target.requests, bench.target.position = 5, 50
        await bench.turns()
        assert bench.journal.end == 50
        bench.clock.at_s = 1.0
        await bench.turns()
        assert bench.journal.end == 100
        await bench.stop()

    asyncio.run(work())


def test_while_the_connection_does_not_run_it_waits(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Feeding(tmp_path, [body(1)])
        bench.target.runs = False
        await bench.turns()
        assert (bench.journal.end, bench.feeder.waits) == (0, "the connection is not running")
        await bench.stop()

    asyncio.run(work())


def test_made_anew_it_goes_on_behind_what_the_journal_took(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Feeding(tmp_path, [body(number) for number in range(100)])
        await bench.turns()
        await bench.stop()
        taken = bench.journal.end
        assert bench.journal.backfilled.taken == {7: taken}
        bench.target.position = taken
        bench.feeder = bench.made()
        await bench.turns()
        assert bench.journal.bodies == [body(number) for number in range(100)]
        await bench.stop()

    asyncio.run(work())


def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Feeding(tmp_path, [body(number) for number in range(10)])
        bench.journal.failures = 3
        await bench.turns()
        assert bench.journal.bodies == [body(number) for number in range(10)]
        await bench.stop()

    asyncio.run(work())


def test_repeats_are_marked_and_forgotten_rows_are_left_out(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Feeding(tmp_path, [body(1), FORGOTTEN, body(1), body(2)])
        await bench.turns()
        assert [REPEATED.encode() in one for one in bench.journal.bodies] == [False, True, False]
        assert bench.journal.backfilled.taken == {7: 4}
        await bench.stop()

    asyncio.run(work())


def test_stopped_while_it_writes_it_ends_when_that_is_known(tmp_path: Path) -> None:
    """Else whoever goes on would take the same rows again."""

    async def work() -> None:
        bench = Feeding(tmp_path, [body(number) for number in range(20)])
        append, may_write, asked = bench.journal.append, asyncio.Event(), asyncio.Event()

        async def slow(*given: Any) -> int:
            asked.set()
            await may_write.wait()
            return await append(*given)

        bench.journal.append = slow  # type: ignore[assignment, method-assign]
        task = asyncio.create_task(bench.feeder.run())
        await asked.wait()
        task.cancel()
        await asyncio.wait([task], timeout=0.01)
        assert not task.done()
        may_write.set()
        await asyncio.wait([task])
        assert (task.cancelled(), bench.journal.backfilled.taken) == (True, {7: 10})

    asyncio.run(work())


def test_who_is_suppressed_while_the_disk_is_full_is_left_out(tmp_path: Path) -> None:
    async def work() -> None:
        bench = Feeding(tmp_path, [body(1), body(2, "u2")])
        bench.suppressed, bench.journal.failures = Suppressed(str.encode), 10_000
        bench.feeder = bench.made()
        await bench.turns(20)
        bench.suppressed.replace([b"u1"])
        bench.journal.failures = 0
        await bench.turns()
        assert bench.journal.bodies == [body(2, "u2")]
        assert bench.journal.backfilled.taken == {7: 2}
        await bench.stop()

    asyncio.run(work())
