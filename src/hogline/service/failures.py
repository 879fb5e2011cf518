"""Failures: finding, retrying and discarding them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec

from hogline.core.changes import Failure
from hogline.delivery.workers import Workers
from hogline.posthog.entry import decode_event
from hogline.service.core import CannotDo, connection_named
from hogline.service.trail import Trail
from hogline.store.base import ALWAYS, Connection, Span, State
from hogline.views.events import FailureDetails, FailureView, RefusalView, RetriedView

MOST_IDS_NOTED = 20
MOST_COUNTED = 1_000
_WORD = re.compile(r"[a-z][a-z0-9_]{0,59}")


class Failures:
    def __init__(self, state: State, workers: Workers, trail: Trail) -> None:
        self._state = state
        self._workers = workers
        self._trail = trail

    async def find(
        self,
        connection: str = "",
        *,
        reason: str = "",
        after: int = 0,
        before: int = 0,
        since_ms: int = 0,
        until_ms: int = 0,
        limit: int = 100,
    ) -> list[FailureView]:
        """Failures of all connections or of one, in the order in which the events arrived. `before`: instead, those
        before that id, newest first. `since_ms`, `until_ms` (0: now): when they failed.
        """
        found: list[FailureView] = []
        within = _span(since_ms, until_ms)
        for one in [await connection_named(self._state, connection)] if connection else await self._state.connections():
            last, first, left = after, before or None, limit
            while left and (
                letters := await self._state.failures(
                    one.id, reason=reason, after=last, before=first, within=within, limit=left
                )
            ):
                found += [_failure_view(one, letter) for letter in letters]
                left -= len(letters)
                if first is None:
                    last = letters[-1].position
                else:
                    first = letters[-1].position
        return found

    async def counts(self, connection: str, *, since_ms: int = 0, until_ms: int = 0) -> dict[str, int]:
        """How many failures there are, by reason."""
        one = await connection_named(self._state, connection)
        return await self._state.failure_counts(one.id, _span(since_ms, until_ms))

    async def show(self, connection: str, id_: int) -> FailureDetails:
        """One failure: the event, what was sent, what the destination said, and when."""
        one = await connection_named(self._state, connection)
        letter = await self._state.failure(one.id, id_)
        if letter is None:
            raise CannotDo(f"Failure {id_} not found. `hogline failures {connection}` lists all failures.")
        return _failure_details(one, letter)

    async def retry(
        self,
        connection: str,
        *,
        reason: str = "",
        ids: list[int] | None = None,
        since_ms: int = 0,
        until_ms: int = 0,
    ) -> int:
        """Retry failures: all, those with a reason, these, those that failed in a time. Returns how many.
        `retried` shows what becomes of them.
        """
        one = await connection_named(self._state, connection)
        watched, retried, within = self._workers.retries(one.id), list[int](), _span(since_ms, until_ms)
        try:
            await self._workers.alone([one.id])
            retried = await self._state.retry_failures(one.id, reason=reason, positions=ids, within=within)
        finally:
            watched.claim(retried)
        self._workers.ask_again(one.id)
        await self._trail.note("failures_retried", _chosen(len(retried), reason, ids, within), connection=connection)
        return len(retried)

    async def retrying(self, connection: str) -> int:
        """How many failures are being retried, up to 1,000."""
        one = await connection_named(self._state, connection)
        last = count = 0
        while count < MOST_COUNTED and (
            letters := await self._state.failures(one.id, retrying=True, after=last, limit=MOST_COUNTED - count)
        ):
            last, count = letters[-1].position, count + len(letters)
        return count

    async def retried(self, connection: str) -> RetriedView | None:
        """What happened to the failures that were retried last; None: none were since Hogline started."""
        one = await connection_named(self._state, connection)
        retried = self._workers.retried(one.id)
        if retried is None or not retried.total:
            return None
        return RetriedView(
            begun_ms=retried.begun_ms,
            total=retried.total,
            delivered=retried.delivered,
            failed=retried.failed,
            filtered=retried.filtered,
            left=retried.left,
        )

    async def discard(
        self,
        connection: str,
        *,
        reason: str = "",
        ids: list[int] | None = None,
        since_ms: int = 0,
        until_ms: int = 0,
    ) -> int:
        """Delete failures for good. Their events count as filtered (`discarded`). Returns how many."""
        one = await connection_named(self._state, connection)
        within = _span(since_ms, until_ms)
        discarded = await self._state.discard_failures(one.id, reason=reason, positions=ids, within=within)
        await self._trail.note("failures_discarded", _chosen(discarded, reason, ids, within), connection=connection)
        return discarded


def _span(since_ms: int, until_ms: int) -> Span:
    return Span(since_ms, until_ms or ALWAYS.until_ms)


def _chosen(n: int, reason: str, ids: list[int] | None, within: Span) -> dict[str, object]:
    """For the audit log: how many, and which. A reason that the destination gave is only kept if it is one word."""
    chosen: dict[str, object] = {"failures": n}
    if ids is not None:
        chosen["ids"] = ids[:MOST_IDS_NOTED]
    elif reason:
        chosen["reason"] = reason if _WORD.fullmatch(reason) else "other"
    if within.since_ms:
        chosen["since"] = _moment(within.since_ms)
    if within.until_ms != ALWAYS.until_ms:
        chosen["before"] = _moment(within.until_ms)
    return chosen


def _moment(ms: int) -> str:
    """UTC; of a day's beginning only the day."""
    return f"{datetime.fromtimestamp(ms / 1_000, UTC):%Y-%m-%d %H:%M}".removesuffix(" 00:00")


def _failure_view(connection: Connection, letter: Failure) -> FailureView:
    event = decode_event(letter.event)
    return FailureView(
        connection=connection.name,
        id=letter.position,
        reason=letter.reason,
        event=event.name,
        distinct_id=event.distinct_id,
        uuid=letter.uuid,
        at_ms=letter.at_ms,
        answer=letter.refusals[0].message,
    )


def _failure_details(connection: Connection, letter: Failure) -> FailureDetails:
    event = decode_event(letter.event)
    return FailureDetails(
        failure=_failure_view(connection, letter),
        refusals=[
            RefusalView(
                reason=refusal.reason,
                message=refusal.message,
                field=refusal.field,
                operation=msgspec.json.decode(refusal.operation) if refusal.operation else None,
            )
            for refusal in letter.refusals
        ],
        properties=event.properties,
        set=event.set,
        timestamp_ms=event.timestamp_ms,
    )
