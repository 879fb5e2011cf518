"""Receiving over HTTP: PostHog's webhooks and its SDKs' capture routes, as an ASGI app.

A 2xx is only sent after the journal has the events on disk. Knows the routes and what senders are told; what
the bytes mean is the business of `hogline.posthog`, how they are kept the journal's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ParamSpec, Protocol, TypeAlias, TypeVar
from urllib.parse import parse_qsl

from msgspec import Struct

from hogline.posthog import Batch, CaptureHints, Received, Unreadable, open_capture, read_envelope, read_webhook
from hogline.sources import sdk
from hogline.sources.asgi import (
    Answer,
    App,
    Disconnected,
    Header,
    Receive,
    Refusal,
    Scope,
    Send,
    answer,
    answer_json,
    problem,
    read_body,
    send_answer,
)
from hogline.sources.cors import cors_headers
from hogline.sources.limits import DEFAULT, Limits
from hogline.store.base import Unwritable
from hogline.telemetry.mistakes import kind_and_place
from hogline.telemetry.receiving import ReceivingWatch

_QUERY_FIELDS = 50
_CAPTURE_PATHS = ("/i/v0/e", "/e", "/track", "/engage", "/capture", "/batch")
_GZIP = b"\x1f\x8b"
_LARGE_BYTES = 256 * 1024
"""Bodies beyond it, and compressed ones, are read in a thread: others do not wait for them."""

_KEPT = answer_json(200, {"status": 1})
_NOT_FOUND = problem(
    404,
    "There is nothing here. Events go to POST /webhook (with the token in the Authorization header) or POST "
    "/webhook/<token>, or to the capture routes /i/v0/e, /e, /track, /engage, /capture and /batch.",
)
_PROMETHEUS = b"text/plain; version=1.0.0; charset=utf-8"
_BEARER = ((b"www-authenticate", b"Bearer"),)
_NO_WEBHOOK_TOKEN = problem(
    401, "The token is missing: send it as `Authorization: Bearer <token>` or post to /webhook/<token>.", _BEARER
)
_NO_CAPTURE_TOKEN = problem(401, "The token is missing: send it as `api_key` or `token`.")
_WRONG_TOKEN = problem(401, "This token is not known here: `hogline token` prints the right one.", _BEARER)

P = ParamSpec("P")
T = TypeVar("T")


class Keeps(Protocol):
    """What receiving asks of the journal (`store.base.Journal`): to keep, and no more."""

    async def append(self, events: Sequence[bytes], refused: Mapping[str, int] | None = None) -> int: ...


class _Request:
    """One request, as far as receiving looks at it."""

    __slots__ = ("began_s", "headers", "id", "method", "path", "query_string", "receive", "received")

    def __init__(self, scope: Scope, receive: Receive, watch: ReceivingWatch) -> None:
        self.id = watch.new_id()
        self.began_s = watch.now_s()
        self.received: Sequence[Received] = ()
        """The events that it brought, once they are read."""
        self.method: str = scope["method"]
        path: str = scope["path"]
        self.path = path.rstrip("/")
        self.query_string: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.receive = receive

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")


_Handler: TypeAlias = Callable[[_Request], Awaitable[Answer]]


class _Route(Struct, frozen=True):
    methods: tuple[str, ...]
    handler: _Handler
    browsers: bool = False
    """Pages of other origins may ask here (CORS)."""


def create_app(
    journal: Keeps,
    tokens: Callable[[str], bool],
    ready: Callable[[], Awaitable[list[str]]],
    clock: Callable[[], int],
    limits: Limits = DEFAULT,
    *,
    metrics: Callable[[], Awaitable[bytes]] | None = None,
) -> App:
    """The app. `tokens`: whether a token is known (see `TokenCheck`). `ready`: one sentence for each thing
    that keeps us from receiving. `clock`: milliseconds since 1970. `metrics`: Prometheus' text."""
    return _Receiver(journal, tokens, ready, clock, limits, metrics=metrics)


