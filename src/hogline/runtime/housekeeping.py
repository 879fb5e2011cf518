"""Keeps the journal and the held events within their limits: removes old events that all connections have settled, and
pauses receiving when too many are pending.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import structlog

from hogline.clock import Clock
from hogline.delivery.installed import installed
from hogline.destinations.base import InvalidOptions
from hogline.settings import Settings
from hogline.store.base import Connection, Journal, State, Unwritable
from hogline.store.cleaning import Cleaning
from hogline.store.event_log import EventLog
from hogline.store.forgetting import Expired
from hogline.store.positions import lag_ms, settled_position
from hogline.store.shared import Hold

log = structlog.get_logger("hogline.journal")

EVERY_S = 5.0
_DAY_MS = 86_400_000
FAILURES_AT_ONCE = 1_000
SAMPLED_EVENTS = 100
PEOPLE_AT_ONCE = 2_000
EVERYBODY_EVERY_S = 6 * 3_600.0


class ExpiresPeople(Protocol):
    """Who removes people so that all that runs knows: `delivery.workers.Retention`."""

    async def expire_people(self, *, before_day: int, today: int, after: str, most: int) -> Expired:
        """See `store.forgetting.Forgets.expire_people`."""
        ...


class Housekeeping:
    def __init__(
        self,
        journal: Journal,
        state: State,
        settings: Settings,
        clock: Clock,
        cleaning: Cleaning,
        *,
        people: ExpiresPeople,
        bound_backlogs: Callable[[], Awaitable[None]] | None = None,
        events: EventLog | None = None,
        hold: Hold | None = None,
    ) -> None:
        """`bound_backlogs`: `service.backlogs.show.Backlogs.bound`; None where there are no connections to pause.
        `hold`: of a store to which others append, too.
        """
        self._bound_backlogs = bound_backlogs
        self._cleaning = cleaning
        self._people = people
        self._events = events
        self._hold = hold
        self._journal = journal
        self._state = state
        self._settings = settings
        self._clock = clock
        self._full = False
        self._looked_at = ""
        """Behind which id old people are looked for next."""
        self._look_again_s = 0.0

    async def run(self) -> None:
        """Looks after the journal every few seconds, until it is cancelled."""
        while True:
            try:
                await self.once()
            except Unwritable as trouble:
                log.warning("the journal cannot be trimmed", reason=str(trouble))
            except Exception as error:
                # A disk that cannot be read now may be later; without housekeeping receiving would never pause.
                log.error("journal housekeeping failed", error=type(error).__name__)  # noqa: TRY400  # the kind says it
            await self._clock.sleep(EVERY_S)

    async def once(self) -> None:
        settings = self._settings
        if self._bound_backlogs is not None:
            await self._bound_backlogs()
        settled = await self._settled()
        removed = await self._journal.trim(
            settled,
            received_before_ms=self._clock.time_ms() - settings.journal_retention_days * _DAY_MS,
            most_bytes=settings.journal_retention_bytes,
        )
        if removed:
            log.info("journal trimmed", events=removed)
        if self._events is not None:
            await self._events.trim(self._journal.first)
        await self._give_up_held()
        await self._forget_the_old()
        await self._cleaning.finish()
        full = await self._unsettled_bytes(settled) > settings.journal_max_bytes
        if full != self._full:
            log.warning("receiving paused: too many pending events" if full else "receiving resumed")
        self._full = full
        if self._hold is not None:
            self._hold.is_full = full

    async def _give_up_held(self) -> None:
        """Held events stay for the connection's days, and within the bytes for all."""
        for connection in await self._state.connections():
            if not (await self._state.counts(connection.id)).held:
                continue
            days = _hold_days(connection)
            if days is None:
                continue
            given_up = await self._state.expire_held(
                connection.id,
                received_before_ms=await self._today_ms(connection) - days * _DAY_MS,
                most_bytes=self._settings.hold_max_bytes,
            )
            if given_up:
                log.info("held events dropped", connection=connection.name, events=given_up)

    async def _forget_the_old(self) -> None:
        """Remove expired failures and people, a few at a time."""
        for connection in await self._state.connections():
            before_ms = self._clock.time_ms() - self._settings.failures_retention_days * _DAY_MS
            expired = await self._state.expire_failures(connection.id, before_ms=before_ms, most=FAILURES_AT_ONCE)
            if expired:
                log.info("old failures removed", connection=connection.name, events=expired)
        await self._forget_old_people()

    async def _forget_old_people(self) -> None:
        """Check all people in turns, with a pause at the end. People with events in the journal stay."""
        now_s, days = self._clock.now_s(), self._settings.people_retention_days
        if not days or now_s < self._look_again_s:
            return
        today = self._clock.time_ms() // _DAY_MS
        oldest_ms = await self._journal.received_at(self._journal.first)
        oldest = today if oldest_ms is None else oldest_ms // _DAY_MS
        expired = await self._people.expire_people(
            before_day=min(today - days, oldest), today=today, after=self._looked_at, most=PEOPLE_AT_ONCE
        )
        if expired.ids:
            log.info("inactive people removed", ids=len(expired.ids))
        self._looked_at = expired.next or ""
        if expired.next is None:
            self._look_again_s = now_s + EVERYBODY_EVERY_S

    async def _today_ms(self, connection: Connection) -> int:
        """Receipt time of the oldest unsettled event, or now: pending events may still release held ones."""
        now_ms = self._clock.time_ms()
        return now_ms - await lag_ms(connection, self._journal, self._state, now_ms)

    async def _settled(self) -> int:
        """Everything up to here is part of what is known, settled by every connection, and not part of a replay that is
        under way."""
        settled = min(self._journal.end, self._state.folded())
        for connection in await self._state.connections():
            settled = min(settled, await settled_position(connection, self._state))
            if replay := await self._state.replay(connection.id):
                settled = min(settled, replay.settled)
        return settled

    async def _unsettled_bytes(self, settled: int) -> int:
        """An estimate: events that wait are as large as all that are there, or as the first of them, whichever is more.
        Of older events, only empty places may be there."""
        events = self._journal.end - self._journal.first + 1
        waiting = self._journal.end - max(settled, self._journal.first - 1)
        if not waiting:
            return 0
        first = await self._journal.read(settled, SAMPLED_EVENTS)
        return max(
            await self._journal.size_bytes() * waiting // events,
            sum(len(body) for _, body in first) * waiting // len(first),
        )

    async def append(
        self,
        events: Sequence[bytes],
        refused: Mapping[str, int] | None = None,
        positions: Mapping[int, int] | None = None,
    ) -> int:
        """The journal's `append`, for what receives: raises `Unwritable` while too many events wait."""
        if self._full:
            raise too_many_pending()
        return await self._journal.append(events, refused, positions=positions)


def too_many_pending() -> Unwritable:
    """What senders are told."""
    return Unwritable(
        "Too many events are pending (HOGLINE_JOURNAL_MAX_BYTES). Send this again later.", retry_after_s=30
    )


def _hold_days(connection: Connection) -> int | None:
    """How long a connection holds events; None if it holds none, or cannot be opened: then it loses nothing."""
    try:
        rules = installed(connection).rules
    except InvalidOptions:
        return None
    return None if rules is None else rules.hold_days
