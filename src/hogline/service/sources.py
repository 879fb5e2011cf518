"""Sources: what `hogline serve` fetches from PostHog every few minutes, so that PostHog need not reach it.

What is fetched is put in order in a file, then taken into the journal as live events. How far it was taken is written
with the events, so a crash at any moment loses nothing and takes nothing twice. Intervals overlap a little, because
what reached PostHog may become visible a moment later; the uuid tells what came before.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import structlog
from msgspec import Struct
from msgspec.structs import replace

from hogline.backfill.background import started
from hogline.backfill.feeder import Feeder
from hogline.backfill.files import CannotRead
from hogline.backfill.posthog import PostHogExports, Refused, address
from hogline.backfill.prepare import Preparation, Window
from hogline.backfill.run_file import change_rows
from hogline.backfill.runs import FOLDER, Prepared
from hogline.clock import Clock
from hogline.delivery.workers import Workers
from hogline.posthog.forgetting import without
from hogline.service.core import CannotDo
from hogline.service.run_target import RunTarget
from hogline.service.trail import Trail
from hogline.sources.seen import SeenUuids
from hogline.store.base import Connection, Journal, State, Unusable, Unwritable
from hogline.store.datadir.sources import Fetched, Source
from hogline.store.datadir.sources import Sources as Kept
from hogline.telemetry.internal_errors import kind_and_place
from hogline.views import SourceState, SourceView

log = structlog.get_logger("hogline.service")

EVERY_S = 300
LEAST_EVERY_S = 60
VISIBLE_AFTER_MS = 60_000
"""What reached PostHog later than that ago is left for the next time."""
OVERLAP_MS = 180_000
"""What reached PostHog within that time before it was fetched is fetched once more."""
MOST_AT_ONCE_MS = 86_400_000
"""After a long pause, it catches up a day at a time."""
LOOK_EVERY_S = 1.0
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

Opens = Callable[[str, str], PostHogExports]


class _Standing(Struct):
    """What this process knows of a source."""

    task: asyncio.Task[None] | None = None
    feeder: Feeder | None = None
    reading: asyncio.Future[Prepared] | None = None
    """A thread, which goes on if its task is cancelled."""
    due_s: float = 0.0
    trouble: str | None = None
    trouble_ms: int = 0
    """Since when there is trouble."""
    by: Literal["exports", "queries", ""] = ""


class Sources:
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
        trail: Trail,
        opens: Opens = PostHogExports,
    ) -> None:
        """`kept`: None where there are none. `opens`: the client for an address and a key."""
        self._kept = kept
        self._folder = data / FOLDER
        self._journal = journal
        self._state = state
        self._clock = clock
        self._workers = workers
        self._seen = seen
        self._trail = trail
        self._opens = opens
        self._standings: dict[str, _Standing] = {}
        self._connections: Sequence[Connection] = ()
        self._runs = False
        self._may_fetch = asyncio.Event()
        self._may_fetch.set()
        self._gone: set[str] = set()
        """Ids that were forgotten while something was fetched: their rows may come yet."""

    # what a user can ask for

    async def all(self) -> list[SourceView]:
        """All sources, oldest first, without their keys."""
        return [await self._view(source) for source in self._sources()]

    async def add(
        self, host: str, project: str, key: str, *, name: str = "", every_s: int = EVERY_S, since_ms: int = 0
    ) -> SourceView:
        """Fetch what reaches this project of PostHog from now on, or since an earlier time. For a source that is there
        already: use this key and interval from now on. The key is stored, encrypted.
        """
        kept, now_ms = self._store(), self._clock.time_ms()
        if not LEAST_EVERY_S <= every_s <= 86_400:
            raise CannotDo("--every must be between 1m and 24h.")
        if since_ms > now_ms:
            raise CannotDo("--since must not be in the future.")
        try:
            where = address(host, project)
            checked = PostHogExports(where, key, tries=1)
            await started(checked.check)
        except CannotRead as problem:
            raise CannotDo(str(problem)) from None
        same = next((one for one in kept.all() if one.address == where and name in {"", one.name}), None)
        if same is not None:
            source = replace(same, key=key.strip(), every_s=every_s)
        else:
            source = Source(
                name=self._new_name(name),
                address=where,
                key=key.strip(),
                every_s=every_s,
                run=min([0, *(one.run for one in kept.all()), *self._journal.backfilled.taken]) - 1,
                up_to_ms=since_ms or now_ms,
                created_ms=now_ms,
            )
        kept.put(source)
        self._standing(source.name).due_s = 0.0
        await self._trail.note("source_added", {"source": source.name, "posthog": source.address})
        return await self._view(source)

    async def remove(self, name: str) -> None:
        """Fetch nothing more, and forget the key. Events that were fetched stay."""
        source = self._find(name)
        await self._end(name)
        self._store().remove(name)
        rows, standing = self._rows(source), self._standings.pop(name, _Standing())
        rows.unlink(missing_ok=True)
        if standing.reading is not None:
            standing.reading.add_done_callback(lambda _: rows.unlink(missing_ok=True))
        await self._trail.note("source_removed", {"source": name})

    async def pause(self, name: str) -> SourceView:
        """Fetch nothing until it is resumed. PostHog keeps what it receives meanwhile."""
        source = replace(self._find(name), paused=True)
        await self._end(name)
        self._store().put(source)
        await self._trail.note("source_paused", {"source": name})
        return await self._view(source)

    async def resume(self, name: str) -> SourceView:
        """Fetch again, from where it stopped."""
        source = replace(self._find(name), paused=False)
        self._store().put(source)
        self._standing(name).due_s = 0.0
        await self._trail.note("source_resumed", {"source": name})
        return await self._view(source)

    # how it works

    async def run(self) -> None:
        """Fetch from each source when it is due, until cancelled."""
        self._drop_leftovers()
        self._runs = True
        try:
            while True:
                await self._may_fetch.wait()
                self._connections = await self._state.connections()
                for source in self._sources():
                    standing = self._standing(source.name)
                    is_busy = standing.task is not None and not standing.task.done()
                    if not source.paused and not is_busy and self._clock.now_s() >= standing.due_s:
                        standing.task = asyncio.create_task(self._fetch(source.name), name=f"source {source.name}")
                await self._clock.sleep(LOOK_EVERY_S)
        finally:
            self._runs = False
            for name in list(self._standings):
                await self._end(name)

    async def stop(self) -> None:
        """Take nothing until `go_on`: somebody is being forgotten."""
        self._may_fetch.clear()
        for name in list(self._standings):
            await self._end(name)

    def go_on(self) -> None:
        """After `stop`."""
        self._may_fetch.set()

    def forget_rows(self, ids: Collection[str]) -> None:
        """Leave these people out of what is being fetched. Call it between `stop` and `go_on`."""
        reading = [one for one in self._standings.values() if one.reading is not None and not one.reading.done()]
        self._gone = self._gone | set(ids) if reading else set()

    async def _fetch(self, name: str) -> None:
        """Once, and note what came of it."""
        standing, source = self._standing(name), self._find(name)
        trouble: str | None = None
        try:
            if not any(self._workers.runs(one.id) for one in self._connections):
                standing.due_s = self._clock.now_s() + LOOK_EVERY_S
                return
            if source.fetched is None:
                source = await self._read(source, standing)
            if source.fetched is not None:
                source = await self._take(source, source.fetched, standing)
        except Refused as problem:
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

    async def _read(self, source: Source, standing: _Standing) -> Source:
        """Put what reached the source since the last time in order, in a file."""
        if standing.reading is not None:  # of a task that was cancelled; both would write the same file
            await asyncio.wait([standing.reading])
        now_ms, since_ms = self._clock.time_ms(), source.up_to_ms
        until_ms = min(since_ms + MOST_AT_ONCE_MS, now_ms - VISIBLE_AFTER_MS)
        if until_ms <= since_ms:
            return source
        rows = self._rows(source)
        for folder in (self._folder, rows.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        posthog = self._opens(source.address, source.key)
        preparation = Preparation([posthog.arrived(_utc(since_ms), _utc(until_ms))], rows.parent, now_ms, Window())
        reading = started(preparation.prepare)
        reading.add_done_callback(lambda done: done.cancelled() or done.exception())  # if its task was cancelled
        standing.reading = reading
        prepared = await asyncio.shield(reading)
        standing.reading = None
        standing.by = "queries" if posthog.queries else "exports"
        if self._gone:
            await asyncio.to_thread(change_rows, rows, self._without_gone)
        if prepared.refused:
            await self._journal.append((), prepared.refused)
        taken = self._journal.backfilled.taken.get(source.run, 0)
        fetched = Fetched(up_to_ms=max(since_ms, min(until_ms, now_ms - OVERLAP_MS)), before=taken)
        source = replace(self._find(source.name), fetched=fetched, fetched_ms=now_ms)
        self._store().put(source)
        return source

    def _without_gone(self, row: bytes) -> bytes:
        left = without(row, self._gone)
        return row if left is None else left

    async def _take(self, source: Source, fetched: Fetched, standing: _Standing) -> Source:
        """Bring what was fetched into the journal, then remember how far the source is."""
        feeder = standing.feeder = Feeder(
            source.run,
            self._rows(source),
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
            await feeder.take_all()
        finally:
            standing.feeder = None
            for connection in heard:
                self._workers.listen_no_more(connection, feeder)
        source = replace(self._find(source.name), up_to_ms=fetched.up_to_ms, fetched=None)
        self._store().put(source)
        self._rows(source).unlink(missing_ok=True)
        return source

    async def _end(self, name: str) -> None:
        standing = self._standing(name)
        if standing.task is not None:
            standing.task.cancel()
            await asyncio.gather(standing.task, return_exceptions=True)
            standing.task = None

    def _drop_leftovers(self) -> None:
        """Files that a crash left: what was not read to its end, and what was taken already."""
        wanted = {self._rows(one) for one in self._sources() if one.fetched is not None}
        for file in self._folder.glob("-*/rows*"):
            if file not in wanted:
                file.unlink(missing_ok=True)

    def _rows(self, source: Source) -> Path:
        return self._folder / f"{source.run:06}" / "rows"

    def _store(self) -> Kept:
        if self._kept is None:
            raise CannotDo("There is no place for sources here.")
        return self._kept

    def _sources(self) -> list[Source]:
        return [] if self._kept is None else self._kept.all()

    def _find(self, name: str) -> Source:
        for source in self._sources():
            if source.name == name:
                return source
        names = ", ".join(one.name for one in self._sources())
        raise CannotDo(
            f"Source {name!r} not found. Your sources: {names}."
            if names
            else f"Source {name!r} not found. You have no sources yet. Add one with `hogline source add posthog`."
        )

    def _new_name(self, name: str) -> str:
        names = {one.name for one in self._sources()}
        if name and not _NAME.fullmatch(name):
            raise CannotDo("--name takes lowercase letters, digits, - and _, at most 64 of them.")
        if name in names:
            raise CannotDo(f"A source named {name!r} already exists, for another project. Choose another --name.")
        number = 1
        while (found := name or f"posthog{f'-{number}' if number > 1 else ''}") in names:
            number += 1
        return found

    def _standing(self, name: str) -> _Standing:
        return self._standings.setdefault(name, _Standing())

    # how it is shown

    async def _view(self, source: Source) -> SourceView:
        standing = self._standing(source.name)
        state, reason = self._state_of(source, standing)
        counts = [await self._state.run_counts(one.id, source.run) for one in await self._state.connections()]
        return SourceView(
            name=source.name,
            address=source.address,
            every_s=source.every_s,
            state=state,
            reason=reason,
            trouble_s=(self._clock.time_ms() - standing.trouble_ms) / 1_000 if standing.trouble_ms else 0.0,
            up_to_ms=source.up_to_ms,
            fetched_ms=source.fetched_ms,
            settled=max((sum(n for kind, n in one.items() if _is_outcome(kind)) for one in counts), default=0),
            by=standing.by,
        )

    def _state_of(self, source: Source, standing: _Standing) -> tuple[SourceState, str | None]:
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
        return "fetching", None


class _Target:
    """All connections that run, also those that come later."""

    def __init__(self, workers: Workers, connections: Callable[[], Sequence[Connection]]) -> None:
        self._workers = workers
        self._connections = connections

    def settled(self) -> tuple[int, int] | None:
        return self._now().settled()

    def requests_per_second(self) -> float:
        return self._now().requests_per_second()

    def _now(self) -> RunTarget:
        return RunTarget(self._workers, 0, self._connections())


def _is_outcome(kind: str) -> bool:
    return not kind.startswith("adjusted ")


def _utc(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1_000, UTC)
