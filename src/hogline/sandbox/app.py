"""The sandbox as one ASGI application: the Track API, the JSON views under `/sandbox/`, the page at `/`."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from hogline.sandbox import page, views
from hogline.sandbox.script import MAX_SCRIPT_BYTES, InvalidScript, read_script
from hogline.sandbox.settings import SandboxSettings
from hogline.sandbox.track import Member, Track

DEFAULT_LIMIT = 1_000
MAX_LIMIT = 100_000
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


class SandboxApp:
    """The application; `track.stopping` tells what waits that the server stops."""

    def __init__(self, settings: SandboxSettings, clock: Callable[[], float]) -> None:
        self.track = Track(settings, clock)
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
            ],
            exception_handlers={HTTPException: _sentence},
            max_body_size=MAX_SCRIPT_BYTES + 1,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            await self.track(scope, receive, send)
        else:
            await self._views(scope, receive, send)

    async def _page(self, request: Request) -> Response:
        html = page.render(self._member(request).workspace, list(self.track.members))
        headers = {"content-security-policy": _PAGE_POLICY, "cache-control": "no-store"}
        return Response(html, media_type="text/html", headers=headers)

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
        director = self._member(request).director
        if request.method == "PUT":
            _same_site(request)
            try:
                director.follow(read_script(await request.body()))
            except InvalidScript as problem:
                raise HTTPException(400, str(problem)) from None
        return _json(director.script)

    async def _reset(self, request: Request) -> Response:
        _same_site(request)
        if "workspace" in request.query_params:
            self._member(request).reset()
        else:
            self.track.reset()
        return _json({})

    def _member(self, request: Request) -> Member:
        """The workspace whose Site ID the query names; the first one if it names none."""
        members = self.track.members
        site_id = request.query_params.get("workspace") or next(iter(members))
        member = members.get(site_id)
        if member is None:
            raise HTTPException(404, "The sandbox has no workspace of this Site ID.")
        return member


def create_app(settings: SandboxSettings | None = None, clock: Callable[[], float] = time.time) -> SandboxApp:
    """An ASGI application that plays Customer.io. `clock`: seconds since 1970."""
    return SandboxApp(settings or SandboxSettings(), clock)


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
