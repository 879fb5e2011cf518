"""Taking turns: what would keep others waiting is done by one at a time, and no sender comes twice before another who
waits came once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

MOST_EACH = 16
WAIT_S = 20.0


class Crowded(Exception):
    """Too many wait already, or it took too long."""


class Turns:
    def __init__(self, most_each: int = MOST_EACH, wait_s: float = WAIT_S) -> None:
        """`most_each`: how many of one sender's may wait."""
        self._most_each = most_each
        self._wait_s = wait_s
        self._taken = False
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """By sender, the next one first."""

    @asynccontextmanager
    async def turn(self, whose: str) -> AsyncIterator[None]:
        """Nobody else has a turn inside of the block. Raises `Crowded`."""
        await self._take(whose)
        try:
            yield
        finally:
            self._pass_on()

    async def _take(self, whose: str) -> None:
        if not self._taken:
            self._taken = True
            return
        line = self._waiting.setdefault(whose, deque())
        if len(line) >= self._most_each:
            raise Crowded
        called = asyncio.get_running_loop().create_future()
        line.append(called)
        try:
            async with asyncio.timeout(self._wait_s):
                await called
        except BaseException as gone:
            if called.done() and not called.cancelled():
                self._pass_on()  # it was our turn in that very moment
            else:
                self._leave(whose, called)
            if isinstance(gone, TimeoutError):
                raise Crowded from None
            raise

    def _leave(self, whose: str, called: asyncio.Future[None]) -> None:
        line = self._waiting.get(whose)
        if line is not None and called in line:  # else it was passed over meanwhile
            line.remove(called)
            if not line:
                del self._waiting[whose]

    def _pass_on(self) -> None:
        while self._waiting:
            whose = next(iter(self._waiting))
            line = self._waiting.pop(whose)
            called = line.popleft()
            if line:
                self._waiting[whose] = line  # behind all others
            if not called.done():  # else the waiter is gone and about to leave the line
                called.set_result(None)
                return
        self._taken = False
