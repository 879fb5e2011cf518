"""The journal in PostgreSQL. Senders that arrive at the same time share one commit.

Appending moves the journal's end and adds the events in one statement, so positions have no gaps, are in the order of
commits, and no reader can see a later event before an earlier one.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from hogline.posthog.entry import FORGOTTEN
from hogline.store.backfilled import Backfilled, Stretch, Taken
from hogline.store.base import READ_BYTES, Unwritable
from hogline.store.journal_jobs import Append, DropRuns, Empty, JournalJob, Rewrite, Trim
from hogline.store.postgresql.claim import Claim
from hogline.store.postgresql.link import Link, Row, Values, execute, vacuum, value
from hogline.store.postgresql.pen import Pen
from hogline.store.postgresql.presence import Guest
from hogline.store.postgresql.queries import queries
from hogline.store.postgresql.reading import Reading
from hogline.store.postgresql.trouble import SLOW, trouble_of
from hogline.store.postgresql.turns import in_turns
from hogline.store.writer import Writer

SQL = queries("journal")

TRIMMED_AT_ONCE = 20_000
SEARCHED_AT_ONCE = 5_000
ROW_BYTES = 60
"""What a row takes beside its event: headers and the index."""
READ_WITHIN_S = 30.0
ANSWER_WITHIN_S = 5.0
"""A sender that waits longer gives up. For as long again, the next ones are told so immediately."""
FOLLOW_EVERY_S = 0.1


class PostgresqlJournal:
    """Implements `store.base.Journal`."""

    def __init__(self, claim: Claim | Guest, time_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        """`time_ms`: milliseconds since 1970. A guest only appends and reads. Raises `psycopg.Error`. Blocks; create it
        in the running event loop."""
        self._claim = claim
        self._time_ms = time_ms
        self._reading = claim.reading("journal", within_s=READ_WITHIN_S, reopens_itself=True)
        first, last, _, _ = self._reading.rows(SQL["ends"])[0]
        self._first, self._end = int(first), int(last)
        self._last = self._end
        """As the writing thread knows it."""
        self.backfilled = Backfilled(
            map(Stretch._make, self._reading.rows(SQL["stretches"])), dict(self._reading.rows(SQL["taken"]))
        )
        self._grown = asyncio.Event()
        self._slow_until_s = 0.0
        self._emptied = 0
        """Up to here, older events were emptied."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal-read")
        self._pen = Pen(claim, claim.journal_writer)
        self._writer: Writer[JournalJob] = Writer(
            self._perform,
            name="journal-writer",
            probe=self._pen.touch,
            trouble_of=trouble_of,
            written=self._reached,
        )

    @property
    def trouble(self) -> str | None:
        return self._claim.trouble or self._writer.trouble or (SLOW if self._is_slow else None)

    @property
    def end(self) -> int:
        return self._end

    @property
    def first(self) -> int:
        return self._first

    async def append(
        self,
        events: Sequence[bytes],
        refused: Mapping[str, int] | None = None,
        taken: Taken | None = None,
        positions: Mapping[int, int] | None = None,
    ) -> int:
        if not events and not refused and taken is None and not positions:
            return self._end
        job = Append(events, refused or {}, self._time_ms(), taken, positions or {})
        # What counts rows has to know whether they were stored; a sender repeats its events with the same uuids.
        position = await (self._write(job) if taken or positions else self._in_time(job))
        if not isinstance(position, int):
            raise TypeError(position)
        return position

    async def _in_time(self, job: Append) -> object:
        """Raises `Unwritable` also if it takes too long. Then it may still be done."""
        if self._is_slow:
            raise Unwritable(SLOW)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self._write(job)
        except TimeoutError:
            self._slow_until_s = time.monotonic() + ANSWER_WITHIN_S
            raise Unwritable(SLOW) from None

    @property
    def _is_slow(self) -> bool:
        return time.monotonic() < self._slow_until_s

    async def _write(self, job: JournalJob) -> object:
        if self._claim.trouble is not None:  # senders must not wait until it is over
            raise Unwritable(self._claim.trouble)
        return await self._writer.write(job)

    def _reached(self, position: object) -> None:
        if isinstance(position, int) and position > self._end:
            self._end = position
            grown, self._grown = self._grown, asyncio.Event()
            grown.set()

    async def follow(self) -> None:
        """Know how far the journal is although others append to it, until it is cancelled."""
        await in_turns(self._look, FOLLOW_EVERY_S, "following the journal")

    async def _look(self) -> None:
        self._reached((await self._rows(SQL["ends"]))[0][1])

    async def newest(self) -> int:
        await self._look()
        return self._end

    async def _rows(self, query: bytes, values: Values | None = None) -> list[Row]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._reading.rows, query, values)

    async def read(self, after: int, limit: int, most_bytes: int = READ_BYTES) -> list[tuple[int, bytes]]:
        found = await self._rows(SQL["read"], {"after": after, "most": limit, "most_bytes": most_bytes})
        return _pairs(found)

    async def drop_runs(self, runs: Collection[int]) -> None:
        await self._write(DropRuns(runs))

    async def wait(self, after: int) -> None:
        while self._end <= after:
            await self._grown.wait()

    async def received_at(self, position: int) -> int | None:
        found = await self._rows(SQL["received_at"], {"position": position})
        return found[0][0] if found else None

    async def position_at(self, received_ms: int) -> int:
        # Positions and times grow together, so the times need no index.
        low, high = self.first, self._end + 1
        while low < high:
            middle = (low + high) // 2
            if (await self.received_at(middle) or 0) < received_ms:
                low = middle + 1
            else:
                high = middle
        return low

    async def size_bytes(self) -> int:
        return int((await self._rows(SQL["ends"]))[0][3])

    async def trim(self, settled: int, *, received_before_ms: int, most_bytes: int) -> int:
        removed, settled = 0, min(settled, self._end)
        while (first := self.first) <= settled:
            old = min(await self.position_at(received_before_ms) - 1, settled, first + TRIMMED_AT_ONCE - 1)
            if old < first and await self.size_bytes() > most_bytes:
                if emptied := await self._empty(settled):
                    removed += emptied
                    continue
                old = min(settled, first + TRIMMED_AT_ONCE - 1)
            if old < first:
                break
            await self._write(Trim(old))
            removed += old - first + 1
        return removed

    async def _empty(self, settled: int) -> int:
        """Empty the next older events. Returns how many; 0: there are none left."""
        for stretch in self.backfilled.stretches:
            first, last = max(stretch.first, self._emptied + 1, self.first), min(stretch.last, settled)
            if stretch.run > 0 and first <= last:
                last = min(last, first + TRIMMED_AT_ONCE - 1)
                await self._write(Empty(first, last))
                self._emptied = last
                return last - first + 1
        return 0

    async def naming(self, texts: Collection[str], *, after: int = 0) -> AsyncIterator[tuple[int, bytes]]:
        needles = [text.encode("utf-8", "surrogatepass").lower() for text in texts]
        searched = await asyncio.to_thread(
            self._claim.reading, "journal search", within_s=READ_WITHIN_S, reopens_itself=True
        )
        try:
            while found := await asyncio.to_thread(_search, searched, needles, after):
                after, matching = found
                for each in matching:
                    yield each
        finally:
            searched.close()

    async def rewrite(self, bodies: Mapping[int, bytes]) -> None:
        if bodies:
            await self._write(Rewrite(bodies))

    async def clean(self) -> bool:
        """What was removed is free space for PostgreSQL, which overwrites it in time; see docs/scale.md."""
        await asyncio.to_thread(vacuum, self._claim.url, ("journal",))
        return True

    async def refused(self) -> dict[str, int]:
        return dict(await self._rows(SQL["refused"]))

    async def close(self) -> None:
        self._pen.closing = self._claim.trouble is not None
        await self._writer.close()
        await asyncio.to_thread(self._thread.shutdown)
        self._reading.close()
        self._pen.close()

    def _perform(self, jobs: list[JournalJob]) -> list[object]:
        appends = [job for job in jobs if isinstance(job, Append)]
        if len(appends) == len(jobs) and not any(append.taken or append.positions for append in appends):
            return self._received(appends)
        results, stretches, first, self._last = self._pen.write(partial(self._in_transaction, jobs, appends))
        for begin, end, taken in stretches:
            self.backfilled.add(begin, end, taken)
        for job in jobs:
            if isinstance(job, Trim):
                self.backfilled.trim(job.last)
            elif isinstance(job, DropRuns):
                self.backfilled.drop(job.runs)
            elif isinstance(job, Append) and job.positions:
                self.backfilled.note(job.positions)
        self._first = max(self._first, first)
        return results

    def _received(self, appends: list[Append]) -> list[object]:
        """Positions after each of these."""
        position = self._pen.receive({**_given(appends), **_refused(appends)})
        results: list[object] = []
        for append in appends:
            position += len(append.events)
            results.append(position)
        self._last = position
        return results

    def _in_transaction(
        self, jobs: list[JournalJob], appends: list[Append], link: Link
    ) -> tuple[list[object], list[tuple[int, int, Taken]], int, int]:
        """The results, the new stretches of runs, and the first and the last position."""
        # `refused` before `journal_end`, as `receive` does: otherwise two writers would wait for each other.
        execute(link, SQL["refuse"], _refused(appends))
        for job in jobs:
            _beside(link, job)
        position = self._insert(link, appends)
        stretches = list(_taken(link, appends, position))
        results: list[object] = []
        for job in jobs:
            position += len(job.events) if isinstance(job, Append) else 0
            results.append(position)
        first = max([0, *(job.last + 1 for job in jobs if isinstance(job, Trim))])
        return results, stretches, first, position

    def _insert(self, link: Link, appends: list[Append]) -> int:
        """Add the events of all, never before those of the previous commit. Returns the position before them."""
        if not any(append.events for append in appends):
            return self._last
        before: int = value(link, SQL["append"], _given(appends))
        return before


