"""What each role may do: one table that the console, the API and the documentation share.

`permitted` wraps the service for one actor. A function that is not in the table cannot be called.
"""

from __future__ import annotations

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
    """Functions of the service, each as `part.function`."""


RIGHTS = (
    Right(
        "See connections, figures, failures and live events; preview events",
        "viewer",
        (
            "connections.all",
            "status.show",
            "alerts.all",
            "status.problems",
            "status.rejected",
            "backlogs.show",
            "trends.show",
            "trends.sparkline",
            "failures.find",
            "failures.show",
            "failures.counts",
            "failures.retried",
            "failures.retrying",
            "replays.pending",
            "resending.show",
            "events.find",
            "events.newest",
            "events.show",
            "live.received",
            "live.newest",
            "previews.begin",
            "previews.lines",
            "previews.rows",
            "previews.end",
            "forecasts.begin",
            "forecasts.begin_new",
            "forecasts.rows",
            "forecasts.show",
            "forecasts.of_received",
            "forecasts.end",
            "backfills.all",
            "backfills.show",
            "sources.all",
            "dry_runs.begin",
            "dry_runs.rows",
            "dry_runs.end",
        ),
    ),
    Right(
        "See people and their attributes",
        "viewer",
        (
            "people.find",
            "people_list.show",
            "people.show",
            "finder.who_is",
        ),
    ),
    Right("Change your own password", "viewer", ("accounts.change_own_password",)),
    Right(
        "Pause and resume, check credentials",
        "operator",
        (
            "connections.pause",
            "connections.resume",
            "connections.check",
            "doctor.examine",
            "sources.pause",
            "sources.resume",
            "sources.dismiss",
        ),
    ),
    Right(
        "Retry and discard failures, replay events, resend people, send files",
        "operator",
        (
            "failures.retry",
            "failures.discard",
            "replays.begin",
            "sendings.begin",
            "sendings.send",
            "sendings.show",
            "sendings.end",
            "resending.person",
            "resending.everyone",
            "resending.cancel",
            "verification.people",
            "verification.silent_refusals",
            "verification.compare",
            "backfills.begin",
            "backfills.note_read",
            "backfills.ready",
            "backfills.pause",
            "backfills.resume",
            "backfills.cancel",
        ),
    ),
    Right(
        "Export everything about a person",
        "operator",
        (
            "exports.person",
            "exports.events",
        ),
    ),
    Right(
        "Forget and suppress people",
        "operator",
        (
            "forgetting.forget",
            "forgetting.suppress",
            "forgetting.unsuppress",
        ),
    ),
    Right("See the project's tokens and the setup for PostHog", "operator", ("project_tokens.show",)),
    Right(
        "Create, change and delete connections",
        "admin",
        (
            "connections.add",
            "connections.configure",
            "connections.test",
            "trials.send",
            "audit.changes",
            "connections.remove",
            "connections.rename",
            "connections.duplicate",
        ),
    ),
    Right("Start a run of older events from a path on the server", "admin", ("history.start",)),
    Right(
        "Set up PostHog's side",
        "admin",
        (
            "sources.add",
            "sources.add_kafka",
            "sources.remove",
            "posthog.connect",
            "posthog.status",
            "posthog.disconnect",
        ),
    ),
    Right(
        "Change the project's tokens",
        "admin",
        (
            "project_tokens.rotate",
            "project_tokens.revoke",
            "project_tokens.add",
        ),
    ),
    Right("Send a test alert", "admin", ("alerts.test",)),
    Right(
        "Accounts and API tokens",
        "admin",
        (
            "accounts.all",
            "accounts.add",
            "accounts.remove",
            "accounts.set_password",
            "accounts.set_role",
            "api_tokens.all",
            "api_tokens.make",
            "api_tokens.revoke",
        ),
    ),
    Right(
        "Read the audit log",
        "admin",
        (
            "audit.newest",
            "audit.since",
        ),
    ),
)

_LEAST = {function: right.least for right in RIGHTS for function in right.functions}
_PARTS = frozenset(function.partition(".")[0] for function in _LEAST)


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
    """Looks like a `Service`, for one actor."""

    def __init__(self, service: Service, who: Actor) -> None:
        self._service = service
        self._who = who

    def __getattr__(self, part: str) -> _PermittedPart:
        if part not in _PARTS:
            raise AttributeError(part)
        return _PermittedPart(part, getattr(self._service, part), self._who)


class _PermittedPart:
    """Looks like a part of the service; calls each function for the actor, if they may."""

    def __init__(self, name: str, part: object, who: Actor) -> None:
        self._name = name
        self._part = part
        self._who = who

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        function = f"{self._name}.{name}"
        if function not in _LEAST:
            raise AttributeError(name)
        ask: Callable[..., Awaitable[object]] = getattr(self._part, name)

        async def in_their_name(*positional: object, **named: object) -> object:
            require(self._who, function)
            with acting(self._who):
                return await ask(*positional, **named)

        return in_their_name


def permitted(service: Service, who: Actor) -> Service:
    """The service for one actor. Every function raises `Forbidden` if their role is too low."""
    return cast("Service", _Permitted(service, who))
