"""The page of the HTTP API's tokens: making one, which is shown this once, and revoking."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hogline.console.context import console_of, form_of, service_of, whole_number
from hogline.console.pages import go, page
from hogline.service import CannotDo
from hogline.service.api_tokens import NewApiTokenView
from hogline.store.datadir.roles import ROLES

LIFETIMES = (("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("", "ever (until you revoke it)"))


async def tokens(request: Request) -> Response:
    return await _tokens(request)


async def _tokens(
    request: Request,
    made: NewApiTokenView | None = None,
    *,
    name: str = "",
    role: str = "viewer",
    days: str = "90",
    problem: str = "",
) -> Response:
    """`made`: the token that was made just now. `problem`: why what was typed could not be done."""
    return await page(
        request,
        "api_tokens.html",
        status=422 if problem else 200,
        tokens=await service_of(request).api_tokens.all(),
        made=made,
        name=name,
        role=role,
        days=days,
        roles=ROLES,
        lifetimes=LIFETIMES,
        now_ms=console_of(request).service.clock.time_ms(),
        problem=problem,
        url=str(request.base_url).rstrip("/"),
    )


async def change(request: Request) -> Response:
    """`do`: `make` or `revoke`, each with a `name`. A token that is made is in this answer and nowhere else."""
    form, service = await form_of(request), service_of(request)
    name, role, days = (
        str(form.get(key, default)) for key, default in (("name", ""), ("role", "viewer"), ("days", ""))
    )
    if role not in ROLES:
        raise HTTPException(400, f"The role must be one of {', '.join(ROLES)}.")
    try:
        if form.get("do") == "revoke":
            await service.api_tokens.revoke(name)
            return go(request, request.url.path, f"Revoked {name}.")
        made = await service.api_tokens.make(name, role, whole_number(days, "A token's days") if days else None)
    except CannotDo as error:
        return await _tokens(request, name=name, role=role, days=days, problem=str(error))
    request.state.done = True
    return await _tokens(request, made)


ROUTES = [
    Route("/api-tokens", tokens, methods=["GET"], name="api-tokens"),
    Route("/api-tokens", change, methods=["POST"]),
]
