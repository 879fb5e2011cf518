"""The audit log's entries in words, for pages and commands."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from hogline.destinations.base import Option
from hogline.destinations.catalogue import DESTINATIONS, destination_of
from hogline.destinations.given import becomes

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
    "source_gaps_dismissed": "Dismissed what a source missed",
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


def what_was_done(action: str, connection: str, details: Mapping[str, object], destination: str = "") -> str:
    """In one line: the action, the connection, and the details. Options are named as in the form of the connection's
    `destination`; if that is not known, of one that has them."""
    done = DEEDS.get(action, action.replace("_", " ").capitalize())
    about = ", ".join([*([connection] if connection else []), *_about(details)])
    changed = details.get("options")
    is_new = action == "connection_made"
    options = _options(changed, destination, is_new=is_new) if isinstance(changed, Mapping) else ""
    return ": ".join([done, *([about] if about else [])]) + (f". {options}" if options else "")


def _about(details: Mapping[str, object]) -> list[str]:
    found = []
    for key, value in details.items():
        if key == "options" and isinstance(value, Mapping):
            continue
        if key == "change" and isinstance(value, list):
            found.append(f"{_plain(value[0])} → {_plain(value[1])}")
        elif key in {"account", "token"}:
            found.append(_plain(value))
        elif key == "days" and value:
            found.append(f"valid for {_plain(value)} day{'s' if value != 1 else ''}")
        elif key == "password" and value is True:
            found.append("with a password")
        elif value is True:
            found.append(key.replace("_", " "))
        elif value not in (None, False, "", [], {}):
            found.append(f"{key.replace('_', ' ')} {_plain(value)}")
    return found


def _options(changed: Mapping[str, object], destination: str, *, is_new: bool) -> str:
    """All on one line, in the order of the form."""
    known = [destination_of(destination)] if destination else list(DESTINATIONS.values())
    options = next((one.options for one in known if changed.keys() <= {option.key for option in one.options}), ())
    by_key = {option.key: option for option in options}
    places = {key: place for place, key in enumerate(by_key)}
    keys = sorted(changed, key=lambda key: (places.get(key, len(places)), key))
    return "; ".join(_changed(by_key, key, changed[key], is_new=is_new) for key in keys)


def _changed(options: Mapping[str, Option], key: str, change: object, *, is_new: bool) -> str:
    """`is_new`: nobody saw what it was before, so only what it is counts."""
    option = options.get(key)
    if not isinstance(change, list) or len(change) != 2:  # a secret
        return f"{option.title if option else key}: {'set' if is_new else 'changed'}"
    if option is None:
        return f"{key}: {_plain(change[0])} → {_plain(change[1])}"
    if option.instead:
        older, option = option, options[option.instead]
        change = [value if value is None else becomes(older, value) for value in change]
    now = option.in_words(change[1])
    return f"{option.title}: {now}" if is_new else f"{option.title}: {option.in_words(change[0])} → {now}"


def _plain(value: object) -> str:
    """A value; empty: its default."""
    if value is None:
        return "default"
    if isinstance(value, list):
        return ", ".join(_plain(one) for one in value)
    return (value or "empty") if isinstance(value, str) else msgspec.json.encode(value).decode()
