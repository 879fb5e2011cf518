"""The console's password, and what arrived last: what the console asks for besides what the commands ask."""

from __future__ import annotations

import asyncio

import structlog
from msgspec import Struct

from hogline.posthog.entry import decode_event
from hogline.service.core import Core, Mistake
from hogline.store.access import Access

log = structlog.get_logger("hogline.service")

SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 1_000


class ArrivalView(Struct, frozen=True, kw_only=True):
    """An event as it came in."""

    position: int
    event: str
    distinct_id: str
    uuid: str
    received_ms: int


class ConsoleDoor(Struct, frozen=True):
    """Where the console is, and what opens it if that was made just now."""

    url: str
    first_password: str | None = None

    def __repr__(self) -> str:
        return f"ConsoleDoor(url={self.url!r})"


class ConsoleAccess(Core):
    console: ConsoleDoor | None = None
    """Of a process that serves one."""

    async def set_console_password(self, password: str) -> None:
        """From now on the console opens with this one; whoever is signed in has to sign in again."""
        if self._settings.console_password is not None:
            raise Mistake("HOGLINE_CONSOLE_PASSWORD sets the console's password. Change it there, or remove it first.")
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            raise Mistake(f"The console's password has at least {SHORTEST_PASSWORD} characters.")
        await asyncio.to_thread(Access(self._settings.data).set_password, password)
        log.info("console password changed")

    async def newest_event(self, after: int = 0) -> ArrivalView | None:
        """The newest event that was received, if it is behind that position."""
        end = self._journal.end
        if end <= after:
            return None
        found = await self._journal.read(end - 1, 1)
        received_ms = await self._journal.received_at(end)
        if not found or received_ms is None:  # trimmed: it was settled long ago
            return None
        event = decode_event(found[0][1])
        return ArrivalView(
            position=end, event=event.name, distinct_id=event.distinct_id, uuid=event.uuid, received_ms=received_ms
        )
