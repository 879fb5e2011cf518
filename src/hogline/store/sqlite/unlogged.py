"""What the event log is to learn, written with what decides it: the state's side of `store.event_log.Unlogged`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

import apsw

from hogline.core.changes import Noted
from hogline.store.event_log import EventOutcome, Unlogged, changed, packed
from hogline.store.sqlite.database import few_rows, reading, value
from hogline.store.values import READ_BYTES

T = TypeVar("T")

_SENT = 3
"""The column that is large."""
_DROP = (
    "DELETE FROM unlogged WHERE number <= (SELECT max(number) FROM (SELECT number,"
    " sum(length(noted) + length(sent)) OVER (ORDER BY number DESC) AS bytes FROM unlogged) WHERE bytes > ?)"
)


def note(database: apsw.Connection, connection: int, noted: Noted) -> None:
    _add(database, connection, packed(noted))


def note_change(database: apsw.Connection, connection: int, positions: Iterable[int], outcome: EventOutcome) -> None:
    """Something else is decided about events that were noted before."""
    if found := list(positions):
        _add(database, connection, changed(found, outcome))


def _add(database: apsw.Connection, connection: int, made: tuple[bytes, bytes]) -> None:
    database.execute("INSERT INTO unlogged (connection, noted, sent) VALUES (?, ?, ?)", (connection, *made))


class SqliteNotes:
    """The part of a state that the event log takes its notes from."""

    _read: apsw.Connection

    async def _write(self, job: Callable[[apsw.Connection], T]) -> T:
        raise NotImplementedError

    async def unlogged(self, after: int, limit: int, most_bytes: int = READ_BYTES) -> list[Unlogged]:
        sql = "SELECT number, connection, noted, sent FROM unlogged WHERE number > ? ORDER BY number LIMIT ?"
        with reading():
            found = few_rows(self._read, sql, (after, limit), most_bytes=most_bytes, sized=_SENT)
        return [Unlogged(*row) for row in found]

    async def drop_unlogged(self, most_bytes: int) -> int:
        def job(database: apsw.Connection) -> int:
            database.execute(_DROP, (most_bytes,))
            return database.changes()

        return await self._write(job)

    async def logged(self, up_to: int) -> int:
        return await self._write(partial(_drop, up_to))


def _drop(up_to: int, database: apsw.Connection) -> int:
    if value(database, "SELECT min(number) FROM unlogged WHERE number <= ?", (up_to,)) is not None:
        database.execute("DELETE FROM unlogged WHERE number <= ?", (up_to,))
    newest: int | None = value(database, "SELECT seq FROM sqlite_sequence WHERE name = 'unlogged'")
    return newest or 0
