"""Time that stands still until a test moves it."""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from itertools import count


class ManualClock:
    """Satisfies `hogline.clock.Clock`. A sleeper wakes up when `advance` reaches its time."""

    def __init__(self, time_ms: int = 1_793_527_200_000) -> None:
        """`time_ms`: milliseconds since 1970; 1 November 2026 unless said otherwise."""
        self._start_ms = time_ms
        self._passed_s = 0.0
        self._sleeping: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def now_s(self) -> float:
        return self._passed_s

    def time_ms(self) -> int:
        return self._start_ms + round(self._passed_s * 1_000)

    async def sleep(self, seconds: float) -> None:
        wakes: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._sleeping, (self._passed_s + seconds, next(self._numbers), wakes))
        await wakes

    async def advance(self, seconds: float) -> None:
        """Move on, and wake everyone whose time has come, in order. Each runs until it waits for something else."""
        end_s = self._passed_s + seconds
        while self._sleeping and self._sleeping[0][0] <= end_s:
            wakes_s, _, future = heappop(self._sleeping)
            self._passed_s = max(self._passed_s, wakes_s)
            if not future.done():
                future.set_result(None)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        self._passed_s = end_s
