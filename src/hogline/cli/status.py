"""hogline token, hogline status."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Annotated

from cyclopts import Parameter
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hogline.cli.common import Common, Json, ask, out, print_json, print_json_line, run
from hogline.cli.sources import shown as source_shown
from hogline.reasons import PRIVATE_MEANS, PUBLIC_MEANS, state_word
from hogline.runtime.remote import is_remote
from hogline.runtime.wiring import service_for
from hogline.service import CannotDo
from hogline.settings import Settings
from hogline.store.base import Unusable, Unwritable
from hogline.views.connections import ConnectionStatus, Status, TokenView

_DEFAULT = Common()
WATCH_EVERY_S = 1.0


def token(
    *,
    add: Annotated[
        str, Parameter(help="Also accept events with this key, for example your current project API key (phc_…).")
    ] = "",
    rotate: Annotated[bool, Parameter(negative="", help="Create a new token. The old one stays valid.")] = False,
    public: Annotated[
        bool, Parameter(negative="", help="With --rotate: create a public token instead of a private one.")
    ] = False,
    revoke: Annotated[str, Parameter(help="Revoke this old or added token.")] = "",
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Show the project's tokens and the webhook URL to give PostHog."""

    async def work() -> TokenView:
        async with service_for(common.settings()) as service:
            if revoke:
                await service.project_tokens.revoke(revoke)
            if add:
                await service.project_tokens.add(add)
            return await service.project_tokens.rotate(public=public) if rotate else await service.project_tokens.show()

    if public and not rotate:
        raise CannotDo("--public only works with --rotate.")
    found = run(work())
    if json:
        print_json(found)
        return
    out.print(f"private token  {found.token}", markup=False)
    for older in found.older:
        out.print(f"  still valid  {older}", markup=False)
    out.print(f"webhook URL    {found.webhook_url}", markup=False)
    out.print(f"public token   {found.public_token}", markup=False)
    for older in found.older_public:
        out.print(f"  still valid  {older}", markup=False)
    for added in found.added:
        out.print(f"  added        {added}", markup=False)
    out.print()
    out.print(f"Private: for PostHog webhooks and server SDKs. {PRIVATE_MEANS}")
    out.print(f"Public: for SDKs in browsers and apps. {PUBLIC_MEANS}")
    out.print()
    out.print("In PostHog, go to Data pipeline, Destinations, HTTP Webhook and enter this URL.")
    out.print("In an SDK, use a token as the project API key, and the URL without /webhook… as the host.")
    out.print(
        "If a page or app contains a private token, replace it with the public one, then --rotate and --revoke the "
        "private one."
    )


def status(
    *,
    watch: Annotated[bool, Parameter(negative="", help="Refresh every second until Ctrl-C.")] = False,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """Show what happened to the events of each connection."""
    if watch:
        with suppress(KeyboardInterrupt):  # this is how you stop it
            run(_watch(common.settings(), json=json))
        return

    found = ask(common, lambda service: service.status.show())
    if json:
        print_json(found)
    else:
        out.print(_shown(found))


async def _watch(settings: Settings, *, json: bool) -> None:
    if json:
        async for found in _looks(settings):
            if isinstance(found, Status):
                print_json_line(found)
                sys.stdout.flush()
        return
    with Live(console=out, screen=out.is_terminal, auto_refresh=False, transient=True) as live:
        before: Status | None = None
        async for found in _looks(settings):
            if isinstance(found, Status):
                live.update(Group(_head(found, before), "", _shown(found)), refresh=True)
                before = found
            else:
                live.update(Text(found, style="yellow"), refresh=True)


async def _looks(settings: Settings) -> AsyncIterator[Status | str]:
    """Yields the status every second, or the error message if it is not available. Raises `CannotDo`, `Unusable` and
    `Unwritable` if the first one is not available.
    """
    seen = False
    while True:
        try:
            async with service_for(settings) as service:
                yield await service.status.show()
                seen = True
                # Ask a running process over one connection. Without one, hold the data directory only while reading:
                # this command must not keep `hogline serve` from starting.
                while is_remote(service):
                    await asyncio.sleep(WATCH_EVERY_S)
                    yield await service.status.show()
        except (CannotDo, Unusable, Unwritable) as error:
            if not seen:
                raise
            yield str(error)
        await asyncio.sleep(WATCH_EVERY_S)


def _head(found: Status, before: Status | None) -> Text:
    """The time, and how fast events come and go."""
    head = Text(f"{datetime.now().astimezone():%H:%M:%S}", style="bold")
    if before is not None:
        came, went = (_moved(found, before, count) for count in (_received, _settled))
        head.append(f"  {came:,} received and {went:,} settled in the last second", style="not bold")
    return head.append("  Ctrl-C to stop", style="not bold dim")


def _moved(found: Status, before: Status, count: Callable[[ConnectionStatus], int]) -> int:
    earlier = {connection.name: count(connection) for connection in before.connections}
    return sum(max(0, count(each) - earlier.get(each.name, count(each))) for each in found.connections)


def _received(connection: ConnectionStatus) -> int:
    return connection.received


def _settled(connection: ConnectionStatus) -> int:
    return connection.received - connection.pending


def _shown(found: Status) -> Group:
    parts: list[RenderableType] = []
    if not found.connections:
        parts.append("No connections yet. Create one with `hogline connect`.")
    for connection in found.connections:
        parts += _connection_shown(connection)
    for source in found.sources:
        parts += ["", *source_shown(source)]
    if found.refused:
        parts.append(Text("rejected requests: " + _counts(found.refused)))
    return Group(*parts)


def print_status(connection: ConnectionStatus) -> None:
    """One connection with its counts, which add up."""
    out.print(Group(*_connection_shown(connection)))


def _connection_shown(connection: ConnectionStatus) -> list[RenderableType]:
    colour = {"delivering": "green", "retrying": "yellow", "stopped": "red"}.get(connection.state, "dim")
    title = Text(connection.name, style="bold").append(f"  {state_word(connection.state)}", style=f"not bold {colour}")
    reason = [Text(f"  {connection.reason}", style=colour)] if connection.reason else []
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", min_width=14)
    table.add_column(justify="right", min_width=9)
    table.add_column(style="dim")
    for row in _rows(connection):
        table.add_row(*row)
    hints = [Text(f"  Hint: {hint}", style="yellow") for hint in connection.hints]
    return [title, *reason, table, *hints]


def _rows(connection: ConnectionStatus) -> Iterator[tuple[str, str, str]]:
    waits = f"oldest: {connection.lag_s:,.0f} s" if connection.pending else ""
    requests = f"in {connection.requests:,} request{'s' if connection.requests != 1 else ''}"
    yield "  received", f"{connection.received:,}", ""
    yield "  delivered", f"{connection.delivered:,}", requests
    yield "  filtered", f"{sum(connection.filtered.values()):,}", _counts(connection.filtered)
    yield "  held", f"{connection.held:,}", ""
    yield "  failures", f"{sum(connection.failures.values()):,}", _counts(connection.failures)
    yield "  pending", f"{connection.pending:,}", waits
    for title, counts in (
        ("  adjusted", connection.adjusted),
        ("  retries", connection.retries),
        ("  replayed", connection.replayed),
    ):
        if counts:
            yield title, f"{sum(counts.values()):,}", _counts(counts)
    if connection.resending:
        yield "  resending", f"{connection.resending:,}", "people are still to be sent again"


def _counts(by_reason: dict[str, int]) -> str:
    return ", ".join(f"{reason} {n:,}" for reason, n in sorted(by_reason.items(), key=lambda item: -item[1]))
