"""A connection's overview: its state, what to do, and its figures over time as a table and as plots.

The plots are drawn by static/overview.js from the table, so that both always say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hogline.console.connections import resume_or_ask
from hogline.console.context import connection_of, form_of, service_of
from hogline.console.pages import PART, again, go, page
from hogline.service import CannotDo, Service
from hogline.service.figures import PERIODS, Period, TrendsView
from hogline.views import ConnectionStatus

FILTERED_COLOURS = ("plot-3", "plot-6", "plot-7", "plot-8")
DEFAULT: Period = "day"


@dataclass(frozen=True)
class Column:
    """A series, as a column of the table and a line of a plot."""

    title: str
    plot: str
    """In which plot it is, and on which side: `events`; `pending` with `lag`; `requests` with `time`."""
    colour: str
    """The name of one of the stylesheet's colours."""
    values: Sequence[float | None]
    unit: str = ""
    dash: int = 0
    """Distinguishes lines of the same color."""


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
        *[
            Column(f"Filtered: {reason}", "events", colour, series, dash=number)
            for number, ((reason, series), colour) in enumerate(
                zip(history.filtered.items(), cycle(FILTERED_COLOURS), strict=False)
            )
        ],
        Column("Held", "events", "plot-4", history.held),
        Column("New failures", "events", "plot-5", history.failures),
        Column("Pending", "pending", "plot-3", history.pending),
        Column("Longest wait", "lag", "plot-4", history.lag_s, unit="s"),
        Column("Requests", "requests", "plot-1", history.requests),
        Column("Average time", "time", "plot-2", history.request_ms, unit="ms"),
    ]
    rows = zip(history.times, zip(*(column.values for column in columns), strict=True), strict=True)
    return Table(columns, [(at_s, values) for at_s, values in rows if any(values)], history)


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
    hour = await service.trends(connection.name, "hour")
    over_time = table(hour if period == "hour" else await service.trends(connection.name, period))
    return await page(
        request,
        "overview.html",
        status=422 if problem else 200,
        connection=connection,
        section="overview",
        status_of=await _status(service, connection.name),
        mean_ms=mean_ms(hour),
        table=over_time,
        periods=tuple(PERIODS),
        problem=problem,
    )


def mean_ms(history: TrendsView) -> float | None:
    """Of all requests of a history; None: there was none."""
    requests = sum(history.requests)
    total_ms = sum((ms or 0.0) * n for ms, n in zip(history.request_ms, history.requests, strict=True))
    return total_ms / requests if requests else None


async def switch(request: Request) -> Response:
    """`do`: `pause` or `resume`."""
    connection, service = await connection_of(request), service_of(request)
    form = await form_of(request)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    try:
        if form.get("do") != "pause":
            return await resume_or_ask(request, connection, here, stays=True)
        await service.pause(connection.name)
    except CannotDo as error:
        return await _overview(request, str(error))
    return again(request, here, f"Paused {connection.name}. New events are kept until you resume it.")


async def _status(service: Service, name: str) -> ConnectionStatus:
    for connection in (await service.status()).connections:
        if connection.name == name:
            return connection
    raise HTTPException(404, "Connection not found. It may have been removed.")


ROUTES = [
    Route("/connections/{name}/overview", overview, methods=["GET"], name="overview"),
    Route("/connections/{name}/overview", switch, methods=["POST"]),
]
