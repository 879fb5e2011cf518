"""How runs of older events are shown: how far each is, why it waits, and what came of it at each connection."""

from __future__ import annotations

from collections.abc import Sequence

from hogline.backfill.feeder import Feeder
from hogline.backfill.runs import Prepared, Run
from hogline.backfill.views import Delivery, RunView
from hogline.service.runner import Runner
from hogline.store.base import Connection, Journal, State


class RunViews:
    def __init__(self, journal: Journal, state: State, runner: Runner) -> None:
        self._journal = journal
        self._state = state
        self._runner = runner

    async def of(
        self, run: Run, connections: Sequence[Connection], feeder: Feeder | None, *, interrupted: bool
    ) -> RunView:
        """`feeder`: takes its rows, or did until it could not go on. `interrupted`: somebody has to continue it."""
        prepared = run.prepared or Prepared(rows=0)
        return RunView(
            number=run.number,
            connection=connections[0].name if run.connection and connections else run.wanted.connection,
            sources=run.wanted.sources,
            share=run.wanted.share,
            state="interrupted" if interrupted else run.state,
            reason=self._reason(run, feeder, interrupted=interrupted),
            created_ms=run.created_ms,
            finished_ms=run.finished_ms,
            read=max(run.read, prepared.rows),
            rows=prepared.rows,
            people=prepared.people,
            taken=self._journal.backfilled.taken.get(run.number, 0),
            requests=feeder.requests if feeder is not None else 0,
            left_out=prepared.left_out,
            bad=prepared.bad,
            first_bad=prepared.first_bad,
            connections=[await self._delivery(run, one, prepared.rows) for one in connections],
        )

    def _reason(self, run: Run, feeder: Feeder | None, *, interrupted: bool) -> str | None:
        if run.problem:
            return run.problem
        if run.state == "reading" and interrupted:
            return "Nothing was sent. Start it again, with the same command or from the same page."
        if run.state == "sending" and not self._runner.delivers:
            return "Start `hogline serve`, or run the command again."
        return feeder.waits if feeder is not None and run.state == "sending" else None

    async def _delivery(self, run: Run, connection: Connection, rows: int) -> Delivery:
        counts = await self._state.run_counts(connection.id, run.number)

        def of(kind: str) -> dict[str, int]:
            return {name.removeprefix(f"{kind} "): n for name, n in counts.items() if name.startswith(f"{kind} ")}

        filtered, failures, held = of("filtered"), of("failed"), counts.get("held", 0)
        delivered = counts.get("delivered", 0)
        settled = delivered + held + sum(filtered.values()) + sum(failures.values())
        not_kept = rows - settled if run.state == "finished" else 0
        if not_kept > 0:
            filtered["suppressed"] = filtered.get("suppressed", 0) + not_kept
        state, reason = self._runner.standing(connection)
        return Delivery(
            connection=connection.name,
            events=rows,
            delivered=delivered,
            filtered=filtered,
            held=held,
            failures=failures,
            adjusted=of("adjusted"),
            pending=max(0, rows - settled) if run.state in {"sending", "paused"} else 0,
            state=state,
            reason=reason,
        )
