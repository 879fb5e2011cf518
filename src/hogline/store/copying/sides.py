"""What a copy needs of either store."""

from __future__ import annotations

import hashlib
from ast import literal_eval
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import msgspec

from hogline.store.copying.tables import Row, Table

MOST_ROWS = 20_000
MOST_BYTES = 8_000_000
_KEEP = 2**64 - 1

Key = tuple[Any, ...]


class Ends(NamedTuple):
    """What rows do not say: how far each number was given."""

    first: int
    """The journal's first position."""
    last: int
    received_ms: int
    """Of the journal's last event."""
    folded: int
    audited: int
    connections: int
    unlogged: int
    cleaned: int
    taken: int
    """By the event log."""
    kept: int
    """The first position that the event log still has."""


class Kept(NamedTuple):
    """A small file of the data directory."""

    name: str
    changed_ns: int
    content: bytes


class Source(Protocol):
    def changes(self) -> str:
        """Changes when anything in it does."""
        ...

    def count(self, table: Table) -> int:
        """About how many rows there are."""
        ...

    def read(self, table: Table, after: Key | None) -> list[Row]:
        """The next rows in the order of their key: some thousands, or some megabytes. Empty at the end."""
        ...

    def ends(self) -> Ends: ...

    def files(self) -> list[Kept]: ...

    def close(self) -> None: ...


class Target(Source, Protocol):
    def begin(self, changes: str) -> bool:
        """Prepare for a copy of what is as `changes` says. True: an interrupted copy of the same goes on. What one of
        something else left is removed."""
        ...

    def done(self, table: Table) -> tuple[Key | None, int]:
        """After which key it goes on, and how many rows are there."""
        ...

    def write(self, table: Table, rows: list[Row]) -> None:
        """In one transaction with how far it is."""
        ...

    def finish(self, ends: Ends, files: list[Kept]) -> None: ...

    def publish(self) -> None:
        """From now on it is what Hogline uses."""
        ...


class Sum(NamedTuple):
    """Of a table, in any order."""

    rows: int
    checksum: int


def sum_of(side: Source, table: Table) -> Iterator[Sum]:
    """Goes on to the last one."""
    after: Key | None = None
    total = Sum(0, 0)
    while rows := side.read(table, after):
        checksum = total.checksum
        for row in rows:
            digest = hashlib.blake2b(msgspec.msgpack.encode(_plain(row)), digest_size=8).digest()
            checksum = (checksum + int.from_bytes(digest, "big")) & _KEEP
        total = Sum(total.rows + len(rows), checksum)
        yield total
        if not table.key:
            break
        after = rows[-1][: table.key]
    yield total


def bytes_of_key(key: Key) -> bytes:
    """Texts may have lone surrogates, which JSON and MessagePack do not take."""
    return repr(key).encode("ascii", "backslashreplace")


def key_of_bytes(written: bytes) -> Key:
    key: Key = literal_eval(written.decode("ascii"))
    return key


def _plain(row: Row) -> Row:
    """Ids may have lone surrogates, which MessagePack does not take."""
    return tuple(each.encode("utf-8", "surrogatepass") if isinstance(each, str) else each for each in row)
