"""The API's resources: each function is one endpoint, and asks the same functions of the service as the pages do.

Knows no HTTP but for the status of what is not there.
"""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from hogline.console.api.endpoints import ApiError, Endpoint
from hogline.destinations.base import Option
from hogline.destinations.catalogue import DESTINATIONS
from hogline.service import Mistake, Service
from hogline.service.auditing import AuditView
from hogline.service.exporting import ExportedEvents, PersonExport
from hogline.service.finding import Nobody, Several
from hogline.service.history import HistoryView, Period
from hogline.store.audit import Wanted
from hogline.views import (
    BadLine,
    CheckView,
    ConnectionStatus,
    ConnectionView,
    FailureDetails,
    FailureView,
    ForgottenView,
    PersonDetails,
    PersonView,
    PreviewedEvent,
    SomebodyView,
    Status,
)

ItemT = TypeVar("ItemT")

Limit = Annotated[int, Meta(ge=1, le=500, description="At most so many.")]
FailureId = Annotated[int, Meta(ge=1, le=2**63 - 1, description="As the list of failures has it.")]
After = Annotated[int, Meta(ge=0, le=2**63 - 1, description="`next` of the page before.")]
Text = Annotated[str, Meta(max_length=1_000)]
NewName = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]


class Items(Struct, Generic[ItemT], frozen=True):
    """All there are."""

    items: list[ItemT]


class Page(Struct, Generic[ItemT], frozen=True):
    """Some of many, in order."""

    items: list[ItemT]
    next: str | None
    """What to ask for as `after` for those that follow; null: there are none."""


class DestinationView(Struct, frozen=True):
    key: str
    title: str
    summary: str
    options: tuple[Option, ...]
    """What a connection to it asks for."""


class NewConnection(Struct, frozen=True, forbid_unknown_fields=True):
    destination: Text
    options: dict[str, object]
    name: NewName | None = None
    enable: bool = True


class GivenOptions(Struct, frozen=True, forbid_unknown_fields=True):
    options: dict[str, object]


class ChangedOptions(Struct, frozen=True, forbid_unknown_fields=True):
    options: dict[str, object]
    """Those that change; null takes one back to its default."""


class Forget(Struct, frozen=True, forbid_unknown_fields=True):
    who: Annotated[str, Meta(max_length=1_000, description="An id or an email.")] = ""
    distinct_id: Annotated[str, Meta(max_length=1_000, description="The older name of `who`.")] = ""
    suppress: bool = False
    """They cannot come back."""
    all: bool = False
    """All people with this email, if there are several."""


class Resend(Struct, frozen=True, forbid_unknown_fields=True):
    distinct_id: Annotated[str, Meta(min_length=1, max_length=1_000)]


class Whom(Struct, frozen=True, forbid_unknown_fields=True):
    who: Annotated[str, Meta(min_length=1, max_length=1_000, description="An id or an email.")]
    all: bool = False
    """All people with this email, if there are several."""


class WhoseEvents(Struct, frozen=True, forbid_unknown_fields=True):
    ids: Annotated[list[Text], Meta(min_length=1, max_length=10_000)]
    """As the export has them."""
    after: Text = ""
    """`next` of the part before."""


class Suppress(Struct, frozen=True, forbid_unknown_fields=True):
    who: Annotated[str, Meta(min_length=1, max_length=1_000, description="An id or an email.")]


class Chosen(Struct, frozen=True, forbid_unknown_fields=True):
    """Which dead letters: exactly one of the three."""

    ids: Annotated[list[FailureId], Meta(min_length=1, max_length=1_000)] | None = None
    reason: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    all: bool = False


class Changed(Struct, frozen=True):
    failures: int
    """How many there were."""


class Sample(Struct, frozen=True, forbid_unknown_fields=True):
    events: Annotated[list[dict[str, object]], Meta(min_length=1, max_length=100)]
    """In any of the shapes that Hogline receives; each is planned as if those before had been accepted."""


class Previewed(Struct, frozen=True):
    events: list[PreviewedEvent]
    problems: list[BadLine]
    """Of those that cannot be read, with their number in the list, beginning at 1."""


async def status(service: Service) -> Status:
    """What became of all events, at every connection."""
    return await service.status()


async def destinations(service: Service) -> Items[DestinationView]:
    """The catalogue: what can be connected, with the declaration of its options."""
    del service
    return Items([DestinationView(one.key, one.title, one.summary, one.options) for one in DESTINATIONS.values()])


