"""What an audit log must do: keep who did what, when and from where, for a time.

It holds no personal data of the people whose events pass: somebody who was looked at is a keyed hash. `details` are
small values of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

Action: TypeAlias = Literal[
    "sign_in",
    "sign_in_failed",
    "sign_out",
    "api_token_refused",
    "connection_made",
    "options_changed",
    "options_tested",
    "connection_enabled",
    "connection_disabled",
    "connection_removed",
    "failures_retried",
    "failures_discarded",
    "replay_begun",
    "file_sent",
    "backfill_begun",
    "backfill_paused",
    "backfill_resumed",
    "backfill_cancelled",
    "people_listed",
    "person_seen",
    "person_exported",
    "person_resent",
    "person_forgotten",
    "person_suppressed",
    "person_unsuppressed",
    "posthog_connected",
    "posthog_disconnected",
    "token_added",
    "token_rotated",
    "token_revoked",
    "api_token_made",
    "api_token_revoked",
    "account_added",
    "account_removed",
    "account_role_changed",
    "account_password_set",
]
Kind: TypeAlias = Literal["account", "token", "system"]

MOST_ENTRIES = 1_000_000
MOST_FAILED = 10_000
"""Of what strangers can cause: they must not push out the rest."""
OF_STRANGERS: frozenset[Action] = frozenset({"sign_in_failed", "api_token_refused"})


class Noted(Struct, frozen=True, kw_only=True):
    """Something that was done, before it is kept."""

    at_ms: int
    who: str
    """The name of an account or an API token, or the system user of a command."""
    kind: Kind
    address: str
    """Where it came from; empty: this machine's command line."""
    action: Action
    connection: str = ""
    person: str = ""
    """A keyed hash of whose distinct_id or email it was about."""
    details: Mapping[str, object] = {}


class AuditEntry(Noted, frozen=True, kw_only=True):
    number: int
    """1, 2, 3, … in the order in which they were noted."""


class Wanted(Struct, frozen=True, kw_only=True):
    """Which entries; empty fields do not choose."""

    who: str = ""
    action: str = ""
    connection: str = ""
    person: str = ""
    since_ms: int = 0


class Audit(Protocol):
    async def add(self, noted: Noted, *, keep_since_ms: int) -> None:
        """Keep it, and let go what is older than `keep_since_ms` or too much. Raises `Unwritable`."""
        ...

    async def newest(self, wanted: Wanted, *, before: int | None = None, limit: int = 100) -> list[AuditEntry]:
        """Newest first; those before that number. Raises `Unwritable`."""
        ...

    async def oldest(self, wanted: Wanted, *, after: int = 0, limit: int = 100) -> list[AuditEntry]:
        """Oldest first; those behind that number. Raises `Unwritable`."""
        ...

    async def close(self) -> None: ...
