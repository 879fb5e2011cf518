"""How much of the allowed rate a connection uses while events wait, counted where the requests arrive.

Journal and state are in memory and time is moved only when nobody has anything left to do: the figures are exact,
whatever this machine does beside.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import AsyncMock

import pytest
from delivery_cases import Worker, failing

from hogline.core.changes import Failure, Flush, Intent, Settlement
from hogline.delivery.gate import Gate, Rate
from hogline.delivery.installed import installed
from hogline.delivery.workers import Workers
from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Event, Request, Response
from hogline.posthog.entry import encode_event
from hogline.store.backfilled import Backfilled
from hogline.store.base import Connection, Counts, Replay
from hogline.store.forgetting import NOBODY
from hogline.store.memory import MemoryStore
from hogline.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

OK = Response(200, {}, b"{}")
PEOPLE = 400
AHEAD = 4_000
"""So many events wait at any time."""
EVENT_BYTES = 30_000
"""A request is full with sixteen of them."""


class VirtualClock(ManualClock):
    """`run` moves time on whenever everything else is done."""

    async def run(self, seconds: float) -> None:
        ready: Any = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]  # what is about to run
        end_s = self.at_s + seconds
        while self.at_s < end_s:
            await asyncio.sleep(0)
            if ready:
                continue
            if not self._sleeping or self._sleeping[0][0] > end_s:
                self.at_s = end_s
                return
            self.wake_next()


class LongJournal:
    """Always has more than what was delivered: events of one size, of people in turn."""

    backfilled = Backfilled((), {})

    def __init__(self, event_bytes: int) -> None:
        text = "x" * event_bytes
        self._bodies = [
            encode_event(
                Event(
                    uuid=f"0199f3a0-0000-7000-8000-{n:012d}",
                    name="clicked",
                    distinct_id=f"person-{n}",
                    timestamp_ms=1_793_000_000_000,
                    received_ms=1_793_000_000_000,
                    properties={"text": text},
                )
            )
            for n in range(PEOPLE)
        ]
        self.end = AHEAD
        self._grown = asyncio.Event()

    def grow(self, count: int) -> None:
        self.end += count
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    async def received_at(self, position: int) -> None:
        return None

    async def wait(self, after: int) -> None:
        while after >= self.end:
            await self._grown.wait()

    async def read(self, after: int, limit: int, _: int = 0) -> list[tuple[int, bytes]]:
        last = min(after + limit, self.end)
        return [(n, self._bodies[n % PEOPLE]) for n in range(after + 1, last + 1)]


class QuickState:
    """Takes every transaction at once, in memory; the journal grows by what is delivered."""

    suppressed = NOBODY

    def __init__(self, journal: LongJournal) -> None:
        self._journal = journal
        self._store = MemoryStore()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def folded(self) -> int:
        return 0

    def due(self, connection: int, limit: int) -> list[tuple[str, int]]:
        return []

    def again(self, connection: int, limit: int) -> list[tuple[str, str]]:
        return []

    def resending(self, connection: int) -> None:
        return None

    def settled_before(self, connection: int) -> tuple[int, frozenset[int]]:
        return 0, frozenset()

    async def lanes(self, connection: int) -> dict[int, int]:
        return {}

    async def counts(self, connection: int) -> Counts:
        return Counts()

    async def flush(self, flush: Flush) -> None:
        self._store.flush(flush)

    async def intend(self, intent: Intent) -> None:
        self._store.intend(intent)

    async def settle(self, settlement: Settlement) -> None:
        self._store.settle(settlement)
        self._journal.grow(settlement.delivered)

    async def failures(self, connection: int, **_: object) -> list[Failure]:
        return []

    async def replay(self, connection: int) -> Replay | None:
        return None


class DistantServer:
    """Answers after its latency and remembers when each request came. `too_fast`: above that many in the last
    second it answers 429.
    """

    def __init__(self, clock: VirtualClock, latency_s: float, too_fast: int | None = None) -> None:
        self.clock = clock
        self.latency_s = latency_s
        self.too_fast = too_fast
        self.came_s: list[float] = []
        self.refused_s: list[float] = []

    async def send(self, request: Request) -> Response:
        await self.clock.sleep(self.latency_s / 2)
        self.came_s.append(self.clock.at_s)
        limited = self.too_fast is not None and self.within_a_second_of(len(self.came_s) - 1) > self.too_fast
        await self.clock.sleep(self.latency_s / 2)
        if limited:
            self.refused_s.append(self.clock.at_s)
            return failing(429)
        return OK

    def within_a_second_of(self, last: int) -> int:
        """Requests of the second that ends with this one, counted down to a microsecond."""
        return last + 1 - bisect_left(self.came_s, self.came_s[last] - 1 + 1e-6)

    def most_in_a_second(self) -> int:
        return max(self.within_a_second_of(n) for n in range(len(self.came_s)))

    def came_between(self, begin_s: float, end_s: float) -> int:
        return bisect_left(self.came_s, end_s) - bisect_left(self.came_s, begin_s)


def connected(per_second: int) -> Connection:
    options = {"site_id": "site", "api_key": "key", "max_requests_per_second": per_second}
    return Connection(
        id=1, name="customerio", destination="customerio", options=options, paused=False, stopped=None, start=0,
        created_ms=0,
    )  # fmt: skip


@asynccontextmanager
async def delivering(server: DistantServer, per_second: int, event_bytes: int) -> AsyncIterator[None]:
    clock, connection = server.clock, connected(per_second)
    journal = LongJournal(event_bytes)
    worker = Worker(
        connection,
        CUSTOMERIO,
        CUSTOMERIO.read_options(connection.options),
        journal=journal,  # as much of a journal as a worker needs
        state=QuickState(journal),  # likewise
        send=server.send,
        gate=Gate(Rate(per_second, clock), clock, lambda: 0.5),
        clock=clock,
    )
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        await worker.close(within_s=0)
        await task


@pytest.mark.parametrize("latency_ms", [50, 200])
@pytest.mark.parametrize(("per_second", "seconds"), [(10, 10), (50, 4), (100, 4)])
async def test_while_events_wait_nearly_every_allowed_request_is_used_and_none_beyond(
    per_second: int, seconds: int, latency_ms: int
) -> None:
    server = DistantServer(VirtualClock(1_793_000_000_000, now_s=1_000), latency_ms / 1_000)
    async with delivering(server, per_second, EVENT_BYTES):
        await server.clock.run(1)
        begin_s = server.clock.at_s
        await server.clock.run(seconds)
    used = server.came_between(begin_s, begin_s + seconds) / (seconds * per_second)
    assert used >= 0.95, f"{used:.1%} of the allowed requests"
    assert server.most_in_a_second() <= per_second


async def test_after_a_pause_the_first_second_is_not_beyond_the_rate_either() -> None:
    """The bucket is full then: its burst and the flow behind it share the second."""
    server = DistantServer(VirtualClock(1_793_000_000_000, now_s=1_000), 0.05)
    async with delivering(server, 100, EVENT_BYTES):
        await server.clock.run(1.5)
    assert server.most_in_a_second() <= 100


async def test_a_connection_that_is_stopped_and_started_keeps_its_rate() -> None:
    """Its options were changed."""
    server, connection = DistantServer(VirtualClock(1_793_000_000_000, now_s=1_000), 0.05), connected(20)
    journal = LongJournal(EVENT_BYTES)
    workers = Workers(
        journal=journal,  # type: ignore[arg-type]  # as much of a journal as workers need
        state=QuickState(journal),
        send=server.send,
        clock=server.clock,
        stopped=AsyncMock(),
        merge_delay_s=0,
    )
    for _ in range(3):
        workers.start(installed(connection))
        await server.clock.run(2.3)
        await workers.stop(connection.id, within_s=0)
    await workers.close()
    assert len(server.came_s) >= 20 * (3 * 2.3 - 2 * 1.1)
    assert server.most_in_a_second() <= 20


async def test_too_fast_is_answered_with_half_the_rate_and_the_whole_one_comes_back() -> None:
    """Customer.io allows less than what is set: nothing is lost, most requests are accepted, and where it allows
    more again, more is used.
    """
    server = DistantServer(VirtualClock(1_793_000_000_000, now_s=1_000), 0.05, too_fast=15)
    async with delivering(server, 20, EVENT_BYTES):
        await server.clock.run(20)
        first_s = server.refused_s[0]
        soon = server.came_between(first_s + 1, first_s + 5) / 4
        assert soon <= 12, f"{soon} requests a second after the first 429"
        accepted = len(server.came_s) - len(server.refused_s)
        assert len(server.refused_s) <= 0.05 * accepted
        server.too_fast = None
        await server.clock.run(60)
        begin_s = server.clock.at_s
        await server.clock.run(5)
    assert server.came_between(begin_s, begin_s + 5) >= 0.95 * 100


async def test_many_429_of_requests_that_were_out_together_halve_the_rate_once() -> None:
    server = DistantServer(VirtualClock(1_793_000_000_000, now_s=1_000), 0.2)
    async with delivering(server, 50, EVENT_BYTES):
        await server.clock.run(2)
        server.too_fast = 0
        await server.clock.run(0.3)
        server.too_fast = None
        assert len(server.refused_s) > 3
        begin_s = server.clock.at_s + 2
        await server.clock.run(6)
    used = server.came_between(begin_s, begin_s + 4) / 4
    assert 22 <= used <= 35, f"{used} requests a second"
