"""Power cuts under the journal and the state: what had returned is there afterwards, and nothing is there by half.

Each round opens a store on a disk whose power fails at a random change of the disk (while it is opened, written,
trimmed, closed), opens what survived, compares, and goes on from there. Every now and then it begins on an empty
disk, so that a first start is cut off too.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from random import Random

import apsw
from msgspec import Struct

from bench.soak.powercut import Disk, mounted
from hogline.model import Person, Refusal
from hogline.store.base import DeadLetter, Settlement, Unusable, Unwritable
from hogline.store.secrets import Vault
from hogline.store.sqlite.journal import SqliteJournal
from hogline.store.sqlite.state import SqliteState

ROUNDS_A_DISK = 8
"""So often what survived is cut off again."""
MOST_CHANGES = 500
"""The power fails before so many changes of the disk."""
DURING_START = 0.2
"""How likely it fails before so few changes that the store is hardly open."""
MOST_AT_ONCE = 60
LARGEST_BYTES = 3_000
STOPS = 0.01
"""How likely a store is closed after a write, before the power fails."""
TRIMS = 0.03
CONNECTION = 1
LANES = 32


class Figures(Struct):
    """What came of some power cuts."""

    cuts: int = 0
    during_start: int = 0
    """Cuts before the store was open."""
    writes: int = 0
    """Appends or settlements that returned."""
    events: int = 0
    """Events in those appends."""
    unanswered: int = 0
    """Writes that were cut off, and are there all the same."""
    missing: int = 0
    """Events or settlements that were answered and are not there."""


def _body(number: int, source: Random) -> bytes:
    """An event of random size that tells its number."""
    return b"%d " % number + bytes(int(source.random() ** 4 * LARGEST_BYTES))


def _sound(folder: Path) -> None:
    """Raises AssertionError if a database of the folder is damaged."""
    for file in sorted(folder.glob("*.db")):
        database = apsw.Connection(str(file))
        try:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)], "the database is damaged"
        finally:
            database.close()


async def _close(store: SqliteJournal | SqliteState) -> None:
    """Perhaps without power: only a VFS in Python makes closing fail for it."""
    with suppress(apsw.IOError):
        await store.close()


class _Disks:
    """One disk after the other, each with what survived on the one before."""

    def __init__(self, work: Path, source: Random) -> None:
        self._work = work
        self._source = source
        self._rounds = 0
        self.folder = work / "0"
        self.folder.mkdir(parents=True)

    def disk(self) -> Disk:
        most = 50 if self._source.random() < DURING_START else MOST_CHANGES
        return Disk(self.folder, self._source.randint(1, most))

    def cut(self, disk: Disk) -> None:
        """`folder` is what survived."""
        disk.cut()
        survived = self._next()
        disk.survivors(survived, self._source)
        shutil.rmtree(self.folder)
        self.folder = survived

    def renewed(self) -> bool:
        """Every now and then `folder` is an empty one."""
        if self._rounds % ROUNDS_A_DISK:
            return False
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        return True

    def _next(self) -> Path:
        self._rounds += 1
        return self._work / str(self._rounds)


class JournalUnderCuts:
    """Appends, many at once, and trims. Each event tells the position that it must have.

    `weaken` is handed each journal that was opened: what a test does to see events get lost.
    """

    def __init__(self, work: Path, source: Random, weaken: Callable[[SqliteJournal], None] = lambda _: None) -> None:
        self.figures = Figures()
        self._source = source
        self._weaken = weaken
        self._disks = _Disks(work, source)
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
        await _close(journal)

    async def _append(self, journal: SqliteJournal) -> None:
        """Some at once, as senders do. Raises `Unwritable` when the power is off."""
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
        _sound(self._disks.folder)
        journal = SqliteJournal(self._disks.folder / "journal.db")
        try:
            found = await journal.read(0, 1_000_000)
            first, end = journal.first, journal.end
            refused = (await journal.refused()).get("no_name", 0)
        finally:
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


class StateUnderCuts:
    """Settlements, some at once. Each is numbered, and tells its number in everything that it writes."""

    def __init__(self, work: Path, source: Random) -> None:
        self.figures = Figures()
        self._source = source
        self._disks = _Disks(work, source)
        self._vault = Vault(Vault.new_key())
        self._answered = self._handed = 0

    async def round(self) -> None:
        disk = self._disks.disk()
        with mounted(disk) as vfs:
            try:
                state = SqliteState(self._disks.folder / "state.db", self._vault, vfs=vfs)
            except Unusable:
                self.figures.during_start += 1
            else:
                await self._use(state)
        self.figures.cuts += 1
        self._disks.cut(disk)
        await self._compare()
        if self._disks.renewed():
            self._answered = self._handed = 0

    async def _use(self, state: SqliteState) -> None:
        with suppress(Unwritable):
            while self._source.random() > STOPS:
                numbers = range(self._handed + 1, self._handed + 1 + self._source.randint(1, 4))
                self._handed = numbers[-1]
                settlements = (state.settle(_settlement(number)) for number in numbers)
                for number, raised in zip(
                    numbers, await asyncio.gather(*settlements, return_exceptions=True), strict=True
                ):
                    if raised is not None:
                        raise raised
                    self._answered = number
                    self.figures.writes += 1
        await _close(state)

    async def _compare(self) -> None:
        _sound(self._disks.folder)
        state = SqliteState(self._disks.folder / "state.db", self._vault)
        try:
            counts = await state.counts(CONNECTION)
            found = (
                await state.lanes(CONNECTION),
                {person.distinct_id: person.accepted for person in await state.find_people(CONNECTION, "")},
                [letter.position for letter in await state.dead_letters(CONNECTION, limit=1_000_000)],
            )
        finally:
            await state.close()
        settled = counts.settled
        assert counts.requests == settled, "a settlement counts by half"
        assert found == _after(settled), "a settlement is there by half"
        assert settled <= self._handed, "there is more than was settled"
        self.figures.missing += max(0, self._answered - settled)
        self.figures.unanswered += max(0, settled - self._answered)
        self._answered = self._handed = settled


def _is_dead(number: int) -> bool:
    return number % 5 == 0


def _settlement(number: int) -> Settlement:
    """A dead letter, which the next settlement but one resolves; or one more that was delivered."""
    refusal = Refusal("invalid", "It was refused.", operation=b"x" * (number % 700))
    letter = DeadLetter(position=number, uuid=str(number), event=b"%d" % number, refusals=(refusal,), at_ms=number)
    return Settlement(
        connection=CONNECTION,
        lanes={number % LANES: number},
        people=[Person(distinct_id=f"user {index}", accepted={"n": number}) for index in _touched(number)],
        delivered=0 if _is_dead(number) else 1,
        dead_letters=[letter] if _is_dead(number) else (),
        requests=1,
    )


def _touched(number: int) -> Iterable[int]:
    """Two people of fifty."""
    return {number % 50, number * 7 % 50}


def _after(settled: int) -> tuple[dict[int, int], dict[str, dict[str, object]], list[int]]:
    """Lanes, people and dead letters when all settlements up to this number are there."""
    lanes: dict[int, int] = {}
    people: dict[str, dict[str, object]] = {}
    for number in range(1, settled + 1):
        lanes[number % LANES] = number
        people.update({f"user {index}": {"n": number} for index in _touched(number)})
    return lanes, people, [number for number in range(1, settled + 1) if _is_dead(number)]


def print_figures(cuts: int, work: Path) -> None:
    """`cuts` of the journal as it is, as many of the state, and a tenth with `synchronous=NORMAL`."""
    seed = Random().randrange(2**32)
    print(f"power cuts (seed {seed})")
    journal = JournalUnderCuts(work / "journal", Random(seed))
    state = StateUnderCuts(work / "state", Random(seed))
    normal = JournalUnderCuts(work / "normal", Random(seed), weaken=synchronous_normal)
    for title, under_cuts, rounds in (
        ("journal", journal, cuts),
        ("state", state, cuts),
        ("journal, synchronous=NORMAL", normal, cuts // 10),
    ):
        asyncio.run(_rounds(under_cuts, rounds))
        print(f"  {title}: {under_cuts.figures}")
    assert journal.figures.missing == state.figures.missing == 0
    assert normal.figures.missing > 0


async def _rounds(under_cuts: JournalUnderCuts | StateUnderCuts, rounds: int) -> None:
    for _ in range(rounds):
        await under_cuts.round()


def synchronous_normal(journal: SqliteJournal) -> None:
    """A commit is not synced any more. Hogline has no setting for it, and this shows why."""
    journal._written.pragma("synchronous", "normal")  # noqa: SLF001  # as above
