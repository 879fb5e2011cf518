"""The rows of a run in a file, in the order in which they are delivered: only read once they are written.

Knows bytes, not what they say.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from hogline.store.datadir.private_files import sync

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_HEAD = struct.Struct(">LL")
"""Of a block: its bytes, and its rows."""
_BLOCK_BYTES = 128 * 1024
_LEVEL = 1

_rows = msgspec.msgpack.Decoder(list[bytes])


def write_rows(file: Path, rows: Iterable[bytes]) -> int:
    """Returns how many. The file is there whole or not at all. Raises OSError."""
    draft, count = file.with_name(f"{file.name}.part"), 0
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        block: list[bytes] = []
        size_bytes = 0
        for row in rows:
            block.append(row)
            size_bytes += len(row)
            if size_bytes >= _BLOCK_BYTES:
                count += _write(out, block)
                block, size_bytes = [], 0
        count += _write(out, block)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
    sync(file.parent)
    return count


def _write(out: BinaryIO, block: list[bytes]) -> int:
    packed = zstd.compress(msgspec.msgpack.encode(block), level=_LEVEL)
    out.write(_HEAD.pack(len(packed), len(block)))
    out.write(packed)
    return len(block)


def read_rows(file: Path, after: int = 0) -> Iterator[list[bytes]]:
    """The rows behind the first `after`, some at a time. Raises OSError."""
    with file.open("rb") as stream:
        while head := stream.read(_HEAD.size):
            size_bytes, count = _HEAD.unpack(head)
            if after >= count:
                stream.seek(size_bytes, os.SEEK_CUR)
                after -= count
                continue
            block = _rows.decode(zstd.decompress(stream.read(size_bytes)))
            yield block[after:]
            after = 0


def change_rows(file: Path, changed: Callable[[bytes], bytes]) -> None:
    """Put others in the place of rows. Raises OSError."""
    write_rows(file, (changed(row) for rows in read_rows(file) for row in rows))
