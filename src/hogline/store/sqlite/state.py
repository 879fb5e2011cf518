"""The state in a SQLite file: connections, people, positions, counters, dead letters."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec

from hogline.model import Person, Refusal
from hogline.store.base import Connection, Counts, DeadLetter, NameTaken, Settlement
from hogline.store.secrets import Vault
from hogline.store.sqlite.database import open_database, rows, transaction, value
from hogline.store.sqlite.writer import Writer

T = TypeVar("T")
_Job = Callable[[apsw.Connection], object]

_person = msgspec.json.Decoder(Person)
_refusals = msgspec.json.Decoder(tuple[Refusal, ...])

_CONNECTIONS = "SELECT id, name, destination, options, enabled, stopped, start, created_ms FROM connections"


class SqliteState:
    """Implements `store.base.State`. Reads happen in the caller's thread: each takes well under a
    millisecond, which is less than handing it to another.
    """

    def __init__(self, path: Path, vault: Vault, *, vfs: str | None = None) -> None:
        """Raises `Unusable`. Must be made in the running event loop."""
        self._vault = vault
        self._written = open_database(path, "state", vfs)
        self._read = open_database(path, "state", vfs)
        # SQLite's own lower() knows only the letters of ASCII.
        self._read.create_scalar_function("folded", _folded, 1, deterministic=True)
        self._writer: Writer[_Job] = Writer(self._perform, name="state-writer")

    def _perform(self, jobs: list[_Job]) -> list[object]:
        with transaction(self._written):
            return [job(self._written) for job in jobs]

    async def _write(self, job: Callable[[apsw.Connection], T]) -> T:
        return await self._writer.write(job)  # type: ignore[return-value]  # what `_perform` gave for this job

    async def close(self) -> None:
        await self._writer.close()
        self._read.close()
        self._written.close()

    # tokens

    async def tokens(self) -> list[str]:
        return [
            self._vault.decrypt(token).decode() for (token,) in rows(self._read, "SELECT token FROM tokens ORDER BY id")
        ]

    async def add_token(self, token: str) -> None:
        encrypted = self._vault.encrypt(token.encode())
        await self._write(lambda database: database.execute("INSERT INTO tokens (token) VALUES (?)", (encrypted,)))

    # connections

    async def connections(self) -> list[Connection]:
        return [self._connection(row) for row in rows(self._read, f"{_CONNECTIONS} ORDER BY id")]

    def _connection(self, row: tuple[Any, ...]) -> Connection:
        id_, name, destination, options, enabled, stopped, start, created_ms = row
        return Connection(
            id=id_,
            name=name,
            destination=destination,
            options=msgspec.json.decode(self._vault.decrypt(options), type=dict[str, object]),
            enabled=bool(enabled),
            stopped=stopped,
            start=start,
            created_ms=created_ms,
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
    ) -> Connection:
        row = (name, destination, self._encrypted(options), int(enabled), start, now_ms)

        def insert(database: apsw.Connection) -> int | None:
            sql = (
                "INSERT INTO connections (name, destination, options, enabled, start, created_ms)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING RETURNING id"
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
        )

    async def change_connection(self, changed: Connection) -> None:
        row = (self._encrypted(changed.options), int(changed.enabled), changed.stopped, changed.id)
        await self._write(
            lambda database: database.execute(
                "UPDATE connections SET options = ?, enabled = ?, stopped = ? WHERE id = ?", row
            )
        )

    async def remove_connection(self, connection: int) -> None:
        def remove(database: apsw.Connection) -> None:
            for table, column in (
                ("people", "connection"),
                ("lanes", "connection"),
                ("counters", "connection"),
                ("dead_letters", "connection"),
                ("connections", "id"),
            ):
                database.execute(f"DELETE FROM {table} WHERE {column} = ?", (connection,))  # noqa: S608  # names are ours

        await self._write(remove)

    # what became of events

    async def lanes(self, connection: int) -> dict[int, int]:
        return dict(rows(self._read, "SELECT lane, position FROM lanes WHERE connection = ?", (connection,)))

    async def settle(self, settlement: Settlement) -> None:
        await self._write(functools.partial(_settle, settlement, _people_as_json(settlement)))

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
            filtered=by_kind.get("filtered", {}),
            dead_letters=by_kind.get("dead_letters", {}),
            adjusted=by_kind.get("adjusted", {}),
            retries=by_kind.get("retries", {}),
        )

    async def dead_letters(self, connection: int, *, after: int = 0, limit: int = 100) -> list[DeadLetter]:
        found = rows(
            self._read,
            "SELECT position, uuid, event, refusals, at_ms FROM dead_letters"
            " WHERE connection = ? AND position > ? ORDER BY position LIMIT ?",
            (connection, after, limit),
        )
        return [
            DeadLetter(position=position, uuid=uuid, event=event, refusals=_refusals.decode(refusals), at_ms=at_ms)
            for position, uuid, event, refusals, at_ms in found
        ]

    # people

    async def people(self, connection: int, distinct_ids: Sequence[str]) -> dict[str, Person]:
        if not distinct_ids:
            return {}
        found = rows(
            self._read,
            "SELECT distinct_id, person FROM carray(?2) CROSS JOIN people"
            " ON connection = ?1 AND distinct_id = carray.value",
            (connection, apsw.carray(tuple(distinct_ids))),
        )
        return {distinct_id: _person.decode(person) for distinct_id, person in found}

    async def find_people(self, connection: int, text: str, *, after: str = "", limit: int = 100) -> list[Person]:
        found = rows(
            self._read,
            "SELECT person FROM people WHERE connection = ?1 AND distinct_id > ?2"
            " AND (?3 = '' OR instr(folded(distinct_id), ?3) OR instr(folded(email), ?3))"
            " ORDER BY distinct_id LIMIT ?4",
            (connection, after, text.casefold(), limit),
        )
        return [_person.decode(person) for (person,) in found]


def _folded(text: apsw.SQLiteValue) -> str | None:
    """The text in no case, for comparing; None for none."""
    return text.casefold() if isinstance(text, str) else None


def _people_as_json(settlement: Settlement) -> bytes:
    """One JSON text for all people: one statement writes them, and SQLite works while other threads do too."""
    return msgspec.json.encode(
        [(person.distinct_id, person.email.lower() if person.email else None, person) for person in settlement.people]
    )


def _settle(settlement: Settlement, people: bytes, database: apsw.Connection) -> None:
    connection = settlement.connection
    if settlement.people:
        database.execute(
            "INSERT INTO people SELECT ?1, value ->> 0, value ->> 1, value -> 2 FROM json_each(?2) WHERE true"
            " ON CONFLICT DO UPDATE SET email = excluded.email, person = excluded.person",
            (connection, people.decode()),
        )
    counted = [
        (kind, reason, n)
        for kind, counts in (
            ("delivered", {"": settlement.delivered}),
            ("filtered", settlement.filtered),
            ("adjusted", settlement.adjusted),
            ("requests", {"": settlement.requests}),
            ("retries", settlement.retries),
        )
        for reason, n in counts.items()
        if n
    ]
    if counted:
        database.execute(
            "INSERT INTO counters SELECT ?1, value ->> 0, value ->> 1, value ->> 2 FROM json_each(?2) WHERE true"
            " ON CONFLICT DO UPDATE SET n = n + excluded.n",
            (connection, msgspec.json.encode(counted).decode()),
        )
    for letter in settlement.dead_letters:
        database.execute(
            "INSERT INTO dead_letters (connection, position, uuid, reason, at_ms, event, refusals)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                connection,
                letter.position,
                letter.uuid,
                letter.reason,
                letter.at_ms,
                letter.event,
                msgspec.json.encode(letter.refusals),
            ),
        )
    database.execute(
        "INSERT INTO lanes SELECT ?1, value ->> 0, value ->> 1 FROM json_each(?2) WHERE true"
        " ON CONFLICT DO UPDATE SET position = max(position, excluded.position)",
        (connection, msgspec.json.encode(list(settlement.lanes.items())).decode()),
    )
