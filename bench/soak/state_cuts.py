"""The state under power cuts: settlements that returned are there, and each whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from random import Random

from bench.soak.cuts import STOPS, Disks, Figures, close
from hogline.core.changes import Failure, Settlement
from hogline.core.told import Customer, Mark, Told
from hogline.model import Refusal
from hogline.store.base import Unusable, Unwritable
from hogline.store.datadir.secrets import Vault
from hogline.store.sqlite.state import SqliteState
from hogline.testing.powercut import mounted

CONNECTION = 1
LANES = 32
PEOPLE = [f"user {index}" for index in range(50)]


class StateUnderCuts:
    """Settlements, some concurrent. Each is numbered, and puts its number in everything it writes."""

    def __init__(self, work: Path, source: Random) -> None:
        self.figures = Figures()
        self._source = source
        self._disks = Disks(work, source)
        self._vault = Vault(Vault.new_key())
        self._answered = self._handed = 0

    async def round(self) -> None:
        disk = self._disks.disk()
        with mounted(disk) as vfs:
            try:
                state = SqliteState(self._disks.folder / "state.db", self._vault, vfs=vfs)
            except Unusable:
                self.figures.during_start += 1
            else:
                await self._use(state)
        self.figures.cuts += 1
        self._disks.cut(disk)
        await self._compare()
        if self._disks.renewed():
            self._answered = self._handed = 0

    async def _use(self, state: SqliteState) -> None:
        with suppress(Unwritable):
            while self._source.random() > STOPS:
                numbers = range(self._handed + 1, self._handed + 1 + self._source.randint(1, 4))
                self._handed = numbers[-1]
                settlements = (state.settle(_settlement(number)) for number in numbers)
                for number, raised in zip(
                    numbers, await asyncio.gather(*settlements, return_exceptions=True), strict=True
                ):
                    if raised is not None:
                        raise raised
                    self._answered = number
                    self.figures.writes += 1
        await close(state)

    async def _compare(self) -> None:
        with self._disks.copy() as folder:
            state = SqliteState(folder / "state.db", self._vault)
            counts = await state.counts(CONNECTION)
            found = (
                await state.lanes(CONNECTION),
                {person: _number_in(told) for person, told in state.told(CONNECTION, PEOPLE).items()},
                [letter.position for letter in await state.failures(CONNECTION, limit=1_000_000)],
            )
            await state.close()
        settled = counts.settled
        assert counts.requests == settled, "a settlement counts by half"
        assert found == _after(settled), "a settlement is there by half"
        assert settled <= self._handed, "there is more than was settled"
        self.figures.missing += max(0, self._answered - settled)
        self.figures.unanswered += max(0, settled - self._answered)
        self._answered = self._handed = settled


def _is_dead(number: int) -> bool:
    return number % 5 == 0


def _settlement(number: int) -> Settlement:
    """A failure, which the next settlement but one resolves; or one more that was delivered."""
    refusal = Refusal("invalid", "It was refused.", operation=b"x" * (number % 700))
    letter = Failure(position=number, uuid=str(number), event=b"%d" % number, refusals=(refusal,), at_ms=number)
    return Settlement(
        connection=CONNECTION,
        lanes={number % LANES: number},
        told={PEOPLE[index]: _told(number) for index in _touched(number)},
        delivered=0 if _is_dead(number) else 1,
        failures=[letter] if _is_dead(number) else (),
        requests=1,
    )


def _told(number: int) -> Told:
    return Told(main=Customer("id", "user", "accepted", names={"n": Mark(number, 0)}))


def _number_in(told: Told) -> int:
    assert told.main is not None, "somebody is there by half"
    return told.main.names["n"].at


def _touched(number: int) -> Iterable[int]:
    """Two people of fifty."""
    return {number % 50, number * 7 % 50}


def _after(settled: int) -> tuple[dict[int, int], dict[str, int], list[int]]:
    """Lanes, people and failures when all settlements up to this number are there."""
    lanes: dict[int, int] = {}
    people: dict[str, int] = {}
    for number in range(1, settled + 1):
        lanes[number % LANES] = number
        people.update({PEOPLE[index]: number for index in _touched(number)})
    return lanes, people, [number for number in range(1, settled + 1) if _is_dead(number)]
