"""The feeder: rows of a run → journal, a few thousand at a time, as fast as its connections settle them.

Live events come first: they never wait behind more than a second's work, and nothing is taken while many of them wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from hogline.backfill.run_file import read_rows
from hogline.clock import Clock
from hogline.core.settle import Outcome
from hogline.posthog.entry import FORGOTTEN
from hogline.sources.seen import SeenUuids
from hogline.sources.suppression import let_in_bodies
from hogline.sources.until_written import until_written
from hogline.store.backfilled import Taken
from hogline.store.base import Journal
from hogline.store.forgetting import Suppressed

CHUNK_ROWS = 2_000
CHUNK_BYTES = 2_000_000
AHEAD_ROWS = 12_000
"""Taken and not settled: about a second's work, and enough to fill the requests in flight."""
MOST_LIVE = 1_000
"""While more live events than that wait, nothing is taken."""
LOOK_AGAIN_S = 1.0


class Target(Protocol):
    """The connections that a run is for."""

    def settled(self) -> tuple[int, int] | None:
        """The position up to which all that run settled everything, and their requests so far; None: none runs."""
        ...

    def all_run(self) -> bool: ...

    def requests_per_second(self) -> float: ...


class Feeder:
    def __init__(
        self,
        run: int,
        rows: Path,
        *,
        connection: int,
        share: int,
        target: Target,
        journal: Journal,
        seen: SeenUuids,
        suppressed: Suppressed,
        clock: Clock,
        live: bool = False,
        before: int = 0,
    ) -> None:
        """`share`: percent of the requests a second. `live`: these rows are live events, so they wait for no others,
        and repeats are left out. `before`: how many rows of this run came in files before this one.
        """
        self._live = live
        self._before = before
        self._run = run
        self._rows = rows
        self._connection = connection
        self._share = share
        self._target = target
        self._journal = journal
        self._seen = seen
        self._suppressed = suppressed
        self._clock = clock
        self._settled_more = asyncio.Event()
        self._window: tuple[float, int] = (clock.now_s(), -1)
        self.taken = journal.backfilled.taken.get(run, 0)
        found = target.settled()
        self._requests_before = found[1] if found is not None else 0
        self.waits: str | None = None
        """Why nothing is taken just now; None: nothing is in the way."""

    @property
    def requests(self) -> int:
        """Of its connections, since it began."""
        found = self._target.settled()
        return max(0, found[1] - self._requests_before) if found is not None else 0

    def note(self, outcomes: Iterable[Outcome]) -> None:  # noqa: ARG002  # which ones does not matter
        """Events were settled."""
        self._settled_more.set()

    async def run(self) -> None:
        """Until all rows are settled. Raises OSError if the file cannot be read."""
        await self.take_all()
        while not self._is_settled():
            await self._wait()

    async def take_all(self) -> None:
        """Until all rows are in the journal. Raises OSError if the file cannot be read."""
        for chunk in _chunks(read_rows(self._rows, self.taken - self._before)):
            while not self._may_take():
                await self._wait()
            await self._take(chunk)

    async def _wait(self) -> None:
        self._settled_more.clear()
        waiting = asyncio.ensure_future(self._settled_more.wait())
        sleeping = asyncio.ensure_future(self._clock.sleep(LOOK_AGAIN_S))
        try:
            await asyncio.wait((waiting, sleeping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            sleeping.cancel()

    def _may_take(self) -> bool:
        self.waits = None
        found = self._target.settled()
        if found is None:
            self.waits = "the connection is not running"
            return False
        settled, requests = found
        own = self._unsettled(settled)
        if self._live:
            return own < AHEAD_ROWS
        if self._journal.end - settled - own > MOST_LIVE:
            self.waits = "live events go first"
            return False
        return own < AHEAD_ROWS and self._within_share(requests)

    def _within_share(self, requests: int) -> bool:
        """Whether less than the share of this second's requests was sent. Other events count, too."""
        now_s = self._clock.now_s()
        since_s, before = self._window
        if before < 0 or requests < before or now_s >= since_s + 1.0:
            self._window = (now_s, requests)
            return True
        return requests - before < self._target.requests_per_second() * self._share / 100

    def _unsettled(self, settled: int) -> int:
        """Rows that were taken and are not settled."""
        count = 0
        for stretch in reversed(self._journal.backfilled.stretches):
            if stretch.last <= settled:
                break
            if stretch.run == self._run:
                count += stretch.last - max(stretch.first - 1, settled)
        return count

    def _is_settled(self) -> bool:
        found = self._target.settled()
        if found is None or not self._target.all_run():
            self.waits = "the connection is not running" if found is None else "a connection is not running"
            return False
        self.waits = None
        return not self._unsettled(found[0])

    async def _take(self, rows: Sequence[bytes]) -> None:
        """Keep these rows, however long the journal refuses it."""
        taken = Taken(self._run, self.taken + len(rows), self._connection)
        journal = _WithProgress(self._journal, taken)
        left = [row for row in rows if row != FORGOTTEN]

        async def write() -> None:
            kept = let_in_bodies(left, self._suppressed)
            await self._seen.append_bodies(journal, kept, repeats=not self._live)

        await until_written(write, self, self._clock)
        self.taken = taken.rows


class _WithProgress:
    """The journal, for rows of a run."""

    def __init__(self, journal: Journal, taken: Taken) -> None:
        self._journal = journal
        self._taken = taken

    async def append(self, events: Sequence[bytes], refused: Mapping[str, int] | None = None) -> int:
        return await self._journal.append(events, refused, self._taken)


def _chunks(blocks: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    some: list[bytes] = []
    size_bytes = 0
    for block in blocks:
        for row in block:
            some.append(row)
            size_bytes += len(row)
            if len(some) >= CHUNK_ROWS or size_bytes >= CHUNK_BYTES:
                yield some
                some, size_bytes = [], 0
    if some:
        yield some
