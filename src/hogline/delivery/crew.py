"""Several processes that deliver one store. The owner of the store leads: it says which lanes of which connection are
whose. The others are its hands: they carry what they are given, and nothing else.

An order changes in two steps. First everybody puts down what is not theirs anymore, and says so. Only when all have
said it, or are dead and fenced off, does anyone take up what is new. So at no time do two processes carry one lane.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from hogline.clock import Clock
from hogline.core.lanes import LANES
from hogline.delivery.part import Part
from hogline.store.base import Unwritable
from hogline.store.crew import Board, Given, Mate, Report, Seat
from hogline.store.shared import SharedState

LOOK_EVERY_S = 0.1


class Alone:
    """No other process delivers."""

    may_come = False
    """Others may deliver, too, now or later."""

    def shares(self, connection: int) -> bool:  # noqa: ARG002
        """Whether others are to carry parts of a connection, too."""
        return False

    async def part(self, connection: int) -> Part:
        """Gives the others their parts of a connection; returns what is to be carried here from now on."""
        raise NotImplementedError(connection)  # nobody is there

    async def release(self, connection: int) -> None:
        """Returns when no other process carries anything of a connection."""

    def trouble(self, connection: int) -> str | None:  # noqa: ARG002
        """Another process's trouble with a connection; None: none has any."""
        return None


class Leader(Alone):
    may_come = True

    def __init__(self, board: Board, state: SharedState, clock: Clock, *, lease_s: float) -> None:
        """`lease_s`: a process that does not hear an order for so long is given up. Call `begin` first."""
        self._board = board
        self._state = state
        self._clock = clock
        self._lease_s = lease_s
        self._number = 0
        self._unsaid = False
        """An order was changed, and not everybody has heard it."""
        self._mates: list[Mate] = []
        self._given: dict[int, dict[str, Given]] = {}
        """By connection, what the others carry of it."""
        self._wanted: set[int] = set()
        """Connections that may be spread."""
        self._changing = asyncio.Lock()

    async def begin(self) -> None:
        """Returns when nobody else carries anything."""
        self._number, _ = await self._board.numbers()
        self._mates = await self._board.mates()
        await self._publish()

    def spread(self, connections: Sequence[int], *, anew: bool) -> list[int]:
        """From now on, these may be spread. Returns those that have to be started anew; `anew`: all of them."""
        self._wanted = set(connections)
        ids = set(sorted(mate.id for mate in self._mates)[: LANES - 1])
        if anew:
            return list(self._given.keys() | self._wanted)
        return [
            one
            for one in self._given.keys() | self._wanted
            if (self._given.get(one, {}).keys() != ids if one in self._wanted else one in self._given)
        ]

    def keep(self, connections: Collection[int]) -> list[int]:
        """From now on, these are not spread. Returns those that were."""
        self._wanted -= set(connections)
        return [one for one in connections if one in self._given]

    def is_spread(self, connection: int) -> bool:
        """Whether others carry parts of a connection."""
        return connection in self._given

    @property
    def mates(self) -> list[Mate]:
        """Who else was there when this process looked last."""
        return self._mates

    async def look(self) -> None:
        """See who is there."""
        self._mates = await self._board.mates()
        async with self._changing:
            if self._unsaid or await self._board.numbers() != (self._number, self._number):
                await self._publish()

    def shares(self, connection: int) -> bool:
        return connection in self._wanted and bool(self._mates)

    async def part(self, connection: int) -> Part:
        ids = sorted(mate.id for mate in self._mates)[: LANES - 1]
        shares = len(ids) + 1
        async with self._changing:
            since = self._number + 1
            self._given[connection] = {
                one: Given(since, list(range(place, LANES, shares)), shares) for place, one in enumerate(ids, 1)
            }
            await self._publish()
        return Part(range(0, LANES, shares), self._state, shares)

    async def release(self, connection: int) -> None:
        async with self._changing:
            if self._given.pop(connection, None) is not None or self._unsaid:
                await self._publish()

    async def _publish(self) -> None:
        """Returns when everybody has put down what is not theirs anymore, and may take up the rest."""
        self._unsaid = True
        self._number += 1
        await self._put()
        there, until_s = {mate.id for mate in await self._board.mates()}, self._clock.now_s() + self._lease_s
        while late := {mate.id for mate in await self._board.mates() if mate.heard < self._number} & there:
            if (await self._board.numbers())[0] < self._number:
                await self._put()  # a standby took over that had not received it
            if self._clock.now_s() > until_s:
                await self._board.bury(sorted(late))
                await self._clock.sleep(self._lease_s)  # until it begins no request anymore
            await self._clock.sleep(LOOK_EVERY_S / 2)
        await self._board.go(self._number)
        self._unsaid = False

    async def _put(self) -> None:
        given: dict[str, dict[int, Given]] = {}
        for connection, whose in self._given.items():
            for mate, part in whose.items():
                given.setdefault(mate, {})[connection] = part
        await self._board.put(self._number, given)

    def trouble(self, connection: int) -> str | None:
        return next((one.trouble for one in self._reports(connection) if one.trouble), None)

    def stopped(self, connection: int) -> str | None:
        """Why it stopped in another process."""
        return next((one.stopped for one in self._reports(connection) if one.stopped), None)

    def _reports(self, connection: int) -> list[Report]:
        """Of those who carry a part of it."""
        given = self._given.get(connection, {})
        return [mate.reports[connection] for mate in self._mates if mate.id in given and connection in mate.reports]


class Carries(Protocol):
    """What a hand needs from the workers of its process."""

    async def take_up(self, connection: int, given: Given) -> None:
        """Start it. If that is impossible, its report says why."""
        ...

    async def put_down(self, connection: int) -> None:
        """Returns when nothing of it is in flight."""
        ...

    def reports(self) -> Mapping[int, Report]: ...


class Hand:
    def __init__(self, seat: Seat, carries: Carries, clock: Clock) -> None:
        self._seat = seat
        self._carries = carries
        self._clock = clock
        self._heard = 0
        self._carried: dict[int, Given] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                order, goes = await self._seat.order(self._heard, self._carries.reports())
            except Unwritable:
                await self._clock.sleep(LOOK_EVERY_S)
                continue
            if order.number != self._heard:
                await self._put_down(order.given)
                self._heard = order.number
                continue
            if goes >= order.number:
                await self._take_up(order.given)
            await self._clock.sleep(LOOK_EVERY_S)

    async def _put_down(self, given: Mapping[int, Given]) -> None:
        gone = [one for one, part in self._carried.items() if given.get(one) != part]
        await asyncio.gather(*(self._carries.put_down(one) for one in gone))
        for one in gone:
            del self._carried[one]

    async def _take_up(self, given: Mapping[int, Given]) -> None:
        for one, part in given.items():
            if one not in self._carried:
                self._carried[one] = part
                await self._carries.take_up(one, part)

    async def close(self) -> None:
        await self._put_down({})
