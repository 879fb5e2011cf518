"""The audit log's entries in words, for pages and commands."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

DEEDS: Mapping[str, str] = {
    "sign_in": "Signed in",
    "sign_in_failed": "Failed to sign in",
    "sign_out": "Signed out",
    "api_token_refused": "Used an invalid API token",
    "connection_made": "Created a connection",
    "options_changed": "Changed options",
    "options_tested": "Tested options",
    "event_tried": "Sent a test event",
    "connection_enabled": "Resumed a connection",
    "connection_disabled": "Paused a connection",
    "connection_removed": "Removed a connection",
    "connection_renamed": "Renamed a connection",
    "failures_retried": "Retried failures",
    "failures_discarded": "Discarded failures",
    "replay_begun": "Replayed events",
    "file_sent": "Sent a file of events",
    "backfill_begun": "Started a backfill",
    "backfill_paused": "Paused a backfill",
    "backfill_resumed": "Resumed a backfill",
    "backfill_cancelled": "Cancelled a backfill",
    "source_added": "Added a source",
    "source_removed": "Removed a source",
    "source_paused": "Paused a source",
    "source_resumed": "Resumed a source",
    "people_listed": "Listed people",
    "person_seen": "Looked at a person",
    "person_exported": "Exported a person",
    "person_resent": "Sent a person again",
    "everyone_resent": "Sent everyone again",
    "resending_cancelled": "Stopped sending everyone again",
    "person_forgotten": "Forgot a person",
    "person_suppressed": "Suppressed a person",
    "person_unsuppressed": "Unsuppressed a person",
    "token_added": "Added a project key",
    "token_rotated": "Rotated a project token",
    "posthog_connected": "Set up PostHog's webhook destination",
    "posthog_disconnected": "Removed PostHog's webhook destination",
    "token_revoked": "Revoked a project token",
    "api_token_made": "Created an API token",
    "api_token_revoked": "Revoked an API token",
    "account_added": "Added an account",
    "account_removed": "Removed an account",
    "account_role_changed": "Changed an account's role",
    "account_password_set": "Set an account's password",
}
"""By action."""


def what_was_done(action: str, connection: str, details: Mapping[str, object]) -> str:
    """In one line: the action, the connection, and the details."""
    done = DEEDS.get(action, action.replace("_", " ").capitalize())
    about = ", ".join([*([connection] if connection else []), *_about(details)])
    return f"{done}{': ' if about else ''}{about}"


def _about(details: Mapping[str, object]) -> list[str]:
    found = []
    for key, value in details.items():
        if key == "options" and isinstance(value, Mapping):
            found += [_changed(name, change) for name, change in value.items()]
        elif key == "change" and isinstance(value, list):
            found.append(f"{_plain(value[0])} → {_plain(value[1])}")
        elif key in {"account", "token"}:
            found.append(_plain(value))
        elif value is True:
            found.append(key.replace("_", " "))
        elif value not in (None, False, "", [], {}):
            found.append(f"{key.replace('_', ' ')} {_plain(value)}")
    return found


def _changed(name: str, change: object) -> str:
    if isinstance(change, list) and len(change) == 2:
        return f"{name} {_plain(change[0])} → {_plain(change[1])}"
    return f"{name} {_plain(change)}"


def _plain(value: object) -> str:
    """An option's value; empty: its default."""
    if value is None:
        return "default"
    if isinstance(value, list):
        return ", ".join(_plain(one) for one in value)
    return (value or "empty") if isinstance(value, str) else msgspec.json.encode(value).decode()
