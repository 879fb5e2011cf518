"""Known and Told in SQL. Reads run in the caller's thread; writes run in a transaction of the state, as a few large
statements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import apsw
import msgspec

from hogline.core.changes import MOST_FREED, Flush, HeldEvent, Intent
from hogline.core.known import Id, Person
from hogline.core.ledger import LedgerRow
from hogline.core.told import WAITS_MS, Told
from hogline.store.base import READ_BYTES
from hogline.store.packing import (
    LEFT,
    pack_people,
    pack_person,
    pack_row,
    pack_told,
    unpack_id,
    unpack_person,
    unpack_row,
    unpack_told,
)
from hogline.store.sqlite.database import few_rows, reading, rows, value

Write = Callable[[apsw.Connection], None]


def _json(values: Iterable[object]) -> str:
    return msgspec.json.encode(list(values)).decode()


class RecordReader:
    """Reads for the core. Each takes well under a millisecond, less than handing it to another thread."""

    def __init__(self, database: apsw.Connection) -> None:
        self._database = database

    def _of(self, sql: str, names: Sequence[str], *more: int) -> list[tuple[object, ...]]:
        if not names:
            return []
        with reading():
            return rows(self._database, *_with_names(sql, names, *more))

    def ids(self, ids: Sequence[str]) -> dict[str, Id]:
        sql = "SELECT id, parent, since, depth, people FROM carray(?1) CROSS JOIN ids ON id = carray.value"
        return {one: unpack_id(*rest) for one, *rest in self._of(sql, ids)}  # type: ignore[arg-type, misc]  # as declared

    def people(self, ids: Sequence[str]) -> dict[str, Person]:
        sql = "SELECT id, known FROM carray(?1) CROSS JOIN known ON id = carray.value"
        return {one: unpack_person(one, body) for one, body in self._of(sql, ids)}  # type: ignore[arg-type, misc]  # as above

    def members(self, id_: str) -> list[str]:
        with reading():
            return [one for (one,) in rows(self._database, "SELECT id FROM ids WHERE parent = ? ORDER BY id", (id_,))]

    def told(self, connection: int, people: Sequence[str]) -> dict[str, Told]:
        sql = "SELECT person, body, due_ms FROM carray(?1) CROSS JOIN told ON connection = ?2 AND person = carray.value"
        return {one: unpack_told(one, body, due) for one, body, due in self._of(sql, people, connection)}  # type: ignore[arg-type, misc]

    def ledger(self, connection: int, emails: Sequence[str]) -> dict[str, LedgerRow]:
        sql = (
            "SELECT email, person, state, kind, ledger.value, others FROM carray(?1)"
            " CROSS JOIN ledger ON connection = ?2 AND email = carray.value"
        )
        return {one: unpack_row(*rest) for one, *rest in self._of(sql, emails, connection)}  # type: ignore[arg-type, misc]

    def held(self, connection: int, people: Sequence[str]) -> list[HeldEvent]:
        if not people:
            return []
        with reading():
            # Newest first: if there are more than may be read, the oldest are left out. Without the hint, SQLite would
            # not use the index and would look through everything the connection holds.
            sql = (
                "SELECT position, distinct_id, received_ms, event FROM held INDEXED BY held_by_person"
                " WHERE connection = ?2"
                " AND distinct_id IN (SELECT value FROM carray(?1)) ORDER BY position DESC"
            )
            found = few_rows(self._database, *_with_names(sql, people, connection), most_bytes=READ_BYTES, sized=3)
        found.reverse()
        return [HeldEvent(position=row[0], distinct_id=row[1], received_ms=row[2], event=row[3]) for row in found]

    def folded(self) -> int:
        with reading():
            found: int = value(self._database, "SELECT position FROM folded")
        return found

    def due(self, connection: int, limit: int) -> list[tuple[str, int]]:
        with reading():
            sql = (
                "SELECT person, due_ms FROM told WHERE connection = ? AND due_ms > 0 AND due_ms < ?"
                " ORDER BY due_ms LIMIT ?"
            )
            found: list[tuple[str, int]] = rows(self._database, sql, (connection, WAITS_MS, limit))
        return found

    def again(self, connection: int, limit: int) -> list[tuple[str, str]]:
        with reading():
            sql = "SELECT kind, person FROM again WHERE connection = ? ORDER BY kind, person LIMIT ?"
            found: list[tuple[str, str]] = rows(self._database, sql, (connection, limit))
        return found

    def settled_before(self, connection: int) -> tuple[int, frozenset[int]]:
        """See `store.base.State.settled_before`."""
        with reading():
            found = rows(
                self._database, "SELECT last, positions FROM settled_before WHERE connection = ?", (connection,)
            )
        if not found:
            return 0, frozenset()
        last, positions = found[0]
        return last, msgspec.msgpack.decode(positions, type=frozenset[int])


def _with_names(sql: str, names: Sequence[str], *more: int) -> tuple[str, tuple[apsw.SQLiteValue, ...]]:
    """A query and its bindings, with `carray(?1)` for the names. carray takes no NUL, which ids may contain."""
    if "\0" in "".join(names):
        return sql.replace("carray(?1)", "(SELECT value FROM json_each(?1)) AS carray"), (_json(names), *more)
    return sql, (apsw.carray(tuple(names)), *more)


def flush(flushed: Flush) -> Write:
    """Writes what changed in Known."""
    people = _json(
        (one, person.email.lower() if person.email else None, pack_person(person).hex())
        for one, person in flushed.people.items()
    )
    ids = _json(
        (one, joined.parent, joined.since, joined.depth, pack_people(joined.people).hex())
        for one, joined in flushed.ids.items()
    )

    def write(database: apsw.Connection) -> None:
        if flushed.people:
            database.execute(
                "INSERT OR REPLACE INTO known SELECT value ->> 0, value ->> 1, unhex(value ->> 2) FROM json_each(?)",
                (people,),
            )
        if flushed.ids:
            database.execute(
                "INSERT OR REPLACE INTO ids SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3,"
                " unhex(value ->> 4) FROM json_each(?)",
                (ids,),
            )
        if flushed.seen:
            database.execute(
                "UPDATE seen SET day = value ->> 1 FROM json_each(?) WHERE seen.id = value ->> 0 AND day < value ->> 1",
                (_json(flushed.seen.items()),),
            )
        set_folded(database, flushed.folded)

    return write


def set_folded(database: apsw.Connection, position: int) -> None:
    database.execute("UPDATE folded SET position = ?", (position,))


def intend(intent: Intent) -> Write:
    return change(intent.connection, intent.told, intent.ledger)


def change(connection: int, told: Mapping[str, Told | None], ledger: Mapping[str, LedgerRow | None]) -> Write:
    """Writes what was told about people, and whose the emails are."""
    put = [(one, pack_told(one, value).hex(), value.due_ms) for one, value in told.items() if value is not None]
    gone = [one for one, value in told.items() if value is None]
    put_rows = [(email, *pack_row(row)) for email, row in ledger.items() if row is not None]
    gone_rows = [email for email, row in ledger.items() if row is None]
    statements = [
        (sql, _json(values))
        for values, sql in (
            (
                put,
                (
                    "INSERT OR REPLACE INTO told SELECT ?1, value ->> 0, unhex(value ->> 1), value ->> 2"
                    " FROM json_each(?2)"
                ),
            ),
            (gone, "DELETE FROM told WHERE connection = ?1 AND person IN (SELECT value FROM json_each(?2))"),
            (
                put_rows,
                (
                    "INSERT OR REPLACE INTO ledger SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3,"
                    " value ->> 4, value ->> 5 FROM json_each(?2)"
                ),
            ),
            (gone_rows, "DELETE FROM ledger WHERE connection = ?1 AND email IN (SELECT value FROM json_each(?2))"),
        )
        if values
    ]

    def write(database: apsw.Connection) -> None:
        for sql, values in statements:
            database.execute(sql, (connection, values))

    return write


def put_again(database: apsw.Connection, connection: int, kind: str, people: Sequence[str]) -> None:
    database.execute(
        "INSERT OR IGNORE INTO again SELECT ?1, ?2, value FROM json_each(?3)", (connection, kind, _json(people))
    )


def put_freed(database: apsw.Connection, connection: int, emails: Sequence[str]) -> None:
    """Whom this connection told something and who is known by one of these emails is looked at again, `MOST_FREED` for
    each."""
    database.executemany(
        "INSERT OR IGNORE INTO again SELECT ?1, 'freed', id FROM known INDEXED BY known_by_email_and_id"
        " WHERE email = ?2 AND EXISTS (SELECT 1 FROM told WHERE connection = ?1 AND person = id) LIMIT ?3",
        [(connection, email, MOST_FREED) for email in emails],
    )


def put_denied(database: apsw.Connection, connection: int, denied: Mapping[str, str]) -> None:
    """People whose email is free after all are looked at again."""
    database.execute(
        "INSERT OR IGNORE INTO again SELECT ?1, 'freed', value ->> 0 FROM json_each(?2) WHERE NOT EXISTS"
        " (SELECT 1 FROM ledger WHERE connection = ?1 AND email = json_each.value ->> 1 AND state != ?3)",
        (connection, _json(denied.items()), LEFT),
    )


def end_again(database: apsw.Connection, connection: int, done: Sequence[tuple[str, str]]) -> None:
    if done:
        database.execute(
            "DELETE FROM again WHERE connection = ?1 AND (kind, person) IN"
            " (SELECT value ->> 0, value ->> 1 FROM json_each(?2))",
            (connection, _json(done)),
        )