async def try_options(service: Service, key: Text, body: GivenOptions) -> CheckView:
    """Whether the destination would take these options. Nothing is kept."""
    if key not in DESTINATIONS:
        raise ApiError(404, "There is no such destination.")
    return await service.test_options(key, body.options)


async def connections(service: Service) -> Items[ConnectionView]:
    """All connections, in the order in which they were made. Secrets are left out."""
    return Items(await service.connections())


async def connect(service: Service, body: NewConnection) -> ConnectionView:
    """Install a destination. The credentials are checked first; refused, nothing is kept."""
    if any(connection.name == body.name for connection in await service.connections()):
        raise ApiError(409, f"There is a connection {body.name!r} already. Choose another name, or change that one.")
    return await service.connect(body.destination, body.options, name=body.name or "", enable=body.enable)


async def connection(service: Service, name: Text) -> ConnectionView:
    """One connection. Secrets are left out."""
    return await _existing(service, name)


async def configure(service: Service, name: Text, body: ChangedOptions) -> ConnectionView:
    """Change some options. An enabled connection goes on with them if the credentials are good."""
    await _existing(service, name)
    return await service.configure(name, body.options)


async def disconnect(service: Service, name: Text) -> None:
    """Remove a connection with all that it knows. The destination keeps what it has."""
    await _existing(service, name)
    await service.disconnect(name)


async def enable(service: Service, name: Text) -> ConnectionView:
    """Check the credentials and send, from where it was."""
    await _existing(service, name)
    return await service.enable(name)


async def disable(service: Service, name: Text) -> ConnectionView:
    """Stop sending. Events wait until it is enabled again."""
    await _existing(service, name)
    return await service.disable(name)


async def check(service: Service, name: Text) -> CheckView:
    """Whether the credentials are good, and what to do if not."""
    await _existing(service, name)
    return await service.check(name)


async def connection_status(service: Service, name: Text) -> ConnectionStatus:
    """What became of a connection's events: received = delivered + filtered + held + dead letters + pending."""
    await _existing(service, name)
    return next(one for one in (await service.status()).connections if one.name == name)


async def history(service: Service, name: Text, period: Period = "day") -> HistoryView:
    """A connection's figures over the last hour, day or week."""
    await _existing(service, name)
    return await service.history(name, period)


async def people(service: Service, name: Text, q: Text = "", after: Text = "", limit: Limit = 100) -> Page[PersonView]:
    """People whose distinct_id or email contains `q`, by distinct_id."""
    await _existing(service, name)
    found = await service.people(q, connection=name, after=after, limit=limit)
    return Page(found, found[-1].distinct_id if len(found) == limit else None)


async def person(service: Service, name: Text, distinct_id: Text) -> PersonDetails:
    """One person: what was accepted, who was joined into them, what became of their last events."""
    await _existing(service, name)
    try:
        return await service.person(name, distinct_id)
    except Mistake:
        raise ApiError(404, "This connection knows nobody with this distinct_id.") from None


async def resend_person(service: Service, name: Text, body: Resend) -> PersonView:
    """Say everything of one person once more: after their customer was deleted or changed at the destination."""
    await _existing(service, name)
    return await service.resend_person(name, body.distinct_id)


async def forget(service: Service, body: Forget) -> ForgottenView:
    """Delete somebody at every destination, and then all that is known of them here. It cannot be undone."""
    who = body.who or body.distinct_id
    if not who or (body.who and body.distinct_id):
        raise ApiError(422, "Say whom to forget with `who`: an id or an email.")
    try:
        return await service.forget_person(who, suppress=body.suppress, everybody=body.all)
    except Nobody as nobody:
        raise ApiError(404, str(nobody)) from None
    except Several as several:
        raise ApiError(409, str(several)) from None


async def who_is(service: Service, q: Text) -> Items[SomebodyView]:
    """The person with this id; else all people with this email."""
    return Items(await service.who_is(q))


async def export(service: Service, body: Whom) -> PersonExport:
    """All that is kept about a person, but for events."""
    try:
        return await service.export_person(body.who, everybody=body.all)
    except Nobody as nobody:
        raise ApiError(404, str(nobody)) from None
    except Several as several:
        raise ApiError(409, str(several)) from None


async def export_events(service: Service, body: WhoseEvents) -> ExportedEvents:
    """Some of the events that are kept of these ids: those that are held, then failures, then those in the journal."""
    return await service.export_events(body.ids, after=body.after)


