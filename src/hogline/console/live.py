"""What keeps pages up to date: one stream (server-sent events) that says when anything that pages show has changed. The
page then asks for itself again (`static/updates.js`), so it looks the same with and without script.

All viewers share one look at what can change. Knows no page.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from hogline.console.context import console_of
from hogline.service import Service

STILL_HERE_S = 20.0
"""Proxies and browsers give up a stream that says nothing."""
EVERY_S = 1.0
EVERY_VIEWER_S = 0.1
"""So much longer for each page that is open: together, they never keep delivery from its work."""
CHANGED = "event: changed\ndata: \n\n"


class Pulse:
    """What may change on pages. All viewers share it, so more of them cost nothing more."""

    def __init__(self, service: Service, every_s: float = EVERY_S) -> None:
        self._service = service
        self._every_s = every_s
        self._looking = asyncio.Lock()
        self._seen: object = None
        self._until_s = 0.0
        self.viewers = 0

    def pause_s(self) -> float:
        """Between two looks for one viewer."""
        return max(self._every_s, EVERY_VIEWER_S * self.viewers)

    async def look(self, *, fresh: bool = False) -> object:
        """`fresh`: not what was seen a moment ago."""
        loop = asyncio.get_running_loop()
        async with self._looking:
            if fresh or loop.time() >= self._until_s:
                self._seen = await self._look()
                self._until_s = loop.time() + self._every_s
            return self._seen

    async def _look(self) -> object:
        status = await self._service.status.show()
        retrying = [
            (await self._service.failures.retrying(one.name), await self._service.failures.retried(one.name))
            for one in status.connections
        ]
        runs = await self._service.backfills.all()
        return status, retrying, runs, await self._service.live.newest(), await self._service.status.rejected()


def pulse_of(request: Request) -> Pulse:
    state = request.app.state
    if not hasattr(state, "pulse"):
        state.pulse = Pulse(console_of(request).service)
    return cast("Pulse", state.pulse)


async def stream(request: Request) -> StreamingResponse:
    """Says when a page may look different."""
    pulse = pulse_of(request)
    # What is compared with later has to be of now: it may change and change back.
    await pulse.look(fresh=True)
    return StreamingResponse(_watched(request, pulse), media_type="text/event-stream")


async def _watched(request: Request, pulse: Pulse) -> AsyncIterator[str]:
    pulse.viewers += 1
    try:
        async for said in changes(request, pulse.look, pulse.pause_s):
            yield said
    finally:
        pulse.viewers -= 1


async def changes(
    request: Request, look: Callable[[], Awaitable[object]], pause_s: Callable[[], float]
) -> AsyncIterator[str]:
    """`event: changed` immediately (something may have happened since the page was rendered), and whenever `look`
    returns a different value. Ends with the session, and when Hogline stops.
    """
    console = console_of(request)
    before, said = await look(), True
    yield CHANGED
    silent_s = 0.0
    while not await _is_set_within(console.stopping, every_s := pause_s()):
        if console.sessions.find(request) is None:
            yield CHANGED  # the page asks, and is told that its session has ended
            return
        now = await look()
        silent_s += every_s
        if now != before or said:  # once more: the first answer may be a moment too old
            said = now != before
            yield CHANGED
        elif silent_s >= STILL_HERE_S:
            yield ": still here\n\n"
        else:
            continue
        before, silent_s = now, 0.0


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


ROUTES = [Route("/changes", stream, methods=["GET"], name="changes")]
