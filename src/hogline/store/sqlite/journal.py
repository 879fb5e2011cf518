"""The journal in a SQLite file. Senders that arrive at the same time share one commit."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

import apsw

from hogline.posthog.entry import FORGOTTEN
from hogline.store.backfilled import Backfilled, Stretch, Taken
from hogline.store.base import READ_BYTES
from hogline.store.journal_jobs import Append, DropRuns, Empty, JournalJob, Rewrite, Trim
from hogline.store.sqlite.database import few_rows, open_database, reading, rows, touch, transaction, trouble_of, value
from hogline.store.sqlite.scrub import Scrub, scrub, step
from hogline.store.writer import Writer

TRIMMED_AT_ONCE = 20_000
SEARCHED_AT_ONCE_BYTES = 4_000_000
_TAKE = "INSERT INTO backfills VALUES (?, ?) ON CONFLICT DO UPDATE SET taken = excluded.taken"


_Job: TypeAlias = JournalJob | Scrub


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class SqliteJournal:
    """Implements `store.base.Journal`."""

    def __init__(self, path: Path, time_ms: Callable[[], int] = _now_ms, *, vfs: str | None = None) -> None:
        """`time_ms`: milliseconds since 1970. Raises `Unusable`. Create it in the running event loop."""
        self._time_ms = time_ms
        self._path, self._vfs = path, vfs
        self._written = open_database(path, "journal", vfs)
        self._read = open_database(path, "journal", vfs)
        self._end = self._last()
        self.backfilled = Backfilled(
            map(Stretch._make, rows(self._read, "SELECT first, last, run, connection FROM backfilled")),
            dict(rows(self._read, "SELECT run, taken FROM backfills")),
        )
        self._received_ms: int = (
            value(self._read, "SELECT received_ms FROM events WHERE position = ?", (self._end,)) or 0
        )
        self._grown = asyncio.Event()
        self._emptied = 0
        """Up to here, older events were emptied."""
        self._writer: Writer[_Job] = Writer(
            self._perform,
            name="journal-writer",
            probe=partial(touch, self._written),
            trouble_of=trouble_of,
            written=self._reached,
        )

    @property
    def trouble(self) -> str | None:
        return self._writer.trouble

    @property
    def end(self) -> int:
        return self._end

    async def newest(self) -> int:
        return self._end

    @property
    def first(self) -> int:
        first: int | None = value(self._read, "SELECT min(position) FROM events")
        return self._end + 1 if first is None else first

    async def append(
        self,
        events: Sequence[bytes],
        refused: Mapping[str, int] | None = None,
        taken: Taken | None = None,
        positions: Mapping[int, int] | None = None,
    ) -> int:
        if not events and not refused and taken is None and not positions:
            return self._end
        position = await self._writer.write(Append(events, refused or {}, self._time_ms(), taken, positions or {}))
        if not isinstance(position, int):
            raise TypeError(position)
        return position

    def _reached(self, position: object) -> None:
        if isinstance(position, int) and position > self._end:
            self._end = position
            grown, self._grown = self._grown, asyncio.Event()
            grown.set()

    async def read(self, after: int, limit: int, most_bytes: int = READ_BYTES) -> list[tuple[int, bytes]]:
        # Reading a few hundred rows takes less than a millisecond, so it is cheaper here than in another thread.
        with reading():
            return few_rows(
                self._read,
                "SELECT position, body FROM events WHERE position > ? ORDER BY position LIMIT ?",
                (after, limit),
                most_bytes=most_bytes,
                sized=1,
            )

    async def drop_runs(self, runs: Collection[int]) -> None:
        await self._writer.write(DropRuns(runs))

    async def wait(self, after: int) -> None:
        while self._end <= after:
            await self._grown.wait()

    async def received_at(self, position: int) -> int | None:
        found: int | None = value(self._read, "SELECT received_ms FROM events WHERE position = ?", (position,))
        return found

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
        used = value(self._read, "PRAGMA page_count") - value(self._read, "PRAGMA freelist_count")
        return int(used * value(self._read, "PRAGMA page_size"))

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
            await self._writer.write(Trim(old))
            removed += old - first + 1
        return removed

    async def _empty(self, settled: int) -> int:
        """Empty the next older events. Returns how many; 0: there are none left."""
        for stretch in self.backfilled.stretches:
            first, last = max(stretch.first, self._emptied + 1, self.first), min(stretch.last, settled)
            if stretch.run > 0 and first <= last:
                last = min(last, first + TRIMMED_AT_ONCE - 1)
                await self._writer.write(Empty(first, last))
                self._emptied = last
                return last - first + 1
        return 0

    async def naming(self, texts: Collection[str], *, after: int = 0) -> AsyncIterator[tuple[int, bytes]]:
        needles = [text.encode("utf-8", "surrogatepass").lower() for text in texts]
        searched = await asyncio.to_thread(open_database, self._path, "journal", self._vfs)
        try:
            while after < self._end:
                with reading():
                    found, after = await asyncio.to_thread(_search, searched, needles, after)
                for each in found:
                    yield each
        finally:
            searched.close()

    async def rewrite(self, bodies: Mapping[int, bytes]) -> None:
        await self._writer.write(Rewrite(bodies))

    async def clean(self) -> bool:
        return await scrub(self._writer.write, self._path, self._vfs)

    async def refused(self) -> dict[str, int]:
        return dict(rows(self._read, "SELECT reason, events FROM refused ORDER BY reason"))

    async def close(self) -> None:
        await self._writer.close()
        self._read.close()
        self._written.close()

    def _perform(self, jobs: list[_Job]) -> list[object]:
        written = self._write([job for job in jobs if not isinstance(job, Scrub)])
        return [step(job, self._written) if isinstance(job, Scrub) else next(written) for job in jobs]

    def _write(self, jobs: list[JournalJob]) -> Iterator[object]:
        appends = [job for job in jobs if isinstance(job, Append)]
        events = tuple(body for append in appends for body in append.events)
        if len(appends) < len(jobs) or any(append.refused or append.taken or append.positions for append in appends):
            with transaction(self._written):
                self._insert(events, appends)
                stretches = list(self._taken(appends, self._last() - len(events)))
                for job in jobs:
                    self._beside(job)
            for first, last, taken in stretches:
                self.backfilled.add(first, last, taken)
            for job in jobs:
                if isinstance(job, Trim):
                    self.backfilled.trim(job.last)
                elif isinstance(job, DropRuns):
                    self.backfilled.drop(job.runs)
                elif isinstance(job, Append) and job.positions:
                    self.backfilled.note(job.positions)
        else:
            self._insert(events, appends)  # one statement is a transaction by itself
        position = self._last() - len(events)
        positions: list[object] = []
        for job in jobs:
            position += len(job.events) if isinstance(job, Append) else 0
            positions.append(position)
        return iter(positions)

    def _insert(self, events: tuple[bytes, ...], appends: list[Append]) -> None:
        """Events that share a commit share a time: the earliest of them, but never before that of the previous commit,
        even if the clock goes back.
        """
        if events:
            received_ms = max(self._received_ms, min(append.received_ms for append in appends))
            self._written.execute(
                "INSERT INTO events (received_ms, body) SELECT ?, value FROM carray(?)",
                (received_ms, apsw.carray(events)),
            )
            self._received_ms = received_ms

    def _taken(self, appends: list[Append], before: int) -> Iterator[tuple[int, int, Taken]]:
        """Write how far runs are. Returns their new stretches."""
        for append in appends:
            first, before = before + 1, before + len(append.events)
            if (taken := append.taken) is None:
                continue
            self._written.execute(_TAKE, (taken.run, taken.rows))
            if append.events:
                self._written.execute(
                    "INSERT INTO backfilled VALUES (?, ?, ?, ?)", (first, before, taken.run, taken.connection)
                )
            yield first, before, taken

    def _beside(self, job: JournalJob) -> None:
        match job:
            case Trim():
                self._written.execute("DELETE FROM events WHERE position <= ?", (job.last,))
                self._written.execute("DELETE FROM backfilled WHERE last <= ?", (job.last,))
            case Empty():
                # Removed and written again: SQLite frees no page if it overwrites events by shorter ones.
                span = (job.first, job.last)
                sql = "SELECT position, received_ms FROM events WHERE position BETWEEN ? AND ?"
                kept = json.dumps(list(rows(self._written, sql, span)))
                self._written.execute("DELETE FROM events WHERE position BETWEEN ? AND ?", span)
                self._written.execute(
                    "INSERT INTO events (position, received_ms, body) SELECT value ->> 0, value ->> 1, ?2"
                    " FROM json_each(?1)",
                    (kept, FORGOTTEN),
                )
            case Rewrite():
                self._written.executemany(
                    "UPDATE events SET body = ? WHERE position = ?",
                    ((body, position) for position, body in job.bodies.items()),
                )
            case DropRuns():
                self._written.executemany("DELETE FROM backfills WHERE run = ?", [(run,) for run in job.runs])
            case Append():
                self._count(job.refused)
                self._written.executemany(_TAKE, job.positions.items())

    def _count(self, refused: Mapping[str, int]) -> None:
        self._written.executemany(
            "INSERT INTO refused VALUES (?, ?) ON CONFLICT DO UPDATE SET events = events + excluded.events",
            refused.items(),
        )

    def _last(self) -> int:
        return value(self._written, "SELECT seq FROM sqlite_sequence WHERE name = 'events'") or 0


def _search(database: apsw.Connection, needles: Sequence[bytes], after: int) -> tuple[list[tuple[int, bytes]], int]:
    """The next events that contain one of these, and how far the search came."""
    found, seen_bytes, sql = [], 0, "SELECT position, body FROM events WHERE position > ? ORDER BY position"
    for position, body in database.execute(sql, (after,)):
        small = body.lower()
        if any(needle in small for needle in needles):
            found.append((position, body))
        seen_bytes += len(body)
        if seen_bytes > SEARCHED_AT_ONCE_BYTES:
            return found, position
    return found, 2**63