def _given(appends: Sequence[Append]) -> dict[str, object]:
    """The events of all, for a query. They share a time: the earliest."""
    bodies = [body for append in appends for body in append.events]
    return {
        "bodies": bodies,
        "bytes": sum(map(len, bodies)) + ROW_BYTES * len(bodies),
        "received_ms": min(append.received_ms for append in appends),
    }


def _refused(appends: Sequence[Append]) -> dict[str, object]:
    """The sums of what was refused, for a query."""
    sums = Counter[str]()
    for append in appends:
        sums.update(append.refused)
    return {"reasons": list(sums), "events": list(sums.values())}


def _beside(link: Link, job: JournalJob) -> None:
    match job:
        case Trim():
            execute(link, SQL["trim"], {"last": job.last, "row_bytes": ROW_BYTES})
            execute(link, SQL["trim_stretches"], {"last": job.last})
            execute(link, SQL["trim_sheets"], {"last": job.last})
        case Empty():
            execute(link, SQL["empty"], {"first": job.first, "last": job.last, "body": FORGOTTEN})
        case Rewrite():
            execute(link, SQL["rewrite"], {"positions": list(job.bodies), "bodies": list(job.bodies.values())})
        case DropRuns():
            execute(link, SQL["drop_runs"], {"runs": list(job.runs)})
        case Append() if job.positions:
            execute(link, SQL["reach"], {"runs": list(job.positions), "rows": list(job.positions.values())})


def _taken(link: Link, appends: list[Append], before: int) -> list[tuple[int, int, Taken]]:
    """Write how far runs are. Returns their new stretches."""
    stretches = []
    for append in appends:
        first, before = before + 1, before + len(append.events)
        if (taken := append.taken) is None:
            continue
        execute(link, SQL["take"], {"run": taken.run, "rows": taken.rows})
        if append.events:
            where = {"first": first, "last": before, "run": taken.run, "connection": taken.connection}
            execute(link, SQL["stretch"], where)
        stretches.append((first, before, taken))
    return stretches


def _pairs(found: Sequence[Row]) -> list[tuple[int, bytes]]:
    return found  # type: ignore[return-value]  # as the query says


def _search(searched: Reading, needles: Sequence[bytes], after: int) -> tuple[int, list[tuple[int, bytes]]] | None:
    """How far the search came, and what it found; None at the end."""
    most = {"after": after, "most": SEARCHED_AT_ONCE, "most_bytes": READ_BYTES}
    found = _pairs(searched.rows(SQL["read"], most))
    if not found:
        return None
    small = ((position, body, body.lower()) for position, body in found)
    return found[-1][0], [(position, body) for position, body, low in small if any(one in low for one in needles)]
