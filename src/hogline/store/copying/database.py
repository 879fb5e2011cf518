"""PostgreSQL as one side of a copy.

A copy is made in another schema, which nobody else uses, and is renamed when it is complete.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby

import msgspec
import psycopg

from hogline.store.base import Unusable
from hogline.store.copying.files import SMALL_FILES
from hogline.store.copying.sides import MOST_BYTES, MOST_ROWS, Ends, Kept, Key, bytes_of_key, key_of_bytes
from hogline.store.copying.tables import EARLIER, NAMES, PEOPLE, RESULTS, SHIPMENTS, Row, Table
from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql.event_blocks import seen
from hogline.store.postgresql.event_shipments import PART_BITS, of_part
from hogline.store.postgresql.journal import ROW_BYTES
from hogline.store.postgresql.link import Link, close, connect, execute, rows, value
from hogline.store.postgresql.records import folded_or_none
from hogline.store.postgresql.schema import migrate
from hogline.store.postgresql.trouble import sentence_of

DRAFT = "hogline_copy"
FETCHED_AT_ONCE = 100
_MASK = (1 << PART_BITS) - 1
_USED = (
    b"SELECT EXISTS (SELECT FROM journal_end WHERE last > 0) OR EXISTS (SELECT FROM connections)"
    b" OR EXISTS (SELECT FROM tokens) OR EXISTS (SELECT FROM files) OR EXISTS (SELECT FROM audit)"
    b" OR EXISTS (SELECT FROM process WHERE seen > clock_timestamp() - lease_s * interval '1 second')"
)
_USING = b"SELECT role, host, lease_s FROM process WHERE seen > clock_timestamp() - lease_s * interval '1 second'"
_NEW = b"CREATE TABLE IF NOT EXISTS copying (name text PRIMARY KEY, key bytea NOT NULL, rows bigint NOT NULL)"
_PROGRESS = (
    b"INSERT INTO copying VALUES (%(name)s, %(key)s, %(n)s)"
    b" ON CONFLICT (name) DO UPDATE SET key = excluded.key, rows = copying.rows + excluded.rows"
)
_LOCK = 0x_68_6F_67_63
_WITH_EMPTY = {NAMES: "names", PEOPLE: "people", RESULTS: "outcomes"}
_IDENTITIES = (("connections", "id"), ("tokens", "id"), ("cleaning", "id"), ("unlogged", "number"))


class Database:
    """Implements `Source`. As long as it is open, nobody can write to the store."""

    _draft = "hogline"

    def __init__(self, url: str, vault: Vault) -> None:
        """Raises `Unusable`, also while a process uses the store."""
        self._vault = vault
        self._link = _connected(url, self._draft)
        self._parts: dict[int, int] | None = None
        """Of each part of the event log's shipments, what its first id becomes."""

    def hold(self) -> None:
        """Raises `Unusable` if the store is not there, is in use, or was made with another key."""
        found = value(self._link, b"SELECT to_regclass('hogline.schema') IS NOT NULL")
        if not found:
            raise Unusable("There is no Hogline store in the database of HOGLINE_STORE.")
        migrate(self._link)
        check = self._vault.fingerprint("hogline")
        if value(self._link, b"SELECT key_check = %(check)s FROM store", {"check": check}) is False:
            raise Unusable("The store in PostgreSQL was made with another HOGLINE_SECRET_KEY. Set that key.")
        if value(self._link, b"SELECT count(*) FROM journal_end") != 1:
            raise Unusable("A store with several partitions cannot be copied into a data directory.")
        execute(self._link, b"SET idle_in_transaction_session_timeout = 0")
        execute(self._link, b"SET lock_timeout = '5s'")  # PostgreSQL may not have noticed yet that a copy was killed
        execute(self._link, b"BEGIN ISOLATION LEVEL REPEATABLE READ")
        try:
            execute(self._link, b"LOCK TABLE store, writer, journal_end IN EXCLUSIVE MODE")
        except psycopg.errors.LockNotAvailable:
            self.close()
            raise Unusable("A Hogline is writing to the store. Stop all of them first.") from None
        for role, host, lease_s in rows(self._link, _USING):
            self.close()
            raise Unusable(
                f"A Hogline on {host} is using the store ({role}). Stop all of them first. One that was killed counts "
                f"for {lease_s:,.0f} s."
            )
        self._parts = {}
        begin = 1
        for part, following in rows(self._link, b"SELECT part, next FROM event_parts ORDER BY part"):
            self._parts[part] = begin
            begin += (following & _MASK if following >> PART_BITS == part else 1 << PART_BITS) + 1

    def changes(self) -> str:
        writers = rows(self._link, b"SELECT name, epoch, number FROM writer ORDER BY name")
        # Receivers are gone, and what they did is seen at the journal's end.
        counted = [row for row in writers if row[0] in {"journal", "state"}]
        return msgspec.json.encode([counted, self.ends(), [one[:2] for one in self.files()]]).decode()

    def count(self, table: Table) -> int:
        if table is SHIPMENTS:
            return sum(value(self._link, _count(f"event_shipments_{part}")) for part in self._part_numbers())
        found: int = value(self._link, _count(table.name))
        return found

    def _part_numbers(self) -> list[int]:
        return [part for (part,) in rows(self._link, b"SELECT part FROM event_parts ORDER BY part")]

    def read(self, table: Table, after: Key | None) -> list[Row]:
        if table is SHIPMENTS:
            return self._shipments(after)
        columns = ", ".join(column.name for column in table.columns)
        sql, given = f"SELECT {columns} FROM {table.name}", {}  # noqa: S608  # ours
        if table.key:
            keys = [column.name for column in table.columns[: table.key]]
            conditions = ["partition = 0"] if table.partitioned else []
            if table in _WITH_EMPTY:  # after everyone in it was forgotten
                conditions.append(f"btrim({_WITH_EMPTY[table]}, '\\x00'::bytea) <> ''::bytea")
            if after is not None:
                given = {f"key_{n}": each for n, each in enumerate(self._back(table, after))}
                types = [f"%({name})s::{column.type}" for name, column in zip(given, table.columns, strict=False)]
                conditions.append(f"({', '.join(keys)}) > ({', '.join(types)})")
            where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
            sql += f"{where} ORDER BY {', '.join(keys)} LIMIT {MOST_ROWS}"
        found = self._some(sql, given, whole=not table.key)
        if self._parts is None:
            return found
        if table is RESULTS:
            return [(*row[:3], self._renumbered(row[3])) for row in found]
        if table is EARLIER:
            return [(*row[:2], self._number_of(row[2]), row[3]) for row in found]
        return found

    def _back(self, table: Table, key: Key) -> Key:
        if table is EARLIER and self._parts is not None:
            return (*key[:2], self._id_of(key[2]))
        return key

    def _some(self, sql: str, given: dict[str, object], *, whole: bool) -> list[Row]:
        found, left = list[Row](), MOST_BYTES
        with self._link.transaction(), self._link.cursor("copying", binary=True) as cursor:
            cursor.itersize = FETCHED_AT_ONCE
            cursor.execute(sql.encode(), given or None)
            for row in cursor:
                found.append(row)
                left -= sum(len(each) for each in row if isinstance(each, bytes))
                if left < 0 and not whole:
                    break
        return found

    # the event log's shipments

    def _shipments(self, after: Key | None) -> list[Row]:
        last = 0 if after is None else self._id_of(after[0])
        columns = ", ".join(column.name for column in SHIPMENTS.columns)
        for part in self._part_numbers():
            if part >= last >> PART_BITS:
                sql = f"SELECT {columns} FROM event_shipments_{part} WHERE id > %(last)s ORDER BY id LIMIT {MOST_ROWS}"  # noqa: S608  # ours
                if found := self._some(sql, {"last": last}, whole=False):
                    return [(self._number_of(row[0]), *row[1:]) for row in found]
        return []

    def _number_of(self, id_: int) -> int:
        """A shipment's number in the data directory, where it takes four bytes; 0 for one that is gone."""
        if self._parts is None:
            return id_
        begin = self._parts.get(id_ >> PART_BITS)
        return 0 if begin is None or not id_ else begin + (id_ & _MASK)

    def _id_of(self, number: int) -> int:
        """The other way round."""
        if self._parts is None:
            return number
        begins = list(self._parts.values())
        part = list(self._parts)[bisect_right(begins, number) - 1]
        return (part << PART_BITS) + number - self._parts[part]

    def _renumbered(self, shipments: bytes) -> bytes:
        return array("Q", [self._number_of(id_) if id_ else 0 for id_ in array("Q", shipments)]).tobytes()

    # beside the tables

    def ends(self) -> Ends:
        first, last, received_ms = rows(self._link, b"SELECT first, last, received_ms FROM journal_end")[0]
        taken, kept = rows(self._link, b"SELECT taken, first FROM event_progress")[0]
        return Ends(
            first=first,
            last=last,
            received_ms=received_ms if last >= first else 0,
            folded=value(self._link, b"SELECT position FROM folded"),
            audited=value(self._link, b"SELECT last FROM audit_end"),
            connections=self._given("connections_id_seq"),
            unlogged=self._given("unlogged_number_seq"),
            cleaned=self._given("cleaning_id_seq"),
            taken=taken,
            kept=kept,
        )

    def _given(self, sequence: str) -> int:
        sql = f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}"  # noqa: S608  # ours
        return int(value(self._link, sql.encode()))

    def files(self) -> list[Kept]:
        found = rows(self._link, b"SELECT name, changed_ns, content FROM files")
        kept = [Kept(name, changed_ns, self._vault.decrypt(content)) for name, changed_ns, content in found]
        return sorted(kept, key=lambda one: SMALL_FILES.index(one.name))

    def close(self) -> None:
        close(self._link)


