"""Receiving and delivering until stopped: service, listeners, housekeeping, signals put together and taken apart."""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from functools import partial
from typing import Literal, TypeAlias

import structlog

from hogline.clock import Clock, SystemClock
from hogline.runtime.beside import running, told_when
from hogline.runtime.console import console, console_beside
from hogline.runtime.deliver import delivering, delivering_in_turn
from hogline.runtime.inlet import inlet
from hogline.runtime.listening import receives, watched
from hogline.runtime.receive import receiving
from hogline.runtime.wiring import hold
from hogline.service import CannotDo, Service
from hogline.service.core import Addresses
from hogline.settings import Settings
from hogline.sources.budget import Budget
from hogline.sources.connections import Connections, raise_file_limit, shares
from hogline.sources.http import create_app, create_watching
from hogline.sources.seen import SeenUuids
from hogline.store.base import Unwritable
from hogline.store.datadir.directory import DataDirectory
from hogline.store.shared import Joining
from hogline.telemetry.memory import give_back_what_is_large
from hogline.telemetry.metrics import Metrics

log = structlog.get_logger("hogline")

Role: TypeAlias = Literal["receive", "deliver", "console"]
"""What a process does that does not do everything."""

TAKEN_OVER = (
    "Another Hogline delivers from this store now. Run only one `hogline serve`, or let several take turns with "
    "`hogline serve --only deliver`."
)
TAKEN_FOR_DEAD = "This process gave no sign of life for so long that it may write nothing more. Start it again."

START_WITHIN_S = 30.0
START_AGAIN_S = 1.0


@asynccontextmanager
async def serving(
    settings: Settings, *, clock: Clock | None = None, lost: Callable[[], None] = lambda: None
) -> AsyncIterator[Service]:
    """Receive and deliver as long as the context lasts. `lost` is called if another process takes over the store.
    Raises `CannotDo`.
    """
    directory = DataDirectory(settings.data)
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        if await hold(stack, directory) is not None:
            raise CannotDo(
                f"Another Hogline is already running on {directory.path}. Stop it, or choose another --data."
            )
        files = {} if settings.store else {"journal": directory.journal, "state": directory.state}
        metrics = Metrics(files, clock.now_s)
        delivery = delivering(settings, directory, metrics, clock=clock, joining=Joining(role="serve"))
        service, stores, housekeeping = await stack.enter_async_context(delivery)
        budget, topic = Budget(), await inlet(stack, settings)

        async def problems() -> list[str]:
            found = await service.status.problems()
            return found if topic is None or topic.trouble is None else [topic.trouble, *found]

        app = create_app(
            topic or housekeeping,
            service.token_check,
            problems,
            clock.time_ms,
            suppressed=stores.state.suppressed,
            budget=budget,
            # What came twice through Kafka is noticed where it leaves it, by the service's.
            seen=service.seen_uuids if topic is None else SeenUuids(),
            rejections=service.rejections,
        )
        await stack.enter_async_context(running(_known_uuids(service)))
        for_events, for_console = shares(raise_file_limit())
        where = await receives(stack, app, settings, Connections(for_events), budget)
        if not settings.public_url:
            service.addresses.receives = where
        watching = create_watching(problems, partial(metrics.page, service.status.show))
        connections = Connections(for_console)
        if settings.metrics:
            service.addresses.watched = await watched(stack, watching, settings, connections)
        if settings.console != "off":
            at_console = None if settings.metrics else watching
            changing = stores.changing or nullcontext
            await stack.enter_async_context(
                console(service, settings, connections, budget, at_console, changing=changing)
            )
        if stores.hold is not None:
            await stack.enter_async_context(running(told_when(stores.hold.lost, lost)))
        yield service


async def _known_uuids(service: Service) -> None:
    """So that the first sender need not wait for it. If the disk fails, the first sender is told."""
    with suppress(Unwritable):
        await service.seen_uuids.load()


@asynccontextmanager
async def _serving(settings: Settings, only: Role | None, lost: Callable[[], None]) -> AsyncIterator[Addresses]:
    """What a role does, as long as the context lasts. Raises `CannotDo`."""
    if only is None:
        async with serving(settings, lost=lost) as service:
            yield service.addresses
        return
    shared, key = settings.shared, settings.secret_key
    if shared is None or key is None:
        raise CannotDo("--only needs a store that several processes can use. Set HOGLINE_STORE.")
    if only == "deliver":
        doing = delivering_in_turn(settings)
    elif only == "console":
        doing = console_beside(settings, shared, key.get_secret_value())
    else:
        doing = receiving(settings, shared, key.get_secret_value(), lost)
    async with doing as addresses:
        yield addresses


async def _started(stack: AsyncExitStack, settings: Settings, only: Role | None, lost: Callable[[], None]) -> Addresses:
    """As `_serving`, as long as the stack lasts. A database may still be starting, too. Raises `CannotDo`."""
    until_s = time.monotonic() + START_WITHIN_S
    while True:
        try:
            return await stack.enter_async_context(_serving(settings, only, lost))
        except Unwritable as trouble:
            if settings.store is None or time.monotonic() >= until_s:
                raise
            log.warning("starting again", reason=str(trouble))
        await asyncio.sleep(START_AGAIN_S)


async def serve(settings: Settings, ready: Callable[[Addresses], None], only: Role | None = None) -> None:
    """Receive and deliver, or only one of both, until SIGTERM or SIGINT. `ready` is called once it does. Raises
    `CannotDo`.
    """
    give_back_what_is_large()
    stop, lost = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def end() -> None:
        lost.set()
        stop.set()

    async with AsyncExitStack() as stack:
        addresses = await _started(stack, settings, only, end)
        # What was made by now lives as long as the process: the collector need not look at it again.
        gc.freeze()
        ready(addresses)
        await stop.wait()
        log.info("stopping")
    log.info("stopped")
    if lost.is_set():
        raise CannotDo(TAKEN_OVER if only is None else TAKEN_FOR_DEAD)
