"""The puller: whatever there is to do for a connection → lanes. New events, dead letters to retry, a replay, and what
is due. Knows nothing of what becomes of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from hogline.delivery.again import Again
from hogline.delivery.clock import Clock
from hogline.delivery.lanes import Item, Lanes, Source
from hogline.delivery.routes import Routes
from hogline.model import FORGOTTEN, Event, decode_event
from hogline.posthog.joins import join_of
from hogline.posthog.weight import weight_bytes
from hogline.store.base import Connection, Journal, Settlement, State

WINDOW_BYTES = 12_000_000
"""Events that are waiting or in flight, as they lie in the journal: what bounds a connection's memory. Enough for 100
requests a second at 200 ms: 20 full ones in flight, and the next being filled."""
PULL = 1_000
PULL_BYTES = 250_000
"""So much is read at once, and then others have their turn; the window is exceeded by no more than that."""
LOOK_FOR_DUE_S = 60.0
"""At the latest: a clock may be put back."""


class Puller:
    def __init__(
        self,
        connection: Connection,
        lanes: Lanes,
        *,
        journal: Journal,
        state: State,
        clock: Clock,
        pulled: asyncio.Event,
        keep: Callable[[Settlement], Awaitable[None]],
        forgotten: Callable[[int], None],
    ) -> None:
        """`pulled` is set whenever there is something new in the lanes. `keep` writes a settlement. `forgotten` is told
        the position of an event whose user is forgotten.
        """
        self._connection = connection.id
        self._lanes = lanes
        self._journal = journal
        self._state = state
        self._clock = clock
        self._pulled = pulled
        self._keep = keep
        self._forgotten = forgotten
        self.routes = Routes(state, connection.id)
        self.again = Again()
        self._room = asyncio.Event()
        self._asked_again = asyncio.Event()
        self._due_changed = asyncio.Event()

    def ask_again(self) -> None:
        """Dead letters are to be retried, or a replay has begun: the state says what."""
        self._asked_again.set()

    def kept(self, settlement: Settlement, items: Sequence[Item]) -> None:
        """The settlement of these is on disk."""
        self.again.kept(items, settlement.replay_settled)
        self.routes.settled(settlement.routes)
        self._room.set()
        if settlement.due or settlement.done:
            self._due_changed.set()

    async def _space(self) -> None:
        """Returns when the window has room for more events."""
        while self._lanes.size_bytes >= WINDOW_BYTES:
            self._room.clear()
            await self._room.wait()

    async def pull_journal(self) -> None:
        """New events, as far as the window has room; until it is cancelled."""
        lanes = self._lanes
        while True:
            await self._journal.wait(lanes.read)
            await self._space()
            rows = await self._journal.read(lanes.read, PULL, PULL_BYTES)
            await self._add([(position, *_weighed(body)) for position, body in rows])
            self._pulled.set()
            await asyncio.sleep(0)

    async def _add(self, events: Sequence[tuple[int, Event, int]]) -> None:
        """An event that joins two ids brings both into one lane from there on."""
        lanes, routes = self._lanes, self.routes
        joins = {position: join for position, event, _ in events if (join := join_of(event)) is not None}
        ids = {event.distinct_id for _, event, _ in events}
        ids.update(join.other for join in joins.values())
        await routes.load(ids)
        for position, event, size_bytes in events:
            distinct_id = event.distinct_id
            join = joins.get(position)
            if not distinct_id:  # forgotten, and counted when it was
                lanes.read = position
                self._forgotten(position)
            elif join is None:
                lanes.add(position, event, size_bytes, routes.name(distinct_id, position))
            else:
                leaving = [routes.name(one, position - 1) for one in (distinct_id, join.other)]
                changed = routes.join(distinct_id, join.other, position)
                group = routes.name(distinct_id, position)
                if not lanes.join(
                    position, event, size_bytes, group, other=join.other, routes=changed, leaving=leaving
                ):
                    routes.settled(changed)

    async def pull_due(self) -> None:
        """What is to be done after a pause; until it is cancelled."""
        while True:
            self._due_changed.clear()
            due = await self._state.due(self._connection, PULL)
            now_ms = self._clock.time_ms()
            for distinct_id, at_ms in self.again.new_due((one, at_ms) for one, at_ms in due if at_ms <= now_ms):
                await self._add_again(Item(0, distinct_id, None, 0, Source.DUE, due_ms=at_ms))
            pause_ms = min((at_ms for _, at_ms in due if at_ms > now_ms), default=now_ms) - now_ms
            if pause_ms:
                await self._clock.sleep(min(pause_ms / 1_000, LOOK_FOR_DUE_S))
            else:
                await self._due_changed.wait()

    async def pull_again(self) -> None:
        """Dead letters that are retried, and a replay; until it is cancelled."""
        while True:
            await self._pull_retries()
            await self._pull_replay()
            await self._asked_again.wait()
            self._asked_again.clear()

    async def _pull_retries(self) -> None:
        after = 0
        while letters := await self._state.dead_letters(
            self._connection, after=after, limit=PULL, retrying=True, most_bytes=PULL_BYTES
        ):
            after = letters[-1].position
            new = self.again.new_retries(letter.position for letter in letters)
            await self._space()
            for letter in letters:
                if letter.position in new:
                    await self._add_event_again(letter.position, letter.event, Source.RETRY)

    async def _pull_replay(self) -> None:
        again = self.again
        if again.replay is None and (replay := await self._state.replay(self._connection)) is not None:
            again.begin(replay)
        while again.replay is not None and again.read < again.replay.last:
            replay = again.replay
            await self._space()
            read = await self._journal.read(again.read, PULL, PULL_BYTES)
            rows = [row for row in read if row[0] <= replay.last]
            wanted = [
                (position, body)
                for position, body in rows
                if body != FORGOTTEN and (not replay.events or decode_event(body).name in replay.events)
            ]
            again.replaying([position for position, _ in wanted], rows[-1][0] if rows else replay.last)
            for position, body in wanted:
                await self._add_event_again(position, body, Source.REPLAY)
            if not wanted:  # nothing of it will be settled by a shipment
                await self._keep(Settlement(connection=self._connection, lanes={}, replay_settled=again.ended(())))
            await asyncio.sleep(0)

    async def _add_event_again(self, position: int, body: bytes, source: Source) -> None:
        event, size_bytes = _weighed(body)
        join = join_of(event)
        other = None
        if join is not None:
            await self.routes.load([event.distinct_id, join.other])
            groups = {self.routes.name(one, self._lanes.read) for one in (event.distinct_id, join.other)}
            # Ids that travel in different lanes cannot be joined out of their time.
            other = join.other if len(groups) == 1 else None
        await self._add_again(Item(position, event.distinct_id, event, size_bytes, source, other))

    async def _add_again(self, item: Item) -> None:
        await self.routes.load([item.distinct_id])
        group = self.routes.name(item.distinct_id, self._lanes.read)
        self._lanes.add_again(item, group, self.routes.moves(item.distinct_id))
        self._pulled.set()


def _weighed(body: bytes) -> tuple[Event, int]:
    """An event, and what it counts for in the window: few bytes can take much memory."""
    event = decode_event(body)
    return event, weight_bytes(body, event)
