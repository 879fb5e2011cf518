"""hogline sandbox."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from hogline.cli.common import out
from hogline.sandbox.server import run as run_sandbox
from hogline.sandbox.settings import EngageSettings, SandboxSettings, WorkspaceSettings
from hogline.service import CannotDo


def sandbox(
    *,
    listen: Annotated[str, Parameter(help="host:port")] = "127.0.0.1:8010",
    site_id: Annotated[str, Parameter(help="The Site ID it accepts.")] = "sandbox-site",
    api_key: Annotated[str, Parameter(help="The API Key it accepts.")] = "sandbox-key",
    public_key: Annotated[str, Parameter(help="The Engage public key it accepts.")] = "sandbox-public",
    secret_key: Annotated[str, Parameter(help="The Engage secret key it accepts.")] = "sandbox-secret",  # noqa: S107  # of a sandbox
) -> None:
    """Run a local sandbox that emulates Customer.io and Engage. It keeps everything in memory."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal():
        raise CannotDo("--listen must be host:port, for example 127.0.0.1:8010.")

    settings = SandboxSettings(
        workspaces=(WorkspaceSettings(site_id=site_id, api_key=api_key),),
        engage=EngageSettings(public_key=public_key, secret_key=secret_key),
    )

    def ready(url: str) -> None:
        out.print(f"Sandbox Customer.io at {url} (site ID {site_id}, API key {api_key})", markup=False)
        out.print(
            f"hogline connect customerio --site-id {site_id} --api-key {api_key} --tracking-endpoint {url}",
            markup=False,
        )
        out.print(f"Sandbox Engage at {url} (public key {public_key}, secret key {secret_key})", markup=False)
        out.print(
            f"hogline connect engage --public-key {public_key} --secret-key {secret_key} --api-base-url {url}",
            markup=False,
        )

    try:
        run_sandbox(host, int(port), settings, on_ready=ready)
    except OSError as error:
        raise CannotDo(f"Cannot listen on {listen} ({error.strerror}). Choose another address with --listen.") from None
