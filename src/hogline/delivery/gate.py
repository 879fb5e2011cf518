"""The gate before a destination: when the next request may go out. Keeps the rate, and backs off after failures.

Knows nothing about what is sent. Every request passes it. While the destination is in trouble, and until the first
request succeeds, one at a time tries and the others wait, so wrong credentials cost one request.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from hogline.clock import Clock
from hogline.delivery.backoff import pause_s

_ROUNDING = 1e-6
RECOVERS_WITHIN_S = 60.0
"""How long a halved rate takes to recover if nothing else happens."""


WINDOW_S = 1.02
"""No more requests than the rate pass in any window of this length: a second, plus how much a network may squeeze
requests together."""


class Rate:
    """Never lets more than `per_second` pass in any one second.

    A token bucket keeps the flow even. It holds a few tokens, so a late timer costs nothing. The times of the last
    requests enforce the limit, whatever the bucket holds.
    """

    def __init__(self, per_second: int, clock: Clock) -> None:
        self._clock = clock
        self._most = per_second
        self._holds = max(2, per_second // 25)
        self._share = 1.0
        """The part of the rate that is used after the destination found us too fast."""
        self._tokens = float(self._holds)
        self._at_s = clock.now_s()
        self._passed_s: deque[float] = deque(maxlen=per_second)

    @property
    def _per_s(self) -> float:
        return max(self._most * self._share, 0.1)

    def _refill(self) -> None:
        now_s = self._clock.now_s()
        passed_s = now_s - self._at_s
        self._tokens = min(self._holds, self._tokens + passed_s * self._per_s)
        self._share = min(1.0, self._share + passed_s / RECOVERS_WITHIN_S)
        self._at_s = now_s

    def wait_s(self) -> float:
        """Seconds until one may pass; 0: now."""
        self._refill()
        full = len(self._passed_s) == self._most
        wait_s = max((1 - self._tokens) / self._per_s, self._passed_s[0] + WINDOW_S - self._at_s if full else 0.0)
        return wait_s if wait_s > _ROUNDING else 0.0

    def take(self) -> None:
        """One passes, or will: the next one waits for both."""
        self._refill()
        self._tokens -= 1
        self._passed_s.append(self._at_s)

    def spend(self) -> None:
        """Someone else may have used all of it until now."""
        self._refill()
        self._tokens = 0.0
        self._passed_s.extend([self._at_s] * self._most)

    def halve(self) -> None:
        """The destination says that we are too fast."""
        self._refill()
        self._share /= 2
        self._tokens = min(self._tokens, 1.0)


class Gate:
    def __init__(self, rate: Rate, clock: Clock, random: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._random = random
        self._failures = 0
        self._in_doubt = True
        """No request has succeeded since the start, or since the last failure."""
        self._closed_until_s = 0.0
        self._probe = asyncio.Lock()
        self._well = asyncio.Event()
        self._well.set()
        self.trouble: str | None = None
        """Why it waits; None: all is well."""
        self.since_ms = clock.time_ms()
        """Since when it has been in trouble, or has been well."""
        self.next_try_ms: int | None = None
        """When it tries again; None: there is no trouble."""

    async def wait_open(self) -> None:
        """Returns when a new request may go out. A batch waits here first and is filled then. In trouble, that is when
        a request that is already out has succeeded.
        """
        await self._well.wait()
        await self._wait()

    async def _wait(self) -> None:
        while (pause := max(self._rate.wait_s(), self._closed_until_s - self._clock.now_s())) > 0:
            await self._clock.sleep(pause)

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Around every request: inside, it may be sent. If one leaves with an exception, it ends for all: those who
        wait for the probe must not each send one before they are stopped.
        """
        probing = await self._may_probe()
        await self._wait()
        while not probing and self._in_doubt:  # something failed while it waited
            probing = await self._may_probe()
            await self._wait()
        self._rate.take()
        yield
        if probing:
            self._probe.release()

    async def _may_probe(self) -> bool:
        """In doubt, wait to become the one that tries; True for that one."""
        while self._in_doubt:
            await self._probe.acquire()
            if self._in_doubt:
                self._well.clear()
                return True
            self._probe.release()
        return False

    def succeeded(self) -> None:
        self._failures = 0
        self._in_doubt = False
        self._closed_until_s = 0.0
        if self.trouble is not None:
            self.trouble, self.next_try_ms = None, None
            self.since_ms = self._clock.time_ms()
        self._well.set()

    def failed(self, reason: str, asked_s: float | None, *, too_fast: bool = False) -> None:
        """A request failed in a way that may pass. Failures of requests that were out at the same time count as one."""
        now_s = self._clock.now_s()
        if now_s >= self._closed_until_s:
            self._failures += 1
            if too_fast:
                self._rate.halve()
        pause = pause_s(self._failures, asked_s, self._random())
        self._closed_until_s = max(self._closed_until_s, now_s + pause)
        if self.trouble is None:
            self.since_ms = self._clock.time_ms()
        self.trouble = reason
        self.next_try_ms = self._clock.time_ms() + round(1_000 * (self._closed_until_s - now_s))
        self._in_doubt = True
        self._well.clear()
