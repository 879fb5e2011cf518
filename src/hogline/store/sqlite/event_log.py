"""The event log in a separate SQLite file, with its own writer thread; searches have a thread, too.

Every shipment is one row with its operations, compressed. What is searched is in blocks of 4,096 positions, as
arrays: a search reads through them.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby, repeat
from pathlib import Path
from typing import TypeAlias, TypeVar

import apsw
import msgspec

from hogline.core.changes import Noted
from hogline.store.event_log import Attempt, Found, Query, Unlogged, only, packed_sent, read_noted, read_sent
from hogline.store.sqlite.database import open_database, reading, rows, touch, transaction, trouble_of, value
from hogline.store.sqlite.event_search import BLOCK_BITS, MASK, SIZE, attempts, key_of, search
from hogline.store.sqlite.scrub import Scrub, scrub, step
from hogline.store.writer import Writer

MOST_OUTCOMES = 60_000
"""Two bytes hold them, and reasons may be any text of a destination. Those beyond are found as `other`."""
CACHE_KB = 16_000
CHECKPOINT_PAGES = 4_000

T = TypeVar("T")
_Job: TypeAlias = "Callable[[apsw.Connection], object] | Scrub"
_Key: TypeAlias = tuple[str, str]


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
        self._taken: int = value(self._read, "SELECT taken FROM progress")
        self._outcomes: dict[_Key, int] = {
            (kind, reason): id_ for id_, kind, reason in rows(self._read, "SELECT id, kind, reason FROM outcomes")
        }
        self._reading = ThreadPoolExecutor(max_workers=1, thread_name_prefix="events-search")
        self._writer: Writer[_Job] = Writer(
            self._perform, name="events-writer", probe=partial(touch, self._written), trouble_of=trouble_of
        )

    def _perform(self, jobs: list[_Job]) -> list[object]:
        results: list[object] = []
        outcomes = dict(self._outcomes)
        try:
            with transaction(self._written):
                done = [None if isinstance(job, Scrub) else job(self._written) for job in jobs]
        except BaseException:
            self._outcomes = outcomes  # new ones were rolled back, too
            raise
        for job, result in zip(jobs, done, strict=True):
            results.append(step(job, self._written) if isinstance(job, Scrub) else result)
        return results

    # writing

    @property
    def taken(self) -> int:
        return self._taken

    async def take(self, news: Sequence[Unlogged], now_ms: int) -> None:
        news = [one for one in news if one.number > self._taken]
        if news:
            await self._writer.write(partial(self._take, news, now_ms))
            self._taken = news[-1].number

    async def go_back(self, taken: int) -> None:
        await self._writer.write(lambda database: database.execute("UPDATE progress SET taken = ?", (taken,)))
        self._taken = taken

    def _take(self, news: Sequence[Unlogged], now_ms: int, database: apsw.Connection) -> None:
        blocks = Blocks(database)
        for one in news:
            noted = read_noted(one.noted)
            if max(noted.positions) < blocks.first:  # a failure that is older than the journal
                continue
            others = {position: self._outcome(key, database) for position, key in noted.others.items()}
            delivered = self._outcome(("delivered", ""), database)
            database.execute(
                "INSERT INTO shipments (connection, began_ms, at_ms, last, others, sent) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    one.connection,
                    noted.began_ms or now_ms,
                    noted.at_ms or now_ms,
                    max(noted.positions),
                    msgspec.msgpack.encode(noted.others),
                    one.sent,
                ),
            )
            shipment = database.last_insert_rowid()
            blocks.put(one.connection, shipment, noted, delivered, others)
        blocks.write()
        database.execute("UPDATE progress SET taken = ?", (news[-1].number,))

    def _outcome(self, key: _Key, database: apsw.Connection) -> int:
        found = self._outcomes.get(key)
        if found is None:
            if len(self._outcomes) >= MOST_OUTCOMES and key[1] != "other":
                return self._outcome((key[0], "other"), database)
            database.execute("INSERT OR IGNORE INTO outcomes (kind, reason) VALUES (?, ?)", key)
            found = self._outcomes[key] = value(database, "SELECT id FROM outcomes WHERE kind = ? AND reason = ?", key)
        return found

    async def trim(self, first: int) -> None:
        await self._writer.write(partial(_trim, first))

    async def forget(self, positions: Collection[int]) -> None:
        if positions:
            await self._writer.write(partial(_forget, sorted(set(positions))))

    async def keep_only(self, connections: Collection[int]) -> None:
        await self._writer.write(partial(_keep_only, frozenset(connections)))

    async def clean(self) -> bool:
        return await scrub(self._writer.write, self._path, self._vfs)

    async def close(self) -> None:
        await self._writer.close()
        await asyncio.to_thread(self._reading.shutdown)
        self._read.close()
        self._written.close()

    # reading

    async def _look(self, look: Callable[[], T]) -> T:
        def looking() -> T:
            with reading():
                return look()

        return await asyncio.get_running_loop().run_in_executor(self._reading, looking)

    async def find(self, query: Query, limit: int) -> list[Found]:
        return await self._look(lambda: search(self._read, dict(self._outcomes), query, limit))

    async def attempts(self, connection: int, positions: Sequence[int]) -> dict[int, list[Attempt]]:
        return await self._look(lambda: attempts(self._read, dict(self._outcomes), connection, positions))


class Blocks:
    """The blocks that a transaction changes, each read and written once."""

    def __init__(self, database: apsw.Connection) -> None:
        self._database = database
        self.first: int = value(database, "SELECT first FROM progress")
        self._results: dict[int, tuple[array[int], array[int]]] = {}
        self._events: dict[int, tuple[array[int], array[int]]] = {}
        self._earlier: list[tuple[int, int, int, int]] = []

    def put(self, connection: int, shipment: int, noted: Noted, delivered: int, others: Mapping[int, int]) -> None:
        # Every event takes this path.
        first, block, said = self.first, -1, bool(noted.names)
        opened: dict[int, tuple[array[int], array[int], array[int], array[int]]] = {}
        every = zip(noted.positions, noted.names or repeat(0), noted.people or repeat(0))  # noqa: B905  # endless
        for position, name, who in every:
            if position >> BLOCK_BITS != block or position < first:
                if position < first:
                    continue
                block = position >> BLOCK_BITS
                if block not in opened:
                    opened[block] = *self.results(connection, block), *self.events(block)
                outcomes, shipments, names, people = opened[block]
            place = position & MASK
            if shipments[place] and shipments[place] != shipment:
                self._earlier.append((connection, position, shipments[place], outcomes[place]))
            shipments[place] = shipment
            outcomes[place] = delivered
            if said:
                names[place] = name
                people[place] = who
        for position, outcome in others.items():
            if position >= first:
                self.results(connection, position >> BLOCK_BITS)[0][position & MASK] = outcome

    def results(self, connection: int, block: int) -> tuple[array[int], array[int]]:
        key = key_of(connection, block)
        if key not in self._results:
            found = rows(self._database, "SELECT outcomes, shipments FROM results WHERE id = ?", (key,))
            outcomes, shipments = found[0] if found else (bytes(2 * SIZE), bytes(4 * SIZE))
            self._results[key] = array("H", outcomes), array("I", shipments)
        return self._results[key]

    def events(self, block: int) -> tuple[array[int], array[int]]:
        if block not in self._events:
            found = rows(self._database, "SELECT names, people FROM events WHERE block = ?", (block,))
            names, people = found[0] if found else (bytes(4 * SIZE), bytes(4 * SIZE))
            self._events[block] = array("I", names), array("I", people)
        return self._events[block]

    def write(self) -> None:
        for key, (outcomes, shipments) in self._results.items():
            seen = 0
            for one in set(outcomes):
                seen |= 1 << min(one, 62)
            _write(
                self._database,
                ("results", key, "INSERT INTO results VALUES (?, ?, ?, ?)", (seen,)),
                {"outcomes": outcomes, "shipments": shipments},
            )
            self._database.execute("UPDATE results SET seen = ?2 WHERE id = ?1 AND seen <> ?2", (key, seen))
        for block, (names, people) in self._events.items():
            _write(
                self._database,
                ("events", block, "INSERT INTO events VALUES (?, ?, ?)", ()),
                {"names": names, "people": people},
            )
        self._database.executemany("INSERT OR REPLACE INTO earlier VALUES (?, ?, ?, ?)", self._earlier)


def _write(
    database: apsw.Connection, row: tuple[str, int, str, tuple[int, ...]], columns: dict[str, array[int]]
) -> None:
    """Only the pages with what changed: a block that fills slowly must not be written whole each time."""
    table, key, insert, first = row
    columns_ = ", ".join(columns)
    found = rows(database, f"SELECT {columns_} FROM {table} WHERE rowid = ?", (key,))  # noqa: S608  # ours
    if not found:
        database.execute(insert, (key, *first, *(each.tobytes() for each in columns.values())))
        return
    for (name, now), was in zip(columns.items(), found[0], strict=True):
        new = now.tobytes()
        if (changed := _changed(was, new)) is not None:
            with database.blob_open("main", table, name, key, True) as blob:  # noqa: FBT003  # its own interface
                blob.seek(changed[0])
                blob.write(new[changed[0] : changed[1]])


def _changed(was: bytes, now: bytes, step: int = 512) -> tuple[int, int] | None:
    """From where to where they differ, roughly."""
    places = [n for n in range(0, len(now), step) if was[n : n + step] != now[n : n + step]]
    return (places[0], min(places[-1] + step, len(now))) if places else None


def _trim(first: int, database: apsw.Connection) -> None:
    if first <= value(database, "SELECT first FROM progress"):
        return
    gone = first >> BLOCK_BITS
    database.execute("DELETE FROM events WHERE block < ?", (gone,))
    database.execute("DELETE FROM results WHERE id % (1 << 40) < ?", (gone,))
    database.execute("DELETE FROM earlier WHERE position < ?", (first,))
    # Some at a time: this is called every few seconds.
    database.execute(
        "DELETE FROM shipments WHERE id IN (SELECT id FROM (SELECT id, last FROM shipments ORDER BY id LIMIT 1000)"
        " WHERE last < ?1)",
        (first,),
    )
    database.execute("UPDATE progress SET first = ?", (first,))


def _forget(positions: Sequence[int], database: apsw.Connection) -> None:
    gone = frozenset(positions)
    touched: set[int] = set()
    blocks = Blocks(database)
    for block, group in groupby(positions, lambda position: position >> BLOCK_BITS):
        places = [position & MASK for position in group]
        for (key,) in rows(database, "SELECT id FROM results WHERE id % (1 << 40) = ?", (block,)):
            outcomes, shipments = blocks.results(key >> 40, block)
            touched.update(shipments[place] for place in places)
            for place in places:
                outcomes[place] = shipments[place] = 0
        names, people = blocks.events(block)
        for place in places:
            names[place] = people[place] = 0
    blocks.write()
    chosen = msgspec.json.encode(positions).decode()
    where = "WHERE position IN (SELECT value FROM json_each(?)) RETURNING shipment"
    touched.update(number for (number,) in rows(database, f"DELETE FROM earlier {where}", (chosen,)))  # noqa: S608  # ours
    for number in touched:
        for others, sent in rows(database, "SELECT others, sent FROM shipments WHERE id = ?", (number,)):
            kept = only(read_sent(sent), lambda position: position not in gone)
            left = {at: key for at, key in msgspec.msgpack.decode(others, strict=False).items() if at not in gone}
            database.execute(
                "UPDATE shipments SET others = ?, sent = ? WHERE id = ?",
                (msgspec.msgpack.encode(left), packed_sent(kept), number),
            )


def _keep_only(connections: frozenset[int], database: apsw.Connection) -> None:
    kept = msgspec.json.encode(sorted(connections)).decode()
    for table, column in (("shipments", "connection"), ("earlier", "connection"), ("results", "id >> 40")):
        database.execute(f"DELETE FROM {table} WHERE {column} NOT IN (SELECT value FROM json_each(?))", (kept,))  # noqa: S608  # ours
