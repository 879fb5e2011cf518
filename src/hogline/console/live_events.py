"""Live events: the results of events, pushed to viewers as they happen.

One loop a connection asks the service and renders for all who look on, at a pace that people can follow: many viewers
cost hardly more than one, and many events no more than some.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import cast

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from hogline.console.context import Console, connection_of, console_of, service_of
from hogline.console.live import STILL_HERE_S
from hogline.console.pages import fragment, page
from hogline.console.shown import WORDS
from hogline.service import CannotDo
from hogline.telemetry.internal_errors import kind_and_place
from hogline.views.events import LiveEvent, LiveEvents

log = structlog.get_logger("hogline.console")

MOST_ON_PAGE = 200
MOST_AT_ONCE = 10
EVERY_S = 0.5
ASKS_FOR_S = 5.0
BEHIND = 20
"""Messages that wait for one viewer; of one who is slower than that some are left out."""
ENDED = "event: ended\ndata: \n\n"
"""The page reloads and gets the reason."""


class Broadcast:
    """The live events of one connection for all who look on. Its loop runs as long as somebody does."""

    def __init__(self, console: Console, connection: str) -> None:
        self._console = console
        self._connection = connection
        self._viewers: set[asyncio.Queue[str]] = set()
        self._loop: asyncio.Task[None] | None = None

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    @property
    def is_running(self) -> bool:
        return self._loop is not None and not self._loop.done()

    @contextmanager
    def watched(self) -> Iterator[asyncio.Queue[str]]:
        """A viewer's messages, from now on."""
        messages: asyncio.Queue[str] = asyncio.Queue(BEHIND)
        self._viewers.add(messages)
        if not self.is_running:
            self._loop = asyncio.create_task(self._run())
        try:
            yield messages
        finally:
            self._viewers.discard(messages)
            if not self._viewers and self._loop is not None:
                self._loop.cancel()

    async def missed(self, after: int) -> str:
        """What a viewer missed who saw events up to that number."""
        told = await self._ask(after, 0.0)
        return message(told, MOST_ON_PAGE) if after >= 0 and told.events else ": nothing yet\n\n"

    async def _ask(self, after: int, wait_s: float) -> LiveEvents:
        return await self._console.service.live.events(self._connection, after=after, wait_s=wait_s)

    async def _run(self) -> None:
        stopping = asyncio.ensure_future(self._console.stopping.wait())
        telling = asyncio.ensure_future(self._tell())
        try:
            await asyncio.wait({stopping, telling}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            telling.cancel()
        self._say(ENDED)

    async def _tell(self) -> None:
        try:
            before = await self._ask(-1, 0.0)
            while True:
                told = await self._ask(before.last, ASKS_FOR_S)
                if told.events:
                    self._say(message(told, MOST_AT_ONCE, told.skipped - before.skipped))
                before = told
                await asyncio.sleep(EVERY_S)
        except CannotDo:
            return  # the connection was removed
        except Exception as error:
            # Whatever it was, the page reloads. The error's text may quote an event.
            log.error("live events failed", error=kind_and_place(error))  # noqa: TRY400  # as above

    def _say(self, text: str) -> None:
        for messages in self._viewers:
            if messages.full():
                messages.get_nowait()
            messages.put_nowait(text)


def message(told: LiveEvents, most: int, skipped: int = 0) -> str:
    """For an EventSource: the newest events as HTML, newest first, and how many more there were that are not shown."""
    shown = told.events[-most:]
    data = "".join(f"data: {line}\n" for line in rendered(shown).splitlines())
    left_out = skipped + len(told.events) - len(shown)
    more = f"event: more\ndata: {left_out}\n\n" if left_out else ""
    return f"{more}id: {told.last}\nevent: events\n{data}\n"


def rendered(events: list[LiveEvent]) -> str:
    """Newest first."""
    return fragment("live_some.html", events=events[::-1], **WORDS)


def broadcast_of(request: Request, connection: str) -> Broadcast:
    state = request.app.state
    if not hasattr(state, "broadcasts"):
        state.broadcasts = {}
    broadcasts = cast("dict[str, Broadcast]", state.broadcasts)
    if connection not in broadcasts:
        broadcasts[connection] = Broadcast(console_of(request), connection)
    return broadcasts[connection]


async def live(request: Request) -> Response:
    connection = await connection_of(request)
    told = await service_of(request).live.events(connection.name, after=0)
    return await page(
        request,
        "live.html",
        connection=connection,
        section="live",
        events=told.events[::-1][:MOST_ON_PAGE],
        last=told.last,
        most=MOST_ON_PAGE,
        **WORDS,
    )


async def stream(request: Request) -> StreamingResponse:
    connection = await connection_of(request)
    seen = request.headers.get("last-event-id") or request.query_params.get("after", "")
    after = int(seen[:18]) if seen.isascii() and seen.isdigit() else -1
    return StreamingResponse(
        _messages(request, broadcast_of(request, connection.name), after), media_type="text/event-stream"
    )


async def _messages(request: Request, broadcast: Broadcast, after: int) -> AsyncIterator[str]:
    """Ends with the session, with the connection, and when Hogline stops."""
    console = console_of(request)
    with broadcast.watched() as messages:
        text = await broadcast.missed(after)
        while True:
            if console.stopping.is_set() or console.sessions.find(request) is None:
                text = ENDED
            yield text
            if text == ENDED:
                return
            try:
                async with asyncio.timeout(STILL_HERE_S):
                    text = await messages.get()
            except TimeoutError:
                text = ": still here\n\n"


ROUTES = [
    Route("/connections/{name}/live", live, methods=["GET"], name="live"),
    Route("/connections/{name}/live/stream", stream, methods=["GET"], name="live-stream"),
]
