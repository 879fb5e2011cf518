"""The addresses at which a process listens, for all that it may serve."""

from __future__ import annotations

from contextlib import AsyncExitStack

from hogline.service.core import CannotDo
from hogline.settings import Settings
from hogline.sources.asgi import App
from hogline.sources.budget import Budget
from hogline.sources.connections import Connections
from hogline.sources.server import Listener

STOP_S = 2
"""For all but what receives: a stream that does not end is cut."""


async def receives(
    stack: AsyncExitStack, app: App, settings: Settings, connections: Connections, budget: Budget
) -> str:
    """Receive events as long as the stack lasts; returns the URL. Raises `CannotDo`."""
    listener = Listener(
        app,
        settings.listen_host,
        settings.listen_port,
        proxies=settings.proxies,
        connections=connections,
        budget=budget,
    )
    try:
        await stack.enter_async_context(listener)
    except OSError as error:
        raise CannotDo(
            f"Cannot listen on {settings.listen} ({error.strerror}). Choose another address with HOGLINE_LISTEN."
        ) from None
    return url_of(listener)


async def watched(stack: AsyncExitStack, watching: App, settings: Settings, connections: Connections) -> str:
    """Serve `/metrics` and `/readyz` at an own address as long as the stack lasts; returns it. Raises `CannotDo`."""
    listener = Listener(watching, settings.metrics_host, settings.metrics_port, connections=connections, stop_s=STOP_S)
    try:
        await stack.enter_async_context(listener)
    except OSError as error:
        raise CannotDo(
            f"Cannot listen for /metrics on {settings.metrics} ({error.strerror}). Choose another address with "
            "HOGLINE_METRICS."
        ) from None
    return url_of(listener)


def url_of(listener: Listener) -> str:
    host = f"[{listener.host}]" if ":" in listener.host else listener.host
    return f"http://{host}:{listener.port}"
