"""The Track API's routes over ASGI: credentials, region, rate, script, and the log of what was answered.

The hot path: no request objects, one dictionary look-up for the credentials, one for the route.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from urllib.parse import quote, unquote_to_bytes

from starlette.types import Receive, Scope, Send

from hogline.sandbox import v1, v2, wire
from hogline.sandbox.replies import UNAUTHORIZED, SandboxReply, as_json, meta_error
from hogline.sandbox.requestlog import LoggedRequest, RequestLog
from hogline.sandbox.script import Director
from hogline.sandbox.scripted import carry_out
from hogline.sandbox.settings import HOSTS, SandboxSettings
from hogline.sandbox.workspace import Workspace

REGION_PATH = "/api/v1/accounts/region"
_V2_ROUTES = {"/api/v2/batch": v2.batch, "/api/v2/entity": v2.entity}


class Member:
    """A workspace of this sandbox and the script it follows."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.director = Director()

    def reset(self) -> None:
        self.workspace.reset()
        self.director = Director()


class Exchange:
    """One request of the Track API, read whole."""

    __slots__ = ("_track", "body", "delivers", "member", "path", "scope")

    def __init__(self, track: Track, scope: Scope, body: bytes, member: Member | None) -> None:
        self._track = track
        self.scope = scope
        self.body = body
        self.member = member
        self.path: str = scope["path"]
        self.delivers = self.path != REGION_PATH

    def answer(self, refuse: Sequence[str]) -> SandboxReply:
        return UNAUTHORIZED if self.member is None else self._track.answer(self, self.member.workspace, refuse)

    def operations(self) -> int:
        return v2.count(self.body) if self.path == "/api/v2/batch" else int(self.delivers)

    def error(self, status: int) -> SandboxReply:
        return meta_error(status)

    def note(self, answer: SandboxReply) -> None:
        self._track.note(self, answer)


class Track:
    """Customer.io's side of the wire, as an ASGI application for every path under `/api/`."""

    def __init__(self, settings: SandboxSettings, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.clock = clock
        self.log = RequestLog()
        self.stopping = asyncio.Event()
        """Set when the server stops: nothing waits any longer."""
        self.members = {
            workspace.site_id: Member(Workspace(workspace, settings, clock)) for workspace in settings.workspaces
        }
        self._by_credentials = {
            base64.b64encode(f"{workspace.site_id}:{workspace.api_key}".encode()): self.members[workspace.site_id]
            for workspace in settings.workspaces
        }

    def reset(self) -> None:
        """Every workspace empty, no script, no request remembered."""
        for member in self.members.values():
            member.reset()
        self.log = RequestLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await wire.read_body(receive)
        except wire.BodyTooLarge:
            await wire.respond(send, meta_error(413))
            return
        except wire.Disconnected:
            return
        exchange = Exchange(self, scope, body, self._authorized(scope))
        if exchange.member is None:
            exchange.note(UNAUTHORIZED)
            await wire.respond(send, UNAUTHORIZED)
            return
        await carry_out(
            exchange.member.director, exchange, scope=scope, receive=receive, send=send, stopping=self.stopping
        )

    def _authorized(self, scope: Scope) -> Member | None:
        scheme, _, credentials = (wire.header(scope, b"authorization") or b"").partition(b" ")
        return self._by_credentials.get(credentials.strip()) if scheme.lower() == b"basic" else None

    def answer(self, exchange: Exchange, workspace: Workspace, refuse: Sequence[str]) -> SandboxReply:
        """Let the request take effect, and say what the Track API would. Operations with these names are refused."""
        scope, path = exchange.scope, exchange.path
        if path == REGION_PATH:
            return self._region(scope, workspace) if scope["method"] == "GET" else meta_error(405)
        if workspace.settings.region != self.settings.region:
            return _redirect(scope, workspace)
        route = _V2_ROUTES.get(path)
        if route is not None:
            method_fits = scope["method"] == "POST"
            return route(workspace, exchange.body, frozenset(refuse)) if method_fits else meta_error(405)
        try:
            # Split before decoding: an identifier may hold a slash.
            parts = [unquote_to_bytes(part).decode() for part in _raw_path(scope).split(b"/")]
        except UnicodeDecodeError:
            return meta_error(400, "the path must be UTF-8")
        if parts[:3] != ["", "api", "v1"]:
            return meta_error(404)
        return v1.answer(workspace, scope["method"], parts[3:], exchange.body, frozenset(refuse))

    def _region(self, scope: Scope, workspace: Workspace) -> SandboxReply:
        settings = workspace.settings
        url = settings.url
        if url is None and settings.region == self.settings.region:
            host = wire.header(scope, b"host") or b"localhost"
            url = f"{scope.get('scheme', 'http')}://{host.decode('latin-1')}"
        return as_json(
            {
                "url": url or HOSTS[settings.region],
                "region": settings.region,
                "environment_id": settings.environment_id,
            }
        )

    def note(self, exchange: Exchange, answer: SandboxReply) -> None:
        member = exchange.member
        request = LoggedRequest(
            time=self.clock(),
            site_id=None if member is None else member.workspace.settings.site_id,
            method=exchange.scope["method"],
            path=_raw_path(exchange.scope).decode("latin-1"),
            status=answer.status,
            operations=answer.operations,
            bytes=len(exchange.body),
        )
        self.log.add(request, delivers=exchange.delivers, refused=answer.refused)


def _raw_path(scope: Scope) -> bytes:
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return raw


def _redirect(scope: Scope, workspace: Workspace) -> SandboxReply:
    """To the host of the workspace's own region, as Customer.io does with the credentials of the other one."""
    location = HOSTS[workspace.settings.region] + _raw_path(scope).decode("latin-1")
    return SandboxReply(301, b"", (("location", location),))
