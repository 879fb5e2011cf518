"""The API's resources: each function is one endpoint, and asks the same functions of the service as the pages do.

Knows nothing about HTTP, except the status for something missing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from hogline.backfill.views import BadLine, PreviewedEvent
from hogline.console.api.common import ONE, After, FailureId, Items, Limit, Page, Text, TimeMs, existing
from hogline.console.api.endpoints import ApiError, Endpoint
from hogline.console.api.event_log import event, events
from hogline.console.api.people import (
    cancel_resending,
    export,
    export_events,
    forget,
    people,
    person,
    resend_everyone,
    resend_person,
    resending,
    suppress,
    unsuppress,
    who_is,
)
from hogline.destinations.base import Option
from hogline.destinations.catalogue import DESTINATIONS
from hogline.service import CannotDo, Service
from hogline.service.auditing import AuditView
from hogline.service.figures import Period, TrendsView
from hogline.store.audit import Wanted
from hogline.views.connections import CheckView, ConnectionStatus, ConnectionView, SourceView, Status
from hogline.views.events import FailureDetails, FailureView

NewName = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]


class DestinationView(Struct, frozen=True):
    key: str
    title: str
    summary: str
    options: tuple[Option, ...]
    """The options of a connection."""


class NewConnection(Struct, frozen=True, forbid_unknown_fields=True):
    destination: Text
    options: dict[str, object]
    name: NewName | None = None
    paused: bool = False
    """Do not start yet; `resume` starts it."""


class GivenOptions(Struct, frozen=True, forbid_unknown_fields=True):
    options: dict[str, object]


class Name(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    """Of a connection."""


class ChangedOptions(Struct, frozen=True, forbid_unknown_fields=True):
    options: dict[str, object]
    """The options to change; null resets an option to its default."""


class Chosen(Struct, frozen=True, forbid_unknown_fields=True):
    """Which failures: give exactly one of the three."""

    ids: Annotated[list[FailureId], Meta(min_length=1, max_length=1_000)] | None = None
    reason: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    all: bool = False


class Changed(Struct, frozen=True):
    failures: int
    """How many there were."""


class Sample(Struct, frozen=True, forbid_unknown_fields=True):
    events: Annotated[list[dict[str, object]], Meta(min_length=1, max_length=100)]
    """In any format that Hogline receives. Each is planned as if all events before it had been accepted."""


class Previewed(Struct, frozen=True):
    events: list[PreviewedEvent]
    problems: list[BadLine]
    """Events that could not be read, with their number in the list, starting at 1."""


async def status(service: Service) -> Status:
    """What happened to all events, by connection."""
    return await service.status.show()


async def sources(service: Service) -> Items[SourceView]:
    """All sources that Hogline reads by itself, oldest first. Keys are left out."""
    return Items(await service.sources.all())


async def pause_source(service: Service, source: Text) -> SourceView:
    """Pause a source: fetch nothing until it is resumed."""
    return await _source(service.sources.pause, source)


async def resume_source(service: Service, source: Text) -> SourceView:
    """Resume a source, from where it stopped."""
    return await _source(service.sources.resume, source)


async def dismiss_gaps(service: Service, source: Text) -> SourceView:
    """Dismiss what a source that reads from Kafka missed: it is no longer reported."""
    return await _source(service.sources.dismiss, source)


async def _source(ask: Callable[[str], Awaitable[SourceView]], name: str) -> SourceView:
    try:
        return await ask(name)
    except CannotDo as error:
        raise ApiError(404, str(error)) from None


async def destinations(service: Service) -> Items[DestinationView]:
    """All destinations you can connect, with their options."""
    del service
    return Items([DestinationView(one.key, one.title, one.summary, one.options) for one in DESTINATIONS.values()])


async def try_options(service: Service, key: Text, body: GivenOptions) -> CheckView:
    """Check whether the destination accepts these options. Nothing is saved."""
    if key not in DESTINATIONS:
        raise ApiError(404, "Unknown destination.")
    return await service.connections.test(key, body.options)


async def connections(service: Service) -> Items[ConnectionView]:
    """All connections, oldest first. Secrets are left out."""
    return Items(await service.connections.all())


async def connect(service: Service, body: NewConnection) -> ConnectionView:
    """Install a destination. The credentials are checked first; if they are rejected, nothing is saved."""
    if any(connection.name == body.name for connection in await service.connections.all()):
        raise ApiError(
            409, f"A connection named {body.name!r} already exists. Choose another name, or change that connection."
        )
    return await service.connections.add(body.destination, body.options, name=body.name or "", paused=body.paused)


async def connection(service: Service, name: Text) -> ConnectionView:
    """One connection. Secrets are left out."""
    return await existing(service, name)


async def configure(service: Service, name: Text, body: ChangedOptions) -> ConnectionView:
    """Change some options. The credentials are checked first, unless the connection is paused."""
    await existing(service, name)
    return await service.connections.configure(name, body.options)


async def rename(service: Service, name: Text, body: Name) -> ConnectionView:
    """Give a connection another name. It keeps everything else."""
    await existing(service, name)
    return await service.connections.rename(name, body.name)


async def duplicate(service: Service, name: Text, body: Name) -> ConnectionView:
    """Create a paused connection with the same options and credentials. It starts with the next event."""
    await existing(service, name)
    return await service.connections.duplicate(name, body.name)


async def disconnect(service: Service, name: Text) -> None:
    """Delete a connection and everything it knows. The destination keeps what it already has."""
    await existing(service, name)
    await service.connections.remove(name)


async def resume(service: Service, name: Text) -> ConnectionView:
    """Resume: check the credentials and continue where it left off."""
    await existing(service, name)
    return await service.connections.resume(name)


async def pause(service: Service, name: Text) -> ConnectionView:
    """Pause: stop sending. New events are kept until you resume."""
    await existing(service, name)
    return await service.connections.pause(name)


async def check(service: Service, name: Text) -> CheckView:
    """Check whether the destination accepts the credentials; if not, what to do."""
    await existing(service, name)
    return await service.connections.check(name)


async def connection_status(service: Service, name: Text) -> ConnectionStatus:
    """What happened to a connection's events: received = delivered + filtered + held + failures + pending."""
    await existing(service, name)
    return next(one for one in (await service.status.show()).connections if one.name == name)


