"""Sends everyone of a connection again, a portion at a time: the next one goes when the last one is settled and live
events do not pile up. So it takes few of the connection's requests, and after a crash it goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hogline.clock import Clock
from hogline.core.desk import Desk
from hogline.store.base import State, Unwritable

PORTION = 500
"""People: less than a full request."""
MOST_WAITING = 2_000
"""Live events: about two full requests. If more are waiting, they go first."""
LOOK_AGAIN_S = 1.0


class Resender:
    def __init__(self, connection: int, desk: Desk, *, state: State, clock: Clock, pull: Callable[[], None]) -> None:
        """`pull`: call it when people were added to `again`."""
        self._connection = connection
        self._desk = desk
        self._state = state
        self._clock = clock
        self._pull = pull
        self._asked = asyncio.Event()
        self._settled = asyncio.Event()

    def ask(self) -> None:
        """It may be wanted now."""
        self._asked.set()

    def settled(self) -> None:
        """Something is on disk."""
        self._settled.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._asked.clear()
            while self._state.resending(self._connection) is not None:
                await self._quiet()
                await self._more()
            await self._asked.wait()

    async def _quiet(self) -> None:
        """Returns when nobody is being sent again, and there is room beside live events."""
        while self._state.again(self._connection, 1) or self._desk.lanes.waiting > MOST_WAITING:
            self._settled.clear()
            await self._settled.wait()

    async def _more(self) -> None:
        try:
            if await self._state.resend_more(self._connection, PORTION):
                self._pull()
        except Unwritable:  # a full disk, say
            await self._clock.sleep(LOOK_AGAIN_S)
