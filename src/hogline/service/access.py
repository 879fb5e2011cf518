"""Where the console is, and the newest event: what only the console needs."""

from __future__ import annotations

from msgspec import Struct

from hogline.posthog.entry import decode_event
from hogline.service.core import ConsoleDoor, Core


class ArrivalView(Struct, frozen=True, kw_only=True):
    """An event as it was received."""

    position: int
    event: str
    distinct_id: str
    uuid: str
    received_ms: int


class ConsoleAccess(Core):
    @property
    def console(self) -> ConsoleDoor | None:
        """Where the console is; None: this process serves none."""
        return self.addresses.console

    async def newest_event(self, after: int = 0) -> ArrivalView | None:
        """The newest received event, if its position is after this one."""
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
