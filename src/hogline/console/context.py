"""What all pages share, and how a page finds it. Knows no page."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

from starlette.exceptions import HTTPException
from starlette.requests import Request

from hogline.console.assets import Assets
from hogline.console.attempts import Attempts
from hogline.console.sessions import Sessions
from hogline.service import Service
from hogline.settings import Settings
from hogline.views import ConnectionView


@dataclass(frozen=True, kw_only=True)
class Console:
    service: Service
    settings: Settings
    sessions: Sessions
    attempts: Attempts
    assets: Assets
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when Hogline stops: live parts end, everything else is answered with 503."""


def console_of(request: Request) -> Console:
    return cast("Console", request.app.state.console)


def service_of(request: Request) -> Service:
    return console_of(request).service


async def connection_of(request: Request) -> ConnectionView:
    """The connection that the path names (`/connections/{name}…`). Raises `HTTPException` 404."""
    name = request.path_params["name"]
    for connection in await service_of(request).connections():
        if connection.name == name:
            return connection
    raise HTTPException(404, "There is no connection of this name. It may have been removed.")