class _Receiver:
    def __init__(
        self,
        journal: Keeps,
        tokens: Callable[[str], bool],
        ready: Callable[[], Awaitable[list[str]]],
        clock: Callable[[], int],
        limits: Limits,
        *,
        metrics: Callable[[], Awaitable[bytes]] | None,
    ) -> None:
        self._journal = journal
        self._tokens = tokens
        self._ready = ready
        self._clock = clock
        self._limits = limits
        self._metrics = metrics
        self._routes: dict[str, _Route] = {
            "/webhook": _Route(("POST",), self._webhook),
            "/flags": _Route(("GET", "POST"), self._flags, browsers=True),
            "/decide": _Route(("GET", "POST"), self._flags, browsers=True),
            "/healthz": _Route(("GET", "HEAD"), self._alive),
            "/readyz": _Route(("GET", "HEAD"), self._readiness),
            "/metrics": _Route(("GET", "HEAD"), self._scrape),
        }
        capture = _Route(("GET", "POST"), self._capture, browsers=True)
        self._routes.update(dict.fromkeys(_CAPTURE_PATHS, capture))
        self._webhook_with_token = _Route(("POST",), self._webhook)
        self._array = _Route(("GET", "HEAD"), self._config, browsers=True)
        self._watch = ReceivingWatch(self._routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = _Request(scope, receive, self._watch)
        route = self._route(request.path)
        try:
            reply = await self._answer(request, route)
        except Disconnected:
            return
        except asyncio.CancelledError:
            # Stopping took too long. What was kept but not acknowledged comes again, under the same uuid.
            await send_answer(send, problem(503, "Hogline is stopping: send it again.", _retry_after(5)))
            raise
        except Exception as mistake:
            # Ours. Its text may quote a payload: only its kind and place are logged, and nothing is raised.
            self._watch.failed(request.id, request.path, kind_and_place(mistake))
            reply = problem(500, "Hogline made a mistake with this request; its log says where.")
        cors = cors_headers(request.method, request.headers) if route is not None and route.browsers else ()
        await send_answer(send, reply, (*cors, (b"x-request-id", request.id.encode())))
        self._watch.answered(
            request.id, request.path, reply.status, request.began_s, (each.event.uuid for each in request.received)
        )

    def _route(self, path: str) -> _Route | None:
        route = self._routes.get(path)
        if route is not None:
            return route
        if path.startswith("/webhook/"):
            return self._webhook_with_token
        return self._array if path.startswith("/array/") else None

    async def _answer(self, request: _Request, route: _Route | None) -> Answer:
        if route is None:
            return _NOT_FOUND
        if request.method not in route.methods:
            return _other_method(request, route)
        try:
            return await route.handler(request)
        except Refusal as refusal:
            return refusal.answer
        except Unreadable as wrong:
            return problem(wrong.status, wrong.sentence)
        except Unwritable as full:
            return problem(503, str(full), _retry_after(full.retry_after_s))

    async def _webhook(self, request: _Request) -> Answer:
        token = _webhook_token(request)
        if not token:
            return _NO_WEBHOOK_TOKEN
        if not self._tokens(token):
            return _WRONG_TOKEN
        limits = self._limits
        body = await read_body(request.receive, request.headers, limits.body_bytes, limits)
        try:
            batch = await _aside(
                body,
                read_webhook,
                body,
                self._clock(),
                content_encoding=_encoding(request),
                unpacked_bytes=limits.unpacked_bytes,
                batch_events=limits.batch_events,
            )
        except Unreadable as wrong:
            # The token is good: this is one of our own senders, and it is told to look here.
            await self._journal.append([], {wrong.reason: 1})
            raise
        return await self._keep(request, batch)

    async def _capture(self, request: _Request) -> Answer:
        limits = self._limits
        largest = limits.batch_body_bytes if request.path == "/batch" else limits.body_bytes
        body = await read_body(request.receive, request.headers, largest, limits)
        hints = CaptureHints(
            content_type=request.header(b"content-type"),
            content_encoding=_encoding(request),
            query=_query(request.query_string) if request.query_string else {},
            engage=request.path == "/engage",
        )
        received_ms = self._clock()
        envelope = await _aside(
            body,
            open_capture,
            body,
            hints,
            unpacked_bytes=limits.unpacked_bytes,
            batch_events=limits.batch_events,
        )
        if envelope.token is None:
            return _NO_CAPTURE_TOKEN
        if not self._tokens(envelope.token):
            return _WRONG_TOKEN
        return await self._keep(request, await _aside(body, read_envelope, envelope, received_ms))

    async def _keep(self, request: _Request, batch: Batch) -> Answer:
        """On disk first, then the answer. Only a batch without a single good event is an error."""
        request.received = batch.received
        await self._journal.append([each.body for each in batch.received], batch.refused or None)
        if batch.problem is None:
            return _KEPT
        if batch.received:
            return answer_json(200, {"status": 1, "refused": batch.refused})
        return problem(batch.problem.status, batch.problem.sentence)

    async def _flags(self, request: _Request) -> Answer:
        # Read and thrown away, so that the connection is ready for the next request.
        await read_body(request.receive, request.headers, self._limits.body_bytes, self._limits)
        return sdk.FLAGS if request.path == "/flags" else sdk.DECIDE

    async def _config(self, request: _Request) -> Answer:
        return sdk.array_answer(request.path) or _NOT_FOUND

    async def _alive(self, _: _Request) -> Answer:
        return answer_json(200, {"alive": True})

    async def _readiness(self, _: _Request) -> Answer:
        problems = await self._ready()
        return answer_json(503 if problems else 200, {"ready": not problems, "problems": problems})

    async def _scrape(self, _: _Request) -> Answer:
        return _NOT_FOUND if self._metrics is None else answer(200, await self._metrics(), _PROMETHEUS)


async def _aside(body: bytes, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The work's result; done in a thread if the body may keep everybody waiting."""
    if len(body) > _LARGE_BYTES or body.startswith(_GZIP):
        return await asyncio.to_thread(work, *args, **kwargs)
    return work(*args, **kwargs)


def _other_method(request: _Request, route: _Route) -> Answer:
    if request.method == "OPTIONS" and route.browsers:
        return _KEPT
    allowed = ", ".join(route.methods)
    return problem(405, f"This path takes {allowed}.", [(b"allow", allowed.encode())])


def _webhook_token(request: _Request) -> str:
    token = request.path[len("/webhook/") :]
    if token:
        return token
    scheme, _, token = request.header(b"authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _encoding(request: _Request) -> str:
    return request.header(b"content-encoding").strip().lower()


def _query(query_string: bytes) -> dict[str, str]:
    """Raises `Refusal`."""
    try:
        pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=_QUERY_FIELDS)
    except ValueError:
        raise Refusal(400, f"The address has more than {_QUERY_FIELDS} query fields.") from None
    return dict(pairs)


def _retry_after(seconds: int) -> tuple[Header, ...]:
    return ((b"retry-after", b"%d" % seconds),)
