"""The state in a SQLite file: connections, people, positions, counters, dead letters."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec

from hogline.model import Person, Refusal
from hogline.store.base import (
    READ_BYTES,
    Connection,
    Counts,
    DeadLetter,
    HeldEvent,
    NameTaken,
    Replay,
    Route,
    Settlement,
    TokenKind,
)
from hogline.store.forgetting import Suppressed
from hogline.store.secrets import Vault
from hogline.store.sqlite.database import few_rows, open_database, reading, rows, touch, transaction, value
from hogline.store.sqlite.forgetting import SqliteForgetting, suppressed_hashes, to_clean
from hogline.store.sqlite.scrub import Scrub, scrub, step
from hogline.store.sqlite.settling import count, expire_held, people_as_json, settle
from hogline.store.sqlite.writer import Writer

T = TypeVar("T")
_Job = Callable[[apsw.Connection], object]

_person = msgspec.json.Decoder(Person)
_refusals = msgspec.json.Decoder(tuple[Refusal, ...])

_DEAD_LETTERS = "SELECT position, uuid, event, refusals, at_ms FROM dead_letters WHERE connection = ?1"
_DEAD_LETTER_EVENT = 2
"""The column of the event."""
_CHOSEN = (
    "WHERE connection = ?1 AND (?2 = '' OR reason = ?2)"
    " AND (?3 IS NULL OR position IN (SELECT value FROM json_each(?3)))"
)
_RETRY = f"UPDATE dead_letters SET retrying = 1 {_CHOSEN}"  # noqa: S608  # parts are ours, values are bound
_DISCARD = f"DELETE FROM dead_letters {_CHOSEN} AND NOT retrying"  # noqa: S608  # as above
_EVERYBODY = "SELECT person FROM people WHERE connection = ?1 AND distinct_id > ?2 ORDER BY distinct_id LIMIT ?3"
# SQLite's LIKE knows only the case of ASCII's letters: where there are others, `folded` looks too. That is seldom, and
# ten times as slow.
_SEARCH = (
    "SELECT person FROM people WHERE connection = ?1 AND distinct_id IN (SELECT distinct_id FROM people"
    " INDEXED BY people_by_id_and_email WHERE connection = ?1 AND distinct_id > ?2"
    " AND (distinct_id LIKE ?4 ESCAPE '\\' OR email LIKE ?4 ESCAPE '\\'"
    " OR (length(distinct_id) <> octet_length(distinct_id) OR length(email) <> octet_length(email))"
    " AND (instr(folded(distinct_id), ?5) OR instr(folded(email), ?5)))"
    " ORDER BY distinct_id LIMIT ?3) ORDER BY distinct_id"
)
_WILD = re.compile(r"[%_\\]")
_LONGEST_PATTERN_BYTES = 50_000
"""SQLite's own limit."""
_CONNECTIONS = "SELECT id, name, destination, options, enabled, stopped, start, created_ms, workspace FROM connections"


