"""Provides a service: this process's own, on a data directory that it holds, or another process's."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog
from msgspec.structs import replace

from hogline.clock import Clock, SystemClock
from hogline.delivery.client import Client
from hogline.delivery.crew import Leader
from hogline.delivery.quiet import Quiet
from hogline.destinations.base import Send
from hogline.model import Request, Response
from hogline.runtime.beside import running
from hogline.runtime.calls import answering, owner_of
from hogline.runtime.control_socket import Unanswered, offered, reached
from hogline.runtime.figures import Fresh, Sampler
from hogline.runtime.told import told
from hogline.service import CannotDo, Service
from hogline.service.actor import system_user
from hogline.service.rights import permitted
from hogline.service.trail import Trail
from hogline.settings import Settings
from hogline.store.datadir.directory import DataDirectory, Held
from hogline.store.opening import Stores, asks, opened
from hogline.store.shared import Hold, Joining, OwnedByOther, Shared
from hogline.telemetry.delivery import RequestListener, nobody

log = structlog.get_logger("hogline")

WAIT_FOR_OTHER_S = 10.0
"""Another command may hold the data directory for a moment."""
STOP_WITHIN_S = 20.0
BUSY = "Another Hogline is using this data directory and does not respond. Stop it, or wait and try again."


@asynccontextmanager
async def own_service(
    settings: Settings,
    directory: DataDirectory,
    *,
    delivers: bool,
    clock: Clock | None = None,
    listener: RequestListener = nobody,
    joining: Joining = Joining(),  # noqa: B008  # it cannot be changed
) -> AsyncIterator[tuple[Service, Stores]]:
    """A service of this process on a directory that it holds. `listener` gets each request to a destination.
    `joining`: how to own a store that is shared.
    """
    key = settings.secret_key.get_secret_value() if settings.secret_key else None
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        client = Client()
        stack.push_async_callback(client.close)
        opening = opened(directory, key, clock.time_ms, settings.shared, joining)
        stores = await stack.enter_async_context(opening)
        journal, state = stores.journal, stores.state
        sampler = Sampler(stores.figures, journal, state, clock)
        was_killed = directory.was_killed or (stores.hold is not None and stores.hold.was_killed)
        send = client.send if stores.hold is None else held(client.send, stores.hold)
        quiet = Quiet(send, clock, for_s=settings.quiet_after_kill_s, was_killed=was_killed)
        if delivers:
            directory.delivers()
            stack.callback(_ended, directory, quiet)
            await stack.enter_async_context(sampler.running())  # until what is in flight at the end is settled
        leader: Leader | None = None
        if stores.board is not None and stores.shared is not None and settings.shared is not None:
            leader = Leader(stores.board, stores.shared, clock, lease_s=settings.shared.lease_s)
            await leader.begin()  # also for a command that changes something: nobody else delivers in the meantime
        service = Service(
            settings,
            journal=journal,
            state=state,
            send=quiet.send,
            clock=clock,
            delivers=delivers,
            figures=Fresh(stores.figures, sampler) if delivers else stores.figures,
            events=stores.events if settings.event_log else None,
            sources=stores.sources,
            trail=Trail(stores.audit, stores.fingerprint, clock.time_ms, retention_days=settings.audit_retention_days),
            listener=sampler.heard(listener),
            leader=leader if delivers else None,
            calm=quiet.over,
            topics=tuple if stores.hold is None else partial(getattr, stores.hold, "topics"),
        )
        if stores.changing is not None:
            service.accounts = told(service.accounts, stores.changing)
            service.api_tokens = told(service.api_tokens, stores.changing)
        stack.push_async_callback(_closed, service, stores.hold)
        await service.start()
        if service.spreading is not None:
            await stack.enter_async_context(running(service.spreading.run()))
        if delivers and stores.answers is None:
            await stack.enter_async_context(offered(service, directory.control))
        elif delivers and stores.answers is not None:
            await stack.enter_async_context(answering(service, stores.answers))
        yield service, stores


async def _closed(service: Service, hold: Hold | None) -> None:
    await service.close(STOP_WITHIN_S if hold is None else patience_s(hold))


def patience_s(hold: Hold) -> float:
    """How long the end waits for what is in flight."""
    return 0.0 if hold.lost.is_set() else STOP_WITHIN_S  # what comes back could not be settled anymore


def _ended(directory: DataDirectory, quiet: Quiet) -> None:
    """Everything is settled, or was given up."""
    if quiet.is_over:
        directory.ended_well()


def held(send: Send, hold: Hold) -> Send:
    """Sends only while it is certain that no other process has taken over the store: it would send the same, and
    newer things before these.
    """

    async def send_if_held(request: Request) -> Response:
        await hold.holding()
        return await send(request)

    return send_if_held


@asynccontextmanager
async def service_for(settings: Settings, *, delivers: bool = False) -> AsyncIterator[Service]:
    """The service for one command, asked in the name of the user who gave it: the running process's if one holds the
    data directory, else our own.

    `delivers`: our own runs the connections as long as the command lasts. Raises `CannotDo`.
    """
    directory = DataDirectory(settings.data)
    async with AsyncExitStack() as stack:
        if settings.shared is not None and settings.secret_key is not None:
            key = settings.secret_key.get_secret_value()
            yield await _shared_service(stack, settings, directory, settings.shared, key, delivers=delivers)
            return
        other = await hold(stack, directory)
        if other is not None:
            yield other
        else:
            service, _ = await stack.enter_async_context(own_service(settings, directory, delivers=delivers))
            yield permitted(service, system_user())


async def _shared_service(
    stack: AsyncExitStack, settings: Settings, directory: DataDirectory, shared: Shared, key: str, *, delivers: bool
) -> Service:
    """As `service_for`, for a store that others use, too."""
    me = replace(system_user(), address=socket.gethostname())
    asking = await stack.enter_async_context(asks(shared, key))
    # What delivers answers others, so it has a role that says so.
    joining = Joining(role="deliver" if delivers else "command", wait_s=0.0)
    # An owner that was killed keeps the store for half a lease.
    until_s = time.monotonic() + WAIT_FOR_OTHER_S + shared.lease_s / 2
    while True:
        if await asking.owned():
            return owner_of(asking, lambda: me)
        try:
            async with AsyncExitStack() as trying:
                trying.enter_context(directory)
                own = own_service(settings, directory, delivers=delivers, joining=joining)
                service, _ = await trying.enter_async_context(own)
                stack.push_async_exit(trying.pop_all())
                return permitted(service, system_user())
        except (Held, OwnedByOther) as busy:
            if time.monotonic() > until_s:
                if isinstance(busy, OwnedByOther):
                    raise
                raise CannotDo(BUSY) from None
        await asyncio.sleep(0.1)


async def hold(stack: AsyncExitStack, directory: DataDirectory) -> Service | None:
    """Hold the directory (None), or give the service of the process that does. One that holds it and does not
    answer is another command, which is over in a moment. Raises `CannotDo`.
    """
    for _ in range(int(WAIT_FOR_OTHER_S / 0.05)):
        try:
            stack.enter_context(directory)
        except Held:
            try:
                return await stack.enter_async_context(reached(directory.control))
            except Unanswered:
                await asyncio.sleep(0.05)
        else:
            return None
    raise CannotDo(BUSY)
