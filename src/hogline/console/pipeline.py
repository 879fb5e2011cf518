"""Data pipeline: the catalogue of destinations with its search, and the connections that are installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hogline.console.connections import resume_or_ask
from hogline.console.context import connection_of, console_of, form_of, service_of
from hogline.console.pages import again, page
from hogline.console.sparkline import Sparkline, sparkline
from hogline.destinations.base import Destination
from hogline.destinations.catalogue import DESTINATIONS, PROBLEMS, destination_of
from hogline.service import CannotDo
from hogline.views.connections import ConnectionStatus


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
        Card(status, destination_of(status.destination), sparkline(await service.trends.sparkline(status.name)))
        for status in (await service.status.show()).connections
    ]
    return await page(
        request,
        "pipeline.html",
        status=422 if problem[1] else 200,
        q=text,
        found=found(text),
        unusable=list(PROBLEMS.values()),
        cards=cards,
        problem=problem,
        receives_at=console_of(request).service.addresses.receives,
    )


async def switch(request: Request) -> Response:
    """Pause or resume, and show the page again, with the problem if there was one."""
    name = request.path_params["name"]
    service = service_of(request)
    run = (await form_of(request)).get("run") == "yes"
    try:
        if run:
            return await resume_or_ask(request, await connection_of(request), "/", stays=True)
        await service.connections.pause(name)
    except CannotDo as error:
        return await _home(request, (name, str(error)))
    return again(request, "/", f"Paused {name}. New events are kept until you resume it.")


ROUTES = [
    Route("/", home, methods=["GET"], name="home"),
    Route("/connections/{name}/switch", switch, methods=["POST"], name="switch"),
]
