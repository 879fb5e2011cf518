"""Installing a destination, and a connection's settings: one form, made from the destination's own declaration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hogline.console.context import connection_of, form_of, require_right, service_of
from hogline.console.forms import fields, problems_of, typed
from hogline.console.pages import go, page
from hogline.destinations.base import Destination
from hogline.destinations.catalogue import DESTINATIONS, destination_of
from hogline.service import CannotDo
from hogline.service.connections import SecretsNeeded
from hogline.views import CheckView, ConnectionView


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a form that was not taken, or only tested."""

    check: CheckView | None = None
    sentence: str = ""
    """Why it was not taken."""
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        return 422 if self.sentence or self.problems else 200


_NOTHING_YET = Outcome()


def _destination_of(request: Request) -> Destination[Any]:
    destination = DESTINATIONS.get(request.path_params["destination"])
    if destination is None:
        raise HTTPException(404, "Unknown destination.")
    return destination


async def install_page(request: Request) -> Response:
    require_right(request, "connect")
    return await _install_page(request, _destination_of(request), {}, "", _NOTHING_YET)


async def install(request: Request) -> Response:
    """`do`: `test` tells what came of it; `start` and `save` keep it."""
    require_right(request, "connect")
    service, destination = service_of(request), _destination_of(request)
    form = await form_of(request)
    values, name, do = typed(destination, form), str(form.get("name", "")).strip(), form.get("do")
    problems = problems_of(destination, values)
    if problems:
        return await _install_page(request, destination, values, name, Outcome(problems=problems))
    try:
        if do == "test":
            check = await service.test_options(destination.key, values)
            return await _install_page(request, destination, values, name, Outcome(check=check))
        made = await service.connect(destination.key, values, name=name, paused=do != "start")
    except CannotDo as error:
        return await _install_page(request, destination, values, name, Outcome(sentence=str(error)))
    if not made.paused:
        return go(request, _url(request, "connect-posthog"), f"{made.name} is ready. Now send events from PostHog.")
    return go(request, _url(request, "home"), f"Saved {made.name}. It sends nothing until you resume it.")


async def _install_page(
    request: Request, destination: Destination[Any], values: dict[str, object], name: str, outcome: Outcome
) -> Response:
    return await page(
        request,
        "install.html",
        status=outcome.status,
        destination=destination,
        name=name,
        fields=fields(destination, values, outcome.problems),
        outcome=outcome,
    )


async def settings_page(request: Request) -> Response:
    require_right(request, "configure")
    connection = await connection_of(request)
    return await _settings_page(request, connection, connection.options, _NOTHING_YET)


async def change(request: Request) -> Response:
    """`do`: `test` tells what came of it; `save` keeps it; `start` keeps it and resumes the connection."""
    require_right(request, "configure")
    service, connection = service_of(request), await connection_of(request)
    destination = destination_of(connection.destination)
    form = await form_of(request)
    values, do = typed(destination, form), form.get("do")
    problems = problems_of(destination, values, secrets_are_set=True)
    if problems:
        return await _settings_page(request, connection, values, Outcome(problems=problems))
    try:
        if do == "test":
            check = await service.test_options(destination.key, values, connection.name)
            return await _settings_page(request, connection, values, Outcome(check=check))
        changed = await service.configure(connection.name, values)
        if do == "start":
            await service.resume(connection.name)
    except SecretsNeeded as needed:
        return await _settings_page(request, connection, values, Outcome(problems=dict(needed.problems)))
    except CannotDo as error:
        return await _settings_page(request, connection, values, Outcome(sentence=str(error)))
    said = f"Saved and resumed {connection.name}." if do == "start" else f"Saved {connection.name}."
    return go(request, _url(request, "settings", name=connection.name), " ".join([said, *changed.notes]))


async def _settings_page(
    request: Request, connection: ConnectionView, values: dict[str, object], outcome: Outcome
) -> Response:
    destination = destination_of(connection.destination)
    return await page(
        request,
        "settings.html",
        status=outcome.status,
        connection=connection,
        section="settings",
        destination=destination,
        fields=fields(destination, values, outcome.problems, secrets_are_set=True),
        outcome=outcome,
    )


async def resume(request: Request) -> Response:
    connection = await connection_of(request)
    try:
        await service_of(request).resume(connection.name)
    except CannotDo as error:
        return await _settings_page(request, connection, connection.options, Outcome(sentence=str(error)))
    return go(request, _back(request), f"Resumed {connection.name}.")


async def pause(request: Request) -> Response:
    connection = await connection_of(request)
    await service_of(request).pause(connection.name)
    return go(request, _back(request), f"Paused {connection.name}. New events are kept until you resume it.")


async def disconnect_page(request: Request) -> Response:
    require_right(request, "disconnect")
    return await page(request, "disconnect.html", connection=await connection_of(request), section="settings")


async def disconnect(request: Request) -> Response:
    connection = await connection_of(request)
    await service_of(request).disconnect(connection.name)
    return go(request, _url(request, "home"), f"Disconnected {connection.name}.")


def _back(request: Request) -> str:
    return _url(request, "settings", name=request.path_params["name"])


def _url(request: Request, route: str, **parameters: str) -> str:
    return str(request.app.url_path_for(route, **parameters))


ROUTES = [
    Route("/install/{destination}", install_page, methods=["GET"], name="install"),
    Route("/install/{destination}", install, methods=["POST"]),
    Route("/connections/{name}/settings", settings_page, methods=["GET"], name="settings"),
    Route("/connections/{name}/settings", change, methods=["POST"]),
    Route("/connections/{name}/resume", resume, methods=["POST"], name="resume"),
    Route("/connections/{name}/pause", pause, methods=["POST"], name="pause"),
    Route("/connections/{name}/disconnect", disconnect_page, methods=["GET"], name="disconnect"),
    Route("/connections/{name}/disconnect", disconnect, methods=["POST"]),
]
