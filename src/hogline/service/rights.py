"""What each role may do: one table that the console, the API and the documentation share.

`permitted` wraps the service for one actor. A function that is not in the table cannot be called.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, cast

from msgspec import Struct

from hogline.service.actor import Actor, acting
from hogline.store.datadir.roles import Role, includes

if TYPE_CHECKING:
    from hogline.service import Service


class Forbidden(Exception):
    """The actor's role may not do that. The text is one sentence that says so."""


class Right(Struct, frozen=True):
    what: str
    """In words."""
    least: Role
    """The lowest role that may."""
    functions: tuple[str, ...]
    """Functions of the service."""


RIGHTS = (
    Right(
        "See connections, figures, failures and live events; preview events",
        "viewer",
        (
            "connections", "status", "alerts", "problems", "rejected", "backlog", "trends", "sparkline", "failures",
            "failure", "failure_counts", "retried_failures",
            "retrying_failures", "replaying", "resending", "live", "events", "event", "received_events",
            "newest_event",
            "begin_preview", "preview_lines", "preview_rows", "end_preview", "begin_forecast", "forecast_rows",
            "forecast", "end_forecast", "backfills", "backfill", "begin_dry_run",
            "dry_run_rows", "dry_run",
        ),
    ),
    Right("See people and their attributes", "viewer", ("people", "person", "who_is")),
    Right("Change your own password", "viewer", ("change_own_password",)),
    Right("Pause and resume, check credentials", "operator", ("pause", "resume", "check", "examine")),
    Right(
        "Retry and discard failures, replay events, resend people, send files",
        "operator",
        (
            "retry_failures", "discard_failures", "replay", "begin_sending", "send_rows", "sending", "end_sending",
            "resend_person", "resend_everyone", "cancel_resending", "people_to_verify", "silent_refusals",
            "verify_people",
            "begin_backfill", "backfill_read", "backfill_ready", "pause_backfill", "resume_backfill",
            "cancel_backfill",
        ),
    ),
    Right("Export everything about a person", "operator", ("export_person", "export_events")),
    Right("Forget and suppress people", "operator", ("forget_person", "suppress_person", "unsuppress_person")),
    Right("See the project's tokens and the setup for PostHog", "operator", ("token",)),
    Right(
        "Create, change and delete connections",
        "admin",
        ("connect", "configure", "test_options", "disconnect"),
    ),
    Right(
        "Set up PostHog's side",
        "admin",
        ("connect_posthog", "posthog_status", "disconnect_posthog"),
    ),
    Right("Change the project's tokens", "admin", ("rotate_token", "revoke_token", "add_token")),
    Right("Send a test alert", "admin", ("test_alerts",)),
    Right(
        "Accounts and API tokens",
        "admin",
        (
            "accounts", "add_account", "remove_account", "set_password", "set_role", "api_tokens", "make_api_token",
            "revoke_api_token",
        ),
    ),
    Right("Read the audit log", "admin", ("audit", "audit_since")),
)  # fmt: skip

_LEAST = {function: right.least for right in RIGHTS for function in right.functions}
_FOR_EVERYBODY = frozenset({"receives_at"})
"""Not functions."""


def least_role(function: str) -> Role | None:
    """The lowest role that may call this function of the service; None: nobody may."""
    return _LEAST.get(function)


def may(role: Role, function: str) -> bool:
    least = least_role(function)
    return least is not None and includes(role, least)


def require(who: Actor, function: str) -> None:
    """Raises `Forbidden` if this actor may not call the function."""
    if not may(who.role, function):
        raise Forbidden(
            f"This needs the role {least_role(function)}; {who.name} has the role {who.role}. An admin can change that."
        )


class _Permitted:
    """Looks like a `Service`; calls each function for one actor, if they may."""

    def __init__(self, service: Service, who: Actor) -> None:
        self._service = service
        self._who = who

    def __getattr__(self, name: str) -> object:
        found = getattr(self._service, name)
        if name in _FOR_EVERYBODY:
            return found
        if name not in _LEAST or not inspect.iscoroutinefunction(found):
            raise AttributeError(name)
        ask = cast("Callable[..., Awaitable[object]]", found)

        async def in_their_name(*positional: object, **named: object) -> object:
            require(self._who, name)
            with acting(self._who):
                return await ask(*positional, **named)

        return in_their_name


def permitted(service: Service, who: Actor) -> Service:
    """The service for one actor. Every function raises `Forbidden` if their role is too low."""
    return cast("Service", _Permitted(service, who))
