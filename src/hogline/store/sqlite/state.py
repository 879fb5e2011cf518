"""The state in a SQLite file: connections, people, positions, counters, failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec

from hogline.core.changes import Failure, Flush, Intent, Settlement
from hogline.core.told import WAITS_MS
from hogline.model import Refusal
from hogline.store.base import ALWAYS, READ_BYTES, Connection, Counts, NameTaken, Replay, Span, TokenKind
from hogline.store.datadir.secrets import Vault
from hogline.store.forgetting import Suppressed
from hogline.store.sqlite import conversion, records
from hogline.store.sqlite.database import (
    copy_of,
    few_rows,
    open_database,
    reading,
    rows,
    touch,
    transaction,
    trouble_of,
    value,
)
from hogline.store.sqlite.directory import SqliteLists, folded
from hogline.store.sqlite.forgetting import SqliteForgetting, suppressed_hashes, to_clean
from hogline.store.sqlite.resending import SqliteResends
from hogline.store.sqlite.scrub import Scrub, scrub, step
from hogline.store.sqlite.settling import count, expire_held, settle
from hogline.store.sqlite.unlogged import SqliteNotes, note_change
from hogline.store.writer import Writer

T = TypeVar("T")
_Job = Callable[[apsw.Connection], object]

_refusals = msgspec.json.Decoder(tuple[Refusal, ...])

_FAILURES = "SELECT position, uuid, event, refusals, at_ms FROM dead_letters WHERE connection = ?1"
_FAILURE_EVENT = 2
"""The column with the event."""
_CHOSEN = (
    "WHERE connection = ?1 AND (?2 = '' OR reason = ?2)"
    " AND (?3 IS NULL OR position IN (SELECT value FROM json_each(?3))) AND at_ms >= ?4 AND at_ms < ?5"
)
_RETRY = f"UPDATE dead_letters SET retrying = 1 {_CHOSEN} RETURNING position"  # noqa: S608  # parts are ours, values are bound
_DISCARD = f"DELETE FROM dead_letters {_CHOSEN} AND NOT retrying RETURNING position"  # noqa: S608  # as above
_CONNECTIONS = (
    "SELECT id, name, destination, options, enabled, stopped, start, created_ms, workspace, since_ms FROM connections"
)


class SqliteState(SqliteForgetting, SqliteResends, SqliteNotes, SqliteLists, records.RecordReader):
    """Implements `store.base.State`. Reads run in the caller's thread: each takes well under a millisecond, less than
    handing it to another thread. A search may take longer, so it has its own thread, one at a time.
    """

    def __init__(self, path: Path, vault: Vault, *, vfs: str | None = None) -> None:
        """Raises `Unusable`. Create it in the running event loop."""
        self._vault = vault
        self._path, self._vfs = path, vfs
        convert = partial(conversion.convert, journal=path.with_name("journal.db"))
        self._copy = copy_of(path)
        self._written = open_database(path, "state", vfs, conversions={7: convert})
        self._read = open_database(path, "state", vfs)
        self._searched = open_database(path, "state", vfs)
        self._searched.create_scalar_function("folded", folded, 1, deterministic=True)
        records.RecordReader.__init__(self, self._read)
        self._searching = ThreadPoolExecutor(max_workers=1, thread_name_prefix="state-search")
        self.suppressed = Suppressed(vault.fingerprint, suppressed_hashes(self._read))
        self._writer: Writer[_Job | Scrub] = Writer(
            self._perform, name="state-writer", probe=partial(touch, self._written), trouble_of=trouble_of
        )

    def _perform(self, jobs: list[_Job | Scrub]) -> list[object]:
        with transaction(self._written):
            results = [None if isinstance(job, Scrub) else job(self._written) for job in jobs]
        return [
            step(job, self._written) if isinstance(job, Scrub) else result
            for job, result in zip(jobs, results, strict=True)
        ]

    async def clean(self) -> bool:
        self._copy.unlink(missing_ok=True)  # it still contains what was deleted since
        return await scrub(self._writer.write, self._path, self._vfs)

    async def _write(self, job: Callable[[apsw.Connection], T]) -> T:
        return await self._writer.write(job)  # type: ignore[return-value]  # what `_perform` gave for this job

    @property
    def trouble(self) -> str | None:
        return self._writer.trouble

    async def close(self) -> None:
        await self._writer.close()
        await asyncio.to_thread(self._searching.shutdown)
        self._searched.close()
        self._read.close()
        self._written.close()
        self._copy.unlink(missing_ok=True)

    # tokens

    async def tokens(self, kind: TokenKind = "private") -> list[str]:
        found = rows(self._read, "SELECT token FROM tokens WHERE kind = ? ORDER BY id", (kind,))
        return [self._vault.decrypt(token).decode() for (token,) in found]

    async def add_token(self, token: str, kind: TokenKind = "private") -> None:
        encrypted = self._vault.encrypt(token.encode())
        row = (encrypted, kind)
        await self._write(lambda database: database.execute("INSERT INTO tokens (token, kind) VALUES (?, ?)", row))

    async def remove_token(self, token: str) -> None:
        # Each encryption of the same token is different, so they are compared decrypted.
        for id_, encrypted in rows(self._read, "SELECT id, token FROM tokens"):
            if self._vault.decrypt(encrypted).decode() == token:
                await self._write(partial(_remove_token, id_))

    # connections

    async def connections(self) -> list[Connection]:
        return [self._connection(row) for row in rows(self._read, f"{_CONNECTIONS} ORDER BY id")]

    def _connection(self, row: tuple[Any, ...]) -> Connection:
        id_, name, destination, options, enabled, stopped, start, created_ms, workspace, since_ms = row
        return Connection(
            id=id_,
            name=name,
            destination=destination,
            options=msgspec.json.decode(self._vault.decrypt(options), type=dict[str, object]),
            paused=not enabled,
            stopped=stopped,
            start=start,
            created_ms=created_ms,
            workspace=workspace,
            since_ms=since_ms,
        )

    def _encrypted(self, options: Mapping[str, object]) -> bytes:
        return self._vault.encrypt(msgspec.json.encode(options))

    async def add_connection(
        self,
        *,
        name: str,
        destination: str,
        options: Mapping[str, object],
        paused: bool,
        start: int,
        now_ms: int,
        workspace: str | None = None,
    ) -> Connection:
        row = (name, destination, self._encrypted(options), int(not paused), start, now_ms, workspace, now_ms)

        def insert(database: apsw.Connection) -> int | None:
            sql = (
                "INSERT INTO connections"
                " (name, destination, options, enabled, start, created_ms, workspace, since_ms)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING RETURNING id"
            )
            id_: int | None = value(database, sql, row)
            return id_

        added = await self._write(insert)
        if added is None:
            raise NameTaken(name)
        return Connection(
            id=added,
            name=name,
            destination=destination,
            options=dict(options),
            paused=paused,
            stopped=None,
            start=start,
            created_ms=now_ms,
            workspace=workspace,
            since_ms=now_ms,
        )

    async def change_connection(self, changed: Connection) -> None:
        row = (
            changed.name,
            self._encrypted(changed.options),
            int(not changed.paused),
            changed.stopped,
            changed.workspace,
            changed.since_ms,
            changed.id,
        )
        await self._write(
            lambda database: database.execute(
                "UPDATE connections SET name = ?, options = ?, enabled = ?, stopped = ?, workspace = ?, since_ms = ?"
                " WHERE id = ?",
                row,
            )
        )

    async def remove_connection(self, connection: int) -> None:
        def remove(database: apsw.Connection) -> None:
            for table, column in (
                ("told", "connection"),
                ("ledger", "connection"),
                ("again", "connection"),
                ("resending", "connection"),
                ("settled_before", "connection"),
                ("held", "connection"),
                ("lanes", "connection"),
                ("counters", "connection"),
                ("dead_letters", "connection"),
                ("replays", "connection"),
                ("unlogged", "connection"),
                ("connections", "id"),
            ):
                database.execute(f"DELETE FROM {table} WHERE {column} = ?", (connection,))  # noqa: S608  # names are ours
            to_clean(database, "state")

        await self._write(remove)

    # what the core asks to be written (what it reads: `RecordReader`)

    async def flush(self, flush: Flush) -> None:
        await self._write(records.flush(flush))

    async def intend(self, intent: Intent) -> None:
        await self._write(records.intend(intent))

    async def settle(self, settlement: Settlement) -> None:
        changed = records.change(settlement.connection, settlement.told, settlement.ledger)
        await self._write(partial(settle, settlement, changed))

    async def options_changed(self, connection: int, now_ms: int) -> None:
        def change(database: apsw.Connection) -> None:
            database.execute(
                "INSERT OR IGNORE INTO again SELECT DISTINCT connection, 'release', distinct_id FROM held"
                " WHERE connection = ?",
                (connection,),
            )
            database.execute(
                "UPDATE told SET due_ms = ?2 WHERE connection = ?1 AND due_ms = ?3", (connection, now_ms, WAITS_MS)
            )

        await self._write(change)

    # held events

    async def expire_held(self, connection: int, *, received_before_ms: int, most_bytes: int) -> int:
        return await self._write(
            partial(expire_held, connection=connection, received_before_ms=received_before_ms, most_bytes=most_bytes)
        )

    # what happened to events

    async def lanes(self, connection: int) -> dict[int, int]:
        return dict(rows(self._read, "SELECT lane, position FROM lanes WHERE connection = ?", (connection,)))

    async def run_counts(self, connection: int, run: int) -> dict[str, int]:
        sql = "SELECT reason, n FROM counters WHERE connection = ? AND kind = ? ORDER BY reason"
        return dict(rows(self._read, sql, (connection, f"run {run}")))

    async def drop_runs(self, runs: Collection[int]) -> None:
        def drop(database: apsw.Connection) -> None:
            database.executemany("DELETE FROM counters WHERE kind = ?", [(f"run {run}",) for run in runs])

        await self._write(drop)

    async def counts(self, connection: int) -> Counts:
        found = rows(
            self._read,
            "SELECT kind, reason, n FROM counters WHERE connection = ?1"
            " UNION ALL SELECT 'dead_letters', reason, count(*) FROM dead_letters WHERE connection = ?1 GROUP BY reason"
            " ORDER BY 1, 2",
            (connection,),
        )
        by_kind: dict[str, dict[str, int]] = {}
        for kind, reason, n in found:
            by_kind.setdefault(kind, {})[reason] = n
        return Counts(
            delivered=by_kind.get("delivered", {}).get("", 0),
            requests=by_kind.get("requests", {}).get("", 0),
            filtered={reason: n for reason, n in by_kind.get("filtered", {}).items() if n},
            held=by_kind.get("held", {}).get("", 0),
            failures=by_kind.get("dead_letters", {}),
            adjusted=by_kind.get("adjusted", {}),
            retries=by_kind.get("retries", {}),
            replayed=by_kind.get("replayed", {}),
        )

    # failures and replays

    async def failures(
        self,
        connection: int,
        *,
        after: int = 0,
        limit: int = 100,
        reason: str = "",
        retrying: bool = False,
        before: int | None = None,
        within: Span = ALWAYS,
        most_bytes: int = READ_BYTES,
    ) -> list[Failure]:
        found = few_rows(
            self._read,
            f"{_FAILURES} AND position > ?2 AND (?3 = '' OR reason = ?3) AND at_ms >= ?5 AND at_ms < ?6"
            f"{' AND retrying' if retrying else ''}"
            f"{' ORDER BY position' if before is None else ' AND position < ?7 ORDER BY position DESC'} LIMIT ?4",
            (connection, after, reason, limit, within.since_ms, within.until_ms, *([] if before is None else [before])),
            most_bytes=most_bytes,
            sized=_FAILURE_EVENT,
        )
        return [_failure(row) for row in found]

    async def failure(self, connection: int, position: int) -> Failure | None:
        found = rows(self._read, f"{_FAILURES} AND position = ?2", (connection, position))
        return _failure(found[0]) if found else None

    async def failure_counts(self, connection: int, within: Span = ALWAYS) -> dict[str, int]:
        sql = "SELECT reason, count(*) FROM dead_letters WHERE connection = ? AND at_ms >= ? AND at_ms < ? GROUP BY 1"
        return dict(rows(self._read, sql, (connection, within.since_ms, within.until_ms)))

    async def retry_failures(
        self, connection: int, *, reason: str = "", positions: Sequence[int] | None = None, within: Span = ALWAYS
    ) -> list[int]:
        def mark(database: apsw.Connection) -> list[int]:
            found = rows(database, _RETRY, _chosen(connection, reason, positions, within))
            return sorted(position for (position,) in found)

        return await self._write(mark)

    async def discard_failures(
        self, connection: int, *, reason: str = "", positions: Sequence[int] | None = None, within: Span = ALWAYS
    ) -> int:
        def discard(database: apsw.Connection) -> int:
            chosen = _chosen(connection, reason, positions, within)
            discarded = [position for (position,) in rows(database, _DISCARD, chosen)]
            count(database, connection, [("filtered", "discarded", len(discarded))])
            note_change(database, connection, discarded, ("filtered", "discarded"))
            return len(discarded)

        return await self._write(discard)

    async def replay(self, connection: int) -> Replay | None:
        found = rows(self._read, "SELECT settled, last, events FROM replays WHERE connection = ?", (connection,))
        if not found:
            return None
        settled, last, events = found[0]
        return Replay(settled=settled, last=last, events=msgspec.json.decode(events, type=tuple[str, ...]))

    async def begin_replay(self, connection: int, replay: Replay) -> None:
        row = (connection, replay.settled, replay.last, msgspec.json.encode(replay.events).decode())
        await self._write(lambda database: database.execute("INSERT OR REPLACE INTO replays VALUES (?, ?, ?, ?)", row))

    async def _search(self, sql: str, bindings: tuple[apsw.SQLiteValue, ...]) -> list[Any]:
        """The single column of what was found, in the search thread."""

        def search() -> list[Any]:
            with reading():
                return [found for (found,) in rows(self._searched, sql, bindings)]

        return await asyncio.get_running_loop().run_in_executor(self._searching, search)


def _remove_token(id_: int, database: apsw.Connection) -> None:
    database.execute("DELETE FROM tokens WHERE id = ?", (id_,))


def _failure(row: tuple[Any, ...]) -> Failure:
    position, uuid, event, refusals, at_ms = row
    return Failure(position=position, uuid=uuid, event=event, refusals=_refusals.decode(refusals), at_ms=at_ms)


def _chosen(
    connection: int, reason: str, positions: Sequence[int] | None, within: Span
) -> tuple[int, str, str | None, int, int]:
    ids = None if positions is None else msgspec.json.encode(list(positions)).decode()
    return connection, reason, ids, within.since_ms, within.until_ms
