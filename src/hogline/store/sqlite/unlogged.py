"""What the event log is to learn, written with what decides it: the state's side of `store.event_log.Unlogged`."""

from __future__ import annotations

from collections.abc import Iterable

import apsw

from hogline.core.changes import Noted
from hogline.store.event_log import Outcome, Unlogged, changed, packed
from hogline.store.sqlite.database import few_rows, value

_SENT = 3
"""The column that is large."""


def note(database: apsw.Connection, connection: int, noted: Noted) -> None:
    _add(database, connection, packed(noted))


def note_change(database: apsw.Connection, connection: int, positions: Iterable[int], outcome: Outcome) -> None:
    """Something else is decided about events that were noted before."""
    if found := list(positions):
        _add(database, connection, changed(found, outcome))


def _add(database: apsw.Connection, connection: int, made: tuple[bytes, bytes]) -> None:
    database.execute("INSERT INTO unlogged (connection, noted, sent) VALUES (?, ?, ?)", (connection, *made))


def unlogged(database: apsw.Connection, after: int, limit: int, most_bytes: int) -> list[Unlogged]:
    sql = "SELECT number, connection, noted, sent FROM unlogged WHERE number > ? ORDER BY number LIMIT ?"
    return [Unlogged(*row) for row in few_rows(database, sql, (after, limit), most_bytes=most_bytes, sized=_SENT)]


def last_number(database: apsw.Connection) -> int:
    return value(database, "SELECT seq FROM sqlite_sequence WHERE name = 'unlogged'") or 0