class NewDatabase(Database):
    """Implements `Target`."""

    _draft = DRAFT

    def __init__(self, url: str, vault: Vault) -> None:
        """Raises `Unusable`, also if there is a store that was used."""
        super().__init__(url, vault)
        try:
            self._refuse_others()
            self._refuse_used()
            execute(self._link, b"SET synchronous_commit = off")
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _refuse_others(self) -> None:
        execute(self._link, b"SET lock_timeout = '5s'")  # as above
        try:
            execute(self._link, b"SELECT pg_advisory_lock(%(lock)s)", {"lock": _LOCK})
        except psycopg.errors.LockNotAvailable:
            raise Unusable("Another copy into this database is running.") from None

    def _refuse_used(self) -> None:
        """Raises `Unusable` if there is a store that was used."""
        if value(self._link, b"SELECT to_regclass('hogline.schema') IS NOT NULL"):
            execute(self._link, b"SET search_path = hogline")
            migrate(self._link)
            used = value(self._link, _USED)
            execute(self._link, b"SET search_path = hogline_copy")
            if used:
                raise Unusable(
                    "The store at HOGLINE_STORE is not empty, or is in use. Use another database, or remove what is in "
                    "this one (`DROP SCHEMA hogline CASCADE`)."
                )

    def _prepare(self) -> None:
        migrate(self._link)
        execute(self._link, _NEW)

    def begin(self, changes: str) -> bool:
        if value(self._link, b"SELECT key FROM copying WHERE name = ''") == changes.encode():
            return True
        execute(self._link, b"DROP SCHEMA hogline_copy CASCADE")
        self._prepare()
        execute(self._link, _PROGRESS, {"name": "", "key": changes.encode(), "n": 0})
        check = self._vault.fingerprint("hogline")
        execute(self._link, b"UPDATE store SET key_check = %(check)s", {"check": check})
        return False

    def done(self, table: Table) -> tuple[Key | None, int]:
        found = rows(self._link, b"SELECT key, rows FROM copying WHERE name = %(name)s", {"name": table.name})
        return (key_of_bytes(found[0][0]), found[0][1]) if found else (None, 0)

    def write(self, table: Table, rows: list[Row]) -> None:
        key = bytes_of_key(rows[-1][: table.key])
        with self._link.transaction():
            if table is SHIPMENTS:
                for part, some in groupby(rows, lambda row: row[0] >> PART_BITS):
                    self._put_shipments(part, list(some))
            else:
                self._put(table, table.name, rows)
            execute(self._link, _PROGRESS, {"name": table.name, "key": key, "n": len(rows)})

    def _put(self, table: Table, name: str, some: list[Row]) -> None:
        columns = [column.name for column in table.columns]
        types = [column.type for column in table.columns]
        if table.folded:
            columns += [column for column, _ in table.folded]
            types += ["text"] * len(table.folded)
            some = [(*row, *(folded_or_none(row[place]) for _, place in table.folded)) for row in some]
        if table is RESULTS:
            columns, types = [*columns, "seen"], [*types, "int8"]
            some = [(*row, seen(array("H", row[2]))) for row in some]
        sql = f"COPY {name} ({', '.join(columns)}) FROM STDIN (FORMAT binary)"
        with self._link.cursor() as cursor, cursor.copy(sql.encode()) as copy:
            copy.set_types(types)
            for row in some:
                copy.write_row(row)

    def _put_shipments(self, part: int, some: list[Row]) -> None:
        if value(self._link, b"SELECT part FROM event_parts WHERE part = %(part)s", {"part": part}) is None:
            execute(self._link, of_part("create", part))
            added = b"INSERT INTO event_parts VALUES (%(part)s, 0, 0, 0, 0, 0, '{}')"
            execute(self._link, added, {"part": part})
        self._put(SHIPMENTS, f"event_shipments_{part}", some)
        grown = (
            b"UPDATE event_parts SET next = %(next)s, last = greatest(last, %(last)s), bytes = bytes + %(bytes)s,"
            b" connections = ARRAY(SELECT unnest(connections || %(connections)b::integer[]) AS one GROUP BY one)"
            b" WHERE part = %(part)s"
        )
        given = {
            "part": part,
            "next": some[-1][0] + 1,
            "last": max(row[4] for row in some),
            "bytes": sum(len(row[5]) + len(row[6]) for row in some),
            "connections": sorted({row[1] for row in some}),
        }
        execute(self._link, grown, given)

    def finish(self, ends: Ends, files: list[Kept]) -> None:
        with self._link.transaction():
            where = {"first": ends.first, "last": ends.last, "received_ms": ends.received_ms, "each": ROW_BYTES}
            execute(
                self._link,
                b"UPDATE journal_end SET first = %(first)s, last = %(last)s, received_ms = %(received_ms)s, bytes ="
                b" (SELECT coalesce(sum(octet_length(body) + %(each)s), 0)::bigint FROM journal)",
                where,
            )
            execute(self._link, b"UPDATE folded SET position = %(folded)s", {"folded": ends.folded})
            execute(self._link, b"UPDATE audit_end SET last = %(audited)s", {"audited": ends.audited})
            execute(
                self._link,
                b"UPDATE event_progress SET taken = %(taken)s, first = %(kept)s,"
                b" part = (SELECT coalesce(max(part), 0) FROM event_parts)",
                {"taken": ends.taken, "kept": ends.kept},
            )
            given = {"connections": ends.connections, "cleaning": ends.cleaned, "unlogged": ends.unlogged}
            for table, column in _IDENTITIES:
                highest = f"SELECT coalesce(max({column}), 0)::bigint FROM {table}"  # noqa: S608  # ours
                last = given.get(table) or value(self._link, highest.encode())
                if last:
                    name = {"name": f"{table}_{column}_seq", "last": last}
                    execute(self._link, b"SELECT setval(%(name)s::text::regclass, %(last)s)", name)
            execute(self._link, b"DELETE FROM files")
            for one in files:
                kept = one._asdict() | {"content": self._vault.encrypt(one.content)}
                execute(self._link, b"INSERT INTO files VALUES (%(name)s, %(changed_ns)s, %(content)s)", kept)

    def publish(self) -> None:
        execute(self._link, b"ANALYZE")
        execute(self._link, b"SET synchronous_commit = on")
        with self._link.transaction():
            self._refuse_used()
            execute(self._link, b"DROP TABLE copying")
            execute(self._link, b"DROP SCHEMA IF EXISTS hogline CASCADE")
            execute(self._link, b"ALTER SCHEMA hogline_copy RENAME TO hogline")
        self.close()


def _count(table: str) -> bytes:
    return f"SELECT count(*) FROM {table}".encode()  # noqa: S608  # ours


def _connected(url: str, schema: str) -> Link:
    try:
        return connect(url, "copy", None, schema=schema)
    except psycopg.Error as error:
        raise Unusable(sentence_of(error)) from None


def create(url: str) -> None:
    """Make the tables, or upgrade them. Raises `Unusable`."""
    link = _connected(url, "hogline")
    try:
        with explained():
            migrate(link)
    finally:
        close(link)


@contextmanager
def explained() -> Iterator[None]:
    """Raises `Unusable` if PostgreSQL or the way to it fails."""
    try:
        yield
    except psycopg.Error as error:
        raise Unusable(sentence_of(error)) from None
