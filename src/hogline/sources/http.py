"""Receiving over HTTP: PostHog's webhooks and what its SDKs ask, as an ASGI app.

A 2xx is only sent after the journal has the events on disk. Puts the families of routes together, and turns whatever
goes wrong into an answer; what a route does is its own module's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hogline.posthog import Unreadable
from hogline.sources.asgi import (
    NOT_FOUND,
    App,
    Disconnected,
    Header,
    Receive,
    Reply,
    RequestRejected,
    Scope,
    Send,
    problem,
    reply_json,
    send_reply,
)
from hogline.sources.budget import Budget
from hogline.sources.capture import capture_routes
from hogline.sources.capture_v1 import capture_v1_routes
from hogline.sources.cors import cors_headers
from hogline.sources.health import health_routes, watching_routes
from hogline.sources.intake import Intake
from hogline.sources.limits import DEFAULT, ReceivingLimits
from hogline.sources.rejections import Rejections
from hogline.sources.routing import Request, Route, RouteTable
from hogline.sources.scripts import script_routes
from hogline.sources.sdk import sdk_routes
from hogline.sources.seen import SeenUuids
from hogline.sources.tokens import TokenCheck
from hogline.sources.webhooks import webhook_routes
from hogline.store.base import Appender, Unwritable
from hogline.store.forgetting import NOBODY, Suppressed
from hogline.telemetry.internal_errors import kind_and_place
from hogline.telemetry.receiving import ReceivingWatch

_GO_AHEAD = reply_json(200, {"status": 1})


def create_app(
    journal: Appender,
    tokens: TokenCheck,
    ready: Callable[[], Awaitable[list[str]]],
    clock: Callable[[], int],
    limits: ReceivingLimits = DEFAULT,
    *,
    suppressed: Suppressed = NOBODY,
    budget: Budget | None = None,
    seen: SeenUuids | None = None,
    rejections: Rejections | None = None,
) -> App:
    """The app. `ready`: one sentence for each thing that keeps us from receiving. `clock`: milliseconds since 1970.
    `suppressed`: whose events are not kept. `budget`: the listener's, for what is read.
    `seen`: the uuids that came before; without it none did. `rejections` collects the refused requests.
    """
    intake = Intake(
        journal,
        tokens,
        clock,
        limits,
        suppressed,
        Budget() if budget is None else budget,
        SeenUuids() if seen is None else seen,
    )
    routes = [
        *webhook_routes(intake),
        *capture_routes(intake),
        *capture_v1_routes(intake),
        *sdk_routes(),
        *script_routes(),
        *health_routes(ready),
    ]
    return _Receiver(RouteTable(routes), rejections, clock)


def create_watching(ready: Callable[[], Awaitable[list[str]]], metrics: Callable[[], Awaitable[bytes]]) -> App:
    """The app of `/readyz` and `/metrics`. `ready`: one sentence for each thing that is in the way. `metrics`:
    Prometheus' text.
    """
    return _Receiver(RouteTable(watching_routes(ready, metrics)))


class _Receiver:
    def __init__(
        self, routes: RouteTable, rejections: Rejections | None = None, clock: Callable[[], int] = lambda: 0
    ) -> None:
        self._routes = routes
        self._rejections = rejections
        self._clock = clock
        self._watch = ReceivingWatch()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watch = self._watch
        request = Request(scope, receive, watch.new_id(), watch.now_s())
        route = self._routes.find(request.path)
        path = route.path if route is not None else ""
        try:
            reply = await _answer(request, route)
        except Disconnected:
            return
        except asyncio.CancelledError:
            # Stopping took too long. What was kept but not acknowledged comes again, under the same uuid.
            await send_reply(send, problem(503, "Hogline is stopping. Send this again.", _retry_after(5)))
            raise
        except Exception as error:
            # Ours. Its text may quote a payload: only its kind and place are logged, and nothing is raised.
            watch.failed(request.id, path, kind_and_place(error))
            reply = problem(500, "Internal error. The log has the details.", _retry_after(5))
        if 400 <= reply.status < 500 and request.method != "GET" and self._rejections is not None:
            self._rejections.note(path, reply, self._clock())
        cors = cors_headers(request.method, request.headers) if route is not None and route.browsers else ()
        await send_reply(send, reply, (*cors, (b"x-request-id", request.id.encode())))
        watch.answered(request.id, path, reply.status, request.began_s, (each.entry.uuid for each in request.received))


async def _answer(request: Request, route: Route | None) -> Reply:
    if route is None:
        return NOT_FOUND
    if request.method not in route.methods:
        return _other_method(request, route)
    try:
        return await route.handler(request)
    except RequestRejected as refusal:
        return refusal.answer
    except Unreadable as wrong:
        return problem(wrong.status, wrong.sentence)
    except Unwritable as full:
        return problem(503, str(full), _retry_after(full.retry_after_s))


def _other_method(request: Request, route: Route) -> Reply:
    if request.method == "OPTIONS" and route.browsers:
        return _GO_AHEAD
    allowed = ", ".join(route.methods)
    return problem(405, f"Method not allowed. Use {allowed}.", [(b"allow", allowed.encode())])


def _retry_after(seconds: int) -> tuple[Header, ...]:
    return ((b"retry-after", b"%d" % seconds),)
