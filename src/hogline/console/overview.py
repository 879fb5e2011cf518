"""A connection's overview: its state, what to do, and its figures over time as a table and as plots.

The plots are drawn by static/overview.js from the table, so that both always say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hogline.console.connections import resume_or_ask
from hogline.console.context import connection_of, console_of, form_of, service_of
from hogline.console.days import days_of
from hogline.console.pages import PART, again, go, page
from hogline.service import CannotDo, Service
from hogline.service.figures import PERIODS, Period, TrendsView
from hogline.views.connections import ConnectionStatus

FILTERED_COLOURS = ("plot-3", "plot-6", "plot-7", "plot-8")
FAILED_COLOURS = ("plot-5", "plot-1", "plot-3", "plot-6", "plot-4", "plot-7", "plot-2", "plot-8")
OTHER = "other reasons"
DEFAULT: Period = "day"
STEPS = {60: "minute", 600: "10 minutes", 3_600: "hour", 21_600: "6 hours", 86_400: "day"}


@dataclass(frozen=True)
class Column:
    """A series, as a column of the table and a line of a plot."""

    title: str
    plot: str
    """In which plot it is, and on which side: `events`; `failures`; `pending` with `lag`; `requests` with `time`."""
    colour: str
    """The name of one of the stylesheet's colours; no other line of the plot has it."""
    values: Sequence[float | None]
    unit: str = ""


@dataclass(frozen=True)
class Table:
    columns: Sequence[Column]
    rows: Sequence[tuple[int, Sequence[float | None]]]
    """When each time begins (seconds since 1970), and its values; times in which nothing happened are left out."""
    history: TrendsView


def table(history: TrendsView) -> Table:
    columns = [
        Column("Received", "events", "plot-1", history.received),
        Column("Delivered", "events", "plot-2", history.delivered),
        *_by_reason("Filtered: ", "events", FILTERED_COLOURS, history.filtered),
        Column("Held", "events", "plot-4", history.held),
        Column("New failures", "events", "plot-5", history.failures),
        *_by_reason("Failed: ", "failures", FAILED_COLOURS, history.failures_by_reason),
        Column("Pending", "pending", "plot-3", history.pending),
        Column("Longest wait", "lag", "plot-4", history.lag_s, unit="s"),
        Column("Requests", "requests", "plot-1", history.requests),
        Column("Median", "time", "plot-2", history.request_p50_ms, unit="ms"),
        Column("95th percentile", "time", "plot-3", history.request_p95_ms, unit="ms"),
    ]
    rows = zip(history.times, zip(*(column.values for column in columns), strict=True), strict=True)
    return Table(columns, [(at_s, values) for at_s, values in rows if any(values)], history)


def _by_reason(before: str, plot: str, colours: Sequence[str], series: Mapping[str, Sequence[int]]) -> list[Column]:
    """A color for each of the most frequent reasons; the others are one line."""
    reasons = sorted(series, key=lambda reason: (-sum(series[reason]), reason))
    if len(reasons) > len(colours):
        rest = reasons[len(colours) - 1 :]
        series = {**series, OTHER: [sum(values) for values in zip(*(series[reason] for reason in rest), strict=True)]}
        reasons = [*reasons[: len(colours) - 1], OTHER]
    return [Column(f"{before}{reason}", plot, colour, series[reason]) for reason, colour in zip(reasons, colours)]  # noqa: B905  # there may be fewer reasons


@dataclass(frozen=True)
class Sums:
    """What happened in the chosen range."""

    received: int
    delivered: int
    filtered: Mapping[str, int]
    held: int
    failures: Mapping[str, int]
    requests: int
    lasted_s: int
    """Since the first of it."""

    @property
    def decided(self) -> int:
        return self.delivered + sum(self.filtered.values()) + self.held + sum(self.failures.values())


def sums(history: TrendsView, now_s: int) -> Sums:
    seen = (history.received, history.delivered, history.requests)
    began_s = next((at_s for at_s, *values in zip(history.times, *seen, strict=True) if any(values)), now_s)
    named = {reason: sum(values) for reason, values in history.failures_by_reason.items()}
    unnamed = sum(history.failures) - sum(named.values())  # before reasons were kept
    return Sums(
        received=sum(history.received),
        delivered=sum(history.delivered),
        filtered={reason: sum(values) for reason, values in history.filtered.items()},
        held=sum(history.held),
        failures=named | ({"not recorded": unnamed} if unnamed else {}),
        requests=sum(history.requests),
        lasted_s=max(min(now_s, history.times[-1] + history.step_s) - began_s, 1),
    )


async def overview(request: Request) -> Response:
    try:
        return await _overview(request)
    except HTTPException:
        if PART not in request.headers:
            raise
        return go(request, str(request.app.url_path_for("home")), "The connection was removed.")


async def _overview(request: Request, problem: str = "") -> Response:
    """`problem`: why what was asked for was not done."""
    connection, service = await connection_of(request), service_of(request)
    period = next((period for period in PERIODS if period == request.query_params.get("period")), DEFAULT)
    days = days_of(request.query_params)
    try:
        history = await service.trends.show(connection.name, period, since_ms=days.since_ms, until_ms=days.until_ms)
    except CannotDo as error:
        days = replace(days, problem=str(error))
        history = await service.trends.show(connection.name, period)
    status = await _status(service, connection.name)
    over_time = table(history)
    return await page(
        request,
        "overview.html",
        status=422 if problem or days.problem else 200,
        connection=connection,
        section="overview",
        status_of=status,
        is_new=not status.received and not over_time.rows,
        days=days,
        sums=sums(history, int(console_of(request).service.clock.time_ms()) // 1_000),
        table=over_time,
        step=STEPS[history.step_s],
        periods=tuple(PERIODS),
        problem=problem,
    )


async def switch(request: Request) -> Response:
    """`do`: `pause` or `resume`."""
    connection, service = await connection_of(request), service_of(request)
    form = await form_of(request)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    try:
        if form.get("do") != "pause":
            return await resume_or_ask(request, connection, here, stays=True)
        await service.connections.pause(connection.name)
    except CannotDo as error:
        return await _overview(request, str(error))
    return again(request, here, f"Paused {connection.name}. New events are kept until you resume it.")


async def _status(service: Service, name: str) -> ConnectionStatus:
    for connection in (await service.status.show()).connections:
        if connection.name == name:
            return connection
    raise HTTPException(404, "Connection not found. It may have been removed.")


ROUTES = [
    Route("/connections/{name}/overview", overview, methods=["GET"], name="overview"),
    Route("/connections/{name}/overview", switch, methods=["POST"]),
]
