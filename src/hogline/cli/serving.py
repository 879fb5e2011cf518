"""hogline serve, token, status, sandbox."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import App, Parameter
from rich.control import Control
from rich.table import Table

from hogline.cli.common import Common, Json, err, out, print_json, run
from hogline.process import serve as serve_until_stopped
from hogline.process import service_for
from hogline.sandbox.server import run as run_sandbox
from hogline.sandbox.settings import SandboxSettings, WorkspaceSettings
from hogline.service import Mistake, Service
from hogline.settings import Settings
from hogline.views import ConnectionStatus, Status, TokenView

_DEFAULT = Common()


def add_to(app: App) -> None:
    for command in (serve, token, status, sandbox):
        app.command(command)


def serve(*, common: Common = _DEFAULT) -> None:
    """Receive and deliver until stopped (Ctrl-C or SIGTERM)."""
    settings = common.settings(logs=True)

    def ready(service: Service) -> None:
        err.print(
            f"Receiving at {service.receives_at}; data in {settings.data}. `hogline token` prints the URL for PostHog."
        )

    run(serve_until_stopped(settings, ready))


def token(
    *,
    rotate: Annotated[bool, Parameter(negative="", help="Make a new token; the old one stays valid.")] = False,
    revoke: Annotated[str, Parameter(help="Take this old token's validity away.")] = "",
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """The project's token, and the webhook URL to give PostHog."""

    async def work() -> TokenView:
        async with service_for(common.settings()) as service:
            if revoke:
                await service.revoke_token(revoke)
            return await service.rotate_token() if rotate else await service.token()

    found = run(work())
    if json:
        print_json(found)
        return
    out.print(f"token        {found.token}", markup=False)
    out.print(f"webhook URL  {found.webhook_url}", markup=False)
    for older in found.older:
        out.print(f"still valid  {older}", markup=False)
    out.print("\nIn PostHog: Data pipeline, Destinations, HTTP Webhook, with this URL. An SDK takes the token as its")
    out.print("project API key and the address before /webhook as its host.")


def status(
    *,
    watch: Annotated[bool, Parameter(negative="", help="Show it anew every second, until Ctrl-C.")] = False,
    json: Json = False,
    common: Common = _DEFAULT,
) -> None:
    """What became of the events of each connection."""
    if watch:
        run(_watch(common.settings()))
        return

    async def work() -> Status:
        async with service_for(common.settings()) as service:
            return await service.status()

    found = run(work())
    if json:
        print_json(found)
    else:
        _print(found)


async def _watch(settings: Settings) -> None:
    with out.screen(hide_cursor=True):
        while True:
            # Anew each time: a command that only looks must not keep `hogline serve` from starting.
            async with service_for(settings) as service:
                found = await service.status()
            out.control(Control.home(), Control.clear())
            _print(found)
            await asyncio.sleep(1)


def _print(found: Status) -> None:
    if not found.connections:
        out.print("There is no connection yet. Make one with `hogline connect customerio`.")
    for connection in found.connections:
        print_status(connection)
    if found.refused:
        out.print("refused at the door: " + _counts(found.refused), markup=False)


def print_status(connection: ConnectionStatus) -> None:
    """One connection with its counts, which add up."""
    colour = {"delivering": "green", "waiting": "yellow", "stopped": "red"}.get(connection.state, "dim")
    out.print(f"[bold]{connection.name}[/]  [{colour}]{connection.state.replace('_', ' ')}[/]")
    if connection.reason:
        out.print(f"  {connection.reason}", style=colour, markup=False)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", min_width=14)
    table.add_column(justify="right", min_width=9)
    table.add_column(style="dim")
    table.add_row("  received", f"{connection.received:,}", "")
    table.add_row("  delivered", f"{connection.delivered:,}", f"in {connection.requests:,} requests")
    table.add_row("  filtered", f"{sum(connection.filtered.values()):,}", _counts(connection.filtered))
    table.add_row("  held", f"{connection.held:,}", "")
    table.add_row("  dead letters", f"{sum(connection.dead_letters.values()):,}", _counts(connection.dead_letters))
    waits = f"the oldest for {connection.lag_s:,.0f} s" if connection.pending else ""
    table.add_row("  pending", f"{connection.pending:,}", waits)
    if connection.adjusted:
        table.add_row("  adjusted", f"{sum(connection.adjusted.values()):,}", _counts(connection.adjusted))
    if connection.retries:
        table.add_row("  sent again", f"{sum(connection.retries.values()):,}", _counts(connection.retries))
    if connection.replayed:
        table.add_row("  replayed", f"{sum(connection.replayed.values()):,}", _counts(connection.replayed))
    out.print(table)


def _counts(by_reason: dict[str, int]) -> str:
    return ", ".join(f"{reason} {n:,}" for reason, n in sorted(by_reason.items(), key=lambda item: -item[1]))


def sandbox(
    *,
    listen: Annotated[str, Parameter(help="host:port")] = "127.0.0.1:8010",
    site_id: Annotated[str, Parameter(help="The Site ID that it accepts.")] = "sandbox-site",
    api_key: Annotated[str, Parameter(help="The API Key that it accepts.")] = "sandbox-key",
) -> None:
    """Run a sandbox Customer.io: an emulator of what its Track API documents, on this machine, in memory."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal():
        raise Mistake("--listen must be host:port, for example 127.0.0.1:8010.")

    settings = SandboxSettings(workspaces=(WorkspaceSettings(site_id=site_id, api_key=api_key),))

    def ready(url: str) -> None:
        out.print(f"Sandbox Customer.io at {url} (site ID {site_id}, API key {api_key})", markup=False)
        out.print(
            f"hogline connect customerio --site-id {site_id} --api-key {api_key} --tracking-endpoint {url}",
            markup=False,
        )

    try:
        run_sandbox(host, int(port), settings, on_ready=ready)
    except OSError as error:
        raise Mistake(f"Cannot listen on {listen} ({error.strerror}). Choose another address with --listen.") from None
