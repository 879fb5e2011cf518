"""The journal under power cuts: appends that returned are there, in order, whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

from bench.soak.cuts import STOPS, Disks, Figures, close
from hogline.store.base import Unusable, Unwritable
from hogline.store.sqlite.journal import SqliteJournal
from hogline.testing.powercut import mounted

MOST_AT_ONCE = 60
LARGEST_BYTES = 3_000
TRIMS = 0.03
"""How likely the oldest events are removed after some appends."""


class JournalUnderCuts:
    """Concurrent appends, and trims. Each event tells the position that it must have.

    `weaken` is handed each journal that was opened: what a test does to see events get lost.
    """

    def __init__(self, work: Path, source: Random, weaken: Callable[[SqliteJournal], None] = lambda _: None) -> None:
        self.figures = Figures()
        self._source = source
        self._weaken = weaken
        self._disks = Disks(work, source)
        self._begin(first=1, end=0, refused=0)

    def _begin(self, *, first: int, end: int, refused: int) -> None:
        """What is on the disk now."""
        self._firsts = {first}
        """Where the journal may begin after a cut."""
        self._ends = [end]
        """Where it may end: behind each append that was handed in."""
        self._answered = end
        self._refused = refused

    async def round(self) -> None:
        disk = self._disks.disk()
        with mounted(disk) as vfs:
            try:
                journal = SqliteJournal(self._disks.folder / "journal.db", vfs=vfs)
            except Unusable:
                self.figures.during_start += 1
            else:
                await self._use(journal)
        self.figures.cuts += 1
        self._disks.cut(disk)
        await self._compare()
        if self._disks.renewed():
            self._begin(first=1, end=0, refused=0)

    async def _use(self, journal: SqliteJournal) -> None:
        self._weaken(journal)
        with suppress(Unwritable):
            while self._source.random() > STOPS:
                await self._append(journal)
                if self._source.random() < TRIMS:
                    until = self._source.randint(journal.first - 1, journal.end)
                    self._firsts.add(until + 1)
                    await journal.trim(until, received_before_ms=2**62, most_bytes=0)
        await close(journal)

    async def _append(self, journal: SqliteJournal) -> None:
        """Some concurrently, as senders do. Raises `Unwritable` when the power is off."""
        batches = []
        for _ in range(self._source.randint(1, MOST_AT_ONCE)):
            begin = self._ends[-1] + 1
            numbers = range(begin, begin + self._source.choice((1, 1, 1, 1, 1, 1, 1, 1, 1, 20)))
            batches.append([_body(number, self._source) for number in numbers])
            self._ends.append(numbers[-1])
        ends = await asyncio.gather(
            *(journal.append(batch, {"no_name": 1}) for batch in batches), return_exceptions=True
        )
        for batch, end in zip(batches, ends, strict=True):
            if isinstance(end, BaseException):
                raise end
            assert batch[-1].startswith(b"%d " % end), "an append returned another's position"
            self._answered = end
            self.figures.writes += 1
            self.figures.events += len(batch)

    async def _compare(self) -> None:
        with self._disks.copy() as folder:
            journal = SqliteJournal(folder / "journal.db")
            found = await journal.read(0, 1_000_000)
            first, end = journal.first, journal.end
            refused = (await journal.refused()).get("no_name", 0)
            await journal.close()
        assert [position for position, _ in found] == list(range(first, end + 1)), "positions have gaps"
        assert all(body.startswith(b"%d " % position) for position, body in found), "an event is another one"
        assert first in self._firsts, "events are gone that nobody trimmed"
        assert end in self._ends, "an append is there by half"
        whole = self._ends.index(end)
        assert refused == self._refused + whole, "an append is there without what it counts"
        self.figures.missing += max(0, self._answered - end)
        self.figures.unanswered += sum(self._answered < handed <= end for handed in self._ends[1:])
        self._begin(first=first, end=end, refused=refused)


def _body(number: int, source: Random) -> bytes:
    """An event of random size that tells its number."""
    return b"%d " % number + bytes(int(source.random() ** 4 * LARGEST_BYTES))


def synchronous_normal(journal: SqliteJournal) -> None:
    """Commits are no longer synced. Hogline has no setting for it, and this shows why."""
    journal._written.pragma("synchronous", "normal")  # noqa: SLF001  # as above
