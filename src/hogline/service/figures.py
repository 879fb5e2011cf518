"""Figures over time, ready for plots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from hogline.service.core import Core
from hogline.store.figures import HOUR_S, MINUTE_S, Point


class TrendsView(Struct, frozen=True, kw_only=True):
    """Series for plots: every list has one value for each of `times`."""

    connection: str
    period: str
    step_s: int
    """How long each step is."""
    times: list[int]
    """When each step begins, in seconds since 1970, without gaps. The last one is not over."""
    received: list[int]
    delivered: list[int]
    filtered: dict[str, list[int]]
    """By reason; only reasons that occurred in this period."""
    held: list[int]
    """Events that were held back."""
    failures: list[int]
    """Events that became failures."""
    pending: list[int]
    """The highest number in each step."""
    lag_s: list[float]
    """The longest wait in each step."""
    requests: list[int]
    request_ms: list[float | None]
    """The average time of a request; None: there were none."""


Period: TypeAlias = Literal["hour", "day", "week"]


class _Stretch(Struct, frozen=True):
    step_s: int
    steps: int


PERIODS: Mapping[Period, _Stretch] = {
    "hour": _Stretch(MINUTE_S, 60),
    "day": _Stretch(10 * MINUTE_S, 144),
    "week": _Stretch(HOUR_S, 168),
}
_SPARKLINE = _Stretch(HOUR_S, 24)


class Trends(Core):
    async def trends(self, connection: str, period: Period = "day") -> TrendsView:
        """A connection's figures over the last hour, day or week, at most a minute old."""
        times, points = await self._points(connection, PERIODS[period])
        timed = _series(times, points, "request_ms")
        requests = _series(times, points, "requests")
        return TrendsView(
            connection=connection,
            period=period,
            step_s=PERIODS[period].step_s,
            times=list(times),
            received=_series(times, points, "received"),
            delivered=_series(times, points, "delivered"),
            filtered={
                reason: _series(times, (point for point in points if point.reason == reason), "filtered")
                for reason in sorted({point.reason for point in points if point.kind == "filtered"})
            },
            held=_series(times, points, "held"),
            failures=_series(times, points, "failed"),
            pending=_series(times, points, "pending"),
            lag_s=[lag_ms / 1_000 for lag_ms in _series(times, points, "lag_ms")],
            requests=requests,
            request_ms=[round(ms / n, 1) if n else None for ms, n in zip(timed, requests, strict=True)],
        )

    async def sparkline(self, connection: str) -> list[int]:
        """Events received in each of the last 24 hours, oldest first. The last hour is not over."""
        times, points = await self._points(connection, _SPARKLINE)
        return _series(times, points, "received")

    async def _points(self, connection: str, stretch: _Stretch) -> tuple[range, list[Point]]:
        one = await self._find(connection)
        now_s = self._clock.time_ms() // 1_000
        until_s = now_s - now_s % stretch.step_s + stretch.step_s
        times = range(until_s - stretch.steps * stretch.step_s, until_s, stretch.step_s)
        if self.figures is None:
            return times, []
        return times, await self.figures.read(one.id, since_s=times.start, until_s=until_s, step_s=stretch.step_s)


def _series(times: Sequence[int], points: Iterable[Point], kind: str) -> list[int]:
    found = {point.at_s: point.n for point in points if point.kind == kind}
    return [found.get(at_s, 0) for at_s in times]
