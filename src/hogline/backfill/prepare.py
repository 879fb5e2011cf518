"""Prepares a run: its files are read, and all rows put in order into one file. Nothing is sent meanwhile.

Much of it is done by other processes (`readers`), for their memory and for the second core. Starting them takes a
tenth of a second, so a little is read here.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from hogline.backfill.files import CannotRead, File, trouble
from hogline.backfill.readers import Readers
from hogline.backfill.runs import Prepared
from hogline.backfill.sorted_rows import SortedRows, Window

MUCH_BYTES = 16_000_000
"""Less is read here: a file of so many takes half a second."""
MOST_READERS = 2
"""Each takes 40 MB, and 65 MB more for Parquet."""


def key_of(files: Sequence[File], asked: Sequence[str]) -> str:
    """The same for the same files and questions; empty for what can be read once only. Raises `CannotRead`."""
    digest = sha256(msgspec.json.encode(list(asked)))
    for file in files:
        if not file.lasts:
            return ""
        if file.seekable:
            try:
                with file.open() as stream:
                    digest.update(repr((file.name, file.stamp(stream))).encode())
            except CannotRead:
                raise
            except Exception as error:
                raise CannotRead(trouble(file.name, error)) from None
    return digest.hexdigest()


class Preparation:
    """One thread prepares, another may look at how far it is, or stop it."""

    def __init__(self, files: Sequence[File], folder: Path, received_ms: int, window: Window) -> None:
        self.folder = folder
        self._files = files
        self._asked = folder, received_ms, window
        self._progress: SortedRows | Readers | None = None
        self._stopped = threading.Event()

    @property
    def read(self) -> int:
        """Rows so far."""
        return self._progress.read if self._progress else 0

    @property
    def written(self) -> int:
        """Of these, how many are in order."""
        return self._progress.written if self._progress else 0

    @property
    def disk_bytes(self) -> int:
        """The most that sorting had on disk at any time, beside the file with all rows in order."""
        return self._progress.disk_bytes if self._progress else 0

    def prepare(self) -> Prepared:
        """Raises `CannotRead`, and OSError where the disk is full."""
        sizes = _sizes(self._files)
        places = [file.place for file in self._files if file.place is not None]
        if len(places) == len(self._files) and sum(sizes) >= MUCH_BYTES:
            shares = _shares(sizes, min(MOST_READERS, os.cpu_count() or 1, len(places)))
            self._progress = readers = Readers(places, shares, *self._asked, stopped=self._stopped)
            return readers.prepare()
        with SortedRows(self._files, *self._asked) as here:
            self._progress = here
            here.add(range(len(self._files)))
            return here.write()

    def stop(self) -> None:
        """Nobody waits for it: end the other processes."""
        self._stopped.set()


def _sizes(files: Sequence[File]) -> list[int]:
    """In bytes; 0 where it is not known, and reading it may say why."""
    sizes = []
    for file in files:
        try:
            sizes.append(file.size_bytes())
        except Exception:  # whatever a bucket raises
            sizes.append(0)
    return sizes


def _shares(sizes: Sequence[int], count: int) -> list[list[int]]:
    """The places of the files, about the same number of bytes for each of `count`."""
    shares: list[list[int]] = [[] for _ in range(count)]
    loads = [0] * count
    for place in sorted(range(len(sizes)), key=lambda place: -sizes[place]):
        least = loads.index(min(loads))
        shares[least].append(place)
        loads[least] += sizes[place]
    return [sorted(share) for share in shares]
