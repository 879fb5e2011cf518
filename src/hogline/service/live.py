"""Events as they were received, the most recent ones."""

from __future__ import annotations

from msgspec import Struct

from hogline.model import Event
from hogline.posthog.entry import decode_event
from hogline.store.base import Journal
from hogline.views.events import ReceivedEvent


class ArrivalView(Struct, frozen=True, kw_only=True):
    """An event as it was received."""

    position: int
    event: str
    distinct_id: str
    uuid: str
    received_ms: int


class Live:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def received(self, *, after: int = -1, limit: int = 10) -> list[ReceivedEvent]:
        """Events after this position, in order (-1: the most recent ones), of those still in the journal."""
        begin = max(self._journal.end - limit, self._journal.first - 1, 0) if after < 0 else after
        found = []
        for position, body in await self._journal.read(begin, limit):
            event = decode_event(body)
            if event.distinct_id:  # otherwise it was forgotten
                found.append(_received(position, event))
        return found

    async def newest(self, after: int = 0) -> ArrivalView | None:
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


def _received(position: int, event: Event) -> ReceivedEvent:
    return ReceivedEvent(
        position=position,
        uuid=event.uuid,
        event=event.name,
        distinct_id=event.distinct_id,
        timestamp_ms=event.timestamp_ms,
        properties=event.properties,
        set=event.set,
    )
