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
    return await listens(stack, listener, f"on {settings.listen}", "another address with HOGLINE_LISTEN")


async def watched(stack: AsyncExitStack, watching: App, settings: Settings, connections: Connections) -> str:
    """Serve `/metrics` and `/readyz` at an own address as long as the stack lasts; returns it. Raises `CannotDo`."""
    listener = Listener(watching, settings.metrics_host, settings.metrics_port, connections=connections, stop_s=STOP_S)
    return await listens(stack, listener, f"for /metrics on {settings.metrics}", "another address with HOGLINE_METRICS")


async def listens(stack: AsyncExitStack, listener: Listener, where: str, instead: str) -> str:
    """Serve as long as the stack lasts; returns the URL. An error says `where` and `instead`. Raises `CannotDo`."""
    try:
        await stack.enter_async_context(listener)
    except OSError as error:
        raise CannotDo(f"Cannot listen {where} ({error.strerror}). Choose {instead}.") from None
    host = f"[{listener.host}]" if ":" in listener.host else listener.host
    return f"http://{host}:{listener.port}"
