"""Runs of older events: the command that reads the files starts one, and the process with the connections delivers it,
even if nobody is watching, and after a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

import structlog
from msgspec.structs import replace

from hogline.backfill.feeder import Feeder
from hogline.backfill.runs import MOST_BAD_KEPT, Prepared, Run, Runs, RunState, Wanted
from hogline.backfill.views import RunView
from hogline.clock import Clock
from hogline.delivery.workers import Workers
from hogline.posthog.forgetting import without
from hogline.service.core import CannotDo, connection_named
from hogline.service.run_target import RunTarget
from hogline.service.run_views import RunViews
from hogline.service.runner import Runner
from hogline.service.trail import Trail
from hogline.settings import Settings
from hogline.sources.seen import SeenUuids
from hogline.store.base import Connection, Journal, State
from hogline.telemetry.internal_errors import kind_and_place

log = structlog.get_logger("hogline.service")

READER_COMES_MS = 10_000
"""By then, the command that started a run must be reading its files."""
SAVE_AGAIN_S = 5.0
"""After the disk did not take a run's end."""


class Backfills:
    def __init__(
        self,
        settings: Settings,
        *,
        journal: Journal,
        state: State,
        clock: Clock,
        workers: Workers,
        runner: Runner,
        seen: SeenUuids,
        trail: Trail,
    ) -> None:
        self._journal = journal
        self._state = state
        self._clock = clock
        self._workers = workers
        self._runner = runner
        self._seen = seen
        self._trail = trail
        self._runs = Runs(settings.data)
        self._views = RunViews(journal, state, runner)
        self._feeders: dict[int, tuple[Feeder, asyncio.Task[None]]] = {}
        self._gone: set[str] = set()
        """Ids that were forgotten while files are read: their rows may come yet."""
        self._begun: dict[int, int] = {}
        """When runs were started here, in milliseconds since 1970."""

    async def start(self) -> None:
        """Deliver every run that is not paused."""
        for run in self._runs:
            if run.is_over:  # a crash, or a command that still read, may have left rows
                self._runs.drop_rows(run.number)
        await self.continue_all()

    async def continue_all(self) -> None:
        """Deliver every run that is not paused, after `stop`."""
        for run in self._runs:
            if run.state == "sending":
                await self._feed(run)

    async def stop(self) -> None:
        """Take no more rows of any run, until `continue_all`."""
        for number in list(self._feeders):
            await self._stop_feeder(number)

    # what a user can ask for

    async def begin(self, wanted: Wanted, *, again: bool = False) -> RunView:
        """The run for these files. An unfinished run continues; a finished one stays finished, unless you want it
        `again`. For a new one, the caller reads the files and then calls `ready`.
        """
        if not 1 <= wanted.share <= 100:
            raise CannotDo("--share must be a percentage from 1 to 100.")
        if wanted.connection:
            connections = [await connection_named(self._state, wanted.connection)]
        elif not (connections := await self._running_connections()):
            raise CannotDo("No connection is running. See `hogline connections`.")
        target = connections[0].id if wanted.connection else 0
        same = self._runs.same(target, wanted.key)
        if same is not None and same.state in {"sending", "paused"}:
            return await self.resume(same.number, share=wanted.share)
        if same is not None and same.state == "finished" and not again:
            return await self._run_view(same)
        if same is not None and same.state == "reading":
            if not self._is_abandoned(same):
                raise CannotDo(
                    "Another command is reading these files for the same connection. Wait for it or stop it."
                )
            self._runs.remove(same.number)
        await self._drop_outdated()
        now_ms = self._clock.time_ms()
        run = Run(
            number=self._next_number(),
            wanted=wanted,
            connection=target,
            connections=tuple(one.id for one in connections),
            state="reading",
            created_ms=now_ms,
            touched_ms=now_ms,
        )
        self._runs.put(run)
        self._begun[run.number] = now_ms
        if wanted.connection:
            await self._trail.note("backfill_begun", {"run": run.number, "connection": wanted.connection})
        else:
            await self._trail.note("file_sent", {"connections": [one.name for one in connections]})
        return await self._run_view(run)

    async def note_read(self, number: int, read: int) -> None:
        """How many rows are read."""
        run = self._run_of(number, {"reading"})
        self._begun.pop(number, None)
        self._runs.note(replace(run, read=read))

    async def ready(self, number: int, prepared: Prepared) -> RunView:
        """All rows are in order, in the run's folder: deliver them."""
        async with self._runner.changing:
            run = self._run_of(number, {"reading"})
            if not self._runs.rows(number).exists():
                raise CannotDo("The rows of this run are missing. Run the command again.")
            if self._gone:
                await self._leave_rows(self._gone)
            prepared = replace(prepared, first_bad=prepared.first_bad[:MOST_BAD_KEPT])
            await self._count_refused(prepared)
            return await self._run_view(await self._turn(run, "sending", prepared=prepared))

    async def all(self) -> list[RunView]:
        """All runs, newest first."""
        return [await self._run_view(run) for run in reversed(list(self._runs))]

    async def show(self, number: int, wait_s: float = 0.0) -> RunView:
        """A run, as soon as nothing of it is being sent, or after that time."""
        if wait_s and (feeding := self._feeders.get(number)):
            await asyncio.wait([feeding[1]], timeout=min(wait_s, 60.0))
        return await self._run_view(self._run_of(number))

    async def pause(self, number: int) -> RunView:
        """Take no more of its rows. What was taken is delivered."""
        async with self._runner.changing:
            run = self._run_of(number, {"sending", "paused"})
            await self._trail.note("backfill_paused", {"run": number})
            return await self._run_view(await self._turn(run, "paused"))

    async def resume(self, number: int, share: int = 0) -> RunView:
        """Continue a paused run, with a different share of the requests unless `share` is 0."""
        async with self._runner.changing:
            run = self._run_of(number, {"sending", "paused"})
            if share and share != run.wanted.share:
                await self._stop_feeder(number)
                run = replace(run, wanted=replace(run.wanted, share=share))
            if run.state == "paused":
                await self._trail.note("backfill_resumed", {"run": number})
            return await self._run_view(await self._turn(run, "sending"))

    async def cancel(self, number: int) -> RunView:
        """End a run for good. What was taken is delivered."""
        async with self._runner.changing:
            run = self._run_of(number, {"reading", "sending", "paused"})
            run = await self._turn(run, "cancelled")
            await self._trail.note("backfill_cancelled", {"run": number})
            self._runs.drop_rows(number)
            return await self._run_view(run)

    async def fail(self, number: int, problem: str) -> None:
        """Its files cannot be read: the run ends, and says why."""
        async with self._runner.changing:
            run = self._runs.get(number)
            if run is not None and run.state == "reading":
                await self._turn(replace(run, problem=problem), "cancelled")
            self._runs.drop_rows(number)

    # how it works

    def unread(self) -> list[Run]:
        """Runs whose files were being read when Hogline stopped, and can be read again here."""
        return [run for run in self._runs if run.wanted.reread is not None and self._is_abandoned(run)]

    async def read_again(self, number: int, key: str) -> None:
        """The files of a run are read again, from the beginning; they may have changed, and then so has its key."""
        async with self._runner.changing:
            run = self._run_of(number, {"reading"})
            self._runs.put(replace(run, wanted=replace(run.wanted, key=key), read=0, touched_ms=self._clock.time_ms()))

    async def _drop_outdated(self) -> None:
        """Many small runs must not add up."""
        if outdated := self._runs.outdated():
            await self._state.drop_runs(outdated)
            await self._journal.drop_runs(outdated)
            for number in outdated:
                self._runs.remove(number)

    async def cancel_all_of(self, connection: int) -> None:
        """The connection is about to be removed: end its runs."""
        for run in list(self._runs):
            if run.is_over or connection not in run.followed:
                continue
            others = tuple(other for other in run.followed if other != connection)
            if others:
                await self._stop_feeder(run.number)
                await self._turn(replace(run, connections=others), run.state)
            else:
                await self._turn(run, "cancelled")
                self._runs.drop_rows(run.number)

    async def _followed(self, run: Run) -> list[Connection]:
        return [one for one in await self._state.connections() if one.id in run.followed]

    async def _running_connections(self) -> list[Connection]:
        return [one for one in await self._state.connections() if self._workers.runs(one.id)]

    def _next_number(self) -> int:
        known = [run.number for run in self._runs]
        return max([0, *known, *self._journal.backfilled.taken]) + 1

    def _run_of(self, number: int, states: Collection[RunState] = ()) -> Run:
        run = self._runs.get(number)
        if run is None:
            raise CannotDo(f"Run {number} not found. See `hogline backfills`.")
        if states and run.state not in states:
            raise CannotDo(f"Run {number} is {run.state}.")
        return run

    def _is_abandoned(self, run: Run) -> bool:
        """The command that read its files is gone."""
        is_new = self._clock.time_ms() - self._begun.get(run.number, 0) < READER_COMES_MS
        return run.state == "reading" and not is_new and not self._runs.is_being_read(run.number)

    async def _turn(self, run: Run, state: RunState, *, prepared: Prepared | None = None) -> Run:
        if state != "sending":
            await self._stop_feeder(run.number)
        now_ms = self._clock.time_ms()
        run = replace(run, state=state, prepared=prepared or run.prepared, touched_ms=now_ms)
        run = replace(run, finished_ms=now_ms if run.is_over else 0)
        self._runs.put(run)
        if state == "sending":
            await self._feed(run)
        return run

    async def _feed(self, run: Run) -> None:
        if self._is_fed(run) or not self._runner.delivers:
            return
        connections = await self._followed(run)
        feeder = Feeder(
            run.number,
            self._runs.rows(run.number),
            connection=run.connection,
            share=run.wanted.share,
            target=RunTarget(self._workers, connections),
            journal=self._journal,
            seen=self._seen,
            suppressed=self._state.suppressed,
            clock=self._clock,
        )
        for connection in connections:
            self._workers.listen(connection.id, feeder)
        task = asyncio.create_task(self._fed(run.number, feeder, connections), name=f"backfill {run.number}")
        self._feeders[run.number] = feeder, task

    def _is_fed(self, run: Run) -> bool:
        return (feeding := self._feeders.get(run.number)) is not None and not feeding[1].done()

    async def _fed(self, number: int, feeder: Feeder, connections: Sequence[Connection]) -> None:
        try:
            await self._workers.alone([one.id for one in connections])
            await feeder.run()
            await self._finish(number, feeder)
        except Exception as error:  # whatever it is, nobody who watches may wait forever
            why = (error.strerror if isinstance(error, OSError) else None) or kind_and_place(error)
            feeder.waits = f"its rows cannot be read ({why}); cancel it and run the command again"
            log.error("a backfill waits", run=number, reason=feeder.waits)  # noqa: TRY400  # the reason says it
        finally:
            for connection in connections:
                self._workers.listen_no_more(connection.id, feeder)

    async def _finish(self, number: int, feeder: Feeder) -> None:
        """However long the disk refuses it."""
        now_ms = self._clock.time_ms()
        finished = replace(self._run_of(number), state="finished", finished_ms=now_ms, touched_ms=now_ms)
        while True:
            try:
                self._runs.put(finished)
            except OSError as error:
                feeder.waits = f"its end cannot be saved ({error.strerror})"
                await self._clock.sleep(SAVE_AGAIN_S)
            else:
                break
        del self._feeders[number]
        self._runs.drop_rows(number)
        log.info("backfill finished", run=number)

    async def _stop_feeder(self, number: int) -> None:
        if feeding := self._feeders.pop(number, None):
            feeding[1].cancel()
            await asyncio.gather(feeding[1], return_exceptions=True)

    async def _count_refused(self, prepared: Prepared) -> None:
        if prepared.refused:
            await self._journal.append((), prepared.refused)

    async def forget_rows(self, ids: Collection[str]) -> None:
        """Drop the rows of these people that were not taken yet. Nothing is taken until `continue_all`."""
        await self.stop()
        if any(run.state == "reading" for run in self._runs):
            self._gone.update(ids)
        else:
            self._gone.clear()
        await self._leave_rows(ids)

    async def _leave_rows(self, ids: Collection[str]) -> None:
        def left_of(row: bytes) -> bytes:
            left = without(row, ids)
            return row if left is None else left

        try:
            await asyncio.to_thread(self._runs.change_rows, left_of)
        except OSError as error:
            raise CannotDo(
                f"The rows of a run cannot be rewritten ({error.strerror}). Make room on the disk, then try again."
            ) from None

    async def _run_view(self, run: Run) -> RunView:
        feeder, task = self._feeders.get(run.number, (None, None))
        is_broken = run.state == "sending" and task is not None and task.done()
        interrupted = is_broken or self._is_abandoned(run)
        return await self._views.of(run, await self._followed(run), feeder, interrupted=interrupted)
