"""The API's endpoints about people. As in `resources`, which lists them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from hogline.console.api.common import Items, Limit, Page, Text, existing
from hogline.console.api.endpoints import ApiError
from hogline.service import CannotDo, Service
from hogline.service.exporting import ExportedEvents, PersonExport
from hogline.service.finding import Nobody, Several
from hogline.service.resending import ResendingView
from hogline.views.people import ForgottenView, PersonDetails, PersonView, SomebodyView


class Forget(Struct, frozen=True, forbid_unknown_fields=True):
    who: Annotated[str, Meta(max_length=1_000, description="An id or an email.")] = ""
    distinct_id: Annotated[str, Meta(max_length=1_000, description="Older name of `who`.")] = ""
    suppress: bool = False
    """Also drop future events of this person."""
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
    """In the same format as in the export."""
    after: Text = ""
    """The `next` value of the previous part."""


class Suppress(Struct, frozen=True, forbid_unknown_fields=True):
    who: Annotated[str, Meta(min_length=1, max_length=1_000, description="An id or an email.")]


async def people(service: Service, name: Text, q: Text = "", after: Text = "", limit: Limit = 100) -> Page[PersonView]:
    """People whose distinct_id or email contains `q`, by distinct_id."""
    await existing(service, name)
    found = await service.people.find(q, connection=name, after=after, limit=limit)
    return Page(found, found[-1].distinct_id if len(found) == limit else None)


async def person(service: Service, name: Text, distinct_id: Text) -> PersonDetails:
    """One person: attributes, merged ids and recent events."""
    await existing(service, name)
    try:
        return await service.people.show(name, distinct_id)
    except CannotDo:
        raise ApiError(404, "This connection has no person with this distinct_id.") from None


async def resend_person(service: Service, name: Text, body: Resend) -> PersonView:
    """Send everything about one person again, after their customer was deleted or changed at the destination."""
    await existing(service, name)
    return await service.resending.person(name, body.distinct_id)


async def resend_everyone(service: Service, name: Text) -> ResendingView:
    """Send everything about every customer again. Live events still go first. If that is under way, it goes
    on."""
    await existing(service, name)
    return await service.resending.everyone(name)


async def resending(service: Service, name: Text) -> ResendingView:
    """How far sending people again is."""
    await existing(service, name)
    return await service.resending.show(name)


async def cancel_resending(service: Service, name: Text) -> ResendingView:
    """Stop sending everyone again. The few who are on their way still arrive."""
    await existing(service, name)
    return await service.resending.cancel(name)


async def forget(service: Service, body: Forget) -> ForgottenView:
    """Delete a person at every destination, then everything about them here. You cannot undo this."""
    who = body.who or body.distinct_id
    if not who or (body.who and body.distinct_id):
        raise ApiError(422, "Set `who` to an id or an email.")
    try:
        return await service.forgetting.forget(who, suppress=body.suppress, everybody=body.all)
    except Nobody as nobody:
        raise ApiError(404, str(nobody)) from None
    except Several as several:
        raise ApiError(409, str(several)) from None


async def who_is(service: Service, q: Text) -> Items[SomebodyView]:
    """The person with this id; else all people with this email."""
    return Items(await service.finder.who_is(q))


async def export(service: Service, body: Whom) -> PersonExport:
    """Everything stored about a person, except events."""
    try:
        return await service.exports.person(body.who, everybody=body.all)
    except Nobody as nobody:
        raise ApiError(404, str(nobody)) from None
    except Several as several:
        raise ApiError(409, str(several)) from None


async def export_events(service: Service, body: WhoseEvents) -> ExportedEvents:
    """One part of the stored events of these ids: held events, then failures, then the journal."""
    return await service.exports.events(body.ids, after=body.after)


async def suppress(service: Service, body: Suppress) -> None:
    """Drop future events of someone Hogline does not know yet. It stores only a hash, so it cannot list them."""
    await service.forgetting.suppress(body.who)


async def unsuppress(service: Service, body: Suppress) -> None:
    """Reverse a suppression."""
    await service.forgetting.unsuppress(body.who)
