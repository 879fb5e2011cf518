"""A process of Hogline put together and taken apart: directory, store, service, listeners, signals."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog

from hogline.control import Unanswered, offered, reached
from hogline.delivery.client import Client
from hogline.delivery.clock import Clock, SystemClock
from hogline.housekeeping import Housekeeping
from hogline.service import Mistake, Service
from hogline.settings import Settings
from hogline.sources.http import create_app
from hogline.sources.server import Listener
from hogline.store.directory import DataDirectory, Held
from hogline.store.sqlite.journal import SqliteJournal
from hogline.store.sqlite.state import SqliteState
from hogline.telemetry.asked import WatchedService
from hogline.telemetry.delivery import RequestListener
from hogline.telemetry.metrics import Metrics

log = structlog.get_logger("hogline")

WAIT_FOR_OTHER_S = 10.0
"""Another command may hold the data directory for a moment."""
STOP_WITHIN_S = 20.0


@asynccontextmanager
async def own_service(
    settings: Settings,
    directory: DataDirectory,
    *,
    delivers: bool,
    clock: Clock | None = None,
    listener: RequestListener | None = None,
) -> AsyncIterator[tuple[Service, SqliteJournal, SqliteState]]:
    """A service of this process on a directory that it holds. With a `listener`, which is told of each delivery
    request, what its users change is logged.
    """
    key = settings.secret_key.get_secret_value() if settings.secret_key else None
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        client = Client()
        stack.push_async_callback(client.close)
        journal = SqliteJournal(directory.journal, clock.time_ms)
        stack.push_async_callback(journal.close)
        state = SqliteState(directory.state, directory.vault(key))
        stack.push_async_callback(state.close)
        sort = Service if listener is None else WatchedService
        service = sort(settings, journal=journal, state=state, send=client.send, clock=clock, delivers=delivers)
        if listener is not None and isinstance(service, WatchedService):
            service.listen(listener)
        stack.push_async_callback(service.close, STOP_WITHIN_S)
        await service.start()
        if delivers:
            await stack.enter_async_context(offered(service, directory.control))
        yield service, journal, state


@asynccontextmanager
async def service_for(settings: Settings, *, delivers: bool = False) -> AsyncIterator[Service]:
    """The service for one command: the running process's if one holds the data directory, else our own.

    `delivers`: our own runs the connections as long as the command lasts. Raises `Mistake`.
    """
    directory = DataDirectory(settings.data)
    async with AsyncExitStack() as stack:
        other = await _hold(stack, directory)
        if other is not None:
            yield other
        else:
            service, _, _ = await stack.enter_async_context(own_service(settings, directory, delivers=delivers))
            yield service


async def _hold(stack: AsyncExitStack, directory: DataDirectory) -> Service | None:
    """Hold the directory (None), or give the service of the process that does. One that holds it and does not
    answer is another command, which is over in a moment. Raises `Mistake`.
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
    raise Mistake("Another Hogline holds this data directory and does not answer. Stop it, or wait and try again.")


@asynccontextmanager
async def serving(settings: Settings, *, clock: Clock | None = None) -> AsyncIterator[Service]:
    """Receive and deliver as long as the context lasts. Raises `Mistake`."""
    directory = DataDirectory(settings.data)
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        if await _hold(stack, directory) is not None:
            raise Mistake(f"Another Hogline already runs on {directory.path}. Choose another --data, or stop it.")
        metrics = Metrics({"journal": directory.journal, "state": directory.state}, clock.now_s)
        service, journal, state = await stack.enter_async_context(
            own_service(settings, directory, delivers=True, clock=clock, listener=metrics.observed)
        )
        housekeeping = Housekeeping(journal, state, settings, clock)
        await stack.enter_async_context(_running(housekeeping.run()))
        app = create_app(
            housekeeping,
            service.token_check,
            service.problems,
            clock.time_ms,
            metrics=partial(metrics.page, service.status),
        )
        listener = Listener(app, settings.listen_host, settings.listen_port)
        try:
            await stack.enter_async_context(listener)
        except OSError as error:
            raise Mistake(
                f"Cannot listen on {settings.listen} ({error.strerror}). Choose another address with HOGLINE_LISTEN."
            ) from None
        if not settings.public_url:
            host = f"[{listener.host}]" if ":" in listener.host else listener.host
            service.receives_at = f"http://{host}:{listener.port}"
        yield service


@asynccontextmanager
async def _running(work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Beside the context, and over when it is."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def serve(settings: Settings, ready: Callable[[Service], None]) -> None:
    """Receive and deliver until SIGTERM or SIGINT. `ready` is called once events are accepted."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(settings) as service:
        # What was made by now lives as long as the process: the collector need not look at it again.
        gc.freeze()
        ready(service)
        await stop.wait()
        log.info("stopping")
    log.info("stopped")
