"""Delivers what the owner of a shared store gives to this process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack

import structlog

from hogline.clock import Clock
from hogline.delivery.client import Client
from hogline.delivery.crew import Hand
from hogline.delivery.installed import installed
from hogline.delivery.part import Part
from hogline.delivery.quiet import Quiet
from hogline.delivery.workers import Workers
from hogline.destinations.base import InvalidOptions
from hogline.runtime.wiring import held, patience_s
from hogline.settings import Settings
from hogline.store.base import Connection
from hogline.store.crew import Given, Report
from hogline.store.opening import hand as opened
from hogline.store.shared import HandStores
from hogline.telemetry.delivery import RequestListener

log = structlog.get_logger("hogline")


async def lend_a_hand(settings: Settings, clock: Clock, listener: RequestListener) -> None:
    """Until cancelled, or until this process was taken for dead. Raises `Unusable` and `Unwritable`."""
    assert settings.shared is not None
    assert settings.secret_key is not None
    async with AsyncExitStack() as stack:
        client = Client()
        stack.push_async_callback(client.close)
        key = settings.secret_key.get_secret_value()
        stores = await stack.enter_async_context(opened(settings.shared, key, clock.time_ms))
        send = held(client.send, stores.hold)
        quiet = Quiet(send, clock, for_s=settings.quiet_after_kill_s, was_killed=False)
        carries = _Carries(settings, stores, quiet, clock, listener)
        hand = Hand(stores.seat, carries, clock)
        stack.push_async_callback(hand.close)
        working = asyncio.create_task(hand.run(), name="orders")
        lost = asyncio.create_task(stores.hold.lost.wait())
        try:
            await asyncio.wait({working, lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (working, lost):
                one.cancel()
            await asyncio.gather(working, lost, return_exceptions=True)
        if working.done() and not working.cancelled():
            await working  # raises what ended it


class _Carries:
    """Implements `delivery.crew.Carries`."""

    def __init__(
        self, settings: Settings, stores: HandStores, quiet: Quiet, clock: Clock, listener: RequestListener
    ) -> None:
        self._stores = stores
        self._quiet = quiet
        self._stopped: dict[int, str] = {}
        self._workers = Workers(
            journal=stores.journal,
            state=stores.state,
            send=quiet.send,
            clock=clock,
            stopped=self._stops,
            merge_delay_s=settings.merge_delay_s,
            follows=True,
            listener=listener,
            noting=_noted if settings.event_log else None,
        )

    async def _stops(self, connection: Connection, reason: str) -> None:
        self._stopped[connection.id] = reason

    async def take_up(self, connection: int, given: Given) -> None:
        self._stopped.pop(connection, None)
        for one in await self._stores.state.connections():
            if one.id == connection:
                try:
                    self._workers.start(installed(one), Part(given.lanes, self._stores.state, given.shares))
                except InvalidOptions as invalid:
                    self._stopped[connection] = str(invalid)

    async def put_down(self, connection: int) -> None:
        await self._workers.stop(connection, patience_s(self._stores.hold))
        await self._quiet.over()
        self._stopped.pop(connection, None)

    def reports(self) -> Mapping[int, Report]:
        stopped = {one: Report(stopped=reason) for one, reason in self._stopped.items()}
        return {**self._workers.reports(), **stopped}


def _noted() -> None:
    """The owner's event log looks by itself."""
