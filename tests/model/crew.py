"""Other processes that deliver the same store: the real code of a hand, on a board in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import apsw
import msgspec

from hogline.clock import Clock
from hogline.core.changes import Flush, Intent, Settlement
from hogline.core.ledger import LedgerRow
from hogline.core.share import Far
from hogline.core.sheets import Sheet
from hogline.delivery.crew import Hand
from hogline.delivery.installed import installed
from hogline.delivery.part import Part
from hogline.delivery.workers import Workers
from hogline.store.base import Journal
from hogline.store.crew import Given, Mate, Order, Report
from hogline.store.packing import unpack_row
from hogline.store.shared import Contended
from hogline.store.sqlite import records, settling
from hogline.store.sqlite.state import SqliteState


class SharedState(SqliteState):
    """SQLite with what only a shared store does. Nothing of it lasts that would not in PostgreSQL."""

    clear: dict[int, dict[int, int]]
    """By connection."""
    written: dict[int, Sheet]
    """By their first positions."""
    journal: Journal

    async def intend(self, intent: Intent) -> None:
        def write(database: apsw.Connection) -> None:
            if intent.expected is not None:
                there = _rows(database, intent.connection, intent.expected)
                others = {name: there.get(name) for name, row in intent.expected.items() if there.get(name) != row}
                if others:
                    raise Contended(others)
            records.intend(intent)(database)

        await self._write(write)

    async def settle(self, settlement: Settlement) -> None:
        def write(database: apsw.Connection) -> None:
            ledger = settlement.ledger
            if (expected := settlement.expected) is not None:
                there = _rows(database, settlement.connection, expected)
                ledger = {name: row for name, row in ledger.items() if there.get(name) == expected[name]}
            changed = records.change(settlement.connection, settlement.told, ledger)
            settling.settle(settlement, changed, database)
            self.clear.setdefault(settlement.connection, {}).update(settlement.clear)

        await self._write(write)

    async def flush(self, flush: Flush) -> None:
        await super().flush(flush)
        # Now and then, one is missing: an older Hogline was the owner.
        self.written.update((one.first, one) for one in flush.sheets if one.first % 4)

    async def sheets(self, after: int, most: int) -> Sequence[Sheet]:
        there = sorted(self.written.values(), key=lambda one: one.first)
        return [one for one in there if one.last > after][:most]

    async def events_at(self, positions: Sequence[int], most_bytes: int) -> list[tuple[int, bytes]]:
        rows = await self.journal.read(positions[0] - 1, positions[-1] - positions[0] + 1, most_bytes)
        return [row for row in rows if row[0] in positions]

    async def far(self, connection: int) -> Mapping[int, Far]:
        clear = self.clear.get(connection, {})
        lanes = await self.lanes(connection)
        return {lane: Far(lanes.get(lane, 0), clear.get(lane, 0)) for lane in {*lanes, *clear}}


def _rows(database: apsw.Connection, connection: int, names: Mapping[str, object]) -> dict[str, LedgerRow]:
    sql = (
        "SELECT email, person, state, kind, value, others FROM ledger"
        " WHERE connection = ? AND email IN (SELECT value FROM json_each(?))"
    )
    found = database.execute(sql, (connection, msgspec.json.encode(list(names)).decode()))
    return {name: unpack_row(*rest) for name, *rest in found}


class Board:
    """In memory."""

    def __init__(self) -> None:
        self._number = self._goes = 0
        self._given: Mapping[str, Mapping[int, Given]] = {}
        self._heard: dict[str, tuple[int, Mapping[int, Report]]] = {}

    async def mates(self) -> list[Mate]:
        return [Mate(id=one, heard=heard, reports=reports) for one, (heard, reports) in self._heard.items()]

    async def put(self, number: int, given: Mapping[str, Mapping[int, Given]]) -> None:
        self._number, self._given = number, given

    async def go(self, number: int) -> None:
        self._goes = number

    async def numbers(self) -> tuple[int, int]:
        return self._number, self._goes

    async def bury(self, mates: Sequence[str]) -> None:
        raise AssertionError(f"{mates} do not hear")

    def order(self, who: str, heard: int, reports: Mapping[int, Report]) -> tuple[Order, int]:
        self._heard[who] = (heard, reports)
        return Order(number=self._number, given=self._given.get(who, {})), self._goes

    def leave(self, who: str) -> None:
        del self._heard[who]


class Process:
    """Another process that delivers. Everything it does runs in tasks of its own."""

    def __init__(self, name: str, board: Board, make: Callable[[], Workers], state: SharedState, clock: Clock) -> None:
        self._name = name
        self._board = board
        self._state = state
        self._workers = make()
        self._ending: set[asyncio.Task[None]] = set()
        """What runs on while it is put down."""
        self._hand = Hand(self, self, clock)
        self._task = asyncio.create_task(self._hand.run())

    async def order(self, heard: int, reports: Mapping[int, Report]) -> tuple[Order, int]:
        return self._board.order(self._name, heard, reports)

    async def take_up(self, connection: int, given: Given) -> None:
        (one,) = [each for each in await self._state.connections() if each.id == connection]
        self._workers.start(installed(one), Part(given.lanes, self._state, given.shares))

    async def put_down(self, connection: int) -> None:
        self._ending = {task for _, task in self._workers._running.values()}
        await self._workers.stop(connection, 5.0)
        self._ending = set()

    def reports(self) -> Mapping[int, Report]:
        return {}

    async def leave(self) -> None:
        """It is stopped."""
        self._task.cancel()
        await self._hand.close()
        self._board.leave(self._name)

    async def die(self) -> None:
        """It is killed, and its lease is over: what it had begun to write is written or never will be."""
        running = {task for _, task in self._workers._running.values()} | self._ending
        for task in (self._task, *running):
            task.cancel()
        await asyncio.gather(self._task, *running, return_exceptions=True)
        await self._state.settle(Settlement(connection=0, lanes={}))
        self._board.leave(self._name)
