"""Signing in and out, and the choice between light and dark."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from hogline.console.attempts import TooMany
from hogline.console.context import actor_of, console_of, form_of, session_of
from hogline.console.pages import THEMES, own_path, page
from hogline.service.actor import Actor
from hogline.sources.addresses import subscriber
from hogline.store.datadir.accounts import FIRST
from hogline.store.datadir.passwords import LONGEST

WRONG = "Wrong account or password."
BUSY = "Too many sign-in attempts. Try again in a few seconds."
_YEAR_S = 31_536_000


async def sign_in_page(request: Request) -> Response:
    to = own_path(request.query_params.get("next", "/"))
    if request.state.session is not None:
        return RedirectResponse(to, 303)
    return await page(request, "sign_in.html", next=to, account_name="", problem="")


async def sign_in(request: Request) -> Response:
    """Without an account name, it is the first account."""
    console = console_of(request)
    form = await form_of(request)
    name, password = str(form.get("account", "")).strip().lower() or FIRST, str(form.get("password", ""))
    to = own_path(str(form.get("next", "/")))
    browser = console.sessions.known_browser(request, name)
    sender = subscriber(request.state.address)

    async def is_right() -> bool:
        return await console.sessions.is_password(name, password)

    try:
        right = len(password) <= LONGEST and await console.attempts.check(name[:200], sender, browser, is_right)
    except TooMany as many:
        busy: Response = await page(request, "sign_in.html", status=429, next=to, account_name=name, problem=BUSY)
        busy.headers["retry-after"] = str(many.retry_after_s)
        return busy
    account = console.sessions.account(name)
    if not right or account is None:
        # What was typed may be a password, or somebody's address: only the name of an account is noted.
        nobody = Actor(
            name=name if account else "unknown", kind="account", role="viewer", address=request.state.address
        )
        await console.service.trail.note("sign_in_failed", who=nobody)
        return await page(request, "sign_in.html", status=403, next=to, account_name=name, problem=WRONG)
    response = RedirectResponse(to, 303)
    await console.begin_session(response, account, request.state.address)
    console.sessions.remember_browser(response, account)
    return response


async def sign_out(request: Request) -> Response:
    console, session = console_of(request), session_of(request)
    response = RedirectResponse("/sign-in", 303)
    if session is not None:
        console.sessions.end(response, session)
        await console.service.trail.note("sign_out", who=actor_of(request))
    return response


async def choose_theme(request: Request) -> Response:
    form = await form_of(request)
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
