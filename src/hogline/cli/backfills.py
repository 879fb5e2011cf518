"""hogline backfills (list, pause, resume, cancel): runs of older events."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter
from rich.table import Table
from rich.text import Text

from hogline.backfill.views import RunView
from hogline.cli.common import Common, Json, ask, moment, out, print_json

_DEFAULT = Common()

backfills = App(name="backfills", help="Runs of `hogline backfill`. List, pause, resume or cancel them.")

Number = Annotated[int, Parameter(help="The run's number, as shown in the list.")]


@backfills.default
def list_(*, json: Json = False, common: Common = _DEFAULT) -> None:
    """List all runs, newest first: how far each is, and what came of it."""
    found = ask(common, lambda service: service.backfills())
    if json:
        print_json({"runs": found})
    elif found:
        out.print(_table(found))
    else:
        out.print("No runs yet. `hogline backfill CONNECTION FILES` starts one.")


def _table(found: list[RunView]) -> Table:
    table = Table(
        "run", "connection", "state", "started", "rows", "delivered", "filtered", "held", "failures", "pending",
        box=None, pad_edge=False, header_style="dim",
    )  # fmt: skip
    for run in found:
        for one in run.connections:
            table.add_row(
                str(run.number),
                Text(one.connection),
                Text(f"{run.state} ({run.reason})" if run.reason else run.state),
                moment(run.created_ms),
                f"{run.rows or run.read:,}",
                f"{one.delivered:,}",
                f"{sum(one.filtered.values()):,}",
                f"{one.held:,}",
                f"{sum(one.failures.values()):,}",
                f"{one.pending:,}",
            )
    return table


@backfills.command
def pause(number: Number, /, *, common: Common = _DEFAULT) -> None:
    """Pause a run. What was already taken is still delivered."""
    ask(common, lambda service: service.pause_backfill(number))
    out.print(f"Run {number} is paused.")


@backfills.command
def resume(number: Number, /, *, common: Common = _DEFAULT) -> None:
    """Continue a paused run in the running `hogline serve`, or when it starts."""
    ask(common, lambda service: service.resume_backfill(number))
    out.print(f"Run {number} continues.")


@backfills.command
def cancel(number: Number, /, *, common: Common = _DEFAULT) -> None:
    """End a run for good. What was already taken is still delivered."""
    ask(common, lambda service: service.cancel_backfill(number))
    out.print(f"Run {number} is cancelled.")
