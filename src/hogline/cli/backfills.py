"""hogline backfills (list, pause, resume, cancel): runs of older events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from cyclopts import App, Parameter
from rich.text import Text

from hogline.backfill.views import RunView
from hogline.cli.common import Common, Json, ask, moment, out, print_json

_DEFAULT = Common()

backfills = App(name="backfills", help="Runs of `hogline backfill`. List, pause, resume or cancel them.")

Number = Annotated[int, Parameter(help="The run's number, as shown in the list.")]


@backfills.default
def list_(*, json: Json = False, common: Common = _DEFAULT) -> None:
    """List all runs, newest first: how far each is, and what came of it."""
    found = ask(common, lambda service: service.backfills.all())
    if json:
        print_json({"runs": found})
    elif not found:
        out.print("No runs yet. `hogline backfill CONNECTION FILES` starts one.")
    for one in [] if json else found:
        for line in shown(one):
            out.print(line)


_COLORS = {"sending": "green", "reading": "green", "finished": "dim", "cancelled": "dim"}


def shown(run: RunView) -> Iterator[Text]:
    """A run in a few lines, which fit into 80 columns unless names are long."""
    color = _COLORS.get(run.state, "yellow")
    yield (
        Text(f"{run.number:>3}  ", style="bold")
        .append(run.connection or "every connection", style="bold")
        .append(f"  {run.state}", style=f"not bold {color}")
        .append(f"  {moment(run.created_ms)}", style="not bold dim")
    )
    yield Text(f"     {_sources(run.sources)}", style="dim")
    if run.reason:
        yield Text(f"     {run.reason}", style=color)
    if not run.rows:
        yield Text(f"     {run.read:,} rows read")
        return
    for one in run.connections:
        name = "" if run.connection else f"{one.connection}: "
        yield Text(f"     {name}{one.delivered:,} of {one.events:,} events delivered")
        counts = [(sum(one.filtered.values()), "filtered"), (one.held, "held")]
        counts += [(sum(one.failures.values()), "failed"), (one.pending, "pending")]
        if more := ", ".join(f"{n:,} {word}" for n, word in counts if n):
            yield Text(f"     {more}")
    if run.bad:
        yield Text(f"     {run.bad:,} row{'s' * (run.bad != 1)} could not be read", style="red")


def _sources(names: list[str]) -> str:
    """The first, shortened from the left to fit into a line, and how many more there are."""
    first, more = names[0] if names else "", len(names) - 1
    rest = f" and {more:,} more" if more > 0 else ""
    room = 74 - len(rest)
    return (first if len(first) <= room else f"…{first[1 - room :]}") + rest


@backfills.command
def pause(number: Number, /, *, common: Common = _DEFAULT) -> None:
    """Pause a run. What was already taken is still delivered."""
    ask(common, lambda service: service.backfills.pause(number))
    out.print(f"Run {number} is paused.")


@backfills.command
def resume(number: Number, /, *, common: Common = _DEFAULT) -> None:
    """Continue a paused run in the running `hogline serve`, or when it starts."""
    ask(common, lambda service: service.backfills.resume(number))
    out.print(f"Run {number} continues.")


@backfills.command
def cancel(number: Number, /, *, common: Common = _DEFAULT) -> None:
    """End a run for good. What was already taken is still delivered."""
    ask(common, lambda service: service.backfills.cancel(number))
    out.print(f"Run {number} is cancelled.")
