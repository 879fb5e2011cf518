"""Requests that a killed process had sent may still take effect, and must not be overtaken. One that finds its customer
by an email would create another, if a newer request has moved that email on."""

from __future__ import annotations

import asyncio

from hogline.clock import Clock
from hogline.destinations.base import Send
from hogline.model import Request, Response


class Quiet:
    """Sends nothing in the first seconds after a kill, nor after a request was given up before it was answered."""

    def __init__(self, send: Send, clock: Clock, *, for_s: float, was_killed: bool) -> None:
        """`was_killed`: the process before this one."""
        self._send = send
        self._clock = clock
        self._for_s = for_s
        self._until_s = clock.now_s() + (for_s if was_killed else 0.0)

    @property
    def is_over(self) -> bool:
        """Nothing that this process gave up, or the one before it, can still be on its way."""
        return self._clock.now_s() >= self._until_s

    async def over(self) -> None:
        """Returns when `is_over`."""
        while (pause_s := self._until_s - self._clock.now_s()) > 0:
            await self._clock.sleep(pause_s)

    async def send(self, request: Request) -> Response:
        await self.over()
        try:
            return await self._send(request)
        except asyncio.CancelledError:
            if request.method != "GET":
                self._until_s = self._clock.now_s() + self._for_s
            raise
