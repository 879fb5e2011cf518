"""Live: the newest events of the event log with everything about them. The page is kept up to date like every other.

Many may look on while many events come, so the list is made for all who look at the same, about once a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hogline.console.context import connection_of, require_right, service_of
from hogline.console.pages import page, part
from hogline.console.shown import LOGGED, WORDS
from hogline.service.event_log import OUTCOMES
from hogline.views.connections import ConnectionView

ON_PAGE = 50
FIELDS = ("name", "person", "outcome")
KEPT_S = 0.9
"""Less than the time between two looks of a viewer (`live.EVERY_S`): the look after a change shows it."""

Key = tuple[str, ...]


class Lists:
    """What was made last, for each connection and choice."""

    def __init__(self) -> None:
        self._made: dict[Key, tuple[float, Markup]] = {}
        self._making: dict[Key, asyncio.Lock] = {}

    async def get(self, key: Key, make: Callable[[], Awaitable[Markup]]) -> Markup:
        now_s = asyncio.get_running_loop().time
        lock = self._making.setdefault(key, asyncio.Lock())
        async with lock:
            began_s = now_s()
            made_s, made = self._made.get(key, (-KEPT_S, Markup()))
            if began_s - made_s >= KEPT_S:
                made = await make()
                kept = {each: one for each, one in self._made.items() if began_s - one[0] < KEPT_S}
                self._made = {**kept, key: (began_s, made)}
                self._making = {each: one for each, one in self._making.items() if one.locked() or each in self._made}
        return made


def lists_of(request: Request) -> Lists:
    state = request.app.state
    if not hasattr(state, "lists"):
        state.lists = Lists()
    return cast("Lists", state.lists)


async def live(request: Request) -> Response:
    connection = await connection_of(request)
    require_right(request, "events.newest")
    asked = {field: request.query_params.get(field, "").strip() for field in FIELDS}
    listed = await lists_of(request).get(
        (connection.name, *asked.values()), lambda: _listed(request, connection, asked)
    )
    return await page(
        request,
        "live.html",
        connection=connection,
        section="live",
        listed=listed,
        asked=asked,
        outcomes=LOGGED,
    )


async def _listed(request: Request, connection: ConnectionView, asked: dict[str, str]) -> Markup:
    found = await service_of(request).events.newest(
        connection.name,
        name=asked["name"],
        person=asked["person"],
        outcome=asked["outcome"] if asked["outcome"] in OUTCOMES else "",
        limit=ON_PAGE,
    )
    return part(
        request,
        "live_list.html",
        connection=connection,
        events=found.events,
        trouble=found.trouble,
        chosen=urlencode({field: text for field, text in asked.items() if text}),
        **(WORDS | {"outcomes": LOGGED}),
    )


ROUTES = [Route("/connections/{name}/live", live, methods=["GET"], name="live")]
