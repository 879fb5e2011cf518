"""hogline failures (list, show, retry, discard, export), hogline replay."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from rich.text import Text

from hogline.cli.common import Common, Json, ask, err, moment, out, print_json, print_json_line, run, table_of
from hogline.reasons import SENDING_STATES, state_word
from hogline.runtime.wiring import service_for
from hogline.service import CannotDo, Service

_DEFAULT = Common()
_PAGE = 500

Name = Annotated[str, Parameter(help="The connection.")]
Reason = Annotated[str, Parameter(help="Only failures with this reason.")]
All = Annotated[bool, Parameter(name="--all", negative="", help="All failures of the connection.")]


failures = App(
    name="failures",
    help="Failures: events that were rejected or could not be sent. List, show, retry, discard or export them.",
)


@failures.default
def list_(
    name: Annotated[str, Parameter(help="The connection (default: all).")] = "",
    /,
    *,
    reason: Reason = "",
    limit: Annotated[int, Parameter(help="Maximum per connection.")] = 100,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """List failures: reason, event, distinct_id and time."""
    found = ask(common, lambda service: service.failures.find(name, reason=reason, limit=limit))
    if json:
        print_json({"failures": found})
        return
    if not found:
        out.print("No failures.")
        return
    table = table_of("connection", "id", "reason", "event", "distinct_id", "when")
    for failure in found:
        table.add_row(
            failure.connection,
            str(failure.id),
            Text(failure.reason, style="red"),
            Text(failure.event),
            Text(failure.distinct_id),
            moment(failure.at_ms),
        )
    out.print(table)
    by_reason = Counter(failure.reason for failure in found)
    out.print()
    out.print(", ".join(f"{reason} {n:,}" for reason, n in by_reason.most_common()), style="dim", markup=False)


@failures.command
def show(
    name: Name, id_: Annotated[int, Parameter(name="id")], /, *, json: Json = False, common: Common = _DEFAULT
) -> None:
    """Show one failure in full: the event, what was sent, and the response."""
    found = ask(common, lambda service: service.failures.show(name, id_))
    if json:
        print_json(found)
        return
    failure = found.failure
    out.print(Text.assemble((failure.event, "bold"), "  ", failure.distinct_id, "  ", (failure.uuid, "dim")))
    out.print(f"  event time {moment(found.timestamp_ms)}, failed {moment(failure.at_ms)}", style="dim", markup=False)
    for title, values in (("properties", found.properties), ("$set", found.set)):
        if values:
            out.print(f"  {title}  {msgspec.json.encode(values).decode()}", markup=False)
    for refusal in found.refusals:
        where = f" (field {refusal.field})" if refusal.field else ""
        out.print(f"  {refusal.reason}{where}: {refusal.message}", style="red", markup=False)
        if refusal.operation is not None:
            out.print(f"    {msgspec.json.encode(refusal.operation).decode()}", markup=False)


def _which(ids: tuple[int, ...], reason: str, *, all_: bool) -> tuple[str, list[int] | None]:
    if sum((bool(ids), bool(reason), all_)) != 1:
        raise CannotDo("Give ids, --reason REASON or --all.")
    return reason, list(ids) or None


@failures.command
def retry(name: Name, /, *ids: int, reason: Reason = "", all_: All = False, common: Common = _DEFAULT) -> None:
    """Retry failures with their original ids, and wait for the result."""
    chosen, positions = _which(ids, reason, all_=all_)

    async def work() -> tuple[int, int]:
        async with service_for(common.settings(), delivers=True) as service:
            before = await _dead(service, name)
            retried = await service.failures.retry(name, reason=chosen, ids=positions)
            while await service.failures.retrying(name) and await goes_on(service, name):
                await asyncio.sleep(0.1)
            return retried, before - await _dead(service, name)

    retried, resolved = run(work())
    out.print(f"{retried:,} retried, {resolved:,} delivered.")


async def _dead(service: Service, name: str) -> int:
    return sum(sum(one.failures.values()) for one in (await service.status.show()).connections if one.name == name)


async def goes_on(service: Service, name: str) -> bool:
    """False if nothing more will happen automatically; prints why."""
    one = next(one for one in (await service.status.show()).connections if one.name == name)
    if one.state in SENDING_STATES:
        return True
    err.print(
        f"{name} is {state_word(one.state)}. {one.reason or f'Run `hogline resume {name}`.'}",
        style="yellow",
        markup=False,
    )
    return False


@failures.command
def discard(name: Name, /, *ids: int, reason: Reason = "", all_: All = False, common: Common = _DEFAULT) -> None:
    """Delete failures permanently. Their events count as filtered (discarded)."""
    chosen, positions = _which(ids, reason, all_=all_)

    discarded = ask(common, lambda service: service.failures.discard(name, reason=chosen, ids=positions))
    out.print(f"{discarded:,} discarded.")


@failures.command
def export(name: Name, /, *, reason: Reason = "", common: Common = _DEFAULT) -> None:
    """Print failures as JSON lines: event, operations and responses. `hogline failures export NAME > file`."""

    async def work() -> None:
        async with service_for(common.settings()) as service:
            after = 0
            while page := await service.failures.find(name, reason=reason, after=after, limit=_PAGE):
                after = page[-1].id
                for failure in page:
                    with suppress(CannotDo):  # it was resolved a moment ago
                        details = await service.failures.show(name, failure.id)
                        print_json_line(details)

    run(work())


def replay(
    name: Name,
    /,
    *,
    since: Annotated[
        str, Parameter(help="Received at this time or later, e.g. 2026-11-01T00:00Z. UTC unless you give a time zone.")
    ],
    until: Annotated[str, Parameter(help="Received before this time (default: now).")] = "",
    events: Annotated[str, Parameter(help="Only these events, comma-separated (default: all).")] = "",
    common: Common = _DEFAULT,
) -> None:
    """Send events from the journal again. The destination ignores events it already has (same id)."""
    since_ms = _read_moment(since, "--since")
    until_ms = _read_moment(until, "--until") if until else None
    names = [event.strip() for event in events.split(",") if event.strip()]

    async def work() -> int:
        async with service_for(common.settings(), delivers=True) as service:
            count = await service.replays.begin(name, since_ms=since_ms, until_ms=until_ms, events=names)
            while await service.replays.pending(name) and await goes_on(service, name):
                await asyncio.sleep(0.2)
            return count

    count = run(work())
    out.print(f"{count:,} events replayed.")


def _read_moment(text: str, option: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CannotDo(f"{option} must be a date and time such as 2026-11-01T00:00Z.") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
