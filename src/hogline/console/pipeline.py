"""Data pipeline: the catalogue of destinations with its search, and the connections that are installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from hogline.console.context import form_of, service_of
from hogline.console.live import changes
from hogline.console.pages import again, page
from hogline.console.sparkline import Sparkline, sparkline
from hogline.destinations.base import Destination
from hogline.destinations.catalogue import DESTINATIONS, destination_of
from hogline.service import CannotDo
from hogline.views import ConnectionStatus

LIVE_EVERY_S = 2.0


@dataclass(frozen=True)
class Card:
    """An installed connection, as the page shows it."""

    status: ConnectionStatus
    destination: Destination[Any]
    plot: Sparkline

    @property
    def failures(self) -> int:
        return sum(self.status.failures.values())


def found(text: str) -> list[Destination[Any]]:
    """The destinations whose name or description has every one of the words."""
    words = text.lower().split()
    return [
        destination
        for destination in DESTINATIONS.values()
        if all(word in f"{destination.title} {destination.key} {destination.summary}".lower() for word in words)
    ]


async def home(request: Request) -> Response:
    return await _home(request)


async def _home(request: Request, problem: tuple[str, str] = ("", "")) -> Response:
    """`problem`: a connection's name, and what it could not do."""
    service = service_of(request)
    text = request.query_params.get("q", "")
    cards = [
        Card(status, destination_of(status.destination), sparkline(await service.sparkline(status.name)))
        for status in (await service.status()).connections
    ]
    return await page(
        request,
        "pipeline.html",
        status=422 if problem[1] else 200,
        q=text,
        found=found(text),
        cards=cards,
        problem=problem,
        receives_at=service.receives_at,
    )


async def switch(request: Request) -> Response:
    """Pause or resume, and show the page again, with the problem if there was one."""
    name = request.path_params["name"]
    service = service_of(request)
    run = (await form_of(request)).get("run") == "yes"
    try:
        await (service.resume(name) if run else service.pause(name))
    except CannotDo as error:
        return await _home(request, (name, str(error)))
    said = f"Resumed {name}." if run else f"Paused {name}. New events are kept until you resume it."
    return again(request, "/", said)


async def stream(request: Request) -> StreamingResponse:
    """Says when the connections look different."""
    return changes(request, service_of(request).status, every_s=LIVE_EVERY_S)


ROUTES = [
    Route("/", home, methods=["GET"], name="home"),
    Route("/changes", stream, methods=["GET"], name="home-changes"),
    Route("/connections/{name}/switch", switch, methods=["POST"], name="switch"),
]
