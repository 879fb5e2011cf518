"""hogline serve, token, status, sandbox."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter
from rich.table import Table

from hogline.cli.common import Common, Json, err, out, print_json, run
from hogline.process import serve as serve_until_stopped
from hogline.process import service_for
from hogline.sandbox.server import run as run_sandbox
from hogline.sandbox.settings import SandboxSettings, WorkspaceSettings
from hogline.service import Mistake, Service
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


def token(*, json: Json = False, common: Common = _DEFAULT) -> None:
    """The project's token, and the webhook URL to give PostHog."""

    async def work() -> TokenView:
        async with service_for(common.settings()) as service:
            return await service.token()

    found = run(work())
    if json:
        print_json(found)
        return
    out.print(f"token        {found.token}", markup=False)
    out.print(f"webhook URL  {found.webhook_url}", markup=False)
    out.print("\nIn PostHog: Data pipeline, Destinations, HTTP Webhook, with this URL. An SDK takes the token as its")
    out.print("project API key and the address before /webhook as its host.")


def status(*, json: Json = False, common: Common = _DEFAULT) -> None:
    """What became of the events of each connection."""

    async def work() -> Status:
        async with service_for(common.settings()) as service:
            return await service.status()

    found = run(work())
    if json:
        print_json(found)
        return
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
    table.add_row("  pending", f"{connection.pending:,}", "")
    if connection.adjusted:
        table.add_row("  adjusted", f"{sum(connection.adjusted.values()):,}", _counts(connection.adjusted))
    if connection.retries:
        table.add_row("  sent again", f"{sum(connection.retries.values()):,}", _counts(connection.retries))
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
