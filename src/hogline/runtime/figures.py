"""The figures of every connection over time: once a minute what the counters have grown by is kept in the history.

It looks at counters that are kept anyway and hears of requests that are sent anyway: nothing is done for an event.
What grew while nobody looked belongs to no minute: a process that is killed loses the minute that it was in. Knows
nothing of plots.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog
from msgspec import Struct, field

from hogline.clock import Clock
from hogline.store.base import Connection, Journal, State
from hogline.store.figures import MINUTE_S, Figure, FigureKind, Figures, Point, bucket
from hogline.store.positions import lag_ms
from hogline.telemetry.delivery import RequestListener
from hogline.telemetry.internal_errors import kind_and_place

log = structlog.get_logger("hogline.history")

_MINUTE_MS = MINUTE_S * 1_000


class _Seen(Struct, frozen=True):
    """A connection's counters at one time, and what waited then."""

    name: str
    counters: dict[tuple[FigureKind, str], int]
    pending: int = 0
    lag_ms: int = 0


class _Requests(Struct):
    """Those that were answered, or given up, since the history was told last."""

    n: int = 0
    ms: float = 0.0
    took: Counter[int] = field(default_factory=Counter)
    """How many, by bucket of their time."""


class Sampler:
    def __init__(self, history: Figures, journal: Journal, state: State, clock: Clock) -> None:
        self._history = history
        self._journal = journal
        self._state = state
        self._clock = clock
        self._requests: dict[str, _Requests] = {}
        self._seen: dict[int, _Seen] | None = None
        """As of the last time; None: not looked yet."""
        self._seen_ms = 0
        self._looking = asyncio.Lock()

    def heard(self, listener: RequestListener) -> RequestListener:
        """A listener that tells the other one, and is itself what hears of requests."""

        def both(connection: str, took_s: float) -> None:
            requests = self._requests.setdefault(connection, _Requests())
            requests.n += 1
            requests.ms += took_s * 1_000
            requests.took[bucket(took_s * 1_000)] += 1
            listener(connection, took_s)

        return both

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks at every full minute as long as the context lasts, and once more at its end."""
        await self.look()
        task = asyncio.create_task(self._run(), name="history")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.look()

    async def _run(self) -> None:
        while True:
            await self._clock.sleep((_MINUTE_MS - self._clock.time_ms() % _MINUTE_MS) / 1_000)
            await self.look()

    async def look(self) -> None:
        """Keep what has changed since the last time, if the disk allows it. Before somebody reads, too."""
        try:
            async with self._looking:
                await self.once()
        except Exception as trouble:
            # A disk in trouble. The counters go on, so the next minute has what this one could not keep.
            log.warning("history not saved", error=kind_and_place(trouble))

    async def once(self) -> None:
        """Keep what has changed since the last time; the first time only look. Raises what the stores raise."""
        now_ms = self._clock.time_ms()
        connections = await self._state.connections()
        seen = {connection.id: await self._look(connection, now_ms) for connection in connections}
        before, heard = self._seen, self._taken()
        if before is None or before.keys() - seen.keys():
            await self._history.keep_only(seen.keys())
        if before is not None:
            figures = [figure for id_, one in seen.items() for figure in _figures(id_, one, before, heard)]
            if any(figure.n for figure in figures):
                await self._history.add(figures, self._minute_s(now_ms))
        self._seen, self._seen_ms = seen, now_ms
        self._told(heard)

    async def _look(self, connection: Connection, now_ms: int) -> _Seen:
        counts = await self._state.counts(connection.id)
        received = await self._journal.newest() - connection.start  # after the counts: others settle all the while
        counters: dict[tuple[FigureKind, str], int] = {
            ("received", ""): received,
            ("delivered", ""): counts.delivered,
            ("held", ""): counts.held,
        }
        counters |= {("filtered", reason): n for reason, n in counts.filtered.items()}
        counters |= {("failed", reason): n for reason, n in counts.failures.items()}
        pending, waits_ms = received - counts.settled, 0
        if pending > 0:
            waits_ms = await lag_ms(connection, self._journal, self._state, now_ms)
        return _Seen(connection.name, counters, pending, waits_ms)

    def _minute_s(self, now_ms: int) -> int:
        """The minute that the change belongs to: where it began. If that is not of the last minute (we slept, or the
        clock was set), a minute ago: what happened happened after we woke up.
        """
        began_ms = self._seen_ms if now_ms - _MINUTE_MS <= self._seen_ms <= now_ms else now_ms - _MINUTE_MS
        return began_ms // _MINUTE_MS * MINUTE_S

    def _taken(self) -> dict[str, _Requests]:
        return {name: _Requests(one.n, one.ms, one.took.copy()) for name, one in self._requests.items()}

    def _told(self, heard: Mapping[str, _Requests]) -> None:
        """Forget these requests: the history has them. Others came meanwhile."""
        for name, requests in heard.items():
            rest = self._requests[name]
            rest.n -= requests.n
            rest.ms -= requests.ms
            rest.took -= requests.took
            if not rest.n:
                del self._requests[name]


def _figures(id_: int, seen: _Seen, before: Mapping[int, _Seen], heard: Mapping[str, _Requests]) -> list[Figure]:
    """A connection's figures for the interval. A counter that went down counts as 0: retried failures and released
    events show up under their new result. A new connection starts at 0.
    """
    earlier = before[id_].counters if id_ in before else {}
    figures = [
        Figure(id_, kind, n - earlier.get((kind, reason), 0), reason)
        for (kind, reason), n in seen.counters.items()
        if n > earlier.get((kind, reason), 0)
    ]
    figures += [Figure(id_, "pending", seen.pending), Figure(id_, "lag_ms", seen.lag_ms)]
    # Requests are counted by name, so they are ambiguous if another connection had this name.
    renamed = any(one.name == seen.name and other != id_ for other, one in before.items())
    if (requests := heard.get(seen.name)) and not renamed:
        figures += [Figure(id_, "requests", requests.n), Figure(id_, "request_ms", round(requests.ms))]
        figures += [Figure(id_, "took", n, str(number)) for number, n in requests.took.items()]
    return figures


class Fresh:
    """Implements `store.figures.Figures`: those of a store, which the sampler brings up to date for who reads them."""

    def __init__(self, figures: Figures, sampler: Sampler) -> None:
        self._figures = figures
        self._sampler = sampler

    async def add(self, figures: Sequence[Figure], at_s: int) -> None:
        await self._figures.add(figures, at_s)

    async def read(self, connection: int, *, since_s: int, until_s: int, step_s: int) -> list[Point]:
        await self._sampler.look()
        return await self._figures.read(connection, since_s=since_s, until_s=until_s, step_s=step_s)

    async def keep_only(self, connections: Collection[int]) -> None:
        await self._figures.keep_only(connections)

    async def close(self) -> None:
        await self._figures.close()
