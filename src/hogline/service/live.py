"""Events as they arrive, and the most recent ones, for the live page."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from hogline.delivery.feed import Shown
from hogline.delivery.workers import Workers
from hogline.model import Event
from hogline.posthog.entry import decode_event
from hogline.service.core import connection_named
from hogline.store.base import Journal, State
from hogline.views.events import LiveEvent, LiveEvents, LiveOperation, ReceivedEvent

LONGEST_WAIT_S = 10.0


class ArrivalView(Struct, frozen=True, kw_only=True):
    """An event as it was received."""

    position: int
    event: str
    distinct_id: str
    uuid: str
    received_ms: int


class Live:
    def __init__(self, journal: Journal, state: State, workers: Workers) -> None:
        self._journal = journal
        self._state = state
        self._workers = workers

    async def events(self, connection: str, *, after: int = -1, wait_s: float = 0.0) -> LiveEvents:
        """Events that were settled after this number (-1: from now on). Waits up to 10 seconds for the first one. If
        there are too many at the same time, some are skipped.
        """
        one = await connection_named(self._state, connection)
        feed = self._workers.feed(one.id)
        told = await feed.after(feed.last if after < 0 else after, min(wait_s, LONGEST_WAIT_S))
        last = told[-1].number if told else feed.last if after < 0 else after
        return LiveEvents(last=last, skipped=feed.skipped, events=[_view(event) for event in told])

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


def _view(told: Shown) -> LiveEvent:
    event = told.event
    refused = [refusal for _, refusal in told.operations if refusal is not None]
    reasons = [refusal.reason for refusal in (*told.refusals, *refused)]
    if reasons:
        outcome, rule = "failed", reasons[0]
    elif told.filtered is not None:
        outcome, rule = "held" if told.held else "filtered", told.filtered
    else:
        outcome, rule = "delivered", None
    return LiveEvent(
        number=told.number,
        at_ms=told.at_ms,
        uuid=event.uuid,
        event=event.name,
        distinct_id=event.distinct_id,
        timestamp_ms=event.timestamp_ms,
        outcome=outcome,
        rule=rule,
        adjusted=list(told.adjusted),
        properties=event.properties,
        set=event.set,
        operations=[
            LiveOperation(
                operation.action,
                operation.path or "batch",
                msgspec.json.decode(operation.body),
                refusal.reason if refusal else None,
            )
            for operation, refusal in told.operations
        ],
    )
