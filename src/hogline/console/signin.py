"""Signing in and out, and the choice between light and dark."""

from __future__ import annotations

import math

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from hogline.console.context import console_of
from hogline.console.pages import THEMES, own_path, page

WRONG = "This is not the password."
_LONGEST_PASSWORD = 1_000
_YEAR_S = 31_536_000


async def sign_in_page(request: Request) -> Response:
    to = own_path(request.query_params.get("next", "/"))
    if request.state.session is not None:
        return RedirectResponse(to, 303)
    return await page(request, "sign_in.html", next=to, problem="")


async def sign_in(request: Request) -> Response:
    console = console_of(request)
    form = await request.form()
    password, to = str(form.get("password", "")), own_path(str(form.get("next", "/")))
    address = request.client.host if request.client else ""
    wait_s = math.ceil(console.attempts.begin(address))
    if wait_s:
        minutes = math.ceil(wait_s / 60)
        sentence = f"Too many attempts. Try again in {minutes} minute{'s' * (minutes != 1)}."
        response: Response = await page(request, "sign_in.html", status=429, next=to, problem=sentence)
        response.headers["retry-after"] = str(wait_s)
        return response
    if len(password) > _LONGEST_PASSWORD or not await console.sessions.is_password(password):
        return await page(request, "sign_in.html", status=403, next=to, problem=WRONG)
    console.attempts.succeeded(address)
    response = RedirectResponse(to, 303)
    console.sessions.start(response)
    return response


async def sign_out(request: Request) -> Response:
    response = RedirectResponse("/sign-in", 303)
    console_of(request).sessions.end(response, request.state.session)
    return response


async def choose_theme(request: Request) -> Response:
    form = await request.form()
    theme = str(form.get("theme", ""))
    response = RedirectResponse(own_path(str(form.get("next", "/"))), 303)
    if theme in THEMES:
        response.set_cookie("hogline_theme", theme, max_age=_YEAR_S, httponly=True, samesite="lax")
    return response


ROUTES = [
    Route("/sign-in", sign_in_page, methods=["GET"], name="sign-in"),
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/sign-out", sign_out, methods=["POST"], name="sign-out"),
    Route("/theme", choose_theme, methods=["POST"], name="theme"),
]
