"""The event log: what happened to every event, searched; and one event in full."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hogline.console.context import connection_of, service_of, whole_number
from hogline.console.pages import page
from hogline.console.shown import LOGGED, WORDS
from hogline.service import CannotDo
from hogline.service.event_log import OUTCOMES

ON_A_PAGE = 50
FIELDS = ("name", "person", "outcome", "reason", "since", "until")


def moment_ms(text: str) -> int:
    """What a field for date and time has typed into it: UTC. Raises `HTTPException` 400."""
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)
    except (ValueError, OverflowError):
        raise HTTPException(400, "A time must look like 2026-11-01T00:00.") from None


async def events(request: Request) -> Response:
    connection, service, query = await connection_of(request), service_of(request), request.query_params
    asked = {name: query.get(name, "").strip() for name in FIELDS}
    before = whole_number(query["before"], "`before`") if query.get("before") else 0
    found = await service.events.find(
        connection.name,
        name=asked["name"],
        person=asked["person"],
        outcome=asked["outcome"] if asked["outcome"] in OUTCOMES else "",
        reason=asked["reason"],
        since_ms=moment_ms(asked["since"]) if asked["since"] else 0,
        until_ms=moment_ms(asked["until"]) if asked["until"] else 0,
        before=before,
        limit=ON_A_PAGE,
    )
    chosen = {name: text for name, text in asked.items() if text}
    return await page(
        request,
        "event_log.html",
        connection=connection,
        section="events",
        events=found.events,
        trouble=found.trouble,
        older=urlencode({**chosen, "before": found.before}) if found.before else "",
        asked=asked,
        chosen=chosen,
        before=before,
        **(WORDS | {"outcomes": LOGGED}),
    )


async def event(request: Request) -> Response:
    connection, number = await connection_of(request), request.path_params["number"]
    try:
        details = await service_of(request).events.show(connection.name, whole_number(number, "An event's number"))
    except CannotDo as error:
        raise HTTPException(404, str(error)) from None
    return await page(
        request,
        "event.html",
        connection=connection,
        section="events",
        details=details,
        event=details.event,
        **(WORDS | {"outcomes": LOGGED}),
    )


ROUTES = [
    Route("/connections/{name}/events", events, methods=["GET"], name="events"),
    Route("/connections/{name}/events/{number}", event, methods=["GET"], name="event"),
]
