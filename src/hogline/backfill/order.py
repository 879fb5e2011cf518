"""The order of rows: by the time of their events, to the microsecond, and by uuid."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

from hogline.backfill.reading import Read
from hogline.backfill.sorter import Sorter
from hogline.backfill.views import Row

_TIME = struct.Struct(">Q")
_PLACE = struct.Struct(">LQ")
_UUID_BYTES = 36
_SIGN = 1 << 63
"""Times before 1970 come first."""


def add_all(rows: Iterable[Read], sorter: Sorter) -> None:
    for read in rows:
        sorter.add(_record(read))


def bodies_in_order(sorter: Sorter) -> Iterator[bytes]:
    """The events alone, as the journal keeps them, in order, once."""
    for record in sorter.in_order():
        yield record[_TIME.size + _UUID_BYTES : -_PLACE.size]


def in_order(sorter: Sorter, files: Sequence[str]) -> Iterator[Row]:
    """The rows in order, once; `files` are the names of the files by their places."""
    for record in sorter.in_order():
        file, number = _PLACE.unpack_from(record, len(record) - _PLACE.size)
        yield Row(files[file], number, record[_TIME.size + _UUID_BYTES : -_PLACE.size])


def _record(read: Read) -> bytes:
    """Compared as bytes, records are in order: the time, the uuid, and then the event, which makes the order the same
    for events that share both, whichever files they are in.
    """
    time_us = read.entry.timestamp_ms * 1_000 + read.below_ms_us
    return _TIME.pack(time_us + _SIGN) + read.entry.uuid.encode() + read.body + _PLACE.pack(read.file, read.number)
