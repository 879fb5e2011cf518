"""Zeroes bytes that no row owns anymore: those that SQLite leaves in the unused part of a b-tree page, and free pages.

`secure_delete` overwrites a row where it is. But when SQLite moves rows between pages to balance a tree, their old
bytes stay in the gap between a page's list of cells and its cells. Nothing overwrites them until the page happens to be
filled, and no SQL reaches them. The layout of pages is documented at https://sqlite.org/fileformat2.html.

The gap means nothing to SQLite, so it is zeroed in the file itself. Whichever part of such a write is on disk after a
power cut, the database is the same. Knows nothing about tables.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw

from hogline.store.base import Unwritable
from hogline.store.sqlite.database import explain, rows, transaction

PAGES_AT_ONCE = 8_000
"""Between two chances for others to write: about 0.1 s."""

_INTERIOR = {2: 12, 5: 12}
_HEADER = _INTERIOR | {10: 8, 13: 8}
"""The first byte of a page in a tree, and the length of its header."""
_TREE, _FREE = 1, 2
_READ_BYTES = 1 << 20
_BLOCKED_MS = 250
_BUSY_MS = 5_000


def emptied(database: apsw.Connection) -> bool:
    """Move the WAL into the database and truncate it. False: another reader still needs it."""
    database.set_busy_timeout(_BLOCKED_MS)
    try:
        busy, _, _ = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
    except apsw.BusyError:
        return False
    finally:
        database.set_busy_timeout(_BUSY_MS)
    return not busy


async def scrub(write: Callable[[Scrub], Awaitable[object]], path: Path, vfs: str | None) -> bool:
    """Scrub a database in steps that `write` hands to its writing thread, which calls `step`. False: another reader is
    in the way. Raises `Unwritable`.
    """
    once = Scrub(path, vfs)
    while not once.done:
        went_on = await write(once)
        if isinstance(went_on, apsw.Error):
            raise Unwritable(explain(went_on)) from went_on
        if not went_on:
            return False
    return True


def step(once: Scrub, database: apsw.Connection) -> bool | apsw.Error:
    """`Scrub.step`. Returns an error instead of raising it: what was written in the same turn is on disk anyway."""
    try:
        return once.step(database)
    except apsw.Error as error:
        return error


class Scrub:
    """One pass through a database file, in steps. The writing thread calls `step`, between transactions.

    What was deleted before the first step is not in the files after the last one, whatever is written in between.
    """

    def __init__(self, path: Path, vfs: str | None = None) -> None:
        self._path = path
        self._vfs = vfs or ""
        self._next = 1
        self.zeroed_bytes = 0
        self.done = False

    def step(self, database: apsw.Connection) -> bool:
        """Continue. False: another reader of the file is in the way; try again later. Raises `apsw.Error`."""
        if not emptied(database):
            return False
        with transaction(database), self._opened() as file:
            if not self._wal_bytes():  # otherwise another program wrote just now
                roots = [root for (root,) in rows(database, "SELECT rootpage FROM sqlite_schema WHERE rootpage > 0")]
                pages = _Pages(file, roots)
                self._next = self._zero(file, pages)
                self.done = self._next > pages.count
        # Cached pages still have what was zeroed on disk; if they were written, it would come back.
        database.release_memory()
        return True

    @contextmanager
    def _opened(self) -> Iterator[apsw.VFSFile]:
        # Open it as SQLite does: closing a file of ours would release this process's locks on it.
        flags = [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READWRITE, 0]
        file = apsw.VFSFile(self._vfs, str(self._path.resolve()), flags)
        try:
            yield file
        finally:
            file.xClose()

    def _wal_bytes(self) -> int:
        wal = self._path.with_name(self._path.name + "-wal")
        return wal.stat().st_size if wal.exists() else 0

    def _zero(self, file: apsw.VFSFile, pages: _Pages) -> int:
        """Zero the unused bytes of the next pages; returns where to continue."""
        end = min(self._next + PAGES_AT_ONCE, pages.count + 1)
        before, per_read = self.zeroed_bytes, max(1, _READ_BYTES // pages.size)
        for first in range(self._next, end, per_read):
            last = min(first + per_read, end)
            data = pages.read(first, last - first)
            for number in range(first, last):
                start = (number - first) * pages.size
                for begin, stop in pages.unused(number, data, start):
                    if data.count(0, begin, stop) < stop - begin:
                        file.xWrite(bytes(stop - begin), (first - 1) * pages.size + begin)
                        self.zeroed_bytes += stop - begin
        if self.zeroed_bytes > before:
            file.xSync(apsw.SQLITE_SYNC_FULL)
        return end


class _Pages:
    """Which pages of a database are part of a tree, and which are free, at this moment."""

    def __init__(self, file: apsw.VFSFile, roots: Sequence[int]) -> None:
        self._file = file
        header = file.xRead(100, 0)
        size = int.from_bytes(header[16:18], "big")
        self.size = 65_536 if size == 1 else size
        self.count = file.xFileSize() // self.size
        self._kind = bytearray(self.count + 1)
        self._find_free(int.from_bytes(header[32:36], "big"))
        for root in (1, *roots):
            self._find_tree(root)

    def read(self, number: int, how_many: int = 1) -> bytes:
        return self._file.xRead(self.size * how_many, (number - 1) * self.size)

    def unused(self, number: int, data: bytes, start: int) -> Iterator[tuple[int, int]]:
        """The range of a page's unused bytes; the page starts at `start`."""
        kind = self._kind[number]
        if kind == _FREE:
            yield start, start + self.size
        elif kind == _TREE:
            header = start + _header_at(number)
            cells = int.from_bytes(data[header + 3 : header + 5], "big")
            content = int.from_bytes(data[header + 5 : header + 7], "big") or 65_536
            yield header + _HEADER[data[header]] + 2 * cells, start + content

    def _find_free(self, trunk: int) -> None:
        """Free pages are in lists, whose own pages contain only numbers."""
        while trunk:
            page = self.read(trunk)
            for n in range(int.from_bytes(page[4:8], "big")):
                self._kind[int.from_bytes(page[8 + 4 * n : 12 + 4 * n], "big")] = _FREE
            trunk = int.from_bytes(page[:4], "big")

    def _find_tree(self, root: int) -> None:
        """A tree's pages. Of its leaves, only the numbers are needed, which their parents have."""
        level = [root]
        while level:
            for number in level:
                self._kind[number] = _TREE
            # All leaves of a tree are equally far from its root, so the first page of a level says what they all are.
            interior = self.read(level[0])[_header_at(level[0])] in _INTERIOR
            level = [child for number in level for child in self._children(number)] if interior else []

    def _children(self, number: int) -> Iterator[int]:
        page, header = self.read(number), _header_at(number)
        for n in range(int.from_bytes(page[header + 3 : header + 5], "big")):
            cell = int.from_bytes(page[header + 12 + 2 * n : header + 14 + 2 * n], "big")
            yield int.from_bytes(page[cell : cell + 4], "big")
        yield int.from_bytes(page[header + 8 : header + 12], "big")


def _header_at(number: int) -> int:
    """The first page starts with the file's header."""
    return 100 if number == 1 else 0
