"""hogline sandbox."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from hogline.cli.common import out
from hogline.sandbox.server import run as run_sandbox
from hogline.sandbox.settings import SandboxSettings, WorkspaceSettings
from hogline.service import Mistake


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
