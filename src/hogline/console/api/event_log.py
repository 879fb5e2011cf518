"""The API's event log."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from hogline.console.api.common import After, Text, TimeMs, existing
from hogline.console.api.endpoints import ApiError
from hogline.service import CannotDo, Service
from hogline.views.events import LoggedEventDetails, LoggedEvents

OutcomeWanted = Literal["", "delivered", "filtered", "held", "failed", "pending"]
Number = Annotated[int, Meta(ge=1, le=2**63 - 1, description="The event's position in the list.")]


async def events(  # noqa: PLR0917  # parameters of a query have names
    service: Service,
    name: Text,
    event: Text = "",
    person: Text = "",
    outcome: OutcomeWanted = "",
    reason: Text = "",
    since_ms: TimeMs = 0,
    until_ms: TimeMs = 0,
    before: After = 0,
    limit: Annotated[int, Meta(ge=1, le=200, description="Maximum number of results.")] = 50,
) -> LoggedEvents:
    """The event log: what happened to every stored event, newest first. `event` is its name, `person` a distinct_id or
    an email.
    """
    await existing(service, name)
    return await service.events.find(
        name,
        name=event,
        person=person,
        outcome=outcome,
        reason=reason,
        since_ms=since_ms,
        until_ms=until_ms,
        before=before,
        limit=limit,
    )


async def event(service: Service, name: Text, number: Number) -> LoggedEventDetails:
    """One event: as it was received, what was decided and sent, and the response."""
    await existing(service, name)
    try:
        return await service.events.show(name, number)
    except CannotDo:
        raise ApiError(404, "Event not found. Events are known as long as they are stored.") from None
