"""The status: what happened to every connection's events, and what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from hogline.clock import Clock
from hogline.delivery.workers import Workers
from hogline.posthog.email_names import USUAL
from hogline.reasons import email_hint, nobody_hint, person_hint
from hogline.service.runner import Runner
from hogline.service.sources import Sources
from hogline.sources.rejections import Rejections
from hogline.store.base import Connection, Journal, State
from hogline.store.positions import lag_ms
from hogline.views.connections import ConnectionStatus, Status
from hogline.views.events import RejectionView


class Statuses:
    def __init__(
        self,
        *,
        journal: Journal,
        state: State,
        clock: Clock,
        workers: Workers,
        runner: Runner,
        sources: Sources,
        rejections: Rejections,
    ) -> None:
        self._journal = journal
        self._state = state
        self._clock = clock
        self._workers = workers
        self._runner = runner
        self._sources = sources
        self._rejections = rejections

    async def show(self) -> Status:
        """What happened to all events, by connection."""
        return Status(
            connections=[await self._status(connection) for connection in await self._state.connections()],
            refused=await self._journal.refused(),
            sources=await self._sources.all(),
        )

    async def _status(self, connection: Connection) -> ConnectionStatus:
        counts = await self._state.counts(connection.id)
        state, reason = self._runner.standing(connection)
        received = await self._journal.newest() - connection.start  # after the counts: others settle all the while
        requests, retries = self._workers.unsaved_counts(connection.id)
        return ConnectionStatus(
            name=connection.name,
            destination=connection.destination,
            paused=connection.paused,
            state=state,
            reason=reason,
            since_ms=self._since_ms(connection),
            next_try_ms=self._workers.next_try_ms(connection.id),
            received=received,
            delivered=counts.delivered,
            filtered=counts.filtered,
            held=counts.held,
            failures=counts.failures,
            pending=received - counts.settled,
            requests=counts.requests + requests,
            adjusted=counts.adjusted,
            retries=dict(Counter(counts.retries) + retries),
            replayed=counts.replayed,
            lag_s=await self._lag_s(connection) if received > counts.settled else 0.0,
            resending=0 if (everyone := self._state.resending(connection.id)) is None else everyone.left,
            hints=_hints(connection, counts.adjusted),
        )

    def _since_ms(self, connection: Connection) -> int | None:
        """While it runs, since this process has run it, or since the last trouble began or ended."""
        return max(connection.since_ms, self._workers.since_ms(connection.id)) or None

    async def _lag_s(self, connection: Connection) -> float:
        return await lag_ms(connection, self._journal, self._state, self._clock.time_ms()) / 1_000

    async def rejected(self) -> list[RejectionView]:
        """Requests rejected since the start, newest first, grouped by route and reason."""
        return [
            RejectionView(
                route=one.route,
                status=one.status,
                sentence=one.sentence,
                times=one.times,
                first_ms=one.first_ms,
                last_ms=one.last_ms,
            )
            for one in self._rejections.newest()
        ]

    async def problems(self) -> list[str]:
        """Why Hogline is not ready; empty if it is: the disk is full, events cannot be processed, or a connection has
        stopped. Raises `Unwritable` if the disk cannot even be read.
        """
        troubles = (self._journal.trouble, self._state.trouble, self._workers.folding_trouble)
        return [*dict.fromkeys(one for one in troubles if one is not None)] + [
            f"{connection.name}: {connection.stopped}"
            for connection in await self._state.connections()
            if not connection.paused and connection.stopped is not None
        ]


def _hints(connection: Connection, adjusted: Mapping[str, int]) -> list[str]:
    email_property = str(connection.options.get("email_property") or USUAL)
    hints = (
        email_hint(connection.name, adjusted, email_property),
        person_hint(connection.name, adjusted),
        nobody_hint(adjusted),
    )
    return [hint for hint in hints if hint is not None]
