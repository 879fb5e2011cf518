"""Writes the audit log: what was done, and by whom.

Of the people in your data it only stores a keyed hash, so someone who knows an id can find out who looked at it. A full
disk does not stop anyone from acting; the log then says that an audit entry is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from hogline.service.actor import Actor, actor
from hogline.store.audit import Action, Audit, AuditNote
from hogline.store.base import Unwritable

log = structlog.get_logger("hogline.audit")

AGAIN_AFTER_MS = 600_000
"""Looking at the same thing again within this time is not noted again."""
LOOKING: frozenset[Action] = frozenset({"people_listed", "person_seen", "sign_in_failed", "api_token_refused"})
MOST_REMEMBERED = 10_000
_NOTHING: Mapping[str, object] = {}
_DAY_MS = 86_400_000


class Trail:
    def __init__(
        self,
        store: Audit | None = None,
        fingerprint: Callable[[str], bytes] = lambda _: b"",
        now_ms: Callable[[], int] = lambda: 0,
        *,
        retention_days: int = 365,
    ) -> None:
        """Without a store, nothing is kept. `fingerprint`: a keyed hash."""
        self.store = store
        self._fingerprint = fingerprint
        self._now_ms = now_ms
        self._keep_ms = retention_days * _DAY_MS
        self._looked: dict[tuple[object, ...], int] = {}

    def name_of(self, person: str) -> str:
        """The hash of a distinct_id or an email in the audit log."""
        return self._fingerprint(person).hex()

    async def note(
        self,
        action: Action,
        details: Mapping[str, object] = _NOTHING,
        *,
        connection: str = "",
        person: str = "",
        who: Actor | None = None,
    ) -> None:
        """`person`: the distinct_id or email of the person concerned. `who`: who did it, if not the current actor."""
        who, now_ms = who or actor(), self._now_ms()
        noted = AuditNote(
            at_ms=now_ms,
            who=who.name,
            kind=who.kind,
            address=who.address,
            action=action,
            connection=connection,
            person=self.name_of(person) if person else "",
            details=details,
        )
        if self.store is None or (action in LOOKING and not self._is_new(noted)):
            return
        try:
            await self.store.add(noted, keep_since_ms=now_ms - self._keep_ms)
        except Unwritable as trouble:
            log.error("an entry of the audit log could not be saved", action=action, reason=str(trouble))  # noqa: TRY400  # the reason says it

    def _is_new(self, noted: AuditNote) -> bool:
        what = (noted.who, noted.address, noted.action, noted.connection, noted.person, str(noted.details))
        last_ms = self._looked.pop(what, None)
        if last_ms is not None and noted.at_ms - last_ms < AGAIN_AFTER_MS:
            self._looked[what] = last_ms
            return False
        self._looked[what] = noted.at_ms
        if len(self._looked) > MOST_REMEMBERED:
            del self._looked[next(iter(self._looked))]
        return True
