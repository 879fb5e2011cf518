"""Reading the audit log."""

from __future__ import annotations

from msgspec import Struct, structs

from hogline.service.trail import Trail
from hogline.store.audit import AuditEntry, Wanted

MOST_AT_ONCE = 1_000
CHANGES: frozenset[str] = frozenset(
    {"connection_made", "options_changed", "connection_enabled", "connection_disabled", "connection_renamed"}
)
"""Of a connection itself."""
MOST_READ = 10_000
"""Entries of one connection, most of which may be about its people."""
EVERYTHING = Wanted()


class AuditView(Struct, frozen=True, kw_only=True):
    """An entry of the audit log."""

    number: int
    at_ms: int
    who: str
    kind: str
    """`account`, `token` (an API token) or `system` (the user of a command)."""
    address: str
    """Empty: this machine's command line."""
    action: str
    connection: str
    person: str
    """A keyed hash of the person's distinct_id or email."""
    details: dict[str, object]


class Auditing:
    def __init__(self, trail: Trail) -> None:
        self._trail = trail

    async def newest(
        self, wanted: Wanted = EVERYTHING, *, before: int | None = None, limit: int = 100
    ) -> list[AuditView]:
        """Entries, newest first, before this number. Filter by person with a distinct_id or an email."""
        if self._trail.store is None:
            return []
        found = await self._trail.store.newest(self._with_hash(wanted), before=before, limit=_bounded(limit))
        return [_view(one) for one in found]

    async def since(self, wanted: Wanted = EVERYTHING, *, after: int = 0, limit: int = 100) -> list[AuditView]:
        """Entries, oldest first, after this number."""
        if self._trail.store is None:
            return []
        found = await self._trail.store.oldest(self._with_hash(wanted), after=after, limit=_bounded(limit))
        return [_view(one) for one in found]

    async def changes(self, connection: str, *, limit: int = 50) -> list[AuditView]:
        """Who changed a connection, when, what, from which value to which; newest first, under all its names."""
        found: list[AuditView] = []
        name, before, read = connection, None, 0
        while len(found) < limit and read < MOST_READ:
            some = await self.newest(Wanted(connection=name), before=before, limit=MOST_AT_ONCE)
            read += MOST_AT_ONCE
            for entry in some:
                before = entry.number
                if entry.action in CHANGES:
                    found.append(entry)
                if entry.action == "connection_made":
                    return found[:limit]
                if (earlier := _earlier_name(entry)) is not None:
                    name = earlier
                    break
            else:
                if len(some) < MOST_AT_ONCE:
                    break
        return found[:limit]

    def _with_hash(self, wanted: Wanted) -> Wanted:
        return structs.replace(wanted, person=self._trail.name_of(wanted.person)) if wanted.person else wanted


def _earlier_name(entry: AuditView) -> str | None:
    """What a connection was called before this entry renamed it."""
    change = entry.details.get("change")
    return str(change[0]) if entry.action == "connection_renamed" and isinstance(change, list) else None


def _bounded(limit: int) -> int:
    return max(1, min(limit, MOST_AT_ONCE))


def _view(entry: AuditEntry) -> AuditView:
    return AuditView(
        number=entry.number,
        at_ms=entry.at_ms,
        who=entry.who,
        kind=entry.kind,
        address=entry.address,
        action=entry.action,
        connection=entry.connection,
        person=entry.person,
        details=dict(entry.details),
    )
