"""The events of files, one after the other, and what holds none.

Whatever the format, an event is read by the one function that reads events (`posthog.json_text`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import BinaryIO, Literal, TypeAlias

from msgspec import Struct

from hogline.backfill import parquet
from hogline.backfill.files import CannotRead, File, trouble
from hogline.backfill.lines import read_stream
from hogline.backfill.persons import NoPerson, PersonRow, is_person, read_person
from hogline.backfill.unpacking import UnknownFile
from hogline.backfill.views import BadRow
from hogline.posthog.entry import Entry
from hogline.posthog.json_text import read_file_line, read_file_row
from hogline.posthog.received import Batch, Unreadable
from hogline.posthog.repair import decode

MOST_BAD_KEPT = 10_000
PEOPLE = "The file has people, not events. Only `hogline backfill` and `hogline send` read them, before the events."

Unit: TypeAlias = Literal["line", "event", "row"]


class Read(Struct, frozen=True):
    """An event, and where it stands."""

    file: int
    """Its place among the files."""
    number: int
    entry: Entry
    body: bytes
    """The event as the journal keeps it."""
    below_ms_us: int
    """Microseconds of its time beyond the whole millisecond."""


class Reading:
    """Iterating over it reads the files, once. Raises `CannotRead` for what may pass: a connection that
    fails, a file that changes.
    """

    def __init__(
        self,
        files: Sequence[File],
        received_ms: int,
        *,
        live: bool = False,
        person: Callable[[PersonRow], None] | None = None,
    ) -> None:
        """`live`: each event as soon as it is there. `person` gets the rows of an export of people."""
        self.files = files
        self._person = person
        self._live = live
        self._received_ms = received_ms
        self.refused: Counter[str] = Counter()
        """Events that cannot be kept, by reason; of those that were read so far."""
        self.bad = 0
        """How many rows hold no event, or some that cannot be kept."""
        self.first_bad: list[BadRow] = []

    def __iter__(self) -> Iterator[Read]:
        for place in range(len(self.files)):
            yield from self.of(place)

    def of(self, place: int) -> Iterator[Read]:
        """The events of the file at this place alone."""
        file = self.files[place]
        try:
            with ExitStack() as stack:
                stream = file.open()
                if file.name:
                    stack.callback(stream.close)
                before = file.stamp(stream)
                is_parquet = file.seekable and _begins_with(stream, parquet.MAGIC)
                yield from self._rows(place, file, stream) if is_parquet else self._lines(place, file, stream)
                _check_same(file, file.stamp(stream), before)
        except UnknownFile as unknown:
            self._is_bad(file, "line", 1, str(unknown))
        except CannotRead:
            raise
        except Exception as error:
            if not isinstance(error, OSError) and "://" not in file.name:
                raise  # a bug
            raise CannotRead(trouble(file.name or "standard input", error)) from None

    def _lines(self, place: int, file: File, stream: BinaryIO) -> Iterator[Read]:
        for line in read_stream(stream, name=file.name, live=self._live):
            if line.problem is not None:
                self._is_bad(file, line.unit, line.number, line.problem.sentence)
                continue
            try:
                batch = read_file_line(line.body, line.number, self._received_ms)
            except Unreadable as problem:
                self.refused[problem.reason] += 1
                self._is_bad(file, line.unit, line.number, problem.sentence)
                continue
            if batch.problem is not None and _may_be_person(line.body, batch.problem):
                row = decode(line.body).value
                if isinstance(row, dict) and is_person(row):
                    if not self._is_person(file, line.unit, line.number, row):
                        return
                    continue
            yield from self._events(place, line.number, line.unit, batch)

    def _rows(self, place: int, file: File, stream: BinaryIO) -> Iterator[Read]:
        for number, row in parquet.rows_of(stream, file.name):
            if isinstance(row, str):
                self._is_bad(file, "row", number, row)
            elif "event" not in row and is_person(row):
                if not self._is_person(file, "row", number, row):
                    return
            else:
                yield from self._events(place, number, "row", read_file_row(row, number, self._received_ms))

    def _is_person(self, file: File, unit: Unit, number: int, row: dict[str, object]) -> bool:
        """Hand over somebody of an export of people. False: nobody wants any, so the file is of no use."""
        if self._person is None:
            self._is_bad(file, unit, number, PEOPLE)
            return False
        try:
            self._person(read_person(row))
        except NoPerson as why:
            self.refused["not_a_person"] += 1
            self._is_bad(file, unit, number, str(why))
        return True

    def _events(self, place: int, number: int, unit: Unit, batch: Batch) -> Iterator[Read]:
        for received in batch.received:
            yield Read(place, number, received.entry, received.body, received.below_ms_us)
        if batch.problems:
            several = len(batch.received) + len(batch.problems) > 1
            self.refused.update(batch.refused)
            for inner, why in batch.problems:
                sentence = f"Event {inner}: {why.sentence}" if several else why.sentence
                self._is_bad(self.files[place], unit, number, sentence)

    def _is_bad(self, file: File, unit: Unit, number: int, sentence: str) -> None:
        self.bad += 1
        if len(self.first_bad) < MOST_BAD_KEPT:
            self.first_bad.append(BadRow(file=file.name, unit=unit, number=number, sentence=sentence))


def _may_be_person(row: bytes, problem: Unreadable) -> bool:
    """A row of PostHog's other export, perhaps."""
    return problem.reason == "event_without_name" and b"person_version" in row.lower()


def _check_same(file: File, now: object, before: object) -> None:
    if now != before:
        raise CannotRead(f"{file.name} was changed while it was read. Run the command again.")


def _begins_with(stream: BinaryIO, magic: bytes) -> bool:
    head = stream.read(len(magic))
    stream.seek(0)
    return head == magic
