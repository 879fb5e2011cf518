"""Files of events: sending, previewing and forecasting. A handle stands for a file that is being worked on."""

from __future__ import annotations

from collections.abc import Sequence

from hogline.backfill.forecast import Forecast, choices
from hogline.backfill.preview import NO_CONNECTION, Preview
from hogline.backfill.sending import Sending
from hogline.backfill.views import BadLine, Delivery, ForecastView, PreviewedEvent, Row
from hogline.clock import Clock
from hogline.delivery.workers import Workers
from hogline.destinations.catalogue import destination_of
from hogline.posthog.entry import decode_identity
from hogline.service.core import CannotDo, connection_named, evolved, opened
from hogline.service.handles import Handles
from hogline.service.runner import Runner
from hogline.service.trail import Trail
from hogline.sources.seen import SeenUuids
from hogline.store.base import Connection, Journal, State

_OVER = "This upload expired. Run the command again; Hogline ignores duplicates."


class Sendings:
    def __init__(
        self,
        *,
        journal: Journal,
        state: State,
        clock: Clock,
        workers: Workers,
        runner: Runner,
        seen: SeenUuids,
        trail: Trail,
    ) -> None:
        self._journal = journal
        self._state = state
        self._clock = clock
        self._workers = workers
        self._runner = runner
        self._seen = seen
        self._trail = trail
        self.handles = Handles[Sending](clock, _OVER, ended=lambda sending: workers.forget(sending.tallies))

    async def begin(self) -> str:
        """Start to deliver events from a file; returns a handle."""
        tallies = self._workers.tally()
        running = [connection for connection in await self._state.connections() if connection.id in tallies]
        if not running:
            raise CannotDo("No connection is running. See `hogline connections`.")
        await self._workers.alone([one.id for one in running])
        handle = self.handles.begin(
            Sending(
                journal=self._journal,
                suppressed=self._state.suppressed,
                seen=self._seen,
                clock=self._clock,
                connections=running,
                tallies=tallies,
            )
        )
        await self._trail.note("file_sent", {"connections": [one.name for one in running]})
        return handle

    async def send(self, handle: str, rows: Sequence[Row], refused: dict[str, int]) -> None:
        """Keep these events. `refused`: how many could not be kept, by reason."""
        await self.handles.work(handle).keep(rows, refused)

    async def show(self, handle: str, wait_s: float) -> list[Delivery]:
        """How far each connection is, once everything is settled or after that time."""
        sending = self.handles.work(handle)
        await sending.wait(wait_s)
        standing = {one.id: self._runner.standing(one) for one in await self._state.connections()}
        return sending.deliveries(standing)

    async def end(self, handle: str) -> None:
        self.handles.end(handle)


class Previews:
    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self.handles = Handles[Preview](clock, _OVER)

    async def begin(self, connection: str = "") -> str:
        """Start a preview for one connection or for all; if there are none, for Customer.io with default options."""
        every = await self._state.connections()
        chosen = [await connection_named(self._state, connection)] if connection else every
        return self.handles.begin(Preview(self._state, [opened(one) for one in chosen], self._clock))

    async def lines(
        self, handle: str, lines: Sequence[tuple[int, bytes]]
    ) -> tuple[list[PreviewedEvent], list[BadLine]]:
        """What would happen to the event in each of these lines if it arrived now, after the ones before. Sends and
        changes nothing.
        """
        return await self.handles.work(handle).lines(lines)

    async def rows(self, handle: str, rows: Sequence[Row]) -> list[PreviewedEvent]:
        """The same for rows of files."""
        return await self.handles.work(handle).rows(rows)

    async def end(self, handle: str) -> None:
        self.handles.end(handle)


MOST_FORECAST = 10_000
FORECAST_AT_ONCE = 1_000


class Forecasts:
    def __init__(self, journal: Journal, state: State, clock: Clock, *, hold_max_bytes: int) -> None:
        self._journal = journal
        self._state = state
        self._clock = clock
        self._hold_max_bytes = hold_max_bytes
        self.handles = Handles[Forecast](clock, _OVER)

    async def begin(self, connection: str = "") -> str:
        """Start a forecast with the options of this connection, or of the only one that has a forecast; without any,
        with default options.
        """
        chosen = await connection_named(self._state, connection) if connection else await self._only_one()
        if chosen is not None and not choices(chosen.destination):
            title = destination_of(chosen.destination).title
            raise CannotDo(f"Cannot forecast {chosen.name!r}: {title} has no option for who is sent.")
        return self.handles.begin(Forecast(chosen, self._clock, hold_max_bytes=self._hold_max_bytes))

    async def begin_new(self, destination: str, options: dict[str, object]) -> str:
        """Start a forecast for a new connection with these options. Secrets are not needed. Raises `CannotDo`."""
        return self.handles.begin(self._of_new(destination, options))

    async def rows(self, handle: str, rows: Sequence[Row]) -> None:
        """Count what these events would lead to, after the ones before. Sends and changes nothing."""
        await self.handles.work(handle).rows(rows)

    async def show(self, handle: str) -> ForecastView:
        """What the events so far would lead to, for each choice."""
        return await self.handles.work(handle).view()

    async def end(self, handle: str) -> None:
        self.handles.end(handle)

    async def of_received(self, destination: str, options: dict[str, object]) -> ForecastView:
        """What the newest events that Hogline has would lead to at a new connection with these options, for each
        choice; at most `MOST_FORECAST` of them. Secrets are not needed. Raises `CannotDo`.
        """
        forecast = self._of_new(destination, options)
        after = max(self._journal.end - MOST_FORECAST, self._journal.first - 1, 0)
        while rows := await self._journal.read(after, FORECAST_AT_ONCE):
            kept = [Row("", position, body) for position, body in rows if decode_identity(body).distinct_id]
            await forecast.rows(kept)
            after = rows[-1][0]
        return await forecast.view()

    def _of_new(self, destination: str, options: dict[str, object]) -> Forecast:
        if not choices(destination):
            raise CannotDo(f"{destination_of(destination).title} has no option for who is sent.")
        secrets = {option.key: "forecast" for option in destination_of(destination).options if option.required}
        made_for = evolved(NO_CONNECTION, destination=destination, options={**secrets, **options})
        opened(made_for)
        return Forecast(made_for, self._clock, hold_max_bytes=self._hold_max_bytes)

    async def _only_one(self) -> Connection | None:
        possible = [one for one in await self._state.connections() if choices(one.destination)]
        if len(possible) > 1:
            names = ", ".join(one.name for one in possible)
            raise CannotDo(f"Several connections qualify. Choose one with --connection: {names}.")
        return possible[0] if possible else None
