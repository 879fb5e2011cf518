"""hogline events (list, show): what happened to every event."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from rich.text import Text

from hogline.cli.audit import read_moment
from hogline.cli.common import Common, Json, ask, moment, out, print_json, table_of
from hogline.reasons import why_event_not_sent, why_sent_again
from hogline.views.events import EventRetry

_DEFAULT = Common()
_COLOURS = {"delivered": "green", "failed": "red", "held": "yellow", "pending": "yellow"}

events = App(name="events", help="The event log: what happened to every event. Search it, or show one event.")


@events.default
def list_(
    *,
    connection: Annotated[str, Parameter(help="Only this connection.")] = "",
    name: Annotated[str, Parameter(help="Only events with this name.")] = "",
    person: Annotated[str, Parameter(help="Only events of the person with this distinct_id or email.")] = "",
    outcome: Annotated[str, Parameter(help="delivered, filtered, held, failed or pending.")] = "",
    reason: Annotated[str, Parameter(help="Only with this reason.")] = "",
    since: Annotated[str, Parameter(help="Received at this time or later, e.g. 2026-11-01T00:00Z.")] = "",
    until: Annotated[str, Parameter(help="Received before this time.")] = "",
    before: Annotated[int, Parameter(help="Only events before this number, for paging.")] = 0,
    limit: Annotated[int, Parameter(help="Maximum number of events (at most 200).")] = 50,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Search the event log, newest event first."""
    found = ask(
        common,
        lambda service: service.events.find(
            connection,
            name=name,
            person=person,
            outcome=outcome,
            reason=reason,
            since_ms=read_moment(since, "--since") if since else 0,
            until_ms=read_moment(until, "--until") if until else 0,
            before=before,
            limit=limit,
        ),
    )
    if json:
        print_json(found)
        return
    if found.trouble:
        out.print(found.trouble, style="yellow")
    if not found.events:
        out.print("No events.")
        return
    several = len({event.connection for event in found.events}) > 1
    table = table_of("number", *("connection",) * several, "event", "distinct_id", "result", "received")
    for event in found.events:
        result = f"{event.outcome} ({event.reason})" if event.reason else event.outcome
        table.add_row(
            str(event.position),
            *(event.connection,) * several,
            Text(event.event),
            Text(event.distinct_id),
            Text(result, style=_COLOURS.get(event.outcome, "dim")),
            moment(event.received_ms),
        )
    out.print(table)
    if found.before is not None:
        out.print(f"Older ones: --before {found.before}", style="dim")


@events.command
def show(
    connection: str,
    number: Annotated[int, Parameter(help="The number in the list.")],
    /,
    *,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Show one event in full: what was received, what was decided and why, what was sent, and the response."""
    found = ask(common, lambda service: service.events.show(connection, number))
    if json:
        print_json(found)
        return
    event = found.event
    out.print(Text.assemble((event.event, "bold"), "  ", event.distinct_id, "  ", (event.uuid, "dim")))
    out.print(
        f"  event time {moment(event.timestamp_ms)}, received {moment(event.received_ms)}", style="dim", markup=False
    )
    for title, values in (("properties", found.properties), ("$set", found.set)):
        if values:
            out.print(f"  {title}  {msgspec.json.encode(values).decode()}", markup=False)
    for attempt in found.attempts:
        _print_retries(attempt.retries)
        result = Text(attempt.outcome, style=_COLOURS.get(attempt.outcome, "dim"))
        out.print(Text.assemble("  ", moment(attempt.at_ms), "  ", result, "  ", (attempt.reason, "dim")))
        if attempt.reason and attempt.outcome in {"filtered", "held"}:
            out.print(f"    {why_event_not_sent(attempt.reason)}", style="dim", markup=False)
        for one in attempt.operations:
            answer = f"rejected: {one.refused}" if one.refused else "accepted"
            out.print(f"    {one.action} ({answer})  {msgspec.json.encode(one.body).decode()}", markup=False)
    _print_retries(found.retries)
    if found.waits_for:
        next_try = f" Next try: {moment(found.next_try_ms)}." if found.next_try_ms else ""
        out.print(f"  pending: {found.waits_for}{next_try}", style="yellow", markup=False)


def _print_retries(retries: list[EventRetry]) -> None:
    for retry in retries:
        out.print(f"  {moment(retry.at_ms)}  sent. {why_sent_again(retry.answer)} Hogline tries again.", style="dim")