async def trends(
    service: Service, name: Text, period: Period = "day", since_ms: TimeMs = 0, until_ms: TimeMs = 0
) -> TrendsView:
    """A connection's figures over the last hour, day, week or month; or over a range (`until_ms`: 0 is now)."""
    await existing(service, name)
    return await service.trends.show(name, period, since_ms=since_ms, until_ms=until_ms)


async def failures(
    service: Service, name: Text, reason: Text = "", after: After = 0, limit: Limit = 100
) -> Page[FailureView]:
    """Failures, optionally of one reason, in the order the events arrived."""
    await existing(service, name)
    found = await service.failures.find(name, reason=reason, after=after, limit=limit)
    return Page(found, str(found[-1].id) if len(found) == limit else None)


async def failure(service: Service, name: Text, id: FailureId) -> FailureDetails:  # noqa: A002  # the path's word
    """One failure: the event, what was sent, and the response."""
    await existing(service, name)
    try:
        return await service.failures.show(name, id)
    except CannotDo:
        raise ApiError(404, "This connection has no failure with this id.") from None


async def retry(service: Service, name: Text, body: Chosen) -> Changed:
    """Retry failures; the status shows the result."""
    await existing(service, name)
    return Changed(await service.failures.retry(name, reason=_reason(body), ids=body.ids))


async def discard(service: Service, name: Text, body: Chosen) -> Changed:
    """Delete failures permanently. Their events count as filtered (`discarded`)."""
    await existing(service, name)
    return Changed(await service.failures.discard(name, reason=_reason(body), ids=body.ids))


async def preview(service: Service, name: Text, body: Sample) -> Previewed:
    """What this connection would send for these events. Nothing is sent or saved."""
    await existing(service, name)
    handle = await service.previews.begin(name)
    try:
        lines = [(number, msgspec.json.encode(event)) for number, event in enumerate(body.events, 1)]
        return Previewed(*await service.previews.lines(handle, lines))
    finally:
        await service.previews.end(handle)


