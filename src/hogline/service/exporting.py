"""Everything stored about one person, as JSON; what a person may ask for under Article 15 of the GDPR.

`docs/export.md` explains the fields. It comes in parts, so a person with many events needs little memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from hogline.clock import Clock
from hogline.core.fold import ONCE_MS
from hogline.core.known import EVER, Fact, Known, Person
from hogline.destinations.catalogue import destination_of
from hogline.model import Event, Refusal
from hogline.posthog.entry import decode_event
from hogline.service.core import CannotDo
from hogline.service.finding import Finder
from hogline.service.people import Looked, look_at
from hogline.service.trail import Trail
from hogline.store.base import Connection, Journal, State
from hogline.views.people import CustomerView

FORMAT = "hogline.person/1"
PART_BYTES = 4_000_000
"""About how much one part has."""
_LETTERS_AT_ONCE = 100

Section: TypeAlias = Literal["held_events", "failures", "events"]


class ExportedRefusal(Struct, frozen=True):
    """What a destination rejected."""

    reason: str
    message: str
    field: str
    operation: str
    """The JSON that was sent; empty: none could be made."""


class ExportedEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event as it was received."""

    position: int
    """In the journal."""
    uuid: str
    event: str
    distinct_id: str
    timestamp_ms: int
    received_ms: int
    properties: dict[str, object]
    set: dict[str, object] = {}
    set_once: dict[str, object] = {}
    unset: tuple[str, ...] = ()
    person_properties: dict[str, object] = {}
    elements_chain: str = ""
    url: str = ""
    connection: str | None = None
    """The connection that holds it or could not deliver it; None: the journal, which all connections share."""
    refusals: tuple[ExportedRefusal, ...] = ()
    """For a failure: what was rejected, and why."""


class ExportedAttribute(Struct, frozen=True):
    value: object
    """None: it was removed."""
    time_ms: int | None
    """The time of the event that set it; None: `$set_once` set it, which any other event may change."""


class ExportedKnown(Struct, frozen=True, kw_only=True):
    """What PostHog says about a person."""

    distinct_id: str
    identified: bool
    email: str | None
    attributes: dict[str, ExportedAttribute]
    """Set by events."""
    person_properties: dict[str, ExportedAttribute]
    """Other properties of PostHog's person."""


class ExportedPerson(Struct, frozen=True, kw_only=True):
    """What one connection has stored about a person."""

    connection: str
    destination: str
    distinct_id: str
    customers: list[CustomerView]
    """The identifiers by which the destination knows or knew them."""
    emails: list[str]
    """Emails that they have or had at the destination."""
    accepted: list[str]
    """Names of attributes whose newest value the destination has."""
    unsent: list[str]
    refused: list[str]
    left_out: list[str]
    """Names of attributes that the options leave out."""
    relationships: list[str]
    anonymous_ids: list[str]
    recent: list[tuple[int, str]]
    """Their recent events: the position in the journal, and the result."""


class PersonExport(Struct, frozen=True, kw_only=True):
    """Everything except events."""

    format: str
    exported_ms: int
    ids: list[str]
    emails: list[str]
    known: list[ExportedKnown]
    people: list[ExportedPerson]
    mentions: int
    """Events of other people with one of the ids in a property; those are not in the export."""


class ExportedEvents(Struct, frozen=True, kw_only=True):
    """Some events of one section."""

    section: Section
    events: list[ExportedEvent]
    next: str | None
    """Pass it as `after`; None: this was the last part."""


