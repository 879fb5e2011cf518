"""Pausing, resuming and disconnecting a connection."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hogline.console.context import connection_of, form_of, require_right, service_of
from hogline.console.pages import again, go, own_path, page
from hogline.service import CannotDo
from hogline.views.connections import ConnectionView


async def pause(request: Request) -> Response:
    connection = await connection_of(request)
    await service_of(request).connections.pause(connection.name)
    return go(request, settings_url(request), f"Paused {connection.name}. New events are kept until you resume it.")


async def resume_or_ask(request: Request, connection: ConnectionView, to: str, *, stays: bool = False) -> Response:
    """Resume the connection and go there, or show that page again (`stays`); if it was paused and events wait, ask
    first what becomes of them. Raises `CannotDo`.
    """
    service = service_of(request)
    if connection.paused and (await service.backlogs.show(connection.name)).events:
        return go(request, f"{url_of(request, 'resume', name=connection.name)}?{urlencode({'next': to})}")
    await service.connections.resume(connection.name)
    return (again if stays else go)(request, to, f"Resumed {connection.name}.")


async def resume_page(request: Request) -> Response:
    require_right(request, "connections.resume")
    return await _resume_page(request, own_path(request.query_params.get("next", "/")))


async def _resume_page(request: Request, to: str, problem: str = "") -> Response:
    connection = await connection_of(request)
    return await page(
        request,
        "resume.html",
        status=422 if problem else 200,
        connection=connection,
        section="",
        backlog=await service_of(request).backlogs.show(connection.name),
        next=to,
        problem=problem,
    )


async def resume(request: Request) -> Response:
    """`do`: `all` sends what waits; `from-now-on` does not. Without it, the user is asked if there is anything."""
    connection, form = await connection_of(request), await form_of(request)
    do, to = form.get("do", ""), own_path(str(form.get("next", settings_url(request))))
    skips = do == "from-now-on"
    try:
        if not do:
            return await resume_or_ask(request, connection, to)
        await service_of(request).connections.resume(connection.name, from_now_on=skips)
    except CannotDo as error:
        return await _resume_page(request, to, str(error))
    said = "It sends new events from now on." if skips else "It sends the events that were waiting first."
    return go(request, to, f"Resumed {connection.name}. {said}")


async def disconnect_page(request: Request) -> Response:
    require_right(request, "connections.remove")
    return await page(request, "disconnect.html", connection=await connection_of(request), section="settings")


async def disconnect(request: Request) -> Response:
    connection = await connection_of(request)
    await service_of(request).connections.remove(connection.name)
    return go(request, url_of(request, "home"), f"Disconnected {connection.name}.")


def settings_url(request: Request) -> str:
    return url_of(request, "settings", name=request.path_params["name"])


def url_of(request: Request, route: str, **parameters: str) -> str:
    return str(request.app.url_path_for(route, **parameters))


ROUTES = [
    Route("/connections/{name}/pause", pause, methods=["POST"], name="pause"),
    Route("/connections/{name}/resume", resume_page, methods=["GET"], name="resume"),
    Route("/connections/{name}/resume", resume, methods=["POST"]),
    Route("/connections/{name}/disconnect", disconnect_page, methods=["GET"], name="disconnect"),
    Route("/connections/{name}/disconnect", disconnect, methods=["POST"]),
]