async def audit(  # noqa: PLR0917  # query parameters, by name
    service: Service,
    after: After = 0,
    limit: Limit = 100,
    who: Text = "",
    action: Text = "",
    connection: Text = "",
    person: Text = "",
) -> Page[AuditView]:
    """Who did what, when and from where, oldest first. `person` is a distinct_id or an email."""
    wanted = Wanted(who=who, action=action, connection=connection, person=person)
    found = await service.audit.since(wanted, after=after, limit=limit)
    return Page(found, str(found[-1].number) if len(found) == limit else None)


def _reason(chosen: Chosen) -> str:
    if sum((chosen.ids is not None, chosen.reason is not None, chosen.all)) != 1:
        raise ApiError(422, "Give exactly one of `ids`, `reason` and `all`.")
    return chosen.reason or ""


ENDPOINTS = (
    Endpoint("GET", "/api/status", status, asks="status.show"),
    Endpoint("GET", "/api/sources", sources, asks="sources.all"),
    Endpoint("POST", "/api/sources/{source}/pause", pause_source, asks="sources.pause"),
    Endpoint("POST", "/api/sources/{source}/resume", resume_source, asks="sources.resume"),
    Endpoint("POST", "/api/sources/{source}/dismiss", dismiss_gaps, asks="sources.dismiss"),
    Endpoint("GET", "/api/audit", audit, asks="audit.since"),
    Endpoint("GET", "/api/destinations", destinations),
    Endpoint("POST", "/api/destinations/{key}/check", try_options, asks="connections.test"),
    Endpoint("GET", "/api/people/who", who_is, asks="finder.who_is"),
    Endpoint("POST", "/api/people/forget", forget, asks="forgetting.forget", also=(404, 409)),
    Endpoint("POST", "/api/people/export", export, asks="exports.person", also=(404, 409)),
    Endpoint("POST", "/api/people/export/events", export_events, asks="exports.events"),
    Endpoint("POST", "/api/people/suppress", suppress, asks="forgetting.suppress", status=204),
    Endpoint("POST", "/api/people/unsuppress", unsuppress, asks="forgetting.unsuppress", status=204),
    Endpoint("GET", "/api/connections", connections, asks="connections.all"),
    Endpoint("POST", "/api/connections", connect, asks="connections.add", status=201),
    Endpoint("GET", ONE, connection, asks="connections.all"),
    Endpoint("PATCH", ONE, configure, asks="connections.configure"),
    Endpoint("DELETE", ONE, disconnect, asks="connections.remove", status=204),
    Endpoint("POST", f"{ONE}/rename", rename, asks="connections.rename"),
    Endpoint("POST", f"{ONE}/duplicate", duplicate, asks="connections.duplicate", status=201),
    Endpoint("POST", f"{ONE}/resume", resume, asks="connections.resume"),
    Endpoint("POST", f"{ONE}/pause", pause, asks="connections.pause"),
    Endpoint("POST", f"{ONE}/check", check, asks="connections.check"),
    Endpoint("GET", f"{ONE}/status", connection_status, asks="status.show"),
    Endpoint("GET", f"{ONE}/trends", trends, asks="trends.show"),
    Endpoint("GET", f"{ONE}/people", people, asks="people.find"),
    # An id can be any text, so it is never part of a path.
    Endpoint("GET", f"{ONE}/person", person, asks="people.show"),
    Endpoint("POST", f"{ONE}/person/resend", resend_person, asks="resending.person"),
    Endpoint("GET", f"{ONE}/people/resend", resending, asks="resending.show"),
    Endpoint("POST", f"{ONE}/people/resend", resend_everyone, asks="resending.everyone"),
    Endpoint("DELETE", f"{ONE}/people/resend", cancel_resending, asks="resending.cancel"),
    Endpoint("POST", f"{ONE}/preview", preview, asks="previews.begin"),
    Endpoint("GET", f"{ONE}/events", events, asks="events.find"),
    Endpoint("GET", f"{ONE}/events/{{number}}", event, asks="events.show"),
    Endpoint("GET", f"{ONE}/failures", failures, asks="failures.find"),
    Endpoint("POST", f"{ONE}/failures/retry", retry, asks="failures.retry"),
    Endpoint("POST", f"{ONE}/failures/discard", discard, asks="failures.discard"),
    Endpoint("GET", f"{ONE}/failures/{{id}}", failure, asks="failures.show"),
)