async def suppress(service: Service, body: Suppress) -> None:
    """Keep somebody away who is not known here. Only a hash is kept, so nobody can be listed."""
    await service.suppress_person(body.who)


async def unsuppress(service: Service, body: Suppress) -> None:
    """Let somebody in again who was suppressed."""
    await service.unsuppress_person(body.who)


async def failures(
    service: Service, name: Text, reason: Text = "", after: After = 0, limit: Limit = 100
) -> Page[FailureView]:
    """Dead letters, all or those of a reason, in the order in which the events came."""
    await _existing(service, name)
    found = await service.failures(name, reason=reason, after=after, limit=limit)
    return Page(found, str(found[-1].id) if len(found) == limit else None)


async def failure(service: Service, name: Text, id: FailureId) -> FailureDetails:  # noqa: A002  # the path's word
    """One dead letter: the event, what was sent, what was answered."""
    await _existing(service, name)
    try:
        return await service.failure(name, id)
    except Mistake:
        raise ApiError(404, "This connection has no dead letter of this id.") from None


async def retry(service: Service, name: Text, body: Chosen) -> Changed:
    """Send dead letters again; the status shows what becomes of them."""
    await _existing(service, name)
    return Changed(await service.retry_failures(name, reason=_reason(body), ids=body.ids))


async def discard(service: Service, name: Text, body: Chosen) -> Changed:
    """Remove dead letters for good; their events count as filtered (`discarded`)."""
    await _existing(service, name)
    return Changed(await service.discard_failures(name, reason=_reason(body), ids=body.ids))


async def preview(service: Service, name: Text, body: Sample) -> Previewed:
    """What events would come to at this connection. Nothing is sent and nothing is kept."""
    await _existing(service, name)
    handle = await service.begin_preview(name)
    try:
        lines = [(number, msgspec.json.encode(event)) for number, event in enumerate(body.events, 1)]
        return Previewed(*await service.preview_lines(handle, lines))
    finally:
        await service.end_preview(handle)


async def audit(  # noqa: PLR0917  # what stands in the query, by name
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
    found = await service.audit_since(wanted, after=after, limit=limit)
    return Page(found, str(found[-1].number) if len(found) == limit else None)


def _reason(chosen: Chosen) -> str:
    if sum((chosen.ids is not None, chosen.reason is not None, chosen.all)) != 1:
        raise ApiError(422, "Say which failures: exactly one of `ids`, `reason` and `all`.")
    return chosen.reason or ""


async def _existing(service: Service, name: str) -> ConnectionView:
    for one in await service.connections():
        if one.name == name:
            return one
    raise ApiError(404, "There is no connection of this name.")


_ONE = "/api/connections/{name}"

ENDPOINTS = (
    Endpoint("GET", "/api/status", status),
    Endpoint("GET", "/api/audit", audit),
    Endpoint("GET", "/api/destinations", destinations),
    Endpoint("POST", "/api/destinations/{key}/check", try_options),
    Endpoint("GET", "/api/people/who", who_is),
    Endpoint("POST", "/api/people/forget", forget, also=(404, 409)),
    Endpoint("POST", "/api/people/export", export, also=(404, 409)),
    Endpoint("POST", "/api/people/export/events", export_events),
    Endpoint("POST", "/api/people/suppress", suppress, status=204),
    Endpoint("POST", "/api/people/unsuppress", unsuppress, status=204),
    Endpoint("GET", "/api/connections", connections),
    Endpoint("POST", "/api/connections", connect, status=201),
    Endpoint("GET", _ONE, connection),
    Endpoint("PATCH", _ONE, configure),
    Endpoint("DELETE", _ONE, disconnect, status=204),
    Endpoint("POST", f"{_ONE}/enable", enable),
    Endpoint("POST", f"{_ONE}/disable", disable),
    Endpoint("POST", f"{_ONE}/check", check),
    Endpoint("GET", f"{_ONE}/status", connection_status),
    Endpoint("GET", f"{_ONE}/history", history),
    Endpoint("GET", f"{_ONE}/people", people),
    # An id can be any text, so it never stands in a path.
    Endpoint("GET", f"{_ONE}/person", person),
    Endpoint("POST", f"{_ONE}/person/resend", resend_person),
    Endpoint("POST", f"{_ONE}/preview", preview),
    Endpoint("GET", f"{_ONE}/failures", failures),
    Endpoint("POST", f"{_ONE}/failures/retry", retry),
    Endpoint("POST", f"{_ONE}/failures/discard", discard),
    Endpoint("GET", f"{_ONE}/failures/{{id}}", failure),
)
