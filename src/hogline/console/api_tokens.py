"""The page of the HTTP API's tokens: making one, which is shown this once, and revoking."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hogline.console.context import service_of
from hogline.console.pages import go, page
from hogline.service import Mistake
from hogline.service.api_tokens import NewApiTokenView


async def tokens(request: Request) -> Response:
    return await _tokens(request)


async def _tokens(request: Request, made: NewApiTokenView | None = None, name: str = "", problem: str = "") -> Response:
    """`made`: the token that was made just now. `name`, `problem`: what could not be done, and why."""
    return await page(
        request,
        "api_tokens.html",
        status=422 if problem else 200,
        tokens=await service_of(request).api_tokens(),
        made=made,
        name=name,
        problem=problem,
        url=str(request.base_url).rstrip("/"),
    )


async def change(request: Request) -> Response:
    """`do`: `make` or `revoke`, each with a `name`. A token that is made is in this answer and nowhere else."""
    form, service = await request.form(), service_of(request)
    name = str(form.get("name", ""))
    try:
        if form.get("do") == "revoke":
            await service.revoke_api_token(name)
            return go(request, request.url.path, f"The token {name} is not valid any more.")
        made = await service.make_api_token(name)
    except Mistake as mistake:
        return await _tokens(request, name=name, problem=str(mistake))
    return await _tokens(request, made)


ROUTES = [
    Route("/api-tokens", tokens, methods=["GET"], name="api-tokens"),
    Route("/api-tokens", change, methods=["POST"]),
]
