"""The pages of accounts: who may use the console in which role, and one's own password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hogline.console.context import actor_of, console_of, form_of, service_of, session_of
from hogline.console.pages import go, page
from hogline.service import CannotDo
from hogline.service.rights import RIGHTS
from hogline.store.datadir.accounts import FIRST
from hogline.store.datadir.passwords import SHORTEST
from hogline.store.datadir.roles import ROLES, Role, includes


@dataclass(frozen=True, kw_only=True)
class Typed:
    """What a form of the page was not taken for."""

    do: str = ""
    account: str = ""
    role: Role = "viewer"
    problem: str = ""


_NOTHING = Typed()


async def accounts(request: Request) -> Response:
    return await _accounts(request, _NOTHING)


async def _accounts(request: Request, typed: Typed) -> Response:
    settings = console_of(request).settings
    return await page(
        request,
        "accounts.html",
        status=422 if typed.problem else 200,
        accounts=await service_of(request).accounts.all(),
        own=actor_of(request).name,
        typed=typed,
        roles=ROLES,
        rights=[(right.what, [includes(role, right.least) for role in ROLES]) for right in RIGHTS],
        shortest=SHORTEST,
        proxy=settings.console_sign_in_header,
        of_settings=FIRST if settings.console_password is not None else "",
    )


async def change(request: Request) -> Response:
    """`do`: `add`, `remove`, `role` or `password`, each with an `account`."""
    form, service = await form_of(request), service_of(request)
    do, name, role = (str(form.get(key, "")) for key in ("do", "account", "role"))
    password = str(form.get("password", ""))
    if do in {"add", "role"} and role not in ROLES:
        raise HTTPException(400, f"The role must be one of {', '.join(ROLES)}.")
    chosen = cast("Role", role or "viewer")
    try:
        if do == "add":
            made = await service.accounts.add(name, chosen, password or None)
            said = f"Added {made.name} as {made.role}."
        elif do == "remove":
            await service.accounts.remove(name)
            said = f"Removed {name}."
        elif do == "role":
            said = f"{name} is now {(await service.accounts.set_role(name, chosen)).role}."
        elif do == "password":
            await service.accounts.set_password(password, name)
            said = f"The password for {name} was changed."
        else:
            raise HTTPException(400, "The form is incomplete. Reload the page and try again.")
    except CannotDo as error:
        return await _accounts(request, Typed(do=do, account=name, role=chosen, problem=str(error)))
    return go(request, request.url.path, said)


async def own(request: Request) -> Response:
    return await _own(request)


async def _own(request: Request, problem: str = "") -> Response:
    settings = console_of(request).settings
    name = actor_of(request).name
    return await page(
        request,
        "own_account.html",
        status=422 if problem else 200,
        problem=problem,
        roles=ROLES,
        rights=[(right.what, [includes(role, right.least) for role in ROLES]) for right in RIGHTS],
        shortest=SHORTEST,
        of_settings=name == FIRST and settings.console_password is not None,
    )


async def change_own(request: Request) -> Response:
    form = await form_of(request)
    old, new, again = (str(form.get(key, "")) for key in ("old", "new", "again"))
    session, console = session_of(request), console_of(request)
    if new != again:
        return await _own(request, "The new passwords do not match. Nothing was changed.")
    try:
        await service_of(request).accounts.change_own_password(old, new)
    except CannotDo as error:
        return await _own(request, str(error))
    response = go(request, request.url.path, "Your password was changed. Other browsers have to sign in again.")
    account = console.sessions.account(actor_of(request).name)
    if account is not None and session is not None:
        console.sessions.start(response, account, by_proxy=session.by_proxy)
        console.sessions.remember_browser(response, account)
    return response


ROUTES = [
    Route("/accounts", accounts, methods=["GET"], name="accounts"),
    Route("/accounts", change, methods=["POST"]),
    Route("/account", own, methods=["GET"], name="own-account"),
    Route("/account", change_own, methods=["POST"]),
]
