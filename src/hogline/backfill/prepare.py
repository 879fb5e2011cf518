"""Prepares a run: its files are read, and all rows put in order into one file: first what an export of people says,
then the events by time. Nothing is sent meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from hogline.backfill.files import CannotRead, File, trouble
from hogline.backfill.order import add_all, bodies_in_order
from hogline.backfill.persons import DELETED, Persons
from hogline.backfill.reading import Read, Reading
from hogline.backfill.run_file import write_rows
from hogline.backfill.runs import Prepared
from hogline.backfill.sorter import Sorter
from hogline.posthog.entry import decode_identity

YOUNG = "too_young"
ROWS = "rows"


class Window(NamedTuple):
    """Which events a run has, by their own time."""

    before_ms: int | None = None
    """Only what happened before; None: all."""


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
    """One thread prepares, another may look at how far it is."""

    def __init__(self, files: Sequence[File], folder: Path, received_ms: int, window: Window) -> None:
        self.folder = folder
        self._received_ms = received_ms
        self._before_ms = window.before_ms
        self._persons = Persons(folder)
        self.reading = Reading(files, received_ms, person=self._persons.add)
        self._left_out: Counter[str] = Counter()
        self._people = 0
        self._sorter: Sorter | None = None
        self.written = 0

    @property
    def read(self) -> int:
        """Rows so far."""
        return self._persons.rows + (self._sorter.count if self._sorter is not None else 0)

    @property
    def disk_bytes(self) -> int:
        """The most that sorting had on disk at any time, beside the file with all rows in order."""
        return self._sorter.disk_bytes if self._sorter is not None else 0

    def prepare(self) -> Prepared:
        """Raises `CannotRead`, and OSError where the disk is full."""
        reading = self.reading
        with Sorter(self.folder) as sorter:
            self._sorter = sorter
            add_all(self._wanted(reading), sorter)
            rows = write_rows(self.folder / ROWS, self._bodies(sorter))
        return Prepared(
            rows=rows,
            people=self._people,
            refused=dict(reading.refused),
            left_out=dict(self._left_out),
            bad=reading.bad,
            first_bad=list(reading.first_bad),
        )

    def _wanted(self, reading: Iterable[Read]) -> Iterator[Read]:
        before_ms = self._before_ms
        if before_ms is None:
            yield from reading
            return
        for read in reading:
            if read.entry.timestamp_ms < before_ms:
                yield read
            else:
                self._left_out[YOUNG] += 1

    def _bodies(self, sorter: Sorter) -> Iterator[bytes]:
        for body in self._persons.bodies(self._received_ms):
            self._people += 1
            self.written += 1
            yield body
        persons = self._persons
        for body in bodies_in_order(sorter):
            self.written += 1
            if persons.deleted and persons.is_deleted(decode_identity(body).distinct_id):
                self._left_out[DELETED] += 1
            else:
                yield body
