"""Puts any number of records in order with little memory: sorted runs on disk, merged at the end.

Records are bytes and compare as bytes. Knows nothing of what they say.
"""

from __future__ import annotations

import heapq
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MEMORY_BYTES = 48 * 1024 * 1024
"""Records in memory before they go to disk as a run."""
MOST_RUNS = 128
"""Each is an open file, and has a block in memory while they are merged. macOS allows 256 open files."""
_MERGED_AT_ONCE = 16
"""The smallest runs are merged when there are too many. Only these are on disk twice for a moment."""

_BLOCK_BYTES = 64 * 1024
_RECORD_OVERHEAD_BYTES = 64
"""Of a bytes object in a list."""
_LEVEL = 1
_LENGTH_BYTES = 4

_block = msgspec.msgpack.Decoder(list[bytes])


class Sorter:
    """Takes records one by one, then gives them back in order, once.

    Its files have no names, so they are gone when the process ends, however it ends. Another process can go on with
    them (`give`, `take`). Raises OSError if the disk is full.
    """

    def __init__(self, folder: Path, *, memory_bytes: int = MEMORY_BYTES, most_runs: int = MOST_RUNS) -> None:
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._most_runs = max(2, most_runs)
        self._records: list[bytes] = []
        self._size_bytes = 0
        self._runs: list[_Run] = []
        self.count = 0
        self.disk_bytes = 0
        """The most that was on disk at any time."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for run in self._runs:
            run.close()
        self._runs, self._records = [], []

    def add(self, record: bytes) -> None:
        self._records.append(record)
        self._size_bytes += len(record) + _RECORD_OVERHEAD_BYTES
        self.count += 1
        if self._size_bytes >= self._memory_bytes:
            self._spill()

    def give(self) -> list[int]:
        """All records, as descriptors of files that another sorter takes. Closing this one closes them."""
        if self._records:
            self._spill()
        return [run.descriptor for run in self._runs]

    def take(self, descriptors: Iterable[int]) -> None:
        """Records that another sorter gave; this one closes the descriptors."""
        self._runs += [_Run(os.fdopen(descriptor, "rb")) for descriptor in descriptors]
        self._note_size(0)

    def in_order(self) -> Iterator[bytes]:
        """All records. Nothing can be added afterwards."""
        self._records.sort()
        return heapq.merge(*(run.records() for run in self._runs), self._records)

    def _spill(self) -> None:
        self._records.sort()
        self._write(self._records)
        self._records, self._size_bytes = [], 0
        if len(self._runs) >= self._most_runs:
            self._runs.sort(key=lambda run: run.size_bytes)
            few, self._runs = self._runs[:_MERGED_AT_ONCE], self._runs[_MERGED_AT_ONCE:]
            try:
                self._write(heapq.merge(*(run.records() for run in few)), beside_bytes=sum(r.size_bytes for r in few))
            finally:
                for run in few:
                    run.close()

    def _write(self, records: Iterable[bytes], beside_bytes: int = 0) -> None:
        run = _Run(tempfile.TemporaryFile(dir=self._folder))  # noqa: SIM115  # closed by the sorter
        self._runs.append(run)
        run.write(records)
        self._note_size(beside_bytes)

    def _note_size(self, beside_bytes: int) -> None:
        self.disk_bytes = max(self.disk_bytes, beside_bytes + sum(run.size_bytes for run in self._runs))


class _Run:
    """Sorted records in a file: blocks of them, compressed, each behind its length."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size_bytes = os.fstat(file.fileno()).st_size

    @property
    def descriptor(self) -> int:
        return self._file.fileno()

    def write(self, records: Iterable[bytes]) -> None:
        block: list[bytes] = []
        size_bytes = 0
        for record in records:
            block.append(record)
            size_bytes += len(record)
            if size_bytes >= _BLOCK_BYTES:
                self._write_block(block)
                block, size_bytes = [], 0
        if block:
            self._write_block(block)
        self._file.flush()

    def _write_block(self, block: list[bytes]) -> None:
        packed = zstd.compress(msgspec.msgpack.encode(block), level=_LEVEL)
        self._file.write(len(packed).to_bytes(_LENGTH_BYTES, "big"))
        self._file.write(packed)
        self.size_bytes += _LENGTH_BYTES + len(packed)

    def records(self) -> Iterator[bytes]:
        """All records; the disk's space is free after the last one."""
        self._file.seek(0)
        while length := self._file.read(_LENGTH_BYTES):
            yield from _block.decode(zstd.decompress(self._file.read(int.from_bytes(length, "big"))))
        self.close()

    def close(self) -> None:
        self._file.close()
