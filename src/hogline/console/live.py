"""Live parts: a stream (server-sent events) that tells the page when its content has changed; htmx then reloads it.

So a page is only made in one place, and looks the same with and without script. Knows no page.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.requests import Request
from starlette.responses import StreamingResponse

from hogline.console.context import console_of

STILL_HERE_S = 20.0
"""Proxies and browsers give up a stream that says nothing."""
CHANGED = "event: changed\ndata: \n\n"


def changes(request: Request, look: Callable[[], Awaitable[object]], *, every_s: float = 1.0) -> StreamingResponse:
    """Sends `event: changed` immediately (something may have happened since the page was rendered), and whenever `look`
    returns a different value. Ends with the session, and when Hogline stops.
    """
    return StreamingResponse(_changes(request, look, every_s), media_type="text/event-stream")


async def _changes(request: Request, look: Callable[[], Awaitable[object]], every_s: float) -> AsyncIterator[str]:
    console = console_of(request)
    before = await look()
    yield CHANGED
    silent_s = 0.0
    while not await _is_set_within(console.stopping, every_s):
        if console.sessions.find(request) is None:
            yield CHANGED  # the page asks, and is led to sign in
            return
        now = await look()
        silent_s += every_s
        if now != before:
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
