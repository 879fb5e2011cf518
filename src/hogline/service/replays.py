"""Replays: sending events again that the journal still has."""

from __future__ import annotations

from hogline.delivery.workers import Workers
from hogline.service.core import CannotDo, connection_named
from hogline.service.trail import Trail
from hogline.store.base import Journal, Replay, State
from hogline.store.positions import settled_position


class Replays:
    def __init__(self, journal: Journal, state: State, workers: Workers, trail: Trail) -> None:
        self._journal = journal
        self._state = state
        self._workers = workers
        self._trail = trail

    async def begin(
        self, connection: str, *, since_ms: int, until_ms: int | None = None, events: list[str] | None = None
    ) -> int:
        """Send events again that were received in that time and are still in the journal. Returns how many there are,
        whatever their names. The destination recognizes events that it already has by their ids.
        """
        one = await connection_named(self._state, connection)
        if await self._state.replay(one.id) is not None:
            raise CannotDo(f"A replay of {connection} is still running. Wait until it is done.")
        first = max(await self._journal.position_at(since_ms), one.start + 1)
        last = min(
            await settled_position(one, self._state),
            self._journal.end if until_ms is None else await self._journal.position_at(until_ms) - 1,
        )
        if last < first:
            raise CannotDo("The journal has no delivered events from that time (see HOGLINE_JOURNAL_RETENTION_DAYS).")
        await self._workers.alone([one.id])
        await self._state.begin_replay(one.id, Replay(settled=first - 1, last=last, events=tuple(events or ())))
        self._workers.ask_again(one.id)
        await self._trail.note("replay_begun", {"events": last - first + 1}, connection=connection)
        return last - first + 1

    async def pending(self, connection: str) -> int:
        """How many events of a replay are still pending."""
        one = await connection_named(self._state, connection)
        replay = await self._state.replay(one.id)
        return replay.last - replay.settled if replay else 0
