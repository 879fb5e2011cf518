"""Several processes that deliver one store, in PostgreSQL: the board, a hand's place at it, and how far lanes are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from hogline.store.base import Unwritable
from hogline.store.crew import Given, Mate, Order, Report
from hogline.store.postgresql.link import Link, execute, firsts, rows
from hogline.store.postgresql.presence import Hand
from hogline.store.postgresql.queries import queries
from hogline.store.postgresql.state import PostgresqlState

SQL = queries("crew")

_reports = msgspec.json.Decoder(dict[int, Report])
_order = msgspec.json.Decoder(Order)


def _json(value_: object) -> str:
    return msgspec.json.encode(value_).decode()


class PostgresqlBoard:
    """Implements `store.crew.Board`, for the owner."""

    def __init__(self, state: PostgresqlState) -> None:
        self._state = state

    async def mates(self) -> list[Mate]:
        if dead := firsts(await self._state.read(SQL["expired"])):
            await self.bury(dead)
        return [
            Mate(id=id_, heard=heard, reports=_reports.decode(reports))
            for id_, heard, reports in await self._state.read(SQL["mates"])
        ]

    async def put(self, number: int, given: Mapping[str, Mapping[int, Given]]) -> None:
        def put(link: Link) -> None:
            processes = firsts(rows(link, SQL["processes"]))
            orders = [_json(Order(number=number, given=given.get(one, {}))) for one in processes]
            execute(link, SQL["put"], {"processes": processes, "orders": orders})
            execute(link, SQL["count"], {"number": number})

        await self._state.write(put)

    async def go(self, number: int) -> None:
        await self._state.write(lambda link: execute(link, SQL["go"], {"number": number}))

    async def numbers(self) -> tuple[int, int]:
        ((number, goes),) = await self._state.read(SQL["numbers"])
        return number, goes

    async def bury(self, mates: Sequence[str]) -> None:
        await self._state.end_connections([UUID(mate) for mate in mates])
        await self._state.write(lambda link: execute(link, SQL["bury"], {"processes": mates}))


class PostgresqlSeat:
    """Implements `store.crew.Seat`."""

    def __init__(self, hand: Hand, state: PostgresqlState) -> None:
        self._hand = hand
        self._state = state
        self._suppressed = -1
        self._heard = 0

    async def order(self, heard: int, reports: Mapping[int, Report]) -> tuple[Order, int]:
        if heard != self._heard:
            # Behind everything that this process still writes for what it has put down.
            hears = {"id": self._hand.myself.id, "heard": heard}
            await self._state.write(lambda link: execute(link, SQL["hear"], hears))
            self._heard = heard
        given = {"id": self._hand.myself.id, "reports": _json(reports)}
        found = await self._state.read(SQL["answer"], given)
        if not found:
            raise Unwritable("This process was taken for dead.")
        ordered, goes, suppressed = found[0]
        if suppressed != self._suppressed:
            await self._state.read_suppressed()
            self._suppressed = suppressed
        return _order.decode(ordered), goes
