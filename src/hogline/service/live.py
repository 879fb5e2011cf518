"""Events as they arrive, and the most recent ones, for the live page."""

from __future__ import annotations

import msgspec

from hogline.delivery.feed import Shown
from hogline.model import Event
from hogline.posthog.entry import decode_event
from hogline.service.core import Core
from hogline.views import LiveEvent, LiveEvents, LiveOperation, ReceivedEvent

LONGEST_WAIT_S = 10.0


class Live(Core):
    async def live(self, connection: str, *, after: int = -1, wait_s: float = 0.0) -> LiveEvents:
        """Events that were settled after this number (-1: from now on). Waits up to 10 seconds for the first one. If
        there are too many at the same time, some are skipped.
        """
        one = await self._find(connection)
        feed = self._workers.feed(one.id)
        told = await feed.after(feed.last if after < 0 else after, min(wait_s, LONGEST_WAIT_S))
        last = told[-1].number if told else feed.last if after < 0 else after
        return LiveEvents(last=last, skipped=feed.skipped, events=[_view(event) for event in told])

    async def received_events(self, *, after: int = -1, limit: int = 10) -> list[ReceivedEvent]:
        """Events after this position, in order (-1: the most recent ones), of those still in the journal."""
        begin = max(self._journal.end - limit, self._journal.first - 1, 0) if after < 0 else after
        found = []
        for position, body in await self._journal.read(begin, limit):
            event = decode_event(body)
            if event.distinct_id:  # otherwise it was forgotten
                found.append(_received(position, event))
        return found


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
