"""Reading the audit log."""

from __future__ import annotations

from msgspec import Struct, structs

from hogline.service.trail import Trail
from hogline.store.audit import AuditEntry, Wanted

MOST_AT_ONCE = 1_000
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

    def _with_hash(self, wanted: Wanted) -> Wanted:
        return structs.replace(wanted, person=self._trail.name_of(wanted.person)) if wanted.person else wanted


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
