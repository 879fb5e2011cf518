"""Forgetting and suppressing people in the state, in SQL. Everything that knows the tables with people is here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import apsw
import msgspec
from msgspec.structs import replace

from hogline.core.ledger import is_email
from hogline.model import Refusal
from hogline.posthog.entry import FORGOTTEN
from hogline.posthog.forgetting import without
from hogline.store.datadir.secrets import Vault
from hogline.store.forgetting import Expired, File, Forgotten, Suppressed, ToClean
from hogline.store.sqlite import records, retention
from hogline.store.sqlite.database import rows
from hogline.store.sqlite.resending import name_nobody_gone
from hogline.store.sqlite.settling import count, give_up
from hogline.store.sqlite.unlogged import note_change

T = TypeVar("T")

_HAS_EMAIL = (
    "SELECT id FROM known INDEXED BY known_by_email_and_id WHERE email = ?1"
    " UNION SELECT person FROM connections CROSS JOIN told ON told.connection = connections.id AND person IN (?1, ?2)"
)
_HAD_EMAIL = "SELECT person FROM told WHERE instr(body, CAST(?1 AS BLOB)) OR instr(body, CAST(?2 AS BLOB))"


class SqliteForgetting:
    """The part of `SqliteState` that implements `store.forgetting.Forgets`, except `clean`."""

    suppressed: Suppressed
    _vault: Vault
    _read: apsw.Connection

    async def _write(self, job: Callable[[apsw.Connection], T]) -> T:
        raise NotImplementedError

    async def _search(self, sql: str, bindings: tuple[apsw.SQLiteValue, ...]) -> list[Any]:
        raise NotImplementedError

    async def suppress(self, texts: Sequence[str]) -> None:
        hashes = self.suppressed.hashes(texts)
        self.suppressed.replace(await self._write(lambda database: _suppress(database, hashes)))

    async def unsuppress(self, text: str) -> bool:
        hashes = self.suppressed.hashes([text])

        def job(database: apsw.Connection) -> tuple[bool, set[bytes]]:
            database.execute(
                "DELETE FROM suppressed WHERE together IN (SELECT together FROM suppressed WHERE hash IN"
                " (SELECT unhex(value) FROM json_each(?)))",
                (_as_json(hashes),),
            )
            return database.changes() > 0, suppressed_hashes(database)

        anybody, left = await self._write(job)
        self.suppressed.replace(left)
        return anybody

    async def forget(
        self,
        ids: Sequence[str],
        waiting: Mapping[int, int],
        *,
        emails: Mapping[int, Sequence[str]],
        suppress: Sequence[str] = (),
    ) -> dict[int, Forgotten]:
        hashes = self.suppressed.hashes(suppress)
        to_do = self._vault.encrypt(msgspec.json.encode(list(ids)))

        def job(database: apsw.Connection) -> tuple[dict[int, Forgotten], set[bytes]]:
            database.execute("INSERT INTO forgetting VALUES (?)", (to_do,))
            _forget_known(database, ids)
            forgotten = {one: _forget(database, one, ids, more, emails.get(one, ())) for one, more in waiting.items()}
            name_nobody_gone(database)
            to_clean(database, "journal")
            to_clean(database, "state")
            return forgotten, _suppress(database, hashes)

        forgotten, suppressed = await self._write(job)
        self.suppressed.replace(suppressed)
        return forgotten

    async def with_email(self, email: str, *, ever: bool = False) -> list[str]:
        """`ever` reads a whole table, which takes seconds with millions of people, so it runs in another thread."""
        email = email.strip()
        found = await self._search(_HAD_EMAIL if ever else _HAS_EMAIL, (email.lower(), email))
        if not ever:
            return found
        reader = records.RecordReader(self._read)
        told = [reader.told(one, found) for (one,) in rows(self._read, "SELECT id FROM connections")]
        small = email.lower()
        return [
            who
            for who in dict.fromkeys(found)
            if any(small in {one.lower() for one in some[who].remembered_emails} for some in told if who in some)
        ]

    async def expire_people(self, *, before_day: int, today: int, after: str, most: int) -> Expired:
        return await self._write(
            lambda database: retention.expire(database, before_day=before_day, today=today, after=after, most=most)
        )

    async def expire_failures(self, connection: int, *, before_ms: int, most: int) -> int:
        def job(database: apsw.Connection) -> int:
            expired = [
                position
                for (position,) in rows(
                    database,
                    "DELETE FROM dead_letters WHERE connection = ?1 AND position IN (SELECT position FROM dead_letters"
                    " WHERE connection = ?1 AND at_ms < ?2 AND NOT retrying ORDER BY at_ms LIMIT ?3)"
                    " RETURNING position",
                    (connection, before_ms, most),
                )
            ]
            count(database, connection, [("filtered", "failure_expired", len(expired))])
            note_change(database, connection, expired, ("filtered", "failure_expired"))
            return len(expired)

        return await self._write(job)

    async def forgetting(self) -> list[str]:
        found = rows(self._read, "SELECT distinct_ids FROM forgetting")
        return [one for (row,) in found for one in msgspec.json.decode(self._vault.decrypt(row), type=list[str])]

    async def end_forgetting(self) -> None:
        await self._write(lambda database: database.execute("DELETE FROM forgetting"))

    async def to_clean(self) -> list[ToClean]:
        return [ToClean(*row) for row in rows(self._read, "SELECT id, file FROM cleaning ORDER BY id")]

    async def cleaned(self, up_to: int) -> None:
        await self._write(lambda database: database.execute("DELETE FROM cleaning WHERE id <= ?", (up_to,)))


def to_clean(database: apsw.Connection, file: File) -> None:
    """Note that what this transaction deletes has to be overwritten."""
    database.execute("INSERT INTO cleaning (file) VALUES (?)", (file,))


def suppressed_hashes(database: apsw.Connection) -> set[bytes]:
    return {hash_ for (hash_,) in rows(database, "SELECT hash FROM suppressed")}


def _suppress(database: apsw.Connection, hashes: set[bytes]) -> set[bytes]:
    """Suppress these together, and with anyone who already has one of them. Returns all hashes."""
    if hashes:
        database.execute(
            "WITH added AS (SELECT unhex(value) AS hash FROM json_each(?1)),"
            " others AS (SELECT DISTINCT together FROM suppressed WHERE hash IN (SELECT hash FROM added))"
            " INSERT INTO suppressed SELECT hash, (SELECT coalesce(max(together), 0) + 1 FROM suppressed) FROM ("
            "SELECT hash FROM added UNION SELECT hash FROM suppressed WHERE together IN (SELECT together FROM others)"
            ") WHERE true ON CONFLICT DO UPDATE SET together = excluded.together",
            (_as_json(hashes),),
        )
    return suppressed_hashes(database)


def _as_json(hashes: set[bytes]) -> str:
    return msgspec.json.encode(sorted(one.hex() for one in hashes)).decode()


def _forget_known(database: apsw.Connection, ids: Sequence[str]) -> None:
    """What is known about them, for all connections."""
    names = msgspec.json.encode(list(ids)).decode()
    for table in ("known", "ids", "seen"):
        database.execute(f"DELETE FROM {table} WHERE id IN (SELECT value FROM json_each(?))", (names,))  # noqa: S608  # names are ours


def _forget(
    database: apsw.Connection, connection: int, ids: Sequence[str], waiting: int, emails: Sequence[str]
) -> Forgotten:
    """Delete everything of a connection that names these ids, and these rows of its ledger. Their events count as
    filtered (`forgotten`), and so do `waiting` more."""
    names = msgspec.json.encode(list(ids)).decode()
    held = give_up(
        database,
        connection,
        "forgotten",
        "SELECT position FROM held WHERE connection = ?1 AND distinct_id IN (SELECT value FROM json_each(?2))",
        names,
    )
    letters = _forget_failures(database, connection, set(ids))
    _rewrite(database, connection, "held", set(ids))
    for table in ("told", "again", "ledger"):
        database.execute(
            f"DELETE FROM {table} WHERE connection = ? AND person IN (SELECT value FROM json_each(?))",  # noqa: S608  # names are ours
            (connection, names),
        )
    records.change(connection, {}, dict.fromkeys(emails))(database)
    records.put_freed(database, connection, [one for one in emails if is_email(one)])
    count(database, connection, [("filtered", "forgotten", len(letters) + waiting)])
    return Forgotten(held=held, failures=len(letters))


def _forget_failures(database: apsw.Connection, connection: int, distinct_ids: set[str]) -> list[int]:
    """Delete theirs. Returns the positions."""
    positions = _rewrite(database, connection, "dead_letters", distinct_ids)
    database.executemany(
        "DELETE FROM dead_letters WHERE connection = ? AND position = ?", [(connection, one) for one in positions]
    )
    return positions


def _rewrite(
    database: apsw.Connection, connection: int, table: Literal["held", "dead_letters"], distinct_ids: set[str]
) -> list[int]:
    """Remove their names from other people's events. Returns the positions of events that are theirs."""
    theirs = []
    for distinct_id in distinct_ids:
        for position, event in rows(
            database,
            f"SELECT position, event FROM {table} WHERE connection = ? AND instr(event, ?)",  # noqa: S608  # names are ours
            (connection, distinct_id.encode("utf-8", "surrogatepass")),
        ):
            rewritten = without(event, distinct_ids)
            if rewritten == FORGOTTEN:
                theirs.append(position)
            elif rewritten is not None:
                database.execute(
                    f"UPDATE {table} SET event = ? WHERE connection = ? AND position = ?",  # noqa: S608  # as above
                    (rewritten, connection, position),
                )
                if table == "dead_letters":
                    _forget_operations(database, connection, position)
    return sorted(set(theirs))


def _forget_operations(database: apsw.Connection, connection: int, position: int) -> None:
    """A failure's refusals quote the event."""
    for (refusals,) in rows(
        database, "SELECT refusals FROM dead_letters WHERE connection = ? AND position = ?", (connection, position)
    ):
        kept = [replace(one, operation=b"") for one in msgspec.json.decode(refusals, type=list[Refusal])]
        database.execute(
            "UPDATE dead_letters SET refusals = ? WHERE connection = ? AND position = ?",
            (msgspec.json.encode(kept), connection, position),
        )
