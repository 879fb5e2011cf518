"""The Track API's routes over ASGI: credentials, region, rate, script, and the log of what was answered.

The hot path: no request objects, one dictionary look-up for the credentials, one for the route.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Iterable
from urllib.parse import quote, unquote_to_bytes

import msgspec
from starlette.types import Receive, Scope, Send

from hogline.sandbox import v1, v2, wire
from hogline.sandbox.answers import JSON, UNAUTHORIZED, Answer, as_json, meta_error
from hogline.sandbox.requestlog import LoggedRequest, RequestLog
from hogline.sandbox.script import Director, ScriptedAnswer
from hogline.sandbox.settings import HOSTS, SandboxSettings
from hogline.sandbox.workspace import Workspace

REGION_PATH = "/api/v1/accounts/region"
TOO_MANY = msgspec.structs.replace(meta_error(429), headers=(("content-type", JSON), ("retry-after", "1")))
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
    """One request of the Track API, read whole, and the way to answer it."""

    __slots__ = ("body", "delivers", "member", "receive", "scope", "send")

    def __init__(self, scope: Scope, receive: Receive, send: Send, body: bytes, member: Member | None) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.body = body
        self.member = member
        self.delivers: bool = scope["path"] != REGION_PATH

    def operations(self) -> int:
        """How many operations it holds, without letting them take effect."""
        return v2.count(self.body) if self.scope["path"] == "/api/v2/batch" else int(self.delivers)


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
        exchange = Exchange(scope, receive, send, body, self._authorized(scope))
        member = exchange.member
        if member is None:
            self._note(exchange, UNAUTHORIZED)
            await wire.respond(send, UNAUTHORIZED)
            return
        director, delivers = member.director, exchange.delivers
        if delivers and director.exceeds_rate(time.monotonic()):
            self._note(exchange, TOO_MANY)
            await wire.respond(send, TOO_MANY)
            return
        latency_s = director.script.latency_ms / 1000 if delivers else 0.0
        scripted = director.next_answer(scope["path"], delivers=delivers)
        if scripted is not None:
            await self._follow(scripted, exchange, member, latency_s)
            return
        answer = self._answer(exchange, member.workspace)
        self._note(exchange, answer)
        if latency_s:
            await wire.pause(latency_s, self.stopping)
        await wire.respond(send, answer)

    async def _follow(self, scripted: ScriptedAnswer, exchange: Exchange, member: Member, latency_s: float) -> None:
        if scripted.takes_effect():
            answer = self._answer(exchange, member.workspace, scripted.refuse_names)
        else:
            answer = Answer(503, operations=exchange.operations())
        if scripted.status is not None:
            answer = _scripted(scripted, scripted.status, answer)
        if scripted.reset is not None:
            answer = msgspec.structs.replace(answer, status=0)
        self._note(exchange, answer)
        await wire.pause(latency_s + scripted.hang_s, self.stopping)
        if scripted.reset is not None:
            await wire.cut(exchange.scope, exchange.receive)
        elif scripted.drip_s:
            await wire.drip(exchange.send, answer, scripted.drip_s, self.stopping)
        else:
            await wire.respond(exchange.send, answer)

    def _authorized(self, scope: Scope) -> Member | None:
        scheme, _, credentials = (wire.header(scope, b"authorization") or b"").partition(b" ")
        return self._by_credentials.get(credentials.strip()) if scheme.lower() == b"basic" else None

    def _answer(self, exchange: Exchange, workspace: Workspace, refuse: Iterable[str] = ()) -> Answer:
        """Let the request take effect, and say what the Track API would."""
        scope, path = exchange.scope, exchange.scope["path"]
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

    def _region(self, scope: Scope, workspace: Workspace) -> Answer:
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

    def _note(self, exchange: Exchange, answer: Answer) -> None:
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


def _scripted(scripted: ScriptedAnswer, status: int, usual: Answer) -> Answer:
    """The scripted answer in place of the usual one, whose counts stay."""
    headers = {"content-type": JSON} | {name.lower(): value for name, value in scripted.headers.items()}
    headers.pop("content-length", None)
    headers.pop("transfer-encoding", None)
    if status in {204, 304}:
        body = b""
    elif isinstance(scripted.body, str):
        body = scripted.body.encode()
    elif scripted.body is not None:
        body = msgspec.json.encode(scripted.body)
    else:
        body = b"{}" if status < 400 else meta_error(status).body
    return Answer(status, body, tuple(headers.items()), usual.operations, usual.refused)


def _raw_path(scope: Scope) -> bytes:
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return raw


def _redirect(scope: Scope, workspace: Workspace) -> Answer:
    """To the host of the workspace's own region, as Customer.io does with the credentials of the other one."""
    location = HOSTS[workspace.settings.region] + _raw_path(scope).decode("latin-1")
    return Answer(301, b"", (("location", location),))
