"""The rows of files in order, in one file: first what an export of people says, then the events by time.

Several processes may each read some of the files. One of them then takes the rows of the others, and writes all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

from hogline.backfill.files import File
from hogline.backfill.order import add_all, bodies_in_order
from hogline.backfill.persons import DELETED, Persons
from hogline.backfill.reading import MOST_BAD_KEPT, Read, Reading
from hogline.backfill.run_file import write_rows
from hogline.backfill.runs import Prepared
from hogline.backfill.sorter import MEMORY_BYTES, MOST_RUNS, Sorter
from hogline.backfill.views import BadRow
from hogline.posthog.entry import decode_identity

YOUNG = "too_young"
ROWS = "rows"


class Window(Struct, frozen=True):
    """Which events a run has, by their own time."""

    before_ms: int | None = None
    """Only what happened before; None: all."""


class Part(Struct, frozen=True):
    """What some of the files came to, beside their sorted rows."""

    events: int
    """How many of the descriptors are of events; the others are of people."""
    refused: dict[str, int]
    left_out: dict[str, int]
    bad: int
    first_bad: list[BadRow]


class SortedRows:
    """Raises `CannotRead`, and OSError where the disk is full."""

    def __init__(
        self, files: Sequence[File], folder: Path, received_ms: int, window: Window, *, shared_by: int = 1
    ) -> None:
        """`shared_by`: so many processes share the memory and the open files."""
        self._folder = folder
        self._received_ms = received_ms
        self._before_ms = window.before_ms
        self._persons = Persons(folder, shared_by=shared_by)
        self._reading = Reading(files, received_ms, person=self._persons.add)
        self._sorter = Sorter(folder, memory_bytes=MEMORY_BYTES // shared_by, most_runs=MOST_RUNS // shared_by)
        self._left_out: Counter[str] = Counter()
        self._people = 0
        self.written = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._sorter.__exit__(kind, error, traceback)

    @property
    def read(self) -> int:
        """Rows so far."""
        return self._persons.rows + self._sorter.count

    @property
    def disk_bytes(self) -> int:
        """The most that sorting had on disk at any time, beside the file with all rows in order."""
        return self._sorter.disk_bytes

    def add(self, places: Iterable[int]) -> None:
        """Read the files at these places."""
        for place in places:
            add_all(self._wanted(self._reading.of(place)), self._sorter)

    def give(self) -> tuple[Part, list[int]]:
        """What was read, and descriptors of its rows, for another process."""
        events, reading = self._sorter.give(), self._reading
        part = Part(len(events), dict(reading.refused), dict(self._left_out), reading.bad, reading.first_bad)
        return part, [*events, *self._persons.give()]

    def take(self, part: Part, descriptors: Sequence[int]) -> None:
        """What another process gave."""
        reading = self._reading
        self._sorter.take(descriptors[: part.events])
        self._persons.take(descriptors[part.events :])
        reading.refused.update(part.refused)
        self._left_out.update(part.left_out)
        reading.bad += part.bad
        reading.first_bad += part.first_bad

    def write(self) -> Prepared:
        """All rows that were added or taken."""
        reading = self._reading
        rows = write_rows(self._folder / ROWS, self._bodies())
        places = {file.name: place for place, file in enumerate(reading.files)}
        first_bad = sorted(reading.first_bad, key=lambda row: places[row.file])  # of a file they are in order
        return Prepared(
            rows=rows,
            people=self._people,
            refused=dict(reading.refused),
            left_out=dict(self._left_out),
            bad=reading.bad,
            first_bad=first_bad[:MOST_BAD_KEPT],
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

    def _bodies(self) -> Iterator[bytes]:
        for body in self._persons.bodies(self._received_ms):
            self._people += 1
            self.written += 1
            yield body
        persons = self._persons
        for body in bodies_in_order(self._sorter):
            self.written += 1
            if persons.deleted and persons.is_deleted(decode_identity(body).distinct_id):
                self._left_out[DELETED] += 1
            else:
                yield body
