"""The event log in a separate SQLite file, with its own writer thread: a settlement's rows are one statement.

Every shipment is one row with its operations, compressed, and each of its events a small row without text.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import apsw
import msgspec

from hogline.store.event_log import Attempt, Found, NotedShipment, Query, SentOperation, checksum
from hogline.store.sqlite.database import open_database, reading, rows, touch, transaction, value
from hogline.store.sqlite.scrub import Scrub, scrub, step
from hogline.store.sqlite.writer import Writer

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK_BITS = 16
TRIMMED_AT_ONCE = 20_000
CACHE_KB = 16_000
LOOKED_THROUGH = 20_000
CHECKPOINT_PAGES = 4_000
_NEWEST = "position > ?2 AND position < ?3 AND outcome > 0"
_ROW = "position, at_ms, outcome"

_Row: TypeAlias = tuple[int, int, int]
_Job: TypeAlias = "Callable[[apsw.Connection], object] | Scrub"


class SqliteEventLog:
    """Implements `store.event_log.EventLog`."""

    def __init__(self, path: Path, *, vfs: str | None = None) -> None:
        """Raises `Unusable`. Must be made in the running event loop."""
        self._path = path
        self._vfs = vfs
        self._written = open_database(path, "events", vfs)
        # A commit is in the file, and on disk with the next checkpoint: nothing waits for it to be durable.
        self._written.pragma("synchronous", "normal")
        self._written.pragma("cache_size", -CACHE_KB)
        self._written.pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        self._read = open_database(path, "events", vfs)
        self._outcomes: dict[tuple[str, str], int] = {
            (kind, reason): id_ for id_, kind, reason in rows(self._read, "SELECT id, kind, reason FROM outcomes")
        }
        self._writer: Writer[_Job] = Writer(self._perform, name="events-writer", probe=partial(touch, self._written))

    def _perform(self, jobs: list[_Job]) -> list[object]:
        results: list[object] = []
        with transaction(self._written):
            done = [None if isinstance(job, Scrub) else job(self._written) for job in jobs]
        for job, result in zip(jobs, done, strict=True):
            results.append(step(job, self._written) if isinstance(job, Scrub) else result)
        return results

    # writing

    async def add(self, shipment: NotedShipment) -> None:
        if shipment.events:
            await self._writer.write(partial(self._add, shipment))

    def _add(self, shipment: NotedShipment, database: apsw.Connection) -> None:
        ids = self._outcomes
        for key in {outcome for _, _, _, outcome in shipment.events} - ids.keys():
            database.execute("INSERT OR IGNORE INTO outcomes (kind, reason) VALUES (?, ?)", key)
            ids[key] = value(database, "SELECT id FROM outcomes WHERE kind = ? AND reason = ?", key)
        # An event that was held and released in one shipment is there twice: the last outcome counts.
        last = {position: (position, name, who, ids[outcome]) for position, name, who, outcome in shipment.events}
        noted = sorted(last.values())
        as_json = msgspec.json.encode(noted).decode()
        connection = shipment.connection
        database.execute(
            "INSERT INTO shipments (connection, began_ms, at_ms, last, sent) VALUES (?, ?, ?, ?, ?)",
            (connection, shipment.began_ms, shipment.at_ms, noted[-1][0], _packed(shipment.sent)),
        )
        database.execute(
            # The plus keeps SQLite from an index with most of the table in it: five times the whole cost.
            "UPDATE events SET outcome = -outcome WHERE connection = ?1 AND +outcome > 0"
            " AND position IN (SELECT value ->> 0 FROM json_each(?2))",
            (connection, as_json),
        )
        database.execute(
            "INSERT INTO events SELECT ?1, value ->> 0, ?3, ?4, value ->> 1, value ->> 2, value ->> 3"
            " FROM json_each(?2)",
            (connection, as_json, database.last_insert_rowid(), shipment.at_ms),
        )

    async def trim(self, first: int) -> None:
        await self._writer.write(partial(_trim, first))

    async def forget(self, positions: Collection[int]) -> None:
        if positions:
            await self._writer.write(partial(_forget, frozenset(positions)))

    async def keep_only(self, connections: Collection[int]) -> None:
        kept = msgspec.json.encode(sorted(connections)).decode()

        def forget(database: apsw.Connection) -> None:
            for table in ("events", "shipments"):
                database.execute(
                    f"DELETE FROM {table} WHERE connection NOT IN (SELECT value FROM json_each(?))",  # noqa: S608  # ours
                    (kept,),
                )

        await self._writer.write(forget)

    async def clean(self) -> bool:
        return await scrub(self._writer.write, self._path, self._vfs)

    async def close(self) -> None:
        await self._writer.close()
        self._read.close()
        self._written.close()

    # reading

    def find(self, query: Query, limit: int) -> list[Found]:
        with reading():
            names = {id_: key for key, id_ in self._outcomes.items()}
            found = [self._of_connection(connection, query, limit) for connection in query.connections]
            newest = merge(*found, key=lambda each: -each[1][0])
            return [
                Found(connection, position, at_ms, *names[outcome])
                for connection, (position, at_ms, outcome) in islice(newest, limit)
            ]

    def _of_connection(self, connection: int, query: Query, limit: int) -> Iterator[tuple[int, _Row]]:
        outcomes = [
            id_
            for (kind, reason), id_ in self._outcomes.items()
            if query.kind in {"", kind} and query.reason in {"", reason}
        ]
        chosen = bool(query.kind or query.reason)
        if query.people:
            found = self._by_person(connection, query, outcomes if chosen else None, limit)
        elif query.names:
            # By outcome as well: what is rare is found quickly, however common the name is.
            found = self._by_name(connection, query, outcomes, limit)
        elif chosen:
            found = self._by_outcome(connection, query, outcomes, limit)
        else:
            found = self._in_order(connection, query, limit)
        return ((connection, row) for row in found)

    def _in_order(self, connection: int, query: Query, limit: int) -> list[_Row]:
        return rows(
            self._read,
            f"SELECT {_ROW} FROM events NOT INDEXED WHERE connection = ?1 AND position > ?2 AND position < ?3"  # noqa: S608  # ours
            " AND +outcome > 0 ORDER BY position DESC LIMIT ?4",
            (connection, query.after, query.before, limit),
        )

    def _by_outcome(self, connection: int, query: Query, outcomes: Sequence[int], limit: int) -> list[_Row]:
        """What is frequent is among the newest events; what is not has few rows in the index."""
        newest = self._in_order(connection, query, LOOKED_THROUGH)
        found = [row for row in newest if row[2] in outcomes]
        if len(found) >= limit or len(newest) < LOOKED_THROUGH:
            return found[:limit]
        for outcome in outcomes:
            found += rows(
                self._read,
                f"SELECT {_ROW} FROM events INDEXED BY events_by_name WHERE connection = ?1 AND outcome = ?4"  # noqa: S608  # ours
                " AND position > ?2 AND position < ?3 ORDER BY position DESC LIMIT ?5",
                (connection, query.after, newest[-1][0], outcome, limit),
            )
        return sorted(found, reverse=True)[:limit]

    def _by_name(self, connection: int, query: Query, outcomes: Sequence[int], limit: int) -> list[_Row]:
        found: list[_Row] = []
        for outcome in outcomes:
            for name in query.names:
                found += rows(
                    self._read,
                    f"SELECT {_ROW} FROM events INDEXED BY events_by_name WHERE connection = ?1 AND outcome = ?4"  # noqa: S608  # ours
                    " AND name = ?6 AND position > ?2 AND position < ?3 ORDER BY position DESC LIMIT ?5",
                    (connection, query.after, query.before, outcome, limit, checksum(name)),
                )
        return sorted(found, reverse=True)[:limit]

    def _by_person(self, connection: int, query: Query, outcomes: Sequence[int] | None, limit: int) -> list[_Row]:
        newest = value(self._read, "SELECT max(position) FROM events WHERE connection = ?", (connection,)) or 0
        oldest = value(self._read, "SELECT min(position) FROM events WHERE connection = ?", (connection,)) or 0
        wanted = [("?5", "who", [checksum(one) for one in query.people])]
        if query.names:
            wanted.append(("?6", "name", [checksum(one) for one in query.names]))
        if outcomes is not None:
            wanted.append(("?7", "outcome", list(outcomes)))
        given = {place: msgspec.json.encode(values).decode() for place, _, values in wanted}
        conditions = "".join(
            " AND {} IN (SELECT value FROM json_each({}))".format(column, place)  # noqa: UP032, S608  # ours
            for place, column, _ in wanted
        )
        sql = (
            f"SELECT {_ROW} FROM events INDEXED BY events_by_person WHERE connection = ?1 AND position >> 16 = ?4"  # noqa: S608  # ours
            f"{conditions} AND {_NEWEST} ORDER BY position DESC LIMIT ?8"
        )
        found: list[_Row] = []
        block = min(newest, query.before) >> BLOCK_BITS
        while block >= max(oldest, query.after) >> BLOCK_BITS and len(found) < limit:
            bound = (connection, query.after, query.before, block, given["?5"], given.get("?6"), given.get("?7"))
            found += rows(self._read, sql, (*bound, limit - len(found)))
            block -= 1
        return found

    def attempts(self, connection: int, position: int) -> list[Attempt]:
        with reading():
            names = {id_: key for key, id_ in self._outcomes.items()}
            found = rows(
                self._read,
                "SELECT began_ms, shipments.at_ms, abs(outcome), sent FROM events JOIN shipments ON id = shipment"
                " WHERE events.connection = ? AND position = ? ORDER BY shipment",
                (connection, position),
            )
        return [
            Attempt(began_ms, at_ms, *names[outcome], [one for one in _unpacked(sent) if one[0] == position])
            for began_ms, at_ms, outcome, sent in found
        ]


def _trim(first: int, database: apsw.Connection) -> None:
    """Some at a time: this is called every few seconds, and settlements wait behind it."""
    for (connection,) in rows(database, "SELECT DISTINCT connection FROM shipments"):
        database.execute(
            "DELETE FROM events WHERE connection = ?1 AND position < ?2 AND position < coalesce((SELECT position FROM"
            " events WHERE connection = ?1 ORDER BY position LIMIT 1 OFFSET ?3), ?2)",
            (connection, first, TRIMMED_AT_ONCE),
        )
    database.execute(
        "DELETE FROM shipments WHERE id IN (SELECT id FROM (SELECT id, last FROM shipments ORDER BY id LIMIT 1000)"
        " WHERE last < ?1)",
        (first,),
    )


def _forget(positions: frozenset[int], database: apsw.Connection) -> None:
    chosen = msgspec.json.encode(sorted(positions)).decode()
    touched = rows(
        database,
        "SELECT DISTINCT id, sent FROM events JOIN shipments ON id = shipment"
        " WHERE events.connection IN (SELECT DISTINCT connection FROM shipments)"
        " AND position IN (SELECT value FROM json_each(?))",
        (chosen,),
    )
    for id_, sent in touched:
        kept = [one for one in _unpacked(sent) if one[0] not in positions]
        database.execute("UPDATE shipments SET sent = ? WHERE id = ?", (_packed(kept), id_))
    database.execute(
        "DELETE FROM events WHERE connection IN (SELECT DISTINCT connection FROM shipments)"
        " AND position IN (SELECT value FROM json_each(?))",
        (chosen,),
    )


def _packed(sent: Sequence[SentOperation]) -> bytes:
    packed: bytes = zstd.compress(msgspec.msgpack.encode(sent), 1)
    return packed


def _unpacked(body: bytes) -> list[SentOperation]:
    return msgspec.msgpack.decode(zstd.decompress(body), type=list[SentOperation])
