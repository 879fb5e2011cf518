"""Files of events, one after the other: JSON lines, a JSON document, or CSV.

Streams: a file of any length takes the same memory. Knows nothing of what an event says.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, Literal, TypeAlias, cast

import msgspec
from msgspec import Struct

from hogline.backfill.documents import Broken, Page, elements, page_in
from hogline.backfill.tables import delimiter_of, rows
from hogline.backfill.unpacking import DAMAGED, UnknownFile, put_back, read_ahead, unpacked
from hogline.posthog import Unreadable

LINE_BYTES = 20 * 1024 * 1024
_TRIED_LINES = 5
"""If none of so many looks like an event, the file has none."""

_DAMAGED_HERE = "The compressed file is damaged or truncated here."

Unit: TypeAlias = Literal["line", "event"]

_whole = msgspec.json.Decoder(msgspec.Raw)


class Line(Struct, frozen=True):
    number: int
    """1 is the first line of the file, or the first event of a document."""
    body: bytes
    problem: Unreadable | None = None
    """Why the line could not be read; then `body` is empty."""
    unit: Unit = "line"
    """What the number counts."""


def read_stream(
    stream: BinaryIO, line_bytes: int = LINE_BYTES, name: str = "", *, live: bool = False
) -> Iterator[Line]:
    """The lines of an open stream, without blank ones. It stays open. `live`: each line as soon as it is there.

    Of a document over many lines, or one that is too long to be a line, its events: the elements of an array or of an
    answer's `results`. A document that is neither is a single line.

    Raises OSError and `UnknownFile`.
    """
    buffered = io.BufferedReader(cast("io.RawIOBase", stream))
    try:
        yield from _Text(unpacked(cast("BinaryIO", buffered), name, live=live), line_bytes).lines()
    finally:
        # Closing the stream is up to who opened it.
        buffered.detach()


class _Text:
    def __init__(self, stream: BinaryIO, line_bytes: int) -> None:
        self._stream = stream
        self._line_bytes = line_bytes
        self._number = 0
        """The line that is read next, less one."""

    def lines(self) -> Iterator[Line]:
        """Every event, in whichever form the file has them."""
        try:
            first = self._first()
            start = first.lstrip()[:1]
            delimiter = delimiter_of(first) if start not in (b"{", b"[") else None
            if delimiter is not None:
                yield from self._table(first, delimiter)
            elif start in (b"{", b"[") and (len(first) > self._line_bytes or not _is_whole(first)):
                yield from self._document(first)
            else:
                yield from self._by_line(first)
        except DAMAGED:
            yield _broken(self._number + 1, _DAMAGED_HERE, "damaged")

    def _first(self) -> bytes:
        """The first line that is not blank, or a byte more of it than a line may have."""
        while (line := self._stream.readline(self._line_bytes + 1)) and not line.strip():
            self._number += line.endswith(b"\n")
        return line

    def _by_line(self, first: bytes) -> Iterator[Line]:
        """`first` is the beginning of the next line."""
        self._stream = put_back(first, self._stream)
        waiting: list[Line] = []
        looks_right = False
        while (found := self._next_line()) is not None:
            looks_right = looks_right or found.problem is not None or found.body.lstrip()[:1] in (b"{", b"[")
            waiting.append(found)
            if looks_right:
                yield from waiting
                waiting.clear()
            elif len(waiting) == _TRIED_LINES:
                break
        if waiting:
            raise UnknownFile(
                "The file has no events: neither JSON, nor CSV whose first line names the columns `event` and "
                "`distinct_id`."
            )

    def _next_line(self) -> Line | None:
        """The next line that is not blank; None behind the last."""
        while body := self._stream.readline(self._line_bytes + 1):
            self._number += 1
            if len(body) > self._line_bytes and not body.endswith(b"\n"):
                while body and not body.endswith(b"\n"):
                    body = self._stream.readline(self._line_bytes)
                return _broken(self._number, f"The line is longer than {self._line_bytes:,} bytes.", "too_large")
            if body.strip():
                return Line(self._number, body.rstrip(b"\r\n"))
        return None

    def _document(self, first: bytes) -> Iterator[Line]:
        """What begins with a bracket and is not complete within its first line."""
        if first.lstrip().startswith(b"["):
            yield from self._events(put_back(first, self._stream), None)
            return
        more, self._stream = read_ahead(self._stream, self._line_bytes + 1 - len(first))
        head = first + more
        text = head.lstrip()
        if len(head) <= self._line_bytes and _is_whole(text):
            yield Line(self._number + 1, text.rstrip())
            return
        page = page_in(text) if len(head) > self._line_bytes else None
        if page is None:
            yield from self._by_line(head)
        else:
            yield from self._events(put_back(text[page.start :], self._stream), page)

    def _events(self, array: BinaryIO, page: Page | None) -> Iterator[Line]:
        """The events of a document, numbered by themselves."""
        number = 0
        try:
            for number, element in enumerate(elements(array, self._line_bytes, alone=page is None), 1):
                if element is None:
                    yield _broken(number, f"The event is longer than {self._line_bytes:,} bytes.", "too_large", "event")
                else:
                    yield Line(number, element if page is None else page.row(element), unit="event")
        except Broken:
            yield _broken(number + 1, "The document is incomplete: its array has no end.", "not_json", "event")
        except DAMAGED:
            yield _broken(number + 1, _DAMAGED_HERE, "damaged", "event")

    def _table(self, first: bytes, delimiter: str) -> Iterator[Line]:
        table = put_back(first, self._stream)
        for row in rows(table, delimiter, first_line=self._number + 1, most_bytes=self._line_bytes):
            self._number = row.line
            yield _broken(row.line, row.problem, "not_csv") if row.problem else Line(row.line, row.body)


def _broken(number: int, sentence: str, reason: str, unit: Unit = "line") -> Line:
    return Line(number, b"", Unreadable(sentence, reason=reason), unit)


def _is_whole(text: bytes) -> bool:
    try:
        _whole.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
