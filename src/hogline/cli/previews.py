"""How a preview and a forecast look in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from rich.table import Table
from rich.text import Text

from hogline.backfill.views import ChoiceForecast, ForecastView, OperationView, PreviewedEvent
from hogline.cli.common import out, print_json_line

BILL = (
    "Customer.io bills by customers: the highest number in a month, including those merged or deleted during it (about "
    "$0.009 each per month beyond your plan)."
)


def print_preview(event: PreviewedEvent, *, json: bool, several_files: bool = False) -> None:
    if json:
        print_json_line(event)  # one line an event, as they come
        return
    place = f"{event.file or '-'}:{event.line}" if several_files else f"{event.line:>4}"
    title = Text.assemble((f"{place} ", "dim"), (event.event, "bold"), "  ", event.distinct_id)
    if event.person not in {event.distinct_id, ""}:
        title.append(f" (is {event.person})")
    title.append(f"  → {event.connection}", style="dim")
    out.print(title)
    if event.joined is not None:
        out.print(f"     merge: {event.joined.distinct_id} is now {event.joined.into}", markup=False)
    if event.filtered:
        kept = "held until they qualify" if event.held else "not sent"
        out.print(f"     {kept}: {event.filtered}", style="yellow", markup=False)
    for released in event.released:
        since = _place(released.file, released.line, several_files=several_files)
        out.print(f"     released: {released.event}, held since {since}", style="cyan", markup=False)
        if released.refused:
            out.print(f"       failure: {released.refused}", style="red", markup=False)
        _print_operations(released.operations, "       ")
    if event.refused:
        out.print(f"     failure: {event.refused}", style="red", markup=False)
    _print_operations(event.operations, "     ")
    if event.follows:
        out.print("     sent later:", style="dim")
        _print_operations(event.follows, "       ")
    _print_names("left out", event.left_out)
    _print_names("adjusted", event.adjusted)


def _print_names(title: str, names: Sequence[str]) -> None:
    if names:
        out.print(f"     {title}: {', '.join(names)}", style="dim", markup=False)


def _place(file: str, line: int | None, *, several_files: bool) -> str:
    if line is None:
        return "before"
    return f"{file or '-'}:{line}" if several_files else f"line {line}"


def _print_operations(operations: Sequence[OperationView], indent: str) -> None:
    for operation in operations:
        route = "" if operation.route == "batch" else f" ({operation.route})"
        body = msgspec.json.encode(operation.body).decode()
        out.print(Text.assemble(indent, (operation.action, "green"), route, "  ", body))


def print_forecast(forecast: ForecastView) -> None:
    of = f"with the options of {forecast.connection}" if forecast.connection else "with default options"
    out.print(f"{forecast.events:,} events, {of}, starting with no known people.", markup=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("anonymous users")
    for choice in forecast.choices:
        table.add_column(choice.choice + (" (now)" if choice.choice == forecast.now else ""), justify="right")
    for title, style, numbers in _rows(forecast.choices):
        table.add_row(title, *(f"{number:,}" if number else "-" for number in numbers), style=style)
    out.print(table)
    out.print(BILL, style="dim", markup=False)
    out.print("Requests: for the file in one go. Live traffic takes more.", style="dim")


def _rows(choices: Sequence[ChoiceForecast]) -> Iterator[tuple[str, str, list[int]]]:
    """The title, style and numbers of each row; rows of zeros only where you would expect the row."""
    yield "customers created", "bold", [one.customers for one in choices]
    yield "  left after merges", "", [one.customers_left for one in choices]
    yield "people known", "", [one.people for one in choices]
    yield "events delivered", "bold", [one.delivered for one in choices]
    yield "  without a customer", "", [one.anonymous for one in choices]
    yield from _reasons("events filtered", choices, lambda one: one.filtered)
    yield "events held", "bold", [one.held for one in choices]
    yield from _reasons("failures", choices, lambda one: one.failures)
    yield "requests", "bold", [one.requests for one in choices]
    yield from _reasons("adjusted values", choices, lambda one: one.adjusted)


def _reasons(
    title: str, choices: Sequence[ChoiceForecast], of: Callable[[ChoiceForecast], Mapping[str, int]]
) -> Iterator[tuple[str, str, list[int]]]:
    yield title, "bold", [sum(of(one).values()) for one in choices]
    for reason in sorted({reason for one in choices for reason in of(one)}):
        yield f"  {reason}", "", [of(one).get(reason, 0) for one in choices]