class Exports:
    def __init__(self, journal: Journal, state: State, clock: Clock, finder: Finder, trail: Trail) -> None:
        self._journal = journal
        self._state = state
        self._clock = clock
        self._finder = finder
        self._trail = trail

    async def person(self, who: str, *, everybody: bool = False) -> PersonExport:
        """Everything stored about the person with this id or email, except events. `everybody`: about all people with
        this email. Raises `CannotDo`.
        """
        whole = await self._finder.chosen(who, everybody=everybody)
        await self._trail.note("person_exported", person=who)
        connections = await self._state.connections()
        known = Known(self._state, EVER)
        names = sorted({known.who(one) for one in whole.ids})
        return PersonExport(
            format=FORMAT,
            exported_ms=self._clock.time_ms(),
            ids=sorted(whole.ids),
            emails=sorted(whole.emails),
            known=[_known(known.person(name)) for name in names if known.is_known(name)],
            people=[
                _person(one, looked, name)
                for one in connections
                if (looked := look_at(one, self._state)) is not None
                for name in names
                if looked.knows(name)
            ],
            mentions=whole.journal.mentions,
        )

    async def events(self, ids: list[str], *, after: str = "") -> ExportedEvents:
        """Some of the events of these ids, a few megabytes: first held ones, then failures, then those in the journal.
        `after`: the `next` of the previous part. Raises `CannotDo`.
        """
        found: list[ExportedEvent] = []
        taken_bytes = 0
        section, last = _read_cursor(after)
        async for size_bytes, event in self._events(section, set(ids), last):
            if found and taken_bytes + size_bytes > PART_BYTES:
                return ExportedEvents(section=section, events=found, next=f"{section}:{_cursor(found[-1])}")
            found.append(event)
            taken_bytes += size_bytes
        following = _SECTIONS[_SECTIONS.index(section) + 1 :]
        return ExportedEvents(section=section, events=found, next=f"{following[0]}:" if following else None)

    async def _events(
        self, section: Section, ids: Collection[str], last: tuple[str, int]
    ) -> AsyncIterator[tuple[int, ExportedEvent]]:
        """With the size of each, starting after this connection and position."""
        if section == "events":
            async for position, body in self._journal.naming(ids, after=last[1]):
                event = decode_event(body)
                if event.distinct_id in ids:
                    yield len(body), _event(position, event)
            return
        for connection in sorted(await self._state.connections(), key=lambda one: one.name):
            if connection.name < last[0]:
                continue
            after = last[1] if connection.name == last[0] else 0
            each = (
                self._held(connection, ids, after) if section == "held_events" else self._failed(connection, ids, after)
            )
            async for found in each:
                yield found

    async def _held(
        self, connection: Connection, ids: Collection[str], after: int
    ) -> AsyncIterator[tuple[int, ExportedEvent]]:
        for held in self._state.held(connection.id, sorted(ids)):
            if held.position > after:
                yield len(held.event), _event(held.position, decode_event(held.event), connection.name)

    async def _failed(
        self, connection: Connection, ids: Collection[str], after: int
    ) -> AsyncIterator[tuple[int, ExportedEvent]]:
        while letters := await self._state.failures(connection.id, after=after, limit=_LETTERS_AT_ONCE):
            for letter in letters:
                event = decode_event(letter.event)
                if event.distinct_id in ids:
                    yield len(letter.event), _event(letter.position, event, connection.name, letter.refusals)
            after = letters[-1].position


_SECTIONS: tuple[Section, ...] = ("held_events", "failures", "events")


def _cursor(event: ExportedEvent) -> str:
    return f"{event.connection or ''}:{event.position}"


def _read_cursor(after: str) -> tuple[Section, tuple[str, int]]:
    """A section, and the connection and position of its last event. Raises `CannotDo`."""
    section, _, last = (after or f"{_SECTIONS[0]}:").partition(":")
    name, _, position = last.rpartition(":")
    for known in _SECTIONS:
        if known == section and (not position or (position.isdecimal() and len(position) < 19)):
            return known, (name, int(position or 0))
    raise CannotDo("This is not the `next` of an export. Start again without `after`.")


async def as_json(export: PersonExport, events: Callable[..., Awaitable[ExportedEvents]]) -> AsyncIterator[bytes]:
    """One JSON document in pieces: the export, followed by every section with its events. `events`:
    `Exports.events`.
    """
    yield msgspec.json.encode(export)[:-1]
    section, after = "", ""
    while True:
        part = await events(export.ids, after=after)
        if part.section != section:
            yield b'%s,"%s":[' % (b"]" if section else b"", part.section.encode())
            section, between = part.section, b"\n"
        for event in part.events:
            yield between + msgspec.json.encode(event)
            between = b",\n"
        if part.next is None:
            yield b"]}\n"
            return
        after = part.next


def _event(
    position: int, event: Event, connection: str | None = None, refusals: tuple[Refusal, ...] = ()
) -> ExportedEvent:
    return ExportedEvent(
        position=position,
        uuid=event.uuid,
        event=event.name,
        distinct_id=event.distinct_id,
        timestamp_ms=event.timestamp_ms,
        received_ms=event.received_ms,
        properties=event.properties,
        set=event.set,
        set_once=event.set_once,
        unset=event.unset,
        person_properties=event.person_properties,
        elements_chain=event.elements_chain,
        url=event.url,
        connection=connection,
        refusals=tuple(ExportedRefusal(one.reason, one.message, one.field, one.operation.decode()) for one in refusals),
    )


def _known(person: Person) -> ExportedKnown:
    return ExportedKnown(
        distinct_id=person.id,
        identified=person.identified_at != EVER,
        email=person.email,
        attributes=_attributes(person.facts),
        person_properties=_attributes(person.properties),
    )


def _attributes(facts: Mapping[str, Fact]) -> dict[str, ExportedAttribute]:
    return {name: ExportedAttribute(fact.value, fact.ms if fact.ms > ONCE_MS else None) for name, fact in facts.items()}


def _person(connection: Connection, looked: Looked, name: str) -> ExportedPerson:
    told, view = looked.told(name), looked.view(name)
    said = {*view.unsent, *view.refused, *view.left_out}
    return ExportedPerson(
        connection=connection.name,
        destination=destination_of(connection.destination).title,
        distinct_id=name,
        customers=[
            CustomerView(one.kind, one.value)
            for one in dict.fromkeys((*(one.identifier for one in told.customers), *told.gone))
        ],
        emails=list(told.emails),
        accepted=sorted(view.attributes.keys() - said) if view.customer is not None else [],
        unsent=view.unsent,
        refused=view.refused,
        left_out=view.left_out,
        relationships=list(told.main.objects) if told.main is not None else [],
        anonymous_ids=[*told.anonymous, *told.not_given],
        recent=[one if isinstance(one, tuple) else (one, "delivered") for one in told.recent],
    )