class SqliteState(SqliteForgetting):
    """Implements `store.base.State`. Reads happen in the caller's thread: each takes well under a
    millisecond, which is less than handing it to another. Searching may take longer: it has a thread, one at a time.
    """

    def __init__(self, path: Path, vault: Vault, *, vfs: str | None = None) -> None:
        """Raises `Unusable`. Must be made in the running event loop."""
        self._vault = vault
        self._path, self._vfs = path, vfs
        self._written = open_database(path, "state", vfs)
        self._read = open_database(path, "state", vfs)
        self._searched = open_database(path, "state", vfs)
        self._searched.create_scalar_function("folded", _folded, 1, deterministic=True)
        self._searching = ThreadPoolExecutor(max_workers=1, thread_name_prefix="state-search")
        self.suppressed = Suppressed(vault.fingerprint, suppressed_hashes(self._read))
        self._writer: Writer[_Job | Scrub] = Writer(
            self._perform, name="state-writer", probe=partial(touch, self._written)
        )

    def _perform(self, jobs: list[_Job | Scrub]) -> list[object]:
        with transaction(self._written):
            results = [None if isinstance(job, Scrub) else job(self._written) for job in jobs]
        return [
            step(job, self._written) if isinstance(job, Scrub) else result
            for job, result in zip(jobs, results, strict=True)
        ]

    async def clean(self) -> bool:
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

    # tokens

    async def tokens(self, kind: TokenKind = "private") -> list[str]:
        found = rows(self._read, "SELECT token FROM tokens WHERE kind = ? ORDER BY id", (kind,))
        return [self._vault.decrypt(token).decode() for (token,) in found]

    async def add_token(self, token: str, kind: TokenKind = "private") -> None:
        encrypted = self._vault.encrypt(token.encode())
        row = (encrypted, kind)
        await self._write(lambda database: database.execute("INSERT INTO tokens (token, kind) VALUES (?, ?)", row))

    async def remove_token(self, token: str) -> None:
        # Each encryption of the same token differs, so they are compared in the clear.
        for id_, encrypted in rows(self._read, "SELECT id, token FROM tokens"):
            if self._vault.decrypt(encrypted).decode() == token:
                await self._write(functools.partial(_remove_token, id_))

    # connections

    async def connections(self) -> list[Connection]:
        return [self._connection(row) for row in rows(self._read, f"{_CONNECTIONS} ORDER BY id")]

    def _connection(self, row: tuple[Any, ...]) -> Connection:
        id_, name, destination, options, enabled, stopped, start, created_ms, workspace = row
        return Connection(
            id=id_,
            name=name,
            destination=destination,
            options=msgspec.json.decode(self._vault.decrypt(options), type=dict[str, object]),
            enabled=bool(enabled),
            stopped=stopped,
            start=start,
            created_ms=created_ms,
            workspace=workspace,
        )

    def _encrypted(self, options: Mapping[str, object]) -> bytes:
        return self._vault.encrypt(msgspec.json.encode(options))

    async def add_connection(
        self,
        *,
        name: str,
        destination: str,
        options: Mapping[str, object],
        enabled: bool,
        start: int,
        now_ms: int,
        workspace: str | None = None,
    ) -> Connection:
        row = (name, destination, self._encrypted(options), int(enabled), start, now_ms, workspace)

        def insert(database: apsw.Connection) -> int | None:
            sql = (
                "INSERT INTO connections (name, destination, options, enabled, start, created_ms, workspace)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING RETURNING id"
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
            enabled=enabled,
            stopped=None,
            start=start,
            created_ms=now_ms,
            workspace=workspace,
        )

    async def change_connection(self, changed: Connection) -> None:
        row = (self._encrypted(changed.options), int(changed.enabled), changed.stopped, changed.workspace, changed.id)
        await self._write(
            lambda database: database.execute(
                "UPDATE connections SET options = ?, enabled = ?, stopped = ?, workspace = ? WHERE id = ?", row
            )
        )

    async def remove_connection(self, connection: int) -> None:
        def remove(database: apsw.Connection) -> None:
            for table, column in (
                ("people", "connection"),
                ("routes", "connection"),
                ("emails", "connection"),
                ("held", "connection"),
                ("due", "connection"),
                ("lanes", "connection"),
                ("counters", "connection"),
                ("dead_letters", "connection"),
                ("replays", "connection"),
                ("connections", "id"),
            ):
                database.execute(f"DELETE FROM {table} WHERE {column} = ?", (connection,))  # noqa: S608  # names are ours
            to_clean(database, "state")

        await self._write(remove)

    # joins, held events, what is due

    async def joined(self, connection: int, distinct_id: str, *, after: str = "", limit: int = 100) -> list[Person]:
        found = rows(
            self._read,
            "SELECT person FROM people WHERE connection = ? AND joined_into = ? AND distinct_id > ?"
            " ORDER BY distinct_id LIMIT ?",
            (connection, distinct_id, after, limit),
        )
        return [_person.decode(person) for (person,) in found]

    async def routes(self, connection: int, distinct_ids: Sequence[str]) -> dict[str, tuple[Route, ...]]:
        if not distinct_ids:
            return {}
        with reading():
            found = rows(
                self._read,
                'SELECT distinct_id, since, "group", depth FROM carray(?2) CROSS JOIN routes'
                " ON connection = ?1 AND distinct_id = carray.value ORDER BY distinct_id, since",
                (connection, apsw.carray(tuple(distinct_ids))),
            )
        routes: dict[str, tuple[Route, ...]] = {}
        for row in found:
            routes[row[0]] = (*routes.get(row[0], ()), Route(*row))
        return routes

    async def claimed(self, connection: int, email: str) -> str | None:
        with reading():
            owner: str | None = value(
                self._read, "SELECT distinct_id FROM emails WHERE connection = ? AND email = ?", (connection, email)
            )
        return owner

    async def held(self, connection: int, distinct_ids: Sequence[str]) -> list[HeldEvent]:
        with reading():
            # The newest first: of more than may be read at once, the oldest are left out.
            found = few_rows(
                self._read,
                "SELECT position, distinct_id, received_ms, event FROM held WHERE connection = ?1"
                " AND distinct_id IN (SELECT value FROM json_each(?2)) ORDER BY position DESC",
                (connection, msgspec.json.encode(list(distinct_ids)).decode()),
                most_bytes=READ_BYTES,
                sized=3,
            )
        found.reverse()
        return [HeldEvent(position=row[0], distinct_id=row[1], received_ms=row[2], event=row[3]) for row in found]

    async def expire_held(self, connection: int, *, received_before_ms: int, most_bytes: int) -> int:
        return await self._write(
            functools.partial(
                expire_held, connection=connection, received_before_ms=received_before_ms, most_bytes=most_bytes
            )
        )

    async def due(self, connection: int, limit: int) -> list[tuple[str, int]]:
        with reading():
            sql = "SELECT distinct_id, at_ms FROM due WHERE connection = ? ORDER BY at_ms LIMIT ?"
            found: list[tuple[str, int]] = rows(self._read, sql, (connection, limit))
        return found

    # what became of events

    async def lanes(self, connection: int) -> dict[int, int]:
        return dict(rows(self._read, "SELECT lane, position FROM lanes WHERE connection = ?", (connection,)))

    async def settle(self, settlement: Settlement) -> None:
        await self._write(functools.partial(settle, settlement, people_as_json(settlement)))

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
            dead_letters=by_kind.get("dead_letters", {}),
            adjusted=by_kind.get("adjusted", {}),
            retries=by_kind.get("retries", {}),
            replayed=by_kind.get("replayed", {}),
        )

    # dead letters and replays

    async def dead_letters(
        self,
        connection: int,
        *,
        after: int = 0,
        limit: int = 100,
        reason: str = "",
        retrying: bool = False,
        most_bytes: int = READ_BYTES,
    ) -> list[DeadLetter]:
        found = few_rows(
            self._read,
            f"{_DEAD_LETTERS} AND position > ?2 AND (?3 = '' OR reason = ?3)"
            f"{' AND retrying' if retrying else ''} ORDER BY position LIMIT ?4",
            (connection, after, reason, limit),
            most_bytes=most_bytes,
            sized=_DEAD_LETTER_EVENT,
        )
        return [_dead_letter(row) for row in found]

    async def dead_letter(self, connection: int, position: int) -> DeadLetter | None:
        found = rows(self._read, f"{_DEAD_LETTERS} AND position = ?2", (connection, position))
        return _dead_letter(found[0]) if found else None

    async def retry_dead_letters(
        self, connection: int, *, reason: str = "", positions: Sequence[int] | None = None
    ) -> int:
        def mark(database: apsw.Connection) -> int:
            database.execute(_RETRY, _chosen(connection, reason, positions))
            return database.changes()

        return await self._write(mark)

    async def discard_dead_letters(
        self, connection: int, *, reason: str = "", positions: Sequence[int] | None = None
    ) -> int:
        def discard(database: apsw.Connection) -> int:
            database.execute(_DISCARD, _chosen(connection, reason, positions))
            discarded = database.changes()
            count(database, connection, [("filtered", "discarded", discarded)])
            return discarded

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

    # people

    async def people(self, connection: int, distinct_ids: Sequence[str]) -> dict[str, Person]:
        if not distinct_ids:
            return {}
        with reading():
            found = rows(
                self._read,
                "SELECT distinct_id, person FROM carray(?2) CROSS JOIN people"
                " ON connection = ?1 AND distinct_id = carray.value",
                (connection, apsw.carray(tuple(distinct_ids))),
            )
        return {distinct_id: _person.decode(person) for distinct_id, person in found}

    async def find_people(self, connection: int, text: str, *, after: str = "", limit: int = 100) -> list[Person]:
        if not text:
            with reading():
                found = [person for (person,) in rows(self._read, _EVERYBODY, (connection, after, limit))]
        else:
            folded = text.casefold()
            pattern = "%" + _WILD.sub(r"\\\g<0>", folded) + "%"
            if len(pattern.encode()) > _LONGEST_PATTERN_BYTES:
                return []  # no id is that long
            found = await self._search(_SEARCH, (connection, after, limit, pattern, folded))
        return [_person.decode(person) for person in found]

    async def _search(self, sql: str, bindings: tuple[apsw.SQLiteValue, ...]) -> list[Any]:
        """The one column of what is found, in a thread of its own."""

        def search() -> list[Any]:
            with reading():
                return [found for (found,) in rows(self._searched, sql, bindings)]

        return await asyncio.get_running_loop().run_in_executor(self._searching, search)


def _folded(*texts: apsw.SQLiteValue) -> apsw.SQLiteValue:
    """One text without its case, for comparing; NULL stays NULL."""
    (text,) = texts
    return text.casefold() if isinstance(text, str) else text


def _remove_token(id_: int, database: apsw.Connection) -> None:
    database.execute("DELETE FROM tokens WHERE id = ?", (id_,))


def _dead_letter(row: tuple[Any, ...]) -> DeadLetter:
    position, uuid, event, refusals, at_ms = row
    return DeadLetter(position=position, uuid=uuid, event=event, refusals=_refusals.decode(refusals), at_ms=at_ms)


def _chosen(connection: int, reason: str, positions: Sequence[int] | None) -> tuple[int, str, str | None]:
    return connection, reason, None if positions is None else msgspec.json.encode(list(positions)).decode()
