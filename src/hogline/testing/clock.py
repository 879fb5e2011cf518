"""Time that stands still until a test moves it."""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from itertools import count


class ManualClock:
    """Satisfies `hogline.clock.Clock`. A sleeper wakes up when `advance` reaches its time."""

    def __init__(self, time_ms: int = 1_793_527_200_000, *, now_s: float = 0.0) -> None:
        """`time_ms`: milliseconds since 1970; 1 November 2026 by default. `now_s`: what `now_s()` returns first."""
        self._start_ms, self._start_s = time_ms, now_s
        self.at_s = now_s
        """What `now_s` returns. Set it to move time without waking anyone."""
        self.off_ms = 0
        """How far the date is off. Set it to move only the date."""
        self.slept: list[float] = []
        """The seconds of every sleep that began."""
        self._sleeping: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def now_s(self) -> float:
        return self.at_s

    def time_ms(self) -> int:
        return self._start_ms + round((self.at_s - self._start_s) * 1_000) + self.off_ms

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        wakes: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._sleeping, (self.at_s + seconds, next(self._numbers), wakes))
        await wakes

    async def advance(self, seconds: float) -> None:
        """Move on, and wake everyone whose time has come, in order. Each runs until it waits for something else."""
        end_s = self.at_s + seconds
        while self._sleeping and self._sleeping[0][0] <= end_s:
            self.wake_next()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        self.at_s = end_s

    def wake_next(self) -> None:
        """Move on to the time of the first sleeper, and wake it. It must not be called if nobody sleeps."""
        wakes_s, _, future = heappop(self._sleeping)
        self.at_s = max(self.at_s, wakes_s)
        if not future.done():
            future.set_result(None)


class SkippingClock(ManualClock):
    """Nobody waits: a sleep moves the time and returns."""

    def __init__(self, time_ms: int = 1_793_527_200_000, *, now_s: float = 1_000.0, date_moves: bool = True) -> None:
        """`date_moves`: if not, sleeping does not change the date, so that two runs see the same dates."""
        super().__init__(time_ms, now_s=now_s)
        self._date_moves = date_moves

    def time_ms(self) -> int:
        return super().time_ms() if self._date_moves else self._start_ms + self.off_ms

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        until_s = self.at_s + seconds
        await asyncio.sleep(0)
        self.at_s = max(self.at_s, until_s)
