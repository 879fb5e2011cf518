"""What machines ask about Hogline itself: does it live, is it ready, how is it doing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from hogline.sources.asgi import Answer, answer, answer_json
from hogline.sources.routing import Request, Route

_METHODS = ("GET", "HEAD")
_PROMETHEUS = b"text/plain; version=1.0.0; charset=utf-8"


def health_routes(
    ready: Callable[[], Awaitable[list[str]]], metrics: Callable[[], Awaitable[bytes]] | None
) -> Iterable[Route]:
    """`ready`: one sentence for each thing that keeps us from receiving. `metrics`: Prometheus' text."""

    async def live(_: Request) -> Answer:
        return answer_json(200, {"alive": True})

    async def readiness(_: Request) -> Answer:
        problems = await ready()
        return answer_json(503 if problems else 200, {"ready": not problems, "problems": problems})

    routes = [
        Route("/healthz", _METHODS, live),
        Route("/readyz", _METHODS, readiness),
        # PostHog's own names, which set-ups that pointed at its capture service ask for.
        Route("/_liveness", _METHODS, live, browsers=True),
        Route("/_readiness", _METHODS, readiness, browsers=True),
    ]
    if metrics is not None:
        page = metrics

        async def scrape(_: Request) -> Answer:
            return answer(200, await page(), _PROMETHEUS)

        routes.append(Route("/metrics", _METHODS, scrape))
    return routes
