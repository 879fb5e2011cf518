"""The contract of an audit log: it keeps who did what, when and from where, for a while.

It has no personal data of the people in your events: a person who was looked at is a keyed hash. `details` are small
values of Hogline's own.
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
    "event_tried",
    "connection_enabled",
    "connection_disabled",
    "connection_removed",
    "connection_renamed",
    "failures_retried",
    "failures_discarded",
    "replay_begun",
    "file_sent",
    "backfill_begun",
    "backfill_paused",
    "backfill_resumed",
    "backfill_cancelled",
    "source_added",
    "source_removed",
    "source_gaps_dismissed",
    "source_paused",
    "source_resumed",
    "people_listed",
    "person_seen",
    "person_exported",
    "person_resent",
    "everyone_resent",
    "resending_cancelled",
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
ActorKind: TypeAlias = Literal["account", "token", "system"]

MOST_ENTRIES = 1_000_000
MOST_FAILED = 10_000
"""Strangers can cause these, so they must not push out the other entries."""
OF_STRANGERS: frozenset[Action] = frozenset({"sign_in_failed", "api_token_refused"})


class AuditNote(Struct, frozen=True, kw_only=True):
    """Something that was done, not stored yet."""

    at_ms: int
    who: str
    """The name of an account or an API token, or the system user who ran a command."""
    kind: ActorKind
    address: str
    """Where the request came from; empty: this machine's command line."""
    action: Action
    connection: str = ""
    person: str = ""
    """A keyed hash of the person's distinct_id or email."""
    details: Mapping[str, object] = {}


class AuditEntry(AuditNote, frozen=True, kw_only=True):
    number: int
    """1, 2, 3, … in the order of noting."""


class Wanted(Struct, frozen=True, kw_only=True):
    """A filter; empty fields match everything."""

    who: str = ""
    action: str = ""
    connection: str = ""
    person: str = ""
    since_ms: int = 0


class Audit(Protocol):
    async def add(self, noted: AuditNote, *, keep_since_ms: int) -> None:
        """Store an entry. Delete those older than `keep_since_ms`, and the oldest if there are too many. Raises
        `Unwritable`."""
        ...

    async def newest(self, wanted: Wanted, *, before: int | None = None, limit: int = 100) -> list[AuditEntry]:
        """Newest first, with numbers below `before`. Raises `Unwritable`."""
        ...

    async def oldest(self, wanted: Wanted, *, after: int = 0, limit: int = 100) -> list[AuditEntry]:
        """Oldest first, with numbers above `after`. Raises `Unwritable`."""
        ...

    async def close(self) -> None: ...
