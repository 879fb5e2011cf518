"""Live: the newest events of the event log with everything about them. The page is kept up to date like every other."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hogline.console.context import connection_of, service_of
from hogline.console.pages import page
from hogline.console.shown import LOGGED, WORDS
from hogline.service.event_log import OUTCOMES

ON_PAGE = 50
FIELDS = ("name", "person", "outcome")


async def live(request: Request) -> Response:
    connection, query = await connection_of(request), request.query_params
    asked = {field: query.get(field, "").strip() for field in FIELDS}
    found = await service_of(request).events.newest(
        connection.name,
        name=asked["name"],
        person=asked["person"],
        outcome=asked["outcome"] if asked["outcome"] in OUTCOMES else "",
        limit=ON_PAGE,
    )
    return await page(
        request,
        "live.html",
        connection=connection,
        section="live",
        events=found.events,
        trouble=found.trouble,
        asked=asked,
        chosen=urlencode({field: text for field, text in asked.items() if text}),
        **(WORDS | {"outcomes": LOGGED}),
    )


ROUTES = [Route("/connections/{name}/live", live, methods=["GET"], name="live")]
