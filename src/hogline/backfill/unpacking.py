"""A file of events as UTF-8 text, whatever it was packed in. The bytes themselves tell, not the file's name.

Streams: a file of any length takes the same memory. Knows nothing of what the text says.
"""

from __future__ import annotations

import codecs
import gzip
import io
import sys
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO, cast

import brotli  # type: ignore[import-untyped]  # it has no types

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CHUNK_BYTES = 64 * 1024
_PIECE_BYTES = 8 * 1024
"""Of a damaged file the piece in which the damage lies cannot be read."""
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, zstd.ZstdError, brotli.error)
"""What reading raises where a compressed file is damaged or ends too early."""

_GZIP = b"\x1f\x8b"
_GZIP_BITS = 16 + zlib.MAX_WBITS
_ZSTD = b"\x28\xb5\x2f\xfd"
_LAYERS = 2
"""A tool may compress what was compressed already."""

_OTHER_FORMATS = (
    (b"PAR1", "a Parquet file, which can only be read from a file that has a name"),
    (b"Obj\x01", "an Avro file"),
    (b"ORC", "an ORC file"),
    (b"ARROW1", "an Arrow file"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"%PDF", "a PDF"),
)
_ARCHIVES = (
    (b"PK\x03\x04", "a ZIP archive or an Excel file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ\0", "compressed with xz"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x04\x22\x4d\x18", "compressed with LZ4"),
    (b"\xff\x06\0\0sNaPpY", "compressed with Snappy"),
)
_UTF_16 = (
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"{\0", "utf-16-le"),
    (b"\0{", "utf-16-be"),
)
_HOW = "Export the events as JSON lines, Parquet or CSV; lines may be compressed with gzip, brotli or zstd."


class UnknownFile(Exception):
    """A file that cannot be read at all; the text is one sentence that says why and what to do."""


class Chunks(io.RawIOBase):
    """A stream of pieces."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        room = cast("memoryview", buffer)
        while not self._rest:
            piece = next(self._chunks, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(room), len(self._rest))
        room[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _chunks_of(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := cast("io.BufferedReader", stream).read1(_PIECE_BYTES):
        yield chunk


def put_back(head: bytes, stream: BinaryIO) -> BinaryIO:
    """The stream with what was read of it in front again."""
    return io.BufferedReader(Chunks(chain((head,), _chunks_of(stream))), CHUNK_BYTES)


def read_ahead(stream: BinaryIO, size: int, *, live: bool = False) -> tuple[bytes, BinaryIO]:
    """The next `size` bytes, or fewer at the end or where a compressed file is damaged; and the stream behind them,
    which says so. `live`: what is there already, or comes first."""
    pieces: list[bytes] = []
    while size > 0:
        try:
            piece = cast("io.BufferedReader", stream).read1(min(size, _PIECE_BYTES))
        except DAMAGED as damage:
            return b"".join(pieces), io.BufferedReader(Chunks(_raised(damage)))
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
        if live:
            break
    return b"".join(pieces), stream


def _raised(damage: Exception) -> Iterator[bytes]:
    raise damage
    yield b""


def unpacked(stream: BinaryIO, name: str = "", *, live: bool = False) -> BinaryIO:
    """The text in a stream, as UTF-8. `name` counts only where the bytes say nothing. `live`: more may come only after
    a while; what is there already has to tell.

    Raises `UnknownFile`; reading it raises one of `DAMAGED`.
    """
    for _ in range(_LAYERS):
        head, stream = _look_at(stream, live=live)
        if head.startswith(_GZIP):
            stream = io.BufferedReader(Chunks(_without_gzip(stream)), CHUNK_BYTES)
        elif head.startswith(_ZSTD):
            stream = cast("BinaryIO", zstd.ZstdFile(stream))
        elif _is_brotli(head, name):
            stream = io.BufferedReader(Chunks(_without_brotli(stream)), CHUNK_BYTES)
        else:
            break
    return _as_utf_8(stream, live=live)


def _look_at(stream: BinaryIO, *, live: bool) -> tuple[bytes, BinaryIO]:
    """How the stream begins, and the whole stream."""
    head, rest = read_ahead(stream, CHUNK_BYTES, live=live)
    return head, put_back(head, rest)


def _as_utf_8(stream: BinaryIO, *, live: bool) -> BinaryIO:
    head, rest = read_ahead(stream, CHUNK_BYTES, live=live)
    stream = put_back(head.removeprefix(codecs.BOM_UTF8), rest)
    for start, encoding in _UTF_16:
        if head.startswith(start):
            return io.BufferedReader(Chunks(_recoded(stream, encoding)), CHUNK_BYTES)
    for start, what in _OTHER_FORMATS:
        if head.startswith(start):
            raise UnknownFile(f"This is {what}{'' if ',' in what else ', which Hogline cannot read'}. {_HOW}")
    for start, what in _ARCHIVES:
        if head.startswith(start):
            raise UnknownFile(f"This is {what}. Unpack it first. {_HOW}")
    if b"\0" in head:
        raise UnknownFile(f"This is not a text file. {_HOW}")
    return stream


def _recoded(stream: BinaryIO, encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    for chunk in _chunks_of(stream):
        yield decoder.decode(chunk).encode()
    yield decoder.decode(b"", final=True).encode()


def _is_brotli(head: bytes, name: str) -> bool:
    """Brotli has no magic number: it is what is not text but unpacks to text."""
    if not head or _is_text(head):
        return False
    try:
        start = brotli.Decompressor().process(head, output_buffer_limit=CHUNK_BYTES)
    except brotli.error:
        return name.endswith(".br")  # and is damaged
    return _is_text(start) if start else name.endswith(".br")


def _is_text(head: bytes) -> bool:
    try:
        # A character may be cut at the end.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def _without_gzip(stream: BinaryIO) -> Iterator[bytes]:
    """PostHog's exports have a member for each row: `gzip` takes a multiple of the time for those."""
    member: zlib._Decompress | None = None
    for chunk in _chunks_of(stream):
        rest, pieces = chunk, _Pieces()
        try:
            while rest and (member is not None or (rest := rest.lstrip(b"\0"))):  # it may end with zeros
                member = member or zlib.decompressobj(_GZIP_BITS)
                yield from pieces.add(member.decompress(rest, _PIECE_BYTES))
                rest = member.unused_data if member.eof else member.unconsumed_tail
                member = None if member.eof else member
        finally:
            yield from pieces.rest()
    while member is not None and (piece := member.decompress(b"", CHUNK_BYTES)):
        yield piece
    if member is not None and not member.eof:
        raise EOFError


class _Pieces:
    """Joins small pieces to larger ones."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size_bytes = 0

    def add(self, piece: bytes) -> Iterator[bytes]:
        self._pieces.append(piece)
        self._size_bytes += len(piece)
        if self._size_bytes >= CHUNK_BYTES:
            yield from self.rest()

    def rest(self) -> Iterator[bytes]:
        if self._size_bytes:
            yield b"".join(self._pieces)
        self._pieces, self._size_bytes = [], 0


def _without_brotli(stream: BinaryIO) -> Iterator[bytes]:
    decompressor = brotli.Decompressor()
    for chunk in _chunks_of(stream):
        if decompressor.is_finished():
            raise EOFError
        piece = decompressor.process(chunk, output_buffer_limit=CHUNK_BYTES)
        while piece or not decompressor.can_accept_more_data():
            yield piece
            piece = decompressor.process(b"", output_buffer_limit=CHUNK_BYTES)
    if not decompressor.is_finished():
        raise EOFError
