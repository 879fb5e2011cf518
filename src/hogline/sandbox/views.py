"""What the sandbox shows of a workspace, as plain values for JSON: people, events, totals.

Field names are part of the documented interface (`docs/sandbox.md`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from msgspec import Raw, Struct

from hogline.sandbox.eventlog import Event
from hogline.sandbox.people import Person
from hogline.sandbox.workspace import Workspace


class ObjectView(Struct):
    """An object with its own attributes, or a person's relationship to it with the relationship's."""

    object_type_id: str
    object_id: str
    attributes: dict[str, object]


class PersonView(Struct):
    sequence: int
    cio_id: str
    id: str | None
    email: str | None
    phone: str | None
    attributes: dict[str, object]
    events: int
    created_at: int
    devices: list[dict[str, object]]
    relationships: list[ObjectView]


class OwnerView(Struct):
    """Whose an event is; `gone` if they are no longer there (`deleted` or `suppressed`)."""

    cio_id: str
    id: str | None
    email: str | None
    gone: str | None


class EventView(Struct):
    sequence: int
    ulid: str | None
    name: str
    type: str
    timestamp: int
    data: Raw
    """As it was sent; null where it was given up for newer events'."""
    person: OwnerView | None
    anonymous_id: str | None
    repeats: int
    altered: int
    """Of the repeats, those with another type, name, timestamp or data than the first."""


def person_view(person: Person) -> PersonView:
    return PersonView(
        sequence=person.sequence,
        cio_id=person.cio_id,
        id=person.id,
        email=person.email,
        phone=person.phone,
        attributes=person.attributes,
        events=person.events,
        created_at=person.created_at,
        devices=list(person.devices.values()),
        relationships=[ObjectView(kind, key, about) for (kind, key), about in person.relationships.items()],
    )


def event_view(event: Event) -> EventView:
    owner = event.owner()
    return EventView(
        sequence=event.sequence,
        ulid=event.ulid,
        name=event.name,
        type=event.type,
        timestamp=event.timestamp,
        data=Raw(event.data if event.data is not None else b"null"),
        person=None if owner is None else OwnerView(owner.cio_id, owner.id, owner.email, owner.gone),
        anonymous_id=event.anonymous_id,
        repeats=event.repeats,
        altered=event.altered,
    )


def people(
    workspace: Workspace,
    *,
    limit: int,
    after: int = 0,
    person_id: str | None = None,
    email: str | None = None,
) -> list[PersonView]:
    """In the order of creation, those created after the one of sequence `after`."""
    found: Iterator[Person]
    if person_id is not None or email is not None:
        kind, value = ("id", person_id) if person_id is not None else ("email", email)
        person = workspace.people.find(kind, value or "")
        agrees = person is not None and (email is None or (person.email or "").lower() == email.lower())
        found = iter([person] if person is not None and agrees else [])
    else:
        found = iter(workspace.people)
    return list(islice((person_view(person) for person in found if person.sequence > after), limit))


def events(
    workspace: Workspace, *, limit: int, after: int = 0, person: str | None = None, name: str | None = None
) -> list[EventView]:
    """In the order of arrival, those after sequence `after`. `person`: an id, email or cio_id."""
    owner = None
    if person is not None:
        owner = (
            workspace.people.find("id", person)
            or workspace.people.find("email", person)
            or workspace.people.find("cio_id", person)
        )
        if owner is None:
            return []
    found = (
        event
        for event in workspace.events.after(after)
        if (name is None or event.name == name) and (owner is None or event.owner() is owner)
    )
    return [event_view(event) for event in islice(found, limit)]


def objects(workspace: Workspace, *, limit: int) -> list[ObjectView]:
    """Objects with their own attributes, in the order of creation."""
    found = (ObjectView(kind, key, values) for (kind, key), values in workspace.objects.items())
    return list(islice(found, limit))


def summary(workspace: Workspace) -> dict[str, object]:
    """Totals that cost nothing to ask for."""
    return {
        "site_id": workspace.settings.site_id,
        "people": len(workspace.people),
        "events": workspace.events.accepted,
        "repeats": workspace.events.repeats,
        "altered": workspace.events.altered,
        "objects": len(workspace.objects),
        "suppressed": len(workspace.people.suppressed()),
        "dropped_emails": workspace.people.dropped_emails,
        "without_effect": workspace.without_effect,
    }
