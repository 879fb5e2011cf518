"""The console on its listener, beside delivery or in a process that does nothing else."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from pathlib import Path
from typing import cast

from hogline.clock import Clock, SystemClock
from hogline.console import create_console
from hogline.loopback import is_loopback
from hogline.runtime.calls import NOBODY, owner_of
from hogline.runtime.listening import STOP_S, listens, watched
from hogline.runtime.told import told
from hogline.service import CannotDo, Service
from hogline.service.accounts import Accounts
from hogline.service.actor import actor
from hogline.service.api_tokens import ApiTokens
from hogline.service.core import Addresses, ConsoleDoor
from hogline.service.trail import Trail
from hogline.settings import Settings
from hogline.sources.asgi import App
from hogline.sources.budget import Budget
from hogline.sources.connections import Connections, raise_file_limit, shares
from hogline.sources.http import create_watching
from hogline.sources.server import Listener
from hogline.store.base import Unwritable
from hogline.store.datadir.accounts import FIRST, ConsoleAccounts
from hogline.store.opening import Desk, desk
from hogline.store.shared import Changing, Shared
from hogline.telemetry.metrics import Metrics


@asynccontextmanager
async def console(
    service: Service,
    settings: Settings,
    connections: Connections,
    budget: Budget,
    watching: App | None,
    *,
    changing: Changing = nullcontext,
) -> AsyncIterator[None]:
    """The console on its listener. `changing`: accounts that other processes use, too. Raises `CannotDo`."""
    async with changing():
        first_password = await _first_password(settings, service.clock.time_ms())
    app, made = create_console(service, settings, watching=watching)
    listener = Listener(
        app,
        settings.console_host,
        settings.console_port,
        proxies=settings.proxies,
        connections=connections,
        budget=budget,
        stop_s=STOP_S,
    )
    async with AsyncExitStack() as stack:
        where, instead = f"for the console on {settings.console}", "another address with HOGLINE_CONSOLE, or `off`"
        url = await listens(stack, listener, where, instead)
        stack.callback(made.stopping.set)  # before the listener waits for its streams
        file = ConsoleAccounts(settings.data).first_password_file
        service.addresses.console = ConsoleDoor(settings.console_url or url, first_password, file)
        yield


async def _first_password(settings: Settings, now_ms: int) -> str | None:
    """There is an account from now on; the password that was made for it just now, to be told, or None. Raises
    `CannotDo` if the console could be reached by others under a password that nobody chose.
    """
    access = ConsoleAccounts(settings.data)
    has_own = settings.console_password is not None
    if not is_loopback(settings.console_host) and not has_own and not access.chosen:
        raise CannotDo(
            f"The console on {settings.console} can be reached from other machines, but you have not set a password. "
            "Set one with `hogline password` or HOGLINE_CONSOLE_PASSWORD, or use the address 127.0.0.1."
        )
    if settings.console_password is not None:
        password = settings.console_password.get_secret_value()
        if access.find(FIRST) is None:
            await asyncio.to_thread(access.set_password, password, FIRST, now_ms)
        return None
    return await asyncio.to_thread(access.make_first, now_ms)


@asynccontextmanager
async def console_beside(settings: Settings, shared: Shared, key: str) -> AsyncIterator[Addresses]:
    """The console of a store that another process owns, as long as the context lasts. Raises `CannotDo`."""
    if settings.console == "off":
        raise CannotDo("--only console needs the address of the console: set HOGLINE_CONSOLE, or leave it unset.")
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        # Accounts and API tokens are in the store; their files here are gone with the process.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hogline-console-")))
        settings = settings.model_copy(update={"data": folder})
        found = await stack.enter_async_context(desk(shared, key, folder))
        trail = Trail(found.audit, found.fingerprint, clock.time_ms, retention_days=settings.audit_retention_days)
        addresses = Addresses(settings.public_url or f"http://{settings.listen}")
        service = cast("Service", _Desk(found, settings, clock, trail, addresses))

        async def problems() -> list[str]:
            try:
                return [] if await found.asks.owned() else [NOBODY]
            except Unwritable as trouble:
                return [str(trouble)]

        metrics = Metrics({}, clock.now_s)
        watching = create_watching(problems, lambda: metrics.page(service.status.show))
        _, for_console = shares(raise_file_limit())
        connections = Connections(for_console)
        if settings.metrics:
            addresses.watched = await watched(stack, watching, settings, connections)
        at_console = None if settings.metrics else watching
        await stack.enter_async_context(
            console(service, settings, connections, Budget(), at_console, changing=found.changing)
        )
        yield addresses


class _Desk:
    """Looks like a `Service`: accounts and API tokens are here, the rest is the owner's."""

    def __init__(self, found: Desk, settings: Settings, clock: Clock, trail: Trail, addresses: Addresses) -> None:
        self._owner = owner_of(found.asks, actor)
        self.clock = clock
        self.trail = trail
        self.addresses = addresses
        self.accounts = told(Accounts(settings, clock, trail), found.changing)
        self.api_tokens = told(ApiTokens(settings.data, clock, trail), found.changing)

    def __getattr__(self, part: str) -> object:
        return getattr(self._owner, part)
