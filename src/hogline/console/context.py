"""What all pages share, and how a page finds it. Knows no page."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hogline.console.assets import Assets
from hogline.console.attempts import Attempts
from hogline.console.sessions import Session, Sessions
from hogline.service import Service
from hogline.service.actor import Actor
from hogline.service.rights import permitted, require
from hogline.settings import Settings
from hogline.sources.addresses import TrustedProxies
from hogline.store.datadir.accounts import Account
from hogline.views.connections import ConnectionView


@dataclass(frozen=True, kw_only=True)
class Console:
    service: Service
    """Without an actor; pages use `service_of`."""
    settings: Settings
    proxies: TrustedProxies
    sessions: Sessions
    attempts: Attempts
    assets: Assets
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when Hogline stops: live parts end, everything else is answered with 503."""

    async def begin_session(
        self, response: Response, account: Account, address: str, *, by_proxy: bool = False
    ) -> None:
        """The user has proved to own that account."""
        self.sessions.start(response, account, by_proxy=by_proxy)
        await self.sessions.note_sign_in(account, int(self.service.clock.time_ms()))
        who = Actor(name=account.name, kind="account", role=account.role, address=address)
        await self.service.trail.note("sign_in", {"proxy": by_proxy}, who=who)


def console_of(request: Request) -> Console:
    return cast("Console", request.app.state.console)


def session_of(request: Request) -> Session | None:
    return cast("Session | None", request.state.session)


def actor_of(request: Request) -> Actor:
    """The account that is signed in. Raises `HTTPException` 401."""
    session = session_of(request)
    if session is None:
        raise HTTPException(401, "Sign in first.")
    account = session.account
    return Actor(name=account.name, kind="account", role=account.role, address=request.state.address)


def service_of(request: Request) -> Service:
    """The service, limited to what the signed-in account may do."""
    return permitted(console_of(request).service, actor_of(request))


def require_right(request: Request, function: str) -> None:
    """For a page that leads to what only some may do. Raises `Forbidden`."""
    require(actor_of(request), function)


async def form_of(request: Request, *, file: str = "") -> FormData:
    """What was typed into a form. `file`: the field in which a file may be. Raises `HTTPException` 400."""
    form = await request.form(max_files=1)
    items = form.multi_items()
    texts = [name for name, _ in items] + [value for _, value in items if isinstance(value, str)]
    files = {name for name, value in items if not isinstance(value, str)}
    if any("\0" in text for text in texts) or not files <= {file}:
        await form.close()
        raise HTTPException(400, "The form contains a file or a NUL character. Remove it and try again.")
    return form


def whole_number(text: str, what: str, most: int = 2**63 - 1) -> int:
    """Digits as a number. Raises `HTTPException` 400 for anything else, and for what is larger than any of ours."""
    digits = text.lstrip("0") or "0"
    if not (text.isascii() and text.isdigit()) or len(digits) > len(str(most)) or int(digits) > most:
        raise HTTPException(400, f"{what} must be a whole number of at most {len(str(most))} digits.")
    return int(digits)


async def connection_of(request: Request) -> ConnectionView:
    """The connection that the path names (`/connections/{name}…`). Raises `HTTPException` 404."""
    name = request.path_params["name"]
    for connection in await service_of(request).connections.all():
        if connection.name == name:
            return connection
    raise HTTPException(404, "Connection not found. It may have been removed.")
