"""The console put together: every page's routes, what answers errors, and what stands before all of them.

A module with pages has a list `ROUTES`; here is where it is added.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from hogline.console import (
    accounts,
    api_tokens,
    audit,
    connection_settings,
    connections,
    events,
    failures,
    history,
    install,
    live,
    live_events,
    overview,
    people,
    pipeline,
    posthog,
    signin,
    tryit,
)
from hogline.console.api import Api
from hogline.console.assets import Assets
from hogline.console.attempts import Attempts
from hogline.console.context import Console, console_of
from hogline.console.errors import HANDLERS
from hogline.console.once import Once, done_once
from hogline.console.safety import UPLOAD, Safety
from hogline.console.sessions import Sessions
from hogline.service import Service
from hogline.settings import Settings
from hogline.store.datadir.accounts import ConsoleAccounts

COMPRESSION = 4
"""Each page is rendered for its request. More effort takes twice as long and saves a tenth."""


async def static(request: Request) -> Response:
    found = console_of(request).assets.response(request.url.path)
    if found is None:
        raise HTTPException(404)
    return found


ROUTES: list[BaseRoute] = [
    Route("/static/{path:path}", static, methods=["GET"]),
    *signin.ROUTES,
    *live.ROUTES,
    *pipeline.ROUTES,
    *overview.ROUTES,
    *people.ROUTES,
    *events.ROUTES,
    *live_events.ROUTES,
    *failures.ROUTES,
    *tryit.ROUTES,
    *install.ROUTES,
    *connection_settings.ROUTES,
    *connections.ROUTES,
    *posthog.ROUTES,
    *history.ROUTES,
    *api_tokens.ROUTES,
    *accounts.ROUTES,
    *audit.ROUTES,
]


def _once(route: BaseRoute, once: Once) -> BaseRoute:
    """A form that comes twice is done once."""
    # A file may be large, and a forecast changes nothing.
    if not isinstance(route, Route) or "POST" not in (route.methods or ()) or route.path.endswith(UPLOAD):
        return route
    return Route(route.path, done_once(route.endpoint, once), methods=["POST"], name=route.name)


def create_console(
    service: Service,
    settings: Settings,
    *,
    now_s: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    watching: ASGIApp | None = None,
) -> tuple[Starlette, Console]:
    """The app for a listener, and what to tell when Hogline stops. There must be an account already.
    `watching`: what answers `/metrics` and `/readyz`, if it is to be found here.
    """
    password = settings.console_password
    console = Console(
        service=service,
        settings=settings,
        proxies=settings.proxies,
        sessions=Sessions(
            ConsoleAccounts(settings.data),
            password=password.get_secret_value() if password else None,
            https=settings.console_url.startswith("https://"),
            now_s=now_s,
        ),
        attempts=Attempts(now_s, sleep),
        assets=Assets(),
    )
    watched = [] if watching is None else [Route(path, watching, name=path) for path in ("/metrics", "/readyz")]
    once = Once()
    routes = [
        *(_once(route, once) for route in ROUTES),
        *watched,
        Mount("/api", Api(service, time.monotonic, proxies=settings.proxies)),
    ]
    # Cookies are SameSite=Lax: no other site can have pages made and compare their sizes.
    middleware = [Middleware(GZipMiddleware, compresslevel=COMPRESSION), Middleware(Safety, console=console)]
    app = Starlette(routes=routes, exception_handlers=HANDLERS, middleware=middleware)
    app.state.console = console
    app.state.named = {route.name: route for route in reversed(routes) if isinstance(route, Route)}
    return app, console
