"""A user's own web site, on another origin than Hogline, with the real posthog-js on each of its pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from npm_packages import package
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from hogline.sources.server import Listener

PAGES = Path(__file__).parent / "pages"


@asynccontextmanager
async def shop(snippet: str) -> AsyncIterator[str]:
    """Its URL. `snippet`: the JavaScript by which its owner set up posthog-js; every page runs it."""

    async def pasted(_: Request) -> Response:
        return Response(snippet, media_type="text/javascript")

    site = Starlette(
        routes=[
            Route("/snippet.js", pasted),
            Mount("/posthog-js", StaticFiles(directory=package("posthog-js") / "dist")),
            Mount("/", StaticFiles(directory=PAGES, html=True)),
        ]
    )
    async with Listener(site, "127.0.0.1", 0) as listener:
        yield f"http://127.0.0.1:{listener.port}"
