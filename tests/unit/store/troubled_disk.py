"""A disk that fails when it is told to, and remembers what was asked of it: a VFS of SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import apsw

_numbers = count()


class Disk:
    """`trouble`: what every write gives from now on; None: all is well. `calls`: writes and syncs, with the name
    of the file, in order.
    """

    def __init__(self, name: str, full_after: int | None) -> None:
        """`full_after`: it is full behind so many calls."""
        self.name = name
        self.trouble: type[apsw.Error] | None = None
        self.calls: list[tuple[str, str]] = []
        self._full_after = full_after

    def call(self, kind: str, name: str) -> None:
        if self._full_after is not None and len(self.calls) >= self._full_after:
            self.trouble = apsw.FullError
        if self.trouble is not None:
            raise self.trouble("/secret/path: canary")
        self.calls.append((kind, name))


@contextmanager
def troubled_disk(*, full_after: int | None = None) -> Iterator[Disk]:
    disk = Disk(f"troubled-{next(_numbers)}", full_after)

    class File(apsw.VFSFile):
        def __init__(self, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
            path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
            self.name = Path(path).name
            super().__init__("", name, flags)

        def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # SQLite's name for it
            disk.call("write", self.name)
            super().xWrite(data, offset)

        def xSync(self, flags: int) -> None:  # noqa: N802  # as above
            disk.call("sync", self.name)
            super().xSync(flags)

    class Files(apsw.VFS):
        def __init__(self) -> None:
            super().__init__(disk.name, "")

        def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> File:  # noqa: N802  # as above
            return File(name, flags)

    files = Files()
    try:
        yield disk
    finally:
        files.unregister()
