"""Fetches from each source when it is due: what reached PostHog since the last time, into the journal.

What is fetched is put in order in a file, then taken into the journal as live events. How far it was taken is written
with the events, so a crash at any moment loses nothing and takes nothing twice. Intervals overlap a little, because
what reached PostHog may become visible a moment later; the uuid tells what came before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import structlog
from msgspec.structs import replace

from hogline.backfill.background import started
from hogline.backfill.feeder import Feeder
from hogline.backfill.files import CannotRead
from hogline.backfill.posthog import ExportRefused, PostHogExports
from hogline.backfill.prepare import Preparation
from hogline.backfill.run_file import change_rows
from hogline.backfill.runs import FOLDER, Prepared
from hogline.backfill.sorted_rows import Window
from hogline.clock import Clock
from hogline.delivery.workers import Workers
from hogline.posthog.forgetting import without
from hogline.service import gaps
from hogline.service.run_target import RunTarget
from hogline.service.standing import LOOK_EVERY_S, Standing, Standings
from hogline.sources.seen import SeenUuids
from hogline.store.base import Connection, Journal, State, Unusable, Unwritable
from hogline.store.datadir.sources import Fetched, Source
from hogline.store.datadir.sources import Sources as Kept
from hogline.telemetry.internal_errors import kind_and_place
from hogline.views.connections import SourceState

log = structlog.get_logger("hogline.service")

VISIBLE_AFTER_MS = 60_000
"""What reached PostHog later than that ago is left for the next time."""
OVERLAP_MS = 180_000
"""What reached PostHog within that time before it was fetched is fetched once more."""
MOST_AT_ONCE_MS = 86_400_000
"""After a long pause, it catches up a day at a time."""

Opens = Callable[[str, str], PostHogExports]
"""A client for an address and a key."""


class Fetch(Standing):
    """What this process knows of a source."""

    feeder: Feeder | None = None
    reading: asyncio.Future[Prepared] | None = None
    """A thread, which goes on if its task is cancelled."""
    by: Literal["exports", "queries", ""] = ""


class Fetching:
    def __init__(
        self,
        kept: Kept | None,
        data: Path,
        *,
        journal: Journal,
        state: State,
        clock: Clock,
        workers: Workers,
        seen: SeenUuids,
        opens: Opens = PostHogExports,
    ) -> None:
        self._kept = kept
        self._folder = data / FOLDER
        self._journal = journal
        self._state = state
        self._clock = clock
        self._workers = workers
        self._seen = seen
        self._opens = opens
        self._standings = Standings(Fetch)
        self._connections: Sequence[Connection] = ()
        self._runs = False
        self._may_fetch = True
        self._gone: set[str] = set()
        """Ids that were forgotten while something was fetched: their rows may come yet."""

    def standing(self, name: str) -> Fetch:
        return self._standings.of(name)

    def _all(self) -> list[Source]:
        return [] if self._kept is None else self._kept.all()

    @property
    def _store(self) -> Kept:
        assert self._kept is not None  # there is a source
        return self._kept

    def _get(self, name: str) -> Source:
        """It may have another key or interval than when its task began."""
        return self._store.get(name)

    async def run(self) -> None:
        """Fetch from each source when it is due, until cancelled."""
        self._drop_leftovers()
        self._runs = True
        try:
            await self._standings.look_after(self._look, self._clock)
        finally:
            self._runs = False

    async def _look(self) -> None:
        self._connections = await self._state.connections()
        for source in self._all() if self._may_fetch else ():
            if source.topic is not None:
                continue  # `consuming` reads it
            standing = self.standing(source.name)
            if not source.paused and not standing.is_busy and self._clock.now_s() >= standing.due_s:
                standing.task = asyncio.create_task(self._fetch(source.name), name=f"source {source.name}")

    async def stop(self) -> None:
        """Take nothing until `go_on`: somebody is being forgotten."""
        self._may_fetch = False
        await self._standings.end_all()

    def go_on(self) -> None:
        """After `stop`."""
        self._may_fetch = True

    def forget_rows(self, ids: Collection[str]) -> None:
        """Leave these people out of what is being fetched. Call it between `stop` and `go_on`."""
        reading = [one for one in self._standings.all() if one.reading is not None and not one.reading.done()]
        self._gone = self._gone | set(ids) if reading else set()

    async def _fetch(self, name: str) -> None:
        """Once, and note what came of it."""
        standing, source = self.standing(name), self._get(name)
        trouble: str | None = None
        try:
            if not any(self._workers.runs(one.id) for one in self._connections):
                standing.due_s = self._clock.now_s() + LOOK_EVERY_S
                return
            if source.only_gaps and not (source := gaps.begin_filling(self._store, source)).filling:
                standing.due_s = self._clock.now_s() + LOOK_EVERY_S
                return
            source = await self._next(source, standing)
        except ExportRefused as problem:
            again = " Then run `hogline source add posthog` again, with the new key." if problem.status == 401 else ""
            trouble = f"{problem}{again}"
        except (CannotRead, Unusable, Unwritable) as problem:
            trouble = str(problem)
        except OSError as error:
            trouble = f"What was fetched cannot be sorted ({error.strerror}). Make room on the data directory's disk."
        except Exception as error:  # whatever it is, it is tried again
            trouble = f"Internal error ({kind_and_place(error)})."
        if trouble is not None and trouble != standing.trouble:
            log.warning("nothing could be fetched", source=name, reason=trouble)
        if trouble is None or standing.trouble is None:
            standing.trouble_ms = self._clock.time_ms() if trouble else 0
        standing.trouble = trouble
        is_behind = trouble is None and source.up_to_ms < self._clock.time_ms() - OVERLAP_MS - VISIBLE_AFTER_MS
        standing.due_s = self._clock.now_s() + (0 if is_behind else source.every_s)

    async def _next(self, source: Source, standing: Fetch) -> Source:
        """Read and take what comes next."""
        # Without its file, on a host that kept nothing, it is fetched again; what was taken of it is recognized.
        if source.fetched is None or not self.rows(source).exists():
            source = await self._read(source, standing)
        if source.fetched is not None:
            source = await self._take(source, source.fetched, standing)
        gaps.drop_filled(self._store, source)  # also after a crash that came before it
        return source

    async def _read(self, source: Source, standing: Fetch) -> Source:
        """Put what reached the source since the last time in order, in a file."""
        if standing.reading is not None:  # of a task that was cancelled; both would write the same file
            await asyncio.wait([standing.reading])
        now_ms, since_ms = self._clock.time_ms(), source.up_to_ms
        until_ms = min(since_ms + MOST_AT_ONCE_MS, now_ms - VISIBLE_AFTER_MS)
        if source.only_gaps:
            until_ms = min(until_ms, source.until_ms + OVERLAP_MS)
        if until_ms <= since_ms:
            return source
        rows = self.rows(source)
        for folder in (self._folder, rows.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        posthog = self._opens(source.address, source.key)
        preparation = Preparation([posthog.arrived(_utc(since_ms), _utc(until_ms))], rows.parent, now_ms, Window())
        standing.reading = reading = started(preparation.prepare)
        prepared = await asyncio.shield(reading)
        standing.reading = None
        standing.by = "queries" if posthog.queries else "exports"
        if self._gone:
            await asyncio.to_thread(change_rows, rows, self._without_gone)
        if prepared.refused:
            await self._journal.append((), prepared.refused)
        taken = self._journal.backfilled.taken.get(source.run, 0)
        fetched = Fetched(up_to_ms=max(since_ms, min(until_ms, now_ms - OVERLAP_MS)), before=taken)
        source = replace(self._get(source.name), fetched=fetched, fetched_ms=now_ms)
        self._store.put(source)
        return source

    def _without_gone(self, row: bytes) -> bytes:
        left = without(row, self._gone)
        return row if left is None else left

    async def _take(self, source: Source, fetched: Fetched, standing: Fetch) -> Source:
        """Bring what was fetched into the journal, then remember how far the source is."""
        feeder = standing.feeder = Feeder(
            source.run,
            self.rows(source),
            connection=0,
            share=100,
            target=_Target(self._workers, lambda: self._connections),
            journal=self._journal,
            seen=self._seen,
            suppressed=self._state.suppressed,
            clock=self._clock,
            live=True,
            before=fetched.before,
        )
        heard = [one.id for one in self._connections]
        for connection in heard:
            self._workers.listen(connection, feeder)
        try:
            await self._workers.alone(heard)
            await feeder.take_all()
        finally:
            standing.feeder = None
            for connection in heard:
                self._workers.listen_no_more(connection, feeder)
        source = replace(self._get(source.name), up_to_ms=fetched.up_to_ms, fetched=None)
        self._store.put(source)
        self.rows(source).unlink(missing_ok=True)
        return source

    async def end(self, name: str) -> None:
        """Stop what is fetched from a source just now. What its thread reads is left."""
        await self._standings.end(name)

    def drop(self, source: Source) -> None:
        """After it was removed."""
        rows, standing = self.rows(source), self._standings.drop(source.name)
        rows.unlink(missing_ok=True)
        if standing.reading is not None:
            standing.reading.add_done_callback(lambda _: rows.unlink(missing_ok=True))

    def _drop_leftovers(self) -> None:
        """Files that a crash left: what was not read to its end, and what was taken already."""
        wanted = {self.rows(one) for one in self._all() if one.fetched is not None}
        for file in self._folder.glob("-*/rows*"):
            if file not in wanted:
                file.unlink(missing_ok=True)

    def rows(self, source: Source) -> Path:
        """Where what was fetched is, until it is taken."""
        return self._folder / f"{source.run:06}" / "rows"

    def state_of(self, source: Source) -> tuple[SourceState, str | None]:
        """The state, and why nothing is fetched just now."""
        standing = self.standing(source.name)
        if source.paused:
            return "paused", None
        if not self._runs:
            return "not_running", "Start `hogline serve` to fetch."
        if standing.trouble is not None:
            return "retrying", standing.trouble
        if not any(self._workers.runs(one.id) for one in self._connections):
            return "waiting", "No connection is running. PostHog keeps the events."
        if standing.feeder is not None and standing.feeder.waits:
            return "waiting", standing.feeder.waits
        return "standby" if source.only_gaps and not source.filling else "fetching", None


class _Target:
    """All connections that run, also those that come later."""

    def __init__(self, workers: Workers, connections: Callable[[], Sequence[Connection]]) -> None:
        self._workers = workers
        self._connections = connections

    def settled(self) -> tuple[int, int] | None:
        return self._now().settled()

    def all_run(self) -> bool:
        return self._now().all_run()

    def requests_per_second(self) -> float:
        return self._now().requests_per_second()

    def _now(self) -> RunTarget:
        return RunTarget(self._workers, self._connections())


def _utc(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1_000, UTC)
