"""What power cuts under the journal and under the state have in common: the disks, and the figures.

Each round opens a store on a disk whose power fails at a random change of the disk (while it is opened, written,
trimmed, closed), opens what survived, compares, and goes on from there. Every now and then it begins on an empty
disk, so that a first start is cut off too.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import apsw
from msgspec import Struct

from hogline.store.sqlite.journal import SqliteJournal
from hogline.store.sqlite.state import SqliteState
from hogline.testing.powercut import Disk

ROUNDS_A_DISK = 8
"""So often what survived is cut off again."""
MOST_CHANGES = 500
"""The power fails before so many changes of the disk."""
DURING_START = 0.2
"""How likely it fails before so few changes that the store is hardly open."""
STOPS = 0.01
"""How likely a store is closed after a write, before the power fails."""


class Figures(Struct):
    """What came of some power cuts."""

    cuts: int = 0
    during_start: int = 0
    """Cuts before the store was open."""
    writes: int = 0
    """Appends or settlements that returned."""
    events: int = 0
    """Events in those appends; a settlement has none."""
    unanswered: int = 0
    """Writes that were cut off but are there anyway."""
    missing: int = 0
    """Events or settlements that were answered and are not there."""

    @property
    def sentence(self) -> str:
        return (
            f"{self.cuts:,} cuts ({self.during_start:,} while it was opened), {self.writes:,} writes answered "
            f"({self.events:,} events), {self.unanswered:,} kept unanswered, {self.missing:,} missing"
        )


def _check_sound(folder: Path) -> None:
    for file in sorted(folder.glob("*.db")):
        database = apsw.Connection(str(file))
        try:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)], "the database is damaged"
        finally:
            database.close()


async def close(store: SqliteJournal | SqliteState) -> None:
    """Perhaps without power: only a VFS in Python makes closing fail for it."""
    with suppress(apsw.IOError):
        await store.close()


class Disks:
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

    @contextmanager
    def copy(self) -> Iterator[Path]:
        """To look at: `folder` itself stays as the power left it, and is opened for the first time in the next round.
        Raises AssertionError if a database turns out to be damaged.
        """
        copied = self._work / "copy"
        shutil.copytree(self.folder, copied)
        yield copied
        _check_sound(copied)
        shutil.rmtree(copied)

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
