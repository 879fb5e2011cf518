"""What a sandbox is set up with: its workspaces, the region it plays, Engage's keys, how much it keeps.

Knows nothing of HTTP or of what the workspaces hold.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

Region: TypeAlias = Literal["us", "eu"]
Identification: TypeAlias = Literal["id", "email", "email_or_id"]

HOSTS: dict[Region, str] = {"us": "https://track.customer.io", "eu": "https://track-eu.customer.io"}


class WorkspaceSettings(Struct, frozen=True, kw_only=True):
    """One workspace: its credentials and what its owner can set."""

    site_id: str = "sandbox-site"
    api_key: str = "sandbox-key"
    app_api_key: str = "sandbox-app-key"
    region: Region = "us"
    environment_id: int = 1
    identified_by: Identification = "email_or_id"
    """By what people are identified; in an `id` workspace an email is a plain attribute."""
    joins_anonymous_events: bool = True
    """Whether an `anonymous_id` attribute gives a person the anonymous events sent under it."""
    url: str | None = None
    """What the region check names. None: the sandbox itself, or Customer.io's host if this workspace lives
    in the region that the sandbox does not play."""


class EngageSettings(Struct, frozen=True, kw_only=True):
    """The keys of the sandbox's one Engage account."""

    public_key: str = "sandbox-public"
    secret_key: str = "sandbox-secret"  # noqa: S105  # of a sandbox


class SandboxSettings(Struct, frozen=True, kw_only=True):
    """The whole sandbox. Raises ValueError if two workspaces share a Site ID, or there is none."""

    workspaces: tuple[WorkspaceSettings, ...] = (WorkspaceSettings(),)
    """The first one is shown where none is named."""
    region: Region = "us"
    """Which of Customer.io's hosts the sandbox plays."""
    engage: EngageSettings = EngageSettings()
    kept_events: int = 1_000_000
    """Events of a workspace that keep their data; older ones lose it. Engage drops older events."""
    kept_bytes: int = 256_000_000
    """Bytes of event data that a workspace keeps; above that, the oldest events lose theirs. Engage drops them."""
    remembered_events: int = 2_000_000
    """Events of a workspace that are remembered, with their ULIDs."""

    def __post_init__(self) -> None:
        if not self.workspaces:
            raise ValueError("A sandbox needs at least one workspace.")
        if len({workspace.site_id for workspace in self.workspaces}) != len(self.workspaces):
            raise ValueError("Two workspaces of a sandbox have the same Site ID.")
        if min(self.kept_events, self.kept_bytes, self.remembered_events) < 1:
            raise ValueError("A sandbox must keep at least one event, and one byte.")
