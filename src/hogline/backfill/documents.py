"""JSON documents that are too long for memory, in pieces: the elements of an array, or of the `results` of an answer of
PostHog's API, as the bytes that they are.

Looks at brackets, commas and quotes only; whether an element is valid JSON is checked by its reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from msgspec import Struct

from hogline.backfill.unpacking import read_ahead

_LOSES_ITS_PLACE = re.fullmatch(r"(?:ab?c)++", "aca") is not None
"""Python before 3.11.5 (gh-106052). To remember where to go back to finds nothing more here, and only costs memory."""
_ALL = rb"*" if _LOSES_ITS_PLACE else rb"*+"
_TEXT = rb'"[^"\\]*+(?:\\.[^"\\]*+)' + _ALL + rb'"'
_KEY_TOKEN = re.compile(_TEXT + rb'|["\[\]{},:]', re.DOTALL)
"""Texts as wholes; a quote by itself begins one that goes on behind the end of what was read."""


def _up_to(marks: bytes) -> bytes:
    """A pattern for everything up to one of these marks; marks inside texts do not count."""
    between = rb'[^"' + marks + rb"]*+"
    return between + rb"(?:" + _TEXT + between + rb")" + _ALL


_BRACKETS = rb"\[\]{}"
_PASSED_OVER = re.compile(_up_to(_BRACKETS), re.DOTALL)
_TO_BRACKET = re.compile(_up_to(_BRACKETS) + rb"([" + _BRACKETS + rb"])", re.DOTALL)
_TO_COMMA = re.compile(_up_to(_BRACKETS + rb",") + rb"([" + _BRACKETS + rb",])", re.DOTALL)
_OPENING = re.compile(rb"\s*\[")
_FLAT_ARRAY = re.compile(rb'\s*(\[(?:[^"\[\]]|"[^"\\]*(?:\\.[^"\\]*)*")*\])', re.DOTALL)
_LEAST_READ = 64 * 1024


class Broken(Exception):
    """The document ends too early, or something follows its end."""


class Page(Struct, frozen=True):
    """Where the rows of an answer begin."""

    start: int
    columns: bytes | None
    """The JSON array of their names, where rows are arrays themselves and the names come first."""

    def row(self, element: bytes) -> bytes:
        """A row as a separate response, with its column names."""
        if self.columns is None:
            return element
        return b'{"columns":' + self.columns + b',"results":[' + element + b"]}"


def page_in(head: bytes) -> Page | None:
    """Where `results` of the object begin that these bytes begin with; None if it has none in them."""
    columns: bytes | None = None
    for key, value in _keys(head):
        if key == b'"columns"' and (names := _FLAT_ARRAY.match(head, value)):
            columns = names[1]
        if key == b'"results"' and (opening := _OPENING.match(head, value)):
            return Page(opening.end() - 1, columns)
    return None


def _keys(head: bytes) -> Iterator[tuple[bytes, int]]:
    """The keys of the object, as they are written, and where the value of each begins."""
    depth, before = 0, b""
    for token in _KEY_TOKEN.finditer(head):
        mark = token.group()
        depth += (mark in b"[{") - (mark in b"]}")
        if depth == 0 or mark == b'"':
            return
        if depth == 1 and mark == b":":
            yield before, token.end()
        before = mark


def elements(stream: BinaryIO, most_bytes: int, *, alone: bool) -> Iterator[bytes | None]:
    """The elements of the array that the stream begins with; None for one that is longer than `most_bytes`. `alone`:
    only other arrays may follow it; their elements come next.

    Raises `Broken`.
    """
    array = _Array(stream, most_bytes)
    yield from array.elements()
    while alone and (rest := array.rest()):
        if not rest.startswith(b"["):
            raise Broken
        yield from array.elements()


class _Array:
    def __init__(self, stream: BinaryIO, most_bytes: int) -> None:
        self._stream = stream
        self._most_bytes = most_bytes
        self._text = b""
        self._at = 0
        """Up to here tokens were looked at."""
        self._start = 0
        """Here the element begins."""
        self._depth = 0
        self._too_long = False

    def rest(self) -> bytes:
        """Some of the text after the array, without leading blanks; empty at the end of the stream."""
        while not (rest := self._text[self._at :].lstrip()) and self._read():
            pass
        return rest

    def elements(self) -> Iterator[bytes | None]:
        while True:
            for mark, at in self._tokens():
                if self._depth == 1 and mark == b"[":
                    self._start = self._at
                elif self._depth == 0 or (self._depth == 1 and mark == b","):
                    element = self._text[self._start : at].strip()
                    if self._too_long or len(element) > self._most_bytes:
                        yield None
                    elif element:
                        yield element
                    self._start, self._too_long = self._at, False
                    if self._depth == 0:
                        return
            self._let_go()
            if not self._read():
                if self._depth == 1 and self._text.rstrip().endswith(b"}"):
                    yield self._text.strip()
                raise Broken

    def _tokens(self) -> Iterator[tuple[bytes, int]]:
        """The next brackets, and commas between elements, and where each stands."""
        while found := (_TO_COMMA if self._depth == 1 else _TO_BRACKET).match(self._text, self._at):
            mark = found[1]
            self._at = found.end()
            self._depth += (mark in b"[{") - (mark in b"]}")
            yield mark, found.start(1)

    def _let_go(self) -> None:
        """Only the element stays in memory; of one that is too long, no more than says what goes on."""
        if self._depth == 0:
            return
        self._too_long = self._too_long or len(self._text) - self._start > self._most_bytes
        kept = self._at if self._too_long else self._start
        self._text, self._at, self._start = self._text[kept:], self._at - kept, 0
        if self._too_long and len(self._text) > self._most_bytes:
            self._text = _still_open(self._text)

    def _read(self) -> bool:
        """Whether there was more. A text that is not complete is looked at again, so more is read each time."""
        chunk, self._stream = read_ahead(self._stream, max(_LEAST_READ, len(self._text)))
        if not chunk:
            chunk = self._stream.read(1)  # the end, or the damage
        self._text += chunk
        return bool(chunk)


def _still_open(text: bytes) -> bytes:
    """The shortest text with the same continuation that has no brackets left."""
    passed = _PASSED_OVER.match(text)
    opened = text[passed.end() if passed else 0 :]
    return b'"' + b"\\" * ((len(opened) - len(opened.rstrip(b"\\"))) % 2) if opened else b""
