"""The puller: everything there is to do for a connection → its desk. New events, failures to retry, a replay, what was
asked for, and what is due. Knows nothing about what happens to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from hogline.clock import Clock
from hogline.core.changes import Failure, Settlement
from hogline.core.desk import Desk
from hogline.core.items import Item, Origin
from hogline.core.known import Known
from hogline.core.sheets import Portion
from hogline.delivery.resender import Resender
from hogline.delivery.window import Received
from hogline.posthog.entry import Entry, decode_entry
from hogline.store.base import Journal, State

WINDOW_BYTES = 12_000_000
"""The size of events that are waiting or in flight, as they are in the journal. It limits a connection's memory. Enough
for 100 requests a second at 200 ms: 20 full ones in flight, and the next one being filled."""
PULL = 1_000
PULL_BYTES = 250_000
"""How much is read before others have their turn. The window is exceeded by at most this."""
LOOK_FOR_DUE_S = 60.0
"""At the latest, because a clock may be set back."""
MOST_DUE = 1_000
"""So many people who are due are read in one step."""
MORE_DUE_S = 1.0
"""If there may be more, they are read after this time."""
NEVER_MS = 2**62


class Folded(Protocol):
    """Events of the journal that are folded, for a connection."""

    @property
    def known(self) -> Known:
        """At least as of the last event that was read."""
        ...

    async def wait(self, after: int) -> None:
        """Returns when there is a folded event after this position, and everything that was there at the start is
        folded. Otherwise older knowledge would overwrite newer."""
        ...

    async def read(self, after: int, limit: int) -> tuple[list[Received], Portion | None]:
        """At most `limit` folded events after a position, in order: all there are, or those of a portion."""
        ...


class Puller:
    def __init__(
        self,
        connection: int,
        desk: Desk,
        *,
        folder: Folded,
        journal: Journal,
        state: State,
        clock: Clock,
        pulled: asyncio.Event,
        keep: Callable[[Settlement], Awaitable[None]],
        forgotten: Callable[[int], None],
    ) -> None:
        """`pulled` is set whenever there is something new at the desk. `keep` writes a settlement. `forgotten` gets the
        position of an event whose user was forgotten.
        """
        self._connection = connection
        self._desk = desk
        self._folder = folder
        self._journal = journal
        self._state = state
        self._clock = clock
        self._pulled = pulled
        self._keep = keep
        self._forgotten = forgotten
        self._room = asyncio.Event()
        self._asked_again = asyncio.Event()
        self._due_changed = asyncio.Event()
        self._due_ms = NEVER_MS
        """When what is due is looked at next, unless something is due earlier."""
        self.resender = Resender(connection, desk, state=state, clock=clock, pull=self._asked_again.set)

    def ask_again(self) -> None:
        """Failures are to be retried, a replay has started, or people are to be resent. The state says what."""
        self._asked_again.set()
        self.resender.ask()

    def kept(self, settlement: Settlement) -> None:
        """A settlement is on disk."""
        self._room.set()
        self.resender.settled()
        if settlement.freed or settlement.denied or settlement.again_done:
            self._asked_again.set()  # there may be more than was read last time
        if any(told is not None and 0 < told.due_ms < self._due_ms for told in settlement.told.values()):
            self._due_changed.set()

    def look(self) -> None:
        """Others deliver this connection, too: what they left for this process is on disk."""
        self._asked_again.set()
        self._due_changed.set()

    async def _space(self) -> None:
        """Returns when the window has room for more events."""
        while self._desk.lanes.size_bytes >= WINDOW_BYTES:
            self._room.clear()
            await self._room.wait()

    async def pull_journal(self) -> None:
        """New events, as far as the window has room, until cancelled."""
        lanes, at_once = self._desk.lanes, PULL // 10
        while True:
            await self._folder.wait(lanes.read)
            await self._space()
            received, portion = await self._folder.read(lanes.read, at_once)
            size_bytes = sum(one[2] for one in received)
            self._desk.feed(received, portion)
            for position, entry, _ in received:
                if not entry.distinct_id:
                    self._forgotten(position)
            # Large events come in smaller portions, so that the last of them exceeds the window only a little.
            if received:
                at_once = max(10, min(PULL, PULL_BYTES * len(received) // max(size_bytes, 1)))
            self._pulled.set()
            await asyncio.sleep(0)

    async def pull_due(self) -> None:
        """Work that is due, until cancelled."""
        await self._folder.wait(-1)
        again = self._desk.resends
        while True:
            self._due_changed.clear()
            all_due = self._state.due(self._connection, MOST_DUE)
            now_ms = self._clock.time_ms()
            mine = self._desk.mine([person for person, at_ms in all_due if at_ms <= now_ms])
            added = [again.add(Item(Origin.DUE, 0, person, None)) for person in mine]
            if any(added):
                self._pulled.set()
            self._due_ms = self._next_due_ms(all_due, now_ms)
            waits = asyncio.ensure_future(self._due_changed.wait())
            try:
                if self._due_ms < NEVER_MS:
                    pause_s = min((self._due_ms - now_ms) / 1_000, LOOK_FOR_DUE_S)
                    sleeps = asyncio.ensure_future(self._clock.sleep(pause_s))
                    try:
                        await asyncio.wait((waits, sleeps), return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        sleeps.cancel()
                else:
                    await waits
            finally:
                waits.cancel()

    @staticmethod
    def _next_due_ms(due: list[tuple[str, int]], now_ms: int) -> int:
        """When to look again, after this was read."""
        later = [at_ms for _, at_ms in due if at_ms > now_ms]
        if later:
            return later[0]
        return now_ms + round(MORE_DUE_S * 1_000) if len(due) == MOST_DUE else NEVER_MS

    async def pull_again(self) -> None:
        """Failures to retry, a replay, and what was asked for, until cancelled."""
        await self._folder.wait(-1)
        while True:
            await self._pull_retries()
            await self._pull_asked()
            await self._pull_replay()
            await self._asked_again.wait()
            self._asked_again.clear()

    def _add(self, item: Item) -> None:
        if self._desk.resends.add(item):
            self._pulled.set()

    async def _pull_retries(self) -> None:
        after = 0
        while letters := await self._state.failures(
            self._connection, after=after, limit=PULL, retrying=True, most_bytes=PULL_BYTES
        ):
            after = letters[-1].position
            for letter in letters:
                entry = decode_entry(letter.event)
                self._add(
                    Item(
                        Origin.RETRY,
                        letter.position,
                        entry.distinct_id,
                        entry,
                        again=refused_names(letter, entry),
                    )
                )

    async def _pull_asked(self) -> None:
        while asked := self._state.again(self._connection, PULL):
            mine = set(self._desk.mine([person for _, person in asked]))
            new = [
                self._desk.resends.add(Item(Origin(kind), 0, person, None)) for kind, person in asked if person in mine
            ]
            if not any(new):
                break
            self._pulled.set()
            if len(asked) < PULL:
                break
            await self._clock.sleep(1.0)  # the rest is read when these are settled

    async def _pull_replay(self) -> None:
        again = self._desk.resends
        replay = await self._state.replay(self._connection)
        if replay is None:
            return
        if again.replay_read is None:
            again.begin_replay(replay.settled, replay.last)
        while (read := again.replay_read) is not None and read < replay.last:
            await self._space()
            while again.is_waiting:  # one portion after the other
                self._room.clear()
                await self._room.wait()
            rows = [row for row in await self._journal.read(read, PULL, PULL_BYTES) if row[0] <= replay.last]
            entries = [(position, decode_entry(body)) for position, body in rows]
            others = self._journal.backfilled.elsewhere(self._connection, read, rows[-1][0]) if rows else ()
            wanted = [
                Item(Origin.REPLAY, position, entry.distinct_id, entry)
                for position, entry in entries
                if entry.distinct_id
                and (not replay.events or entry.name in replay.events)
                and not any(position in each for each in others)
            ]
            again.replaying(wanted, rows[-1][0] if rows else replay.last)
            if wanted:
                self._pulled.set()
            else:  # no shipment will settle any of it
                settlement = Settlement(connection=self._connection, lanes={}, replay_settled=again.ended(()))
                await self._keep(settlement)
                again.settled((), settlement.replay_settled)
            await asyncio.sleep(0)


def refused_names(letter: Failure, entry: Entry) -> frozenset[str]:
    """The attributes that may be sent again when a failure is retried: those that were rejected with it, and those that
    its event sets."""
    names: set[str] = set()
    if entry.said is not None:
        names.update(entry.said.set, entry.said.unset)
    for refusal in letter.refusals:
        if refusal.operation:
            body = msgspec.json.decode(refusal.operation, type=dict[str, object])
            attributes = body.get("attributes")
            if body.get("action") == "identify" and isinstance(attributes, dict):
                names.update(attributes)
    return frozenset(names)
