"""Delivering, and standing by until another process stops delivering."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import structlog

from hogline.clock import Clock, SystemClock
from hogline.destinations.catalogue import PROBLEMS
from hogline.runtime.beside import any_of, running
from hogline.runtime.hand import lend_a_hand
from hogline.runtime.housekeeping import Housekeeping
from hogline.runtime.listening import watched
from hogline.runtime.wiring import own_service
from hogline.service import Service
from hogline.service.core import Addresses, CannotDo
from hogline.settings import Settings
from hogline.sources.connections import Connections, raise_file_limit, shares
from hogline.sources.http import create_watching
from hogline.store.base import Unusable, Unwritable
from hogline.store.datadir.directory import DataDirectory, Held
from hogline.store.opening import Stores
from hogline.store.shared import Joining
from hogline.telemetry.internal_errors import kind_and_place
from hogline.telemetry.metrics import Metrics
from hogline.views.connections import Status

log = structlog.get_logger("hogline")

LOOK_EVERY_S = 0.25
AGAIN_S = 1.0


class Delivery(NamedTuple):
    service: Service
    stores: Stores
    housekeeping: Housekeeping


@asynccontextmanager
async def delivering(
    settings: Settings, directory: DataDirectory, metrics: Metrics, *, clock: Clock, joining: Joining
) -> AsyncIterator[Delivery]:
    """Deliver as long as the context lasts. The directory must be held. Raises `CannotDo`, `Unusable`, `Unwritable`."""
    for sentence in PROBLEMS.values():
        log.warning("a destination cannot be used", why=sentence)
    async with AsyncExitStack() as stack:
        own = own_service(settings, directory, delivers=True, clock=clock, listener=metrics.observed, joining=joining)
        service, stores = await stack.enter_async_context(own)
        housekeeping = Housekeeping(
            stores.journal,
            stores.state,
            settings,
            clock,
            service.cleaning,
            people=service.retention,
            bound_backlogs=service.backlogs.bound,
            events=stores.events,
            hold=stores.hold,
        )
        await stack.enter_async_context(running(housekeeping.run()))
        await stack.enter_async_context(running(service.alerts.watch()))
        await stack.enter_async_context(running(service.fetching.run()))
        if (topic := settings.topic) is not None:
            service.consuming.begin_own(topic.address, topic.settings)
        await stack.enter_async_context(running(service.consuming.run(housekeeping.append)))
        yield Delivery(service, stores, housekeeping)


@asynccontextmanager
async def delivering_in_turn(settings: Settings) -> AsyncIterator[Addresses]:
    """Deliver whenever no other process does, as long as the context lasts. Raises `CannotDo`, `Unusable`."""
    clock = SystemClock()
    metrics = Metrics({}, clock.now_s)
    turns = _Turns(settings, metrics, clock)
    addresses = Addresses(settings.public_url)
    async with AsyncExitStack() as stack:
        if settings.metrics:
            watching = create_watching(turns.problems, lambda: metrics.page(turns.status))
            _, for_others = shares(raise_file_limit())
            addresses.watched = await watched(stack, watching, settings, Connections(for_others))
        await stack.enter_async_context(turns.running())
        yield addresses


class _Turns:
    """Delivers, is replaced, stands by, and delivers again."""

    def __init__(self, settings: Settings, metrics: Metrics, clock: Clock) -> None:
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._service: Service | None = None
        """While this process delivers."""
        self._stop = asyncio.Event()
        self._joined = asyncio.Event()
        """PostgreSQL was there, and this process may use the store."""
        self._helping: asyncio.Task[None] | None = None
        self._trouble: str | None = None
        """Why the last turn ended, until this process delivers or stands by again."""

    async def problems(self) -> list[str]:
        if self._service is not None:
            return await self._service.status.problems()
        return [] if self._trouble is None else [self._trouble]

    async def status(self) -> Status:
        if self._service is None:
            return Status(connections=[], refused={})
        return await self._service.status.show()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        turns = asyncio.create_task(self._run())
        joined = asyncio.create_task(self._joined.wait())
        await asyncio.wait({turns, joined}, return_when=asyncio.FIRST_COMPLETED)
        joined.cancel()
        if turns.done():
            await turns
        try:
            yield
        finally:
            self._stop.set()
            if self._service is None:
                turns.cancel()
            await asyncio.gather(turns, return_exceptions=True)

    async def _run(self) -> None:
        while not self._stop.is_set():
            try:
                await self._turn()
            except (CannotDo, Unusable, Unwritable) as trouble:
                if not self._joined.is_set():
                    raise
                self._trouble = str(trouble)
                log.warning("cannot deliver now", reason=self._trouble)
                await asyncio.sleep(AGAIN_S)
            except Exception as error:
                # An internal error, whose text may quote an event. Without the next turn, nobody would deliver.
                if not self._joined.is_set():
                    raise
                self._trouble = f"Internal error while delivering ({type(error).__name__}). The log has the details."
                log.error("delivering failed", error=kind_and_place(error))  # noqa: TRY400  # the kind and place say it
                await asyncio.sleep(AGAIN_S)

    async def _turn(self) -> None:
        directory = DataDirectory(self._settings.data)
        joining = Joining(role="deliver", wait_s=None, waits=self._stand_by, taken=self._put_down)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._put_down)
            await self._hold(stack, directory)
            delivery = await stack.enter_async_context(
                delivering(self._settings, directory, self._metrics, clock=self._clock, joining=joining)
            )
            hold = delivery.stores.hold
            assert hold is not None  # the store is shared
            self._service = delivery.service
            self._trouble = None
            self._joined.set()
            log.info("delivering")
            try:
                await any_of(self._stop, hold.lost)
            finally:
                self._service = None

    async def _hold(self, stack: AsyncExitStack, directory: DataDirectory) -> None:
        """Once no other process holds it: one that delivers, or a command."""
        while True:
            try:
                stack.enter_context(directory)
            except Held:
                self._stand_by()
                await asyncio.sleep(LOOK_EVERY_S)
            else:
                return

    def _stand_by(self) -> None:
        if not self._joined.is_set():
            log.info("standing by: another process delivers")
        self._trouble = None
        self._joined.set()
        if self._helping is None or self._helping.done():
            self._helping = asyncio.create_task(self._help(), name="hand")

    async def _help(self) -> None:
        """Deliver what the owner of the store gives to this process."""
        try:
            await lend_a_hand(self._settings, self._clock, self._metrics.observed)
        except (Unusable, Unwritable) as trouble:
            log.warning("cannot help to deliver now", reason=str(trouble))
            await asyncio.sleep(AGAIN_S)
        except Exception as error:
            log.error("helping to deliver failed", error=kind_and_place(error))  # noqa: TRY400  # the kind and place say it
            await asyncio.sleep(AGAIN_S)

    async def _put_down(self) -> None:
        """Returns when this process carries nothing for another one."""
        if self._helping is not None:
            self._helping.cancel()
            await asyncio.gather(self._helping, return_exceptions=True)
            self._helping = None
