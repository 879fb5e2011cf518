"""The audit log in a separate SQLite file, so that delivery never waits for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import apsw
import msgspec

from hogline.store.audit import MOST_ENTRIES, MOST_FAILED, OF_STRANGERS, AuditEntry, AuditNote, Wanted
from hogline.store.sqlite.database import open_database, reading, rows, touch, transaction, trouble_of
from hogline.store.writer import Writer

_COLUMNS = "number, at_ms, who, kind, address, action, connection, person, details"

_Job = Callable[[apsw.Connection], object]


class SqliteAudit:
    """Implements `store.audit.Audit`."""

    def __init__(
        self,
        path: Path,
        *,
        vfs: str | None = None,
        most_entries: int = MOST_ENTRIES,
        most_failed: int = MOST_FAILED,
    ) -> None:
        """Raises `Unusable`. Create it in the running event loop."""
        self._most_entries, self._most_failed = most_entries, most_failed
        self._written = open_database(path, "audit", vfs)
        self._read = open_database(path, "audit", vfs)
        self._writer: Writer[_Job] = Writer(
            self._perform, name="audit-writer", probe=partial(touch, self._written), trouble_of=trouble_of
        )

    def _perform(self, jobs: list[_Job]) -> list[object]:
        with transaction(self._written):
            return [job(self._written) for job in jobs]

    async def add(self, noted: AuditNote, *, keep_since_ms: int) -> None:
        row = (
            noted.at_ms, noted.who, noted.kind, noted.address, noted.action, noted.connection, noted.person,
            msgspec.json.encode(noted.details).decode(),
        )  # fmt: skip

        def write(database: apsw.Connection) -> None:
            database.execute(
                "INSERT INTO entries (at_ms, who, kind, address, action, connection, person, details)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            newest = database.last_insert_rowid()
            database.execute("DELETE FROM entries WHERE at_ms < ?", (keep_since_ms,))
            database.execute("DELETE FROM entries WHERE number <= ?", (newest - self._most_entries,))
            if noted.action in OF_STRANGERS:
                database.execute(
                    "DELETE FROM entries WHERE action = ?1 AND number <= (SELECT number FROM entries"
                    " WHERE action = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
                    (noted.action, self._most_failed),
                )

        await self._writer.write(write)

    async def newest(self, wanted: Wanted, *, before: int | None = None, limit: int = 100) -> list[AuditEntry]:
        return self._select(wanted, "(?6 IS NULL OR number < ?6) ORDER BY number DESC", before, limit)

    async def oldest(self, wanted: Wanted, *, after: int = 0, limit: int = 100) -> list[AuditEntry]:
        return self._select(wanted, "number > ?6 ORDER BY number", after, limit)

    def _select(self, wanted: Wanted, order: str, number: int | None, limit: int) -> list[AuditEntry]:
        with reading():
            found = rows(
                self._read,
                f"SELECT {_COLUMNS} FROM entries WHERE (?1 = '' OR who = ?1) AND (?2 = '' OR action = ?2)"  # noqa: S608  # names are ours
                f" AND (?3 = '' OR connection = ?3) AND (?4 = '' OR person = ?4) AND at_ms >= ?5 AND {order} LIMIT ?7",
                (wanted.who, wanted.action, wanted.connection, wanted.person, wanted.since_ms, number, limit),
            )
        return [_entry(*row) for row in found]

    async def close(self) -> None:
        await self._writer.close()
        self._read.close()
        self._written.close()


def _entry(*row: object) -> AuditEntry:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    values["details"] = msgspec.json.decode(str(values["details"]))
    return msgspec.convert(values, AuditEntry)
