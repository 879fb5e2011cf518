"""What happened to every event, from the event log; what it was, from the journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import msgspec

from hogline.delivery.scribe import Scribe
from hogline.delivery.workers import Workers
from hogline.posthog.entry import Entry, decode_entry, event_of
from hogline.service.core import CannotDo, connection_named
from hogline.service.finding import ids_of
from hogline.service.runner import Runner
from hogline.service.trail import Trail
from hogline.store.base import Connection, Journal, State
from hogline.store.event_log import Attempt, Found, OutcomeKind, Query, whole_body
from hogline.store.positions import settled_position
from hogline.views.events import (
    EventAttempt,
    EventRetry,
    LoggedEvent,
    LoggedEventDetails,
    LoggedEvents,
    NewestEvents,
    SentOperation,
)

MOST = 200
PENDING = "pending"
OUTCOMES = (*get_args(OutcomeKind), PENDING)
MOST_ROUNDS = 20
"""Of looking for more where checksums fit and texts do not."""


class Events:
    def __init__(
        self,
        *,
        journal: Journal,
        state: State,
        event_log: Scribe | None,
        workers: Workers,
        runner: Runner,
        trail: Trail,
    ) -> None:
        """Without an event log, only pending events are found."""
        self._journal = journal
        self._state = state
        self._event_log = event_log
        self._workers = workers
        self._runner = runner
        self._trail = trail

    async def find(
        self,
        connection: str = "",
        *,
        name: str = "",
        person: str = "",
        outcome: str = "",
        reason: str = "",
        since_ms: int = 0,
        until_ms: int = 0,
        before: int = 0,
        limit: int = 50,
    ) -> LoggedEvents:
        """What happened to events, newest first: all that fit what is given. `name`: of the event. `person`: a
        distinct_id or an email. `since_ms`, `until_ms`: when it was received. `before`: as the page before says. Events
        are known as long as the journal keeps them. Raises `CannotDo`.
        """
        if outcome not in {"", *OUTCOMES}:
            raise CannotDo(f"Unknown outcome. Choose one of: {', '.join(OUTCOMES)}.")
        limit = max(1, min(limit, MOST))
        chosen = [await connection_named(self._state, connection)] if connection else await self._state.connections()
        people = await self._ids(person)
        if person:
            await self._trail.note("people_listed", {"searched": True}, connection=connection)
        after = self._journal.first - 1
        if since_ms:
            after = max(after, await self._journal.position_at(since_ms) - 1)
        end = min(before or 2**62, await self._journal.position_at(until_ms) if until_ms else 2**62)
        query = Query(
            connections=[one.id for one in chosen],
            names=[name] if name else [],
            people=people,
            kind=outcome,
            reason=reason,
            after=after,
            before=end,
        )
        pending = outcome == PENDING
        found = await (self._pending_events(chosen, query) if pending else self._logged(chosen, query, limit))
        return msgspec.structs.replace(_page(found, limit), trouble=self._trouble())

    async def show(self, connection: str, position: int) -> LoggedEventDetails:
        """One event: as it was received, what was sent for it, and what was answered. Raises `CannotDo`."""
        one = await connection_named(self._state, connection)
        event = await self._received(position)
        if event is None or position <= one.start:
            raise CannotDo(f"{connection} has no event with this number, or the journal no longer has it.")
        attempts = (await self._attempts(one, [position])).get(position, [])
        await self._trail.note("person_seen", connection=connection, person=event.distinct_id)
        found = Found(one.id, position, 0, PENDING, "")
        if attempts:
            last = attempts[-1]
            found = Found(one.id, position, last.at_ms, last.kind, last.reason)
        elif position <= await settled_position(one, self._state):
            found = Found(one.id, position, 0, "unknown", "")
        return self._details(one, self._view_of(one, found, event), event, attempts)

    async def newest(
        self, connection: str, *, name: str = "", person: str = "", outcome: str = "", limit: int = 50
    ) -> NewestEvents:
        """The newest events with everything about them; chosen as for `find`. Raises `CannotDo`."""
        one = await connection_named(self._state, connection)
        found = await self.find(connection, name=name, person=person, outcome=outcome, limit=limit)
        attempts = await self._attempts(one, [each.position for each in found.events])
        received = [(each, await self._received(each.position)) for each in found.events]
        details = [
            self._details(one, each, event, attempts.get(each.position, []))
            for each, event in received
            if event is not None
        ]
        return NewestEvents(events=details, trouble=found.trouble)

    async def latest_of(self, connection: Connection, person: str, most: int) -> list[LoggedEvent] | None:
        """The newest events of all ids of a person; None if the event log is off."""
        if self._event_log is None:
            return None
        query = Query(connections=[connection.id], people=await self._ids(person), after=self._journal.first - 1)
        return (await self._logged([connection], query, most))[:most]

    def _trouble(self) -> str:
        if self._event_log is None:
            return "The event log is off (HOGLINE_EVENT_LOG), so only pending events are found."
        if self._event_log.trouble is not None:
            return f"The newest results are missing because the event log cannot be written. {self._event_log.trouble}"
        return ""

    async def _attempts(self, connection: Connection, positions: Sequence[int]) -> dict[int, list[Attempt]]:
        return await self._event_log.attempts(connection.id, positions) if self._event_log is not None else {}

    def _details(
        self, connection: Connection, view: LoggedEvent, entry: Entry, attempts: Sequence[Attempt]
    ) -> LoggedEventDetails:
        event = event_of(entry)
        return LoggedEventDetails(
            event=view,
            properties=event.properties,
            set=event.set,
            attempts=[_attempt(attempt, entry.data) for attempt in attempts],
            waits_for=self._waits_for(connection) if view.outcome == PENDING else "",
            retries=_retries(self._workers.tried(connection.id, view.position)),
            next_try_ms=self._workers.next_try_ms(connection.id) if view.outcome == PENDING else None,
        )

    async def _ids(self, person: str) -> list[str]:
        """All ids of the people whom a distinct_id or an email may mean; or itself."""
        return sorted({*await ids_of(person, self._state, self._workers), person}) if person else []

    async def _logged(self, chosen: Sequence[Connection], query: Query, limit: int) -> list[LoggedEvent]:
        by_id = {one.id: one for one in chosen}
        events: list[LoggedEvent] = []
        for _ in range(MOST_ROUNDS):
            found = await self._event_log.find(query, limit + 1) if self._event_log is not None else []
            kept = False
            for each in found:
                event = await self._received(each.position)
                kept = kept or event is not None
                if event is not None and _fits(event, query):
                    events.append(self._view_of(by_id[each.connection], each, event))
            if len(found) <= limit or len(events) > limit:
                break
            # The journal may have emptied a whole run of older events, which can be millions.
            last = found[-1].position
            before = last if kept else self._journal.backfilled.begins(last)
            query = msgspec.structs.replace(query, before=before)
        return events

    async def _pending_events(self, chosen: Sequence[Connection], query: Query) -> list[LoggedEvent]:
        """Of each connection the oldest that wait, newest first: they are what it does next."""
        events = []
        for one in chosen:
            after = max(await settled_position(one, self._state), query.after)
            read = [(position, decode_entry(body)) for position, body in await self._journal.read(after, 1_000)]
            # Lanes do not settle in the journal's order: some behind the first that waits are done.
            done = await self._attempts(one, [position for position, _ in read])
            for position, event in read:
                if position < query.before and event.distinct_id and _fits(event, query) and position not in done:
                    found = Found(one.id, position, 0, PENDING, "")
                    events.append(self._view_of(one, found, event))
        events.sort(key=lambda event: -event.position)
        return events

    async def _received(self, position: int) -> Entry | None:
        rows = await self._journal.read(position - 1, 1)
        entry = decode_entry(rows[0][1]) if rows and rows[0][0] == position else None
        return entry if entry is not None and entry.distinct_id else None  # else it is forgotten

    def _view_of(self, connection: Connection, found: Found, event: Entry) -> LoggedEvent:
        return LoggedEvent(
            connection=connection.name,
            position=found.position,
            at_ms=found.at_ms,
            outcome=found.kind,
            reason=found.reason,
            event=event.name,
            distinct_id=event.distinct_id,
            uuid=event.uuid,
            timestamp_ms=event.timestamp_ms,
            received_ms=event.received_ms,
        )

    def _waits_for(self, connection: Connection) -> str:
        state, reason = self._runner.standing(connection)
        if state == "paused":
            return f"{connection.name} is paused."
        return reason or "It is next, after the events that were received before it."


def _fits(event: Entry, query: Query) -> bool:
    return (not query.names or event.name in query.names) and (not query.people or event.distinct_id in query.people)


def _page(events: list[LoggedEvent], limit: int) -> LoggedEvents:
    more = len(events) > limit
    events = events[:limit]
    if more and len({event.connection for event in events}) > 1:
        # The next page begins in front of a position: an event's lines at all connections stay together.
        last = events[-1].position
        kept = [event for event in events if event.position > last]
        events = kept or events
    return LoggedEvents(events=events, before=events[-1].position if more else None)


def _retries(tried: Sequence[tuple[int, str]]) -> list[EventRetry]:
    return [EventRetry(at_ms, answer) for at_ms, answer in tried]


def _attempt(attempt: Attempt, data: bytes) -> EventAttempt:
    return EventAttempt(
        began_ms=attempt.began_ms,
        at_ms=attempt.at_ms,
        outcome=attempt.kind,
        reason=attempt.reason,
        adjusted=list(attempt.adjusted),
        retries=_retries(attempt.retries),
        operations=[
            SentOperation(action, path or "batch", msgspec.json.decode(whole_body(body, data)), refused or None)
            for action, path, body, refused in attempt.sent
        ],
    )
