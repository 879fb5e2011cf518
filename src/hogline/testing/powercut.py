"""A disk that can lose its power: a VFS of SQLite that knows what was synced and what was only written.

The files lie in a folder as always, and there stands what a running process sees. Beside it the disk remembers,
for each file, what is certain to survive. `survivors` writes what somebody finds when the power is back: all that
was synced, and of the rest whatever luck left, torn at the boundaries of sectors. Knows nothing of what is in the
files.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeAlias

import apsw

SECTORS_BYTES = (512, 4_096)
_JOURNALS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
_numbers = count()


class _Write(NamedTuple):
    offset: int
    data: bytes


class _Truncate(NamedTuple):
    size: int


class Luck(NamedTuple):
    """What becomes of what was not synced."""

    sector_bytes: int
    first: float
    """So large a part of the changes, the oldest, is on the disk."""
    others: float
    """Of the others, each sector with this probability."""

    @classmethod
    def of(cls, source: Random) -> Luck:
        return cls(
            source.choice(SECTORS_BYTES), source.choice((0, 0, source.random())), source.choice((0, 0.1, 0.5, 0.9, 1))
        )


class Image:
    """One file: what survives for certain, and what was changed since."""

    def __init__(self, durable: bytes = b"") -> None:
        self._durable = bytearray(durable)
        self._changes: list[_Write | _Truncate] = []

    def write(self, offset: int, data: bytes) -> None:
        self._changes.append(_Write(offset, data))

    def truncate(self, size: int) -> None:
        self._changes.append(_Truncate(size))

    def sync(self) -> None:
        for change in self._changes:
            _apply(self._durable, change)
        self._changes.clear()

    def survivor(self, luck: Luck, source: Random) -> bytes:
        found = bytearray(self._durable)
        certain = int(len(self._changes) * luck.first)
        for index, change in enumerate(self._changes):
            for piece in _pieces(change, luck.sector_bytes):
                if index < certain or source.random() < luck.others:
                    _apply(found, piece)
        return bytes(found)


def _pieces(change: _Write | _Truncate, sector_bytes: int) -> Iterator[_Write | _Truncate]:
    """What of a change is on the disk whole or not at all."""
    if isinstance(change, _Truncate):
        yield change
        return
    at, end = change.offset, change.offset + len(change.data)
    while at < end:
        stop = min(end, at - at % sector_bytes + sector_bytes)
        yield _Write(at, change.data[at - change.offset : stop - change.offset])
        at = stop


def _apply(content: bytearray, change: _Write | _Truncate) -> None:
    size = change.size if isinstance(change, _Truncate) else change.offset
    content.extend(bytes(max(0, size - len(content))))
    if isinstance(change, _Truncate):
        del content[size:]
    else:
        content[size : size + len(change.data)] = change.data


_Folder: TypeAlias = dict[str, Image]


class Disk:
    """The disk under one folder. What lies there already is safe.

    With its `cut_at`-th change of the disk (from 1) the power fails: that write may be torn, that sync or deletion
    was not done, and everything after it fails.
    """

    def __init__(self, folder: Path, cut_at: int | None = None) -> None:
        self.name = f"power-cut-{next(_numbers)}"
        self.changes = 0
        self.off = False
        self._cut_at = cut_at
        self._lock = threading.Lock()
        self._files: _Folder = {
            file.name: Image(file.read_bytes()) for file in folder.iterdir() if not file.name.endswith("-shm")
        }
        self._entries = dict(self._files)
        """The folder as it was last synced."""

    def _changing(self) -> None:
        """One change more, perhaps the last one."""
        self._needs_power()
        self.changes += 1
        if self.changes == self._cut_at:
            self.off = True

    def _needs_power(self) -> None:
        """Raises what SQLite takes for a broken disk."""
        if self.off:
            raise apsw.IOError("the power is off")

    def cut(self) -> None:
        """Now, whatever is under way."""
        with self._lock:
            self.off = True

    def image(self, name: str) -> Image:
        """The file of that name. A new one exists for the running process, but may not survive."""
        with self._lock:
            self._needs_power()
            return self._files.setdefault(name, Image())

    def write(self, image: Image, offset: int, data: bytes) -> None:
        with self._lock:
            self._changing()
            image.write(offset, data)

    def truncate(self, image: Image, size: int) -> None:
        with self._lock:
            self._changing()
            image.truncate(size)

    def sync(self, image: Image, *, folder: bool) -> None:
        with self._lock:
            self._changing()
            self._needs_power()
            image.sync()
            if folder:
                self._entries = dict(self._files)

    def delete(self, name: str, *, sync_folder: bool) -> None:
        with self._lock:
            self._changing()
            self._needs_power()
            self._files.pop(name, None)
            if sync_folder:
                self._entries = dict(self._files)

    def survivors(self, folder: Path, source: Random, luck: Luck | None = None) -> None:
        """Write what is found after the power is back into a new folder."""
        folder.mkdir()
        luck = luck or Luck.of(source)
        with self._lock:
            for name in sorted(self._files.keys() | self._entries.keys()):
                image = source.choice((self._files.get(name), self._entries.get(name)))
                if image is not None:
                    (folder / name).write_bytes(image.survivor(luck, source))


@contextmanager
def mounted(disk: Disk) -> Iterator[str]:
    """The name of a VFS that writes to this disk, for as long as the context lasts."""

    class File(apsw.VFSFile):
        def __init__(self, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
            path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name or "")
            # SQLite syncs the folder with the first sync of a log that it made (`unixSync` in its os_unix.c).
            self._folder = bool(flags[0] & _JOURNALS) and not path.exists()
            self._image = disk.image(path.name)
            super().__init__("", name, flags)

        def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # SQLite's name for it
            disk.write(self._image, offset, data)
            super().xWrite(data, offset)

        def xTruncate(self, newsize: int) -> None:  # noqa: N802  # as above
            disk.truncate(self._image, newsize)
            super().xTruncate(newsize)

        def xSync(self, flags: int) -> None:  # noqa: N802  # as above; no need to ask the real disk
            disk.sync(self._image, folder=self._folder)
            self._folder = False

    class Files(apsw.VFS):
        def __init__(self) -> None:
            super().__init__(disk.name, "")

        def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> File:  # noqa: N802  # as above
            return File(name, flags)

        def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: FBT001, N802  # as above
            disk.delete(Path(filename).name, sync_folder=syncdir)
            super().xDelete(filename, False)  # noqa: FBT003  # as above

    files = Files()
    try:
        yield disk.name
    finally:
        files.unregister()
