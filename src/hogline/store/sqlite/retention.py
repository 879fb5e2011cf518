"""Removes inactive people in SQL: people who are not a customer of any connection."""

from __future__ import annotations

from collections.abc import Sequence

import apsw
import msgspec

from hogline.store.forgetting import Expired
from hogline.store.retention import choose
from hogline.store.sqlite.database import rows, value
from hogline.store.sqlite.records import RecordReader
from hogline.store.sqlite.resending import name_nobody_gone


def expire(database: apsw.Connection, *, before_day: int, today: int, after: str, most: int) -> Expired:
    """See `store.forgetting.Forgets.expire_people`. One transaction, so nothing can change in between."""
    connections = [one for (one,) in rows(database, "SELECT id FROM connections")]
    ids = _next(database, connections, after, most)
    if not ids:
        return Expired([], None)
    days = dict(rows(database, "SELECT id, day FROM seen WHERE id IN (SELECT value FROM json_each(?))", (_json(ids),)))
    held = "SELECT 1 FROM held WHERE distinct_id IN (SELECT value FROM json_each(?)) LIMIT 1"
    chosen = choose(
        ids,
        days,
        before_day,
        reads=RecordReader(database),
        connections=connections,
        not_seen_since=lambda everybody: _not_seen_since(database, everybody, before_day),
        holds=lambda everybody: value(database, held, (_json(everybody),)) is not None,
    )
    if chosen.new:
        database.execute("INSERT INTO seen SELECT value, ?2 FROM json_each(?1)", (_json(chosen.new), today))
    _remove(database, chosen.gone)
    return Expired(chosen.gone, ids[-1] if len(ids) == most else None)


def _next(database: apsw.Connection, connections: Sequence[int], after: str, most: int) -> list[str]:
    """The next ids about which anything is stored."""
    found: set[str] = set()
    for table in ("known", "ids"):
        sql = f"SELECT id FROM {table} WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608  # names are ours
        found.update(one for (one,) in rows(database, sql, (after, most)))
    for connection in connections:
        sql = "SELECT person FROM told WHERE connection = ? AND person > ? ORDER BY person LIMIT ?"
        found.update(one for (one,) in rows(database, sql, (connection, after, most)))
    return sorted(found, key=lambda one: one.encode("utf-8", "surrogatepass"))[:most]


def _not_seen_since(database: apsw.Connection, ids: Sequence[str], day: int) -> bool:
    sql = "SELECT count(*) FROM seen WHERE id IN (SELECT value FROM json_each(?)) AND day < ?"
    return bool(value(database, sql, (_json(ids), day)) == len(ids))


def _remove(database: apsw.Connection, ids: Sequence[str]) -> None:
    if ids:
        for table, column in (("known", "id"), ("ids", "id"), ("seen", "id"), ("told", "person"), ("again", "person")):
            database.execute(
                f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))",  # noqa: S608  # names are ours
                (_json(ids),),
            )
        name_nobody_gone(database)


def _json(ids: Sequence[str]) -> str:
    return msgspec.json.encode(list(ids)).decode()
