"""Figures over time, ready for plots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from hogline.clock import Clock
from hogline.service.core import CannotDo, connection_named
from hogline.store.base import State
from hogline.store.figures import (
    HOUR_S,
    HOURS_KEPT_S,
    MINUTE_S,
    MINUTES_KEPT_S,
    FigureKind,
    Figures,
    Point,
    percentile_ms,
)


class TrendsView(Struct, frozen=True, kw_only=True):
    """Series for plots: every list has one value for each of `times`."""

    connection: str
    period: str
    """`range`: it was asked for by its beginning and end."""
    step_s: int
    """How long each step is."""
    times: list[int]
    """When each step begins, in seconds since 1970, without gaps. The last one may not be over."""
    received: list[int]
    delivered: list[int]
    filtered: dict[str, list[int]]
    """By reason; only reasons that occurred in this period."""
    held: list[int]
    """Events that were held back."""
    failures: list[int]
    """Events that became failures."""
    failures_by_reason: dict[str, list[int]]
    """The same by reason; only reasons that occurred in this period."""
    pending: list[int]
    """The highest number in each step."""
    lag_s: list[float]
    """The longest wait in each step."""
    requests: list[int]
    request_ms: list[float | None]
    """The average time of a request; None: there were none."""
    request_p50_ms: list[float | None]
    """Half of the requests took no longer."""
    request_p95_ms: list[float | None]
    """95% of the requests took no longer."""
    p50_ms: float | None
    """Of all requests in this period."""
    p95_ms: float | None


Period: TypeAlias = Literal["hour", "day", "week", "month"]


class _Stretch(Struct, frozen=True):
    step_s: int
    steps: int


PERIODS: Mapping[Period, _Stretch] = {
    "hour": _Stretch(MINUTE_S, 60),
    "day": _Stretch(10 * MINUTE_S, 144),
    "week": _Stretch(HOUR_S, 168),
    "month": _Stretch(6 * HOUR_S, 120),
}
_SPARKLINE = _Stretch(HOUR_S, 24)
_STEPS_S = (MINUTE_S, 10 * MINUTE_S, HOUR_S, 6 * HOUR_S, 24 * HOUR_S)
_MOST_STEPS = 180
_FALLS_OFF_S = MINUTES_KEPT_S - HOUR_S
"""How long ago a time may be that there are minutes of."""


class Trends:
    def __init__(self, figures: Figures | None, state: State, clock: Clock) -> None:
        """Without figures, all series are empty."""
        self._figures = figures
        self._state = state
        self._clock = clock

    async def show(
        self, connection: str, period: Period = "day", *, since_ms: int = 0, until_ms: int = 0
    ) -> TrendsView:
        """A connection's figures over the last hour, day, week or month. Or over a range: from `since_ms` until before
        `until_ms` (0: now), as far as figures are kept. Raises `CannotDo`.
        """
        times = self._range(since_ms, until_ms) if since_ms or until_ms else self._last(PERIODS[period])
        points = await self._points(connection, times)
        timed = _series(times, points, "request_ms")
        requests = _series(times, points, "requests")
        took = _times(points)
        return TrendsView(
            connection=connection,
            period="range" if since_ms or until_ms else period,
            step_s=times.step,
            times=list(times),
            received=_series(times, points, "received"),
            delivered=_series(times, points, "delivered"),
            filtered=_by_reason(times, points, "filtered"),
            held=_series(times, points, "held"),
            failures=_series(times, points, "failed"),
            failures_by_reason=_by_reason(times, points, "failed"),
            pending=_series(times, points, "pending"),
            lag_s=[lag_ms / 1_000 for lag_ms in _series(times, points, "lag_ms")],
            requests=requests,
            request_ms=[round(ms / n, 1) if n else None for ms, n in zip(timed, requests, strict=True)],
            request_p50_ms=[percentile_ms(took.get(at_s, {}), 0.5) for at_s in times],
            request_p95_ms=[percentile_ms(took.get(at_s, {}), 0.95) for at_s in times],
            p50_ms=percentile_ms(sum(took.values(), Counter()), 0.5),
            p95_ms=percentile_ms(sum(took.values(), Counter()), 0.95),
        )

    async def sparkline(self, connection: str) -> list[int]:
        """Events received in each of the last 24 hours, oldest first. The last hour is not over."""
        times = self._last(_SPARKLINE)
        return _series(times, await self._points(connection, times), "received")

    def _last(self, stretch: _Stretch) -> range:
        until_s = _up(self._clock.time_ms() // 1_000 + 1, stretch.step_s)
        return range(until_s - stretch.steps * stretch.step_s, until_s, stretch.step_s)

    def _range(self, since_ms: int, until_ms: int) -> range:
        """In the finest steps that are kept and that a plot can show."""
        now_s = self._clock.time_ms() // 1_000
        until_s = min(until_ms // 1_000 if until_ms else now_s + 1, now_s + 1)
        since_s = max(since_ms // 1_000, now_s - HOURS_KEPT_S)
        if since_s >= until_s:
            raise CannotDo(f"The range must begin before it ends, within the last {HOURS_KEPT_S // 86_400} days.")
        for step_s in _STEPS_S:
            fine = step_s >= HOUR_S or since_s >= now_s - _FALLS_OFF_S
            if fine and (until_s - since_s) // step_s <= _MOST_STEPS:
                break
        return range(since_s - since_s % step_s, _up(until_s, step_s), step_s)

    async def _points(self, connection: str, times: range) -> list[Point]:
        one = await connection_named(self._state, connection)
        if self._figures is None:
            return []
        return await self._figures.read(one.id, since_s=times.start, until_s=times.stop, step_s=times.step)


def _up(at_s: int, step_s: int) -> int:
    return at_s + -at_s % step_s


def _series(times: Sequence[int], points: Iterable[Point], kind: FigureKind) -> list[int]:
    """Over all reasons."""
    found = Counter[int]()
    for point in points:
        if point.kind == kind:
            found[point.at_s] += point.n
    return [found[at_s] for at_s in times]


def _by_reason(times: Sequence[int], points: Sequence[Point], kind: FigureKind) -> dict[str, list[int]]:
    return {
        reason: _series(times, [point for point in points if point.reason == reason], kind)
        for reason in sorted({point.reason for point in points if point.kind == kind and point.reason})
    }


def _times(points: Iterable[Point]) -> dict[int, Counter[int]]:
    """By step: how many requests were in which bucket."""
    found: dict[int, Counter[int]] = {}
    for point in points:
        if point.kind == "took":
            found.setdefault(point.at_s, Counter())[int(point.reason)] += point.n
    return found
