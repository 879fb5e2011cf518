"""The sandbox as one ASGI application: the Track API, Engage, the JSON views under `/sandbox/`, the pages at `/` and
`/engage`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import islice

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from hogline.sandbox import page, views
from hogline.sandbox.app_api import PATHS as APP_API_PATHS
from hogline.sandbox.app_api import AppApi
from hogline.sandbox.engage import EVENTS_PATH, Engage
from hogline.sandbox.script import MAX_SCRIPT_BYTES, Director, InvalidScript, read_script
from hogline.sandbox.settings import SandboxSettings
from hogline.sandbox.track import Member, Track

DEFAULT_LIMIT = 1_000
MAX_LIMIT = 100_000
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


class SandboxApp:
    """The application; `starts` and `stops` tell what waits that the server starts and stops."""

    def __init__(self, settings: SandboxSettings, clock: Callable[[], float]) -> None:
        self.track = Track(settings, clock)
        self.engage = Engage(settings, clock)
        self.app_api = AppApi((member.workspace for member in self.track.members.values()), clock)
        self.starts()
        self._views = Starlette(
            routes=[
                Route("/", self._page),
                Route("/sandbox/people", self._people),
                Route("/sandbox/events", self._events),
                Route("/sandbox/objects", self._objects),
                Route("/sandbox/requests", self._requests),
                Route("/sandbox/summary", self._summary),
                Route("/sandbox/script", self._script, methods=["GET", "PUT"]),
                Route("/sandbox/reset", self._reset, methods=["POST"]),
                Route("/engage", self._engage_page),
                Route("/sandbox/engage/users", self._engage_users),
                Route("/sandbox/engage/events", self._engage_events),
                Route("/sandbox/engage/requests", self._engage_requests),
                Route("/sandbox/engage/summary", self._engage_summary),
                Route("/sandbox/engage/script", self._engage_script, methods=["GET", "PUT"]),
            ],
            exception_handlers={HTTPException: _sentence},
            max_body_size=MAX_SCRIPT_BYTES + 1,
        )

    def starts(self) -> None:
        """The server listens; what waits from now on may wait."""
        self.track.stopping = self.engage.stopping = asyncio.Event()

    def stops(self) -> None:
        """The server stops: nothing waits any longer."""
        self.track.stopping.set()  # one for both

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        if path.startswith("/api/"):
            await self.track(scope, receive, send)
        elif path in APP_API_PATHS:
            await self.app_api(scope, receive, send)
        elif path == EVENTS_PATH or path.startswith("/v1/"):
            await self.engage(scope, receive, send)
        else:
            await self._views(scope, receive, send)

    async def _page(self, request: Request) -> Response:
        return _html(page.render(self._member(request).workspace, list(self.track.members)))

    async def _engage_page(self, _: Request) -> Response:
        return _html(page.render_engage(self.engage))

    async def _people(self, request: Request) -> Response:
        query = request.query_params
        return _json(
            views.people(
                self._member(request).workspace,
                limit=_number(request, "limit", DEFAULT_LIMIT, MAX_LIMIT),
                after=_number(request, "after", 0),
                person_id=query.get("id"),
                email=query.get("email"),
            )
        )

    async def _events(self, request: Request) -> Response:
        query = request.query_params
        return _json(
            views.events(
                self._member(request).workspace,
                limit=_number(request, "limit", DEFAULT_LIMIT, MAX_LIMIT),
                after=_number(request, "after", 0),
                person=query.get("person"),
                name=query.get("name"),
            )
        )

    async def _objects(self, request: Request) -> Response:
        limit = _number(request, "limit", DEFAULT_LIMIT, MAX_LIMIT)
        return _json(views.objects(self._member(request).workspace, limit=limit))

    async def _requests(self, request: Request) -> Response:
        site_id = None
        if "workspace" in request.query_params:
            site_id = self._member(request).workspace.settings.site_id
        log = self.track.log
        return _json({"requests": log.last(site_id), "totals": log.totals})

    async def _summary(self, request: Request) -> Response:
        totals = msgspec.structs.asdict(self.track.log.totals)
        return _json({**views.summary(self._member(request).workspace), "totals": totals})

    async def _script(self, request: Request) -> Response:
        return await _scripting(request, self._member(request).director)

    async def _engage_script(self, request: Request) -> Response:
        return await _scripting(request, self.engage.director)

    async def _engage_users(self, request: Request) -> Response:
        limit, after = _number(request, "limit", DEFAULT_LIMIT, MAX_LIMIT), _number(request, "after", 0)
        return _json(list(islice(self.engage.users.values(), after, after + limit)))

    async def _engage_events(self, request: Request) -> Response:
        return _json(
            self.engage.events(
                limit=_number(request, "limit", DEFAULT_LIMIT, MAX_LIMIT),
                after=_number(request, "after", 0),
                distinct_id=request.query_params.get("distinct_id"),
            )
        )

    async def _engage_requests(self, _: Request) -> Response:
        log = self.engage.log
        return _json({"requests": log.last(), "totals": log.totals})

    async def _engage_summary(self, _: Request) -> Response:
        return _json(self.engage.summary())

    async def _reset(self, request: Request) -> Response:
        _same_site(request)
        if "workspace" in request.query_params:
            self._member(request).reset()
        else:
            self.track.reset()
            self.engage.reset()
        return _json({})

    def _member(self, request: Request) -> Member:
        """The workspace whose Site ID the query names; the first one if it names none."""
        members = self.track.members
        site_id = request.query_params.get("workspace") or next(iter(members))
        member = members.get(site_id)
        if member is None:
            raise HTTPException(404, "The sandbox has no workspace with this Site ID.")
        return member


def create_app(settings: SandboxSettings | None = None, clock: Callable[[], float] = time.time) -> SandboxApp:
    """An ASGI application that plays Customer.io and Engage. `clock`: seconds since 1970."""
    return SandboxApp(settings or SandboxSettings(), clock)


async def _scripting(request: Request, director: Director) -> Response:
    if request.method == "PUT":
        _same_site(request)
        try:
            director.follow(read_script(await request.body()))
        except InvalidScript as problem:
            raise HTTPException(400, str(problem)) from None
    return _json(director.script)


def _html(text: str) -> Response:
    headers = {"content-security-policy": _PAGE_POLICY, "cache-control": "no-store"}
    return Response(text, media_type="text/html", headers=headers)


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


async def _sentence(_: Request, error: Exception) -> Response:
    status, sentence = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
    return Response(msgspec.json.encode({"error": sentence}), status, media_type="application/json")


def _number(request: Request, name: str, default: int, most: int = 2**63) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and int(text) <= most):
        raise HTTPException(400, f"{name} must be a whole number from 0 to {most}.")
    return int(text)


def _same_site(request: Request) -> None:
    """Another site's page, open in the user's browser, has no business here."""
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        raise HTTPException(403, "A page of another site cannot change the sandbox.")
