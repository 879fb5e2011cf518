"""What machines ask about Hogline itself: does it live, is it ready, how is it doing.

A stranger who reaches the receiving side learns that the process answers, and whether it is ready. Why it is not, and
all figures, are served elsewhere: at the console's address or at a separate one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from hogline.sources.asgi import Reply, answer, reply_json
from hogline.sources.routing import Request, Route

METRICS, READY = "/metrics", "/readyz"

_METHODS = ("GET", "HEAD")
_PROMETHEUS = b"text/plain; version=1.0.0; charset=utf-8"


def health_routes(ready: Callable[[], Awaitable[list[str]]]) -> Iterable[Route]:
    """For the receiving side. `ready`: one sentence for each thing that is in the way."""

    async def live(_: Request) -> Reply:
        return reply_json(200, {})

    async def readiness(_: Request) -> Reply:
        return reply_json(503 if await ready() else 200, {})

    return [
        Route("/healthz", _METHODS, live),
        # PostHog's own names, which set-ups that pointed at its capture service ask for.
        Route("/_liveness", _METHODS, live, browsers=True),
        Route("/_readiness", _METHODS, readiness, browsers=True),
    ]


def watching_routes(
    ready: Callable[[], Awaitable[list[str]]], metrics: Callable[[], Awaitable[bytes]]
) -> Iterable[Route]:
    """For those who run Hogline. `ready`: as above. `metrics`: Prometheus' text."""

    async def readiness(_: Request) -> Reply:
        problems = await ready()
        return reply_json(503 if problems else 200, {"ready": not problems, "problems": problems})

    async def scrape(_: Request) -> Reply:
        return answer(200, await metrics(), _PROMETHEUS)

    return [
        Route(READY, _METHODS, readiness),
        Route(METRICS, _METHODS, scrape),
    ]
