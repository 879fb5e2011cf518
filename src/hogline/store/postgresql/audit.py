"""The audit log in PostgreSQL. Any number of processes may add entries."""

from __future__ import annotations

import msgspec

from hogline.store.audit import MOST_ENTRIES, MOST_FAILED, OF_STRANGERS, AuditEntry, AuditNote, Wanted
from hogline.store.postgresql.aside import Aside
from hogline.store.postgresql.link import Link, Values, execute
from hogline.store.postgresql.queries import queries

SQL = queries("audit")

_COLUMNS = ("number", "at_ms", "who", "kind", "address", "action", "connection", "person", "details")
_LAST = 2**62


class PostgresqlAudit:
    """Implements `store.audit.Audit`."""

    def __init__(self, aside: Aside, *, most_entries: int = MOST_ENTRIES, most_failed: int = MOST_FAILED) -> None:
        self._aside = aside
        self._most_entries, self._most_failed = most_entries, most_failed

    async def add(self, noted: AuditNote, *, keep_since_ms: int) -> None:
        entry = msgspec.structs.asdict(noted) | {"details": msgspec.json.encode(noted.details).decode()}

        def write(link: Link) -> None:
            execute(link, SQL["add"], entry)
            execute(link, SQL["remove_old"], {"keep_since_ms": keep_since_ms, "most": self._most_entries})
            if noted.action in OF_STRANGERS:
                execute(link, SQL["remove_of_strangers"], {"action": noted.action, "most": self._most_failed})

        await self._aside.write(write)

    async def newest(self, wanted: Wanted, *, before: int | None = None, limit: int = 100) -> list[AuditEntry]:
        return await self._select("newest", wanted, {"before": _LAST if before is None else before, "most": limit})

    async def oldest(self, wanted: Wanted, *, after: int = 0, limit: int = 100) -> list[AuditEntry]:
        return await self._select("oldest", wanted, {"after": after, "most": limit})

    async def _select(self, name: str, wanted: Wanted, page: Values) -> list[AuditEntry]:
        found = await self._aside.rows(SQL[name], {**msgspec.structs.asdict(wanted), **page})
        return [_entry(*row) for row in found]

    async def close(self) -> None:
        """The `Aside` is not ours to close."""


def _entry(*row: object) -> AuditEntry:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["details"] = msgspec.json.decode(str(values["details"]))
    return msgspec.convert(values, AuditEntry)
