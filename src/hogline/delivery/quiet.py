"""Requests that a killed process had sent may still take effect, and must not be overtaken. One that finds its customer
by an email would create another, if a newer request has moved that email on."""

from __future__ import annotations

import asyncio

from hogline.clock import Clock
from hogline.destinations.base import Send
from hogline.model import Request, Response


class Quiet:
    """Sends nothing in the first seconds after a kill."""

    def __init__(self, send: Send, clock: Clock, *, for_s: float) -> None:
        self._send = send
        self._clock = clock
        self._until_s = clock.now_s() + for_s
        self.gave_up = False
        """A request was given up before it was answered, so it may take effect later, as if this process was killed."""

    async def send(self, request: Request) -> Response:
        if (pause_s := self._until_s - self._clock.now_s()) > 0:
            await self._clock.sleep(pause_s)
        try:
            return await self._send(request)
        except asyncio.CancelledError:
            self.gave_up = True
            raise
