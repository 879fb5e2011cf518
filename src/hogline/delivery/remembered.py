"""A connection's records in memory, over what its state knows: for what is only planned. Nothing is written.

What a shipment came to is taken over as the store would write it. People are kept packed, so that a million events
of many people fit; nothing here grows with the number of events but what is held, and that has its limits.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from hogline.model import Person
from hogline.store.base import HELD_FOR_ONE, HeldEvent, Settlement, State
from hogline.store.forgetting import NOBODY, Suppressed

MOST_LATELY = 1_000

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Person).decode


class Remembered:
    """Implements `Records`."""

    def __init__(self, state: State | None, connection: int, *, hold_max_bytes: int) -> None:
        """Without a state nobody is known yet. `hold_max_bytes`: what is held beyond that is given up, the oldest
        first.
        """
        self._state = state
        self._connection = connection
        self._hold_max_bytes = hold_max_bytes
        self._people: dict[str, bytes | None] = {}
        self._lately: dict[str, Person | None] = {}
        """Some of them unpacked: short shipments ask for the same people again and again."""
        self._claims: dict[str, str] = {}
        """Of shipments that are not settled."""
        self._claimed: dict[str, str | None] = {}
        self._held: dict[int, HeldEvent] = {}
        self._held_of: dict[str, list[int]] = {}
        self._held_bytes = 0
        self._joined = 0
        self.holds = True

    @property
    def known(self) -> int:
        """How many people are remembered; somebody with several ids is one."""
        return len(self._people) - self._joined

    async def people(self, distinct_ids: Sequence[str]) -> Mapping[str, Person | None]:
        # Planning has nothing else to wait for, and others are to have their turn.
        await asyncio.sleep(0)
        if self._state is not None:
            missing = [one for one in distinct_ids if one not in self._people]
            found = await self._state.people(self._connection, missing) if missing else {}
            self._people.update((one, _pack(found[one]) if one in found else None) for one in missing)
        lately = self._lately
        if len(lately) > MOST_LATELY:
            lately.clear()
        for one in distinct_ids:
            if one not in lately:
                body = self._people.get(one)
                lately[one] = None if body is None else _unpack(body)
        return {one: lately[one] for one in distinct_ids}

    async def held(self, distinct_ids: Sequence[str]) -> Sequence[HeldEvent]:
        await self._load_held(distinct_ids)
        return [self._held[position] for position in sorted(self._held_by(distinct_ids))]

    async def owner(self, email: str) -> str | None:
        return self._claims.get(email) or await self._settled_owner(email)

    def claim(self, email: str, distinct_id: str) -> None:
        self._claims[email] = distinct_id

    @property
    def suppressed(self) -> Suppressed:
        return NOBODY if self._state is None else self._state.suppressed

    async def settled(
        self, settlement: Settlement, people: Mapping[str, Person | None], claims: Iterable[str]
    ) -> Counter[str]:
        """Take over a settlement, with these people and what became of these claims. Returns how many held events
        were given up, by reason.
        """
        for distinct_id, person in people.items():
            if person is not None:
                lasting = replace(person, recent=())
                self._people[distinct_id] = _pack(lasting)
                self._lately[distinct_id] = lasting
        self._joined += len(settlement.absorbed)
        for email in claims:
            self._claims.pop(email, None)
        for email, distinct_id in settlement.freed.items():
            if await self._settled_owner(email) == distinct_id:
                self._claimed[email] = None
        self._claimed.update(settlement.claimed)
        return await self._hold(settlement)

    async def _settled_owner(self, email: str) -> str | None:
        if email in self._claimed or self._state is None:
            return self._claimed.get(email)
        return await self._state.claimed(self._connection, email)

    async def _load_held(self, distinct_ids: Iterable[str]) -> None:
        missing = [one for one in distinct_ids if one not in self._held_of]
        if self._state is None or not missing:
            return
        self._held_of.update((one, []) for one in missing)
        for event in await self._state.held(self._connection, missing):
            self._keep(event)

    def _held_by(self, distinct_ids: Iterable[str]) -> list[int]:
        return [position for one in distinct_ids for position in self._held_of.get(one, ())]

    def _keep(self, event: HeldEvent) -> None:
        self._held[event.position] = event
        self._held_of.setdefault(event.distinct_id, []).append(event.position)
        self._held_bytes += len(event.event)

    def _drop(self, position: int) -> None:
        event = self._held.pop(position)
        self._held_bytes -= len(event.event)
        positions = self._held_of[event.distinct_id]
        positions.remove(position)
        if not positions and self._state is None:
            del self._held_of[event.distinct_id]

    async def _hold(self, settlement: Settlement) -> Counter[str]:
        """What is held from now on, in the order in which the store does it."""
        await self._load_held([*settlement.absorbed, *settlement.absorbed.values()])
        for absorbed, person in settlement.absorbed.items():
            for position in self._held_by([absorbed]):
                event = self._held[position]
                self._drop(position)
                self._keep(replace(event, distinct_id=person))
        for position in settlement.released:
            self._drop(position)
        for event in settlement.held:
            self._keep(event)
        given_up: Counter[str] = Counter()
        for distinct_id in {event.distinct_id for event in settlement.held} | set(settlement.absorbed.values()):
            for position in sorted(self._held_by([distinct_id]))[:-HELD_FOR_ONE]:
                self._drop(position)
                given_up["hold_too_many"] += 1
        if self._held_bytes > self._hold_max_bytes:
            given_up["hold_full"] += self._give_up_oldest()
        return given_up

    def _give_up_oldest(self) -> int:
        excess = self._held_bytes - self._hold_max_bytes
        oldest: list[int] = []
        for position, event in self._held.items():
            if excess <= 0:
                break
            excess -= len(event.event)
            oldest.append(position)
        for position in oldest:
            self._drop(position)
        return len(oldest)
