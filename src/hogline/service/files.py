"""Files of events: sending, previewing and forecasting. A handle stands for a file that is being worked on."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import cached_property
from typing import TypeVar

from hogline.backfill.forecast import Forecast, choices
from hogline.backfill.preview import Preview
from hogline.backfill.sending import Sending
from hogline.backfill.views import BadLine, Delivery, ForecastView, PreviewedEvent, Row
from hogline.destinations.catalogue import destination_of
from hogline.service.core import CannotDo, Core, opened
from hogline.store.base import Connection

ABANDONED_AFTER_S = 600.0

FileT = TypeVar("FileT", Sending, Preview, Forecast)


class Files(Core):
    @cached_property
    def _forecasts(self) -> dict[str, Forecast]:
        return {}

    async def begin_sending(self) -> str:
        """Start to deliver events from a file; returns a handle."""
        self._forget_abandoned()
        tallies = self._workers.tally()
        running = [connection for connection in await self._state.connections() if connection.id in tallies]
        if not running:
            raise CannotDo("No connection is running. See `hogline connections`.")
        handle = secrets.token_hex(8)
        self._sendings[handle] = Sending(
            journal=self._journal,
            suppressed=self._state.suppressed,
            seen=self.seen_uuids,
            clock=self._clock,
            connections=running,
            tallies=tallies,
        )
        await self.trail.note("file_sent", {"connections": [one.name for one in running]})
        return handle

    async def send_rows(self, handle: str, rows: Sequence[Row], refused: dict[str, int]) -> None:
        """Keep these events. `refused`: how many could not be kept, by reason."""
        await self._under_way(self._sendings, handle).keep(rows, refused)

    async def sending(self, handle: str, wait_s: float) -> list[Delivery]:
        """How far each connection is, once everything is settled or after that time."""
        sending = self._under_way(self._sendings, handle)
        await sending.wait(wait_s)
        standing = {c.id: self._standing(c) for c in await self._state.connections()}
        return sending.deliveries(standing)

    async def end_sending(self, handle: str) -> None:
        if sending := self._sendings.pop(handle, None):
            self._workers.forget(sending.tallies)

    async def begin_preview(self, connection: str = "") -> str:
        """Start a preview for one connection or for all; if there are none, for Customer.io with default options."""
        self._forget_abandoned()
        chosen = [await self._find(connection)] if connection else await self._state.connections()
        handle = secrets.token_hex(8)
        self._previews[handle] = Preview(self._state, [opened(one) for one in chosen], self._clock)
        return handle

    async def preview_lines(
        self, handle: str, lines: Sequence[tuple[int, bytes]]
    ) -> tuple[list[PreviewedEvent], list[BadLine]]:
        """What would happen to the event in each of these lines if it arrived now, after the ones before. Sends and
        changes nothing.
        """
        return await self._under_way(self._previews, handle).lines(lines)

    async def preview_rows(self, handle: str, rows: Sequence[Row]) -> list[PreviewedEvent]:
        """The same for rows of files."""
        return await self._under_way(self._previews, handle).rows(rows)

    async def end_preview(self, handle: str) -> None:
        self._previews.pop(handle, None)

    async def begin_forecast(self, connection: str = "") -> str:
        """Start a forecast with the options of this connection, or of the only one that has a forecast; without any,
        with default options.
        """
        self._forget_abandoned()
        chosen = await self._find(connection) if connection else await self._only_one_to_forecast()
        if chosen is not None and not choices(chosen.destination):
            title = destination_of(chosen.destination).title
            raise CannotDo(f"Cannot forecast {chosen.name!r}: {title} has no option for who is sent.")
        handle = secrets.token_hex(8)
        self._forecasts[handle] = Forecast(chosen, self._clock, hold_max_bytes=self._settings.hold_max_bytes)
        return handle

    async def forecast_rows(self, handle: str, rows: Sequence[Row]) -> None:
        """Count what these events would lead to, after the ones before. Sends and changes nothing."""
        await self._under_way(self._forecasts, handle).rows(rows)

    async def forecast(self, handle: str) -> ForecastView:
        """What the events so far would lead to, for each choice."""
        return await self._under_way(self._forecasts, handle).view()

    async def end_forecast(self, handle: str) -> None:
        self._forecasts.pop(handle, None)

    async def _only_one_to_forecast(self) -> Connection | None:
        possible = [one for one in await self._state.connections() if choices(one.destination)]
        if len(possible) > 1:
            names = ", ".join(one.name for one in possible)
            raise CannotDo(f"Several connections qualify. Choose one with --connection: {names}.")
        return possible[0] if possible else None

    def _under_way(self, files: dict[str, FileT], handle: str) -> FileT:
        file = files.get(handle)
        if file is None:
            raise CannotDo("This upload expired. Run the command again; Hogline ignores duplicates.")
        file.touched_s = self._clock.now_s()
        return file

    def _forget_abandoned(self) -> None:
        """A client that was killed never ends what it started."""
        before_s = self._clock.now_s() - ABANDONED_AFTER_S
        for handle in [handle for handle, sending in self._sendings.items() if sending.touched_s < before_s]:
            self._workers.forget(self._sendings.pop(handle).tallies)
        for handle in [handle for handle, preview in self._previews.items() if preview.touched_s < before_s]:
            del self._previews[handle]
        for handle in [handle for handle, forecast in self._forecasts.items() if forecast.touched_s < before_s]:
            del self._forecasts[handle]
