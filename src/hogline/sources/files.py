"""Files of events, line by line: JSON lines, gzipped or not, or a single JSON document.

Knows nothing of what a line says.
"""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
from msgspec import Struct

from hogline.posthog import Unreadable

LINE_BYTES = 20 * 1024 * 1024
_GZIP = b"\x1f\x8b"
_STDIN = "-"

_whole = msgspec.json.Decoder(msgspec.Raw)


class Line(Struct, frozen=True):
    number: int
    """1 is the first line of the file."""
    body: bytes
    problem: Unreadable | None = None
    """Why the line could not be read; then `body` is empty."""


def read_file(path: str, line_bytes: int = LINE_BYTES) -> Iterator[Line]:
    """The lines of a file, or of standard input (`-`), without blank ones. Raises OSError.

    A file whose first line is not complete JSON but which as a whole is one JSON document (an event or an
    array of them, printed over many lines) is a single line.
    """
    if path == _STDIN:
        yield from read_stream(sys.stdin.buffer, line_bytes)
        return
    with Path(path).open("rb") as stream:
        yield from read_stream(stream, line_bytes)


def read_stream(stream: BinaryIO, line_bytes: int = LINE_BYTES) -> Iterator[Line]:
    """The same for an open stream."""
    buffered = io.BufferedReader(cast("io.RawIOBase", stream))
    try:
        if buffered.peek(2)[:2] == _GZIP:
            with gzip.open(buffered) as unzipped:
                yield from _join_document(_lines(cast("BinaryIO", unzipped), line_bytes), line_bytes)
        else:
            yield from _join_document(_lines(cast("BinaryIO", buffered), line_bytes), line_bytes)
    finally:
        # Closing the stream is up to who opened it.
        buffered.detach()


def _lines(stream: BinaryIO, line_bytes: int) -> Iterator[Line]:
    number = 0
    while True:
        number += 1
        try:
            body = stream.readline(line_bytes + 1)
            too_long = len(body) > line_bytes and not body.endswith(b"\n")
            rest = body
            while too_long and rest and not rest.endswith(b"\n"):
                rest = stream.readline(line_bytes)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            yield _broken(number, "The gzip file is damaged or ends too early here.", "not_gzip")
            return
        if not body:
            return
        if too_long:
            yield _broken(number, f"The line is longer than {line_bytes:,} bytes.", "too_large")
        elif body.strip():
            yield Line(number, body.rstrip(b"\r\n"))


def _broken(number: int, sentence: str, reason: str) -> Line:
    return Line(number, b"", Unreadable(sentence, reason=reason))


def _join_document(lines: Iterator[Line], document_bytes: int) -> Iterator[Line]:
    """The lines, or the one document that they make together."""
    first = next(lines, None)
    if first is None:
        return
    if first.problem is None and _may_open_document(first.body):
        held = [first]
        length = len(first.body)
        for line in lines:
            held.append(line)
            length += len(line.body)
            if line.problem is not None or length > document_bytes:
                break
        else:
            document = b"\n".join(line.body for line in held)
            if len(held) > 1 and _is_whole(document):
                yield Line(first.number, document)
                return
        yield from held
    else:
        yield first
    yield from lines


def _may_open_document(body: bytes) -> bool:
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return start in (b"{", b"[") and not _is_whole(body)


def _is_whole(text: bytes) -> bool:
    try:
        _whole.decode(text.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
