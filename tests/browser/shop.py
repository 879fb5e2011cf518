"""A user's own web site, on another origin than Hogline, with a snippet of PostHog on each of its pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from hogline.sources.server import Listener

PAGES = Path(__file__).parent / "pages"


@asynccontextmanager
async def shop(snippet: str) -> AsyncIterator[str]:
    """Its URL. `snippet`: the HTML by which its owner set up PostHog; every page has it."""

    async def page(request: Request) -> HTMLResponse:
        name = request.path_params.get("name", "index")
        return HTMLResponse((PAGES / f"{name}.html").read_text("utf-8").replace("<!-- PostHog -->", snippet))

    site = Starlette(routes=[Route("/", page), Route("/{name}.html", page), Mount("/", StaticFiles(directory=PAGES))])
    async with Listener(site, "127.0.0.1", 0) as listener:
        yield f"http://127.0.0.1:{listener.port}"
