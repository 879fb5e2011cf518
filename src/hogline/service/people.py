"""People: how each is sent, or why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hogline.core.gate import not_sent
from hogline.core.identifiers import may_change, whose
from hogline.core.known import EVER, Fact, Known, Person
from hogline.core.mapping import mapped
from hogline.core.sync import fingerprint
from hogline.core.told import MOST_RECENT, NOBODY, Customer, Mark, Told
from hogline.delivery.installed import Installed
from hogline.delivery.workers import Workers
from hogline.destinations.base import People as PeopleOf
from hogline.destinations.base import Rules
from hogline.destinations.catalogue import destination_of
from hogline.model import UNKNOWN, Identifier
from hogline.posthog.entry import decode_event
from hogline.posthog.identity import is_cookieless
from hogline.service.core import CannotDo, connection_named, opened
from hogline.service.event_log import Events
from hogline.service.trail import Trail
from hogline.store.base import Connection, Journal, State
from hogline.views.people import CustomerView, PersonDetails, PersonEvent, PersonView

MOST_JOINED = 100


class People:
    def __init__(self, journal: Journal, state: State, workers: Workers, trail: Trail, events: Events) -> None:
        self._events = events
        self._journal = journal
        self._state = state
        self._workers = workers
        self._trail = trail

    async def find(
        self, text: str = "", *, connection: str = "", after: str = "", limit: int = 100
    ) -> list[PersonView]:
        """People whose distinct_id or email contains the text, for all connections or one. `after`: the last
        distinct_id of the previous page.
        """
        chosen = [await connection_named(self._state, connection)] if connection else await self._state.connections()
        await self._workers.flush()
        found = []
        for one in chosen:
            if (looked := look_at(one, self._state)) is not None:
                found += [
                    looked.view(each) for each in await self._state.find_people(one.id, text, after=after, limit=limit)
                ]
        await self._trail.note("people_listed", {"searched": bool(text)}, connection=connection)
        return found

    async def show(self, connection: str, distinct_id: str) -> PersonDetails:
        """One person: what PostHog says about them, what the destination has, merged ids, and the results of their
        recent events."""
        one = await connection_named(self._state, connection)
        await self._workers.flush()
        looked = look_at(one, self._state)
        if looked is None or not looked.knows(distinct_id):
            raise CannotDo(f"{connection} has no person with this distinct_id. Search with `hogline people`.")
        await self._trail.note("person_seen", connection=connection, person=distinct_id)
        told, view = looked.told(distinct_id), looked.view(distinct_id)
        main = told.main
        whole = view.joined_into is None
        return PersonDetails(
            person=view,
            joined=[looked.view(each) for each in looked.joined(distinct_id)] if whole else [],
            relationships=[one.replace("\n", " ") for one in main.objects] if main is not None and whole else [],
            anonymous_ids=list(told.anonymous) if whole else [],
            recent=await self._recent(one, distinct_id, told) if whole else [],
            held=len(self._state.held(one.id, [distinct_id])),
        )

    async def _recent(self, connection: Connection, distinct_id: str, told: Told) -> list[PersonEvent]:
        """Newest first. What is kept beside a person is only written when something else about them is, so the event
        log knows better."""
        logged = await self._events.latest_of(connection, distinct_id, MOST_RECENT)
        if logged is None:
            return [
                await self._event(*(each if isinstance(each, tuple) else (each, ""))) for each in reversed(told.recent)
            ]
        return [
            PersonEvent(
                position=each.position,
                event=each.event,
                uuid=each.uuid,
                timestamp_ms=each.timestamp_ms,
                outcome=each.reason or each.outcome,
            )
            for each in logged
        ]

    async def _event(self, position: int, outcome: str) -> PersonEvent:
        rows = await self._journal.read(position - 1, 1)
        event = decode_event(rows[0][1]) if rows and rows[0][0] == position else None
        if event is not None and not event.distinct_id:
            event = None
        return PersonEvent(
            position=position,
            event=event.name if event else None,
            uuid=event.uuid if event else None,
            timestamp_ms=event.timestamp_ms if event else None,
            outcome=outcome or "delivered",
        )


def look_at(connection: Connection, state: Any) -> Looked | None:  # noqa: ANN401  # as below
    """None if its destination has no people or is no longer installed. Raises `CannotDo`."""
    people = destination_of(connection.destination).people
    return None if people is None else Looked(opened(connection), people, state)


class Believed(NamedTuple):
    """What a destination should have of somebody."""

    person: str
    customer: Identifier
    email: str | None
    """In lowercase; None: it is not certain."""
    attributes: dict[str, object]
    """None: it was removed."""


class Looked:
    """People as one connection sees them, from what is on disk."""

    def __init__(self, one: Installed[Any], people: PeopleOf[Any], state: Any) -> None:  # noqa: ANN401  # a State; its reads are all that counts
        self._people = people
        self._options = one.options
        self._rules: Rules = people.rules(one.options)
        self._connection = one.connection
        self._state = state
        self._known = Known(state, EVER)

    @property
    def connection(self) -> int:
        return self._connection.id

    def names(self, ids: Sequence[str]) -> dict[str, str]:
        """Each id, and the one that names its person; read in few steps."""
        self._known.load(ids)
        return {one: self._known.who(one) for one in ids}

    def ids(self, name: str) -> set[str]:
        """All ids of a person."""
        return {name} if self._known.id(name) is None else self._known.members(name)

    def customers(self, names: Sequence[str]) -> set[str]:
        """Those of these people who have a customer."""
        found: dict[str, Told] = self._state.told(self._connection.id, names)
        return {name for name, told in found.items() if told.main is not None and told.main.state == "accepted"}

    def name(self, distinct_id: str) -> str:
        """The distinct_id that names this person."""
        return self._known.who(distinct_id)

    def knows(self, distinct_id: str) -> bool:
        name = self.name(distinct_id)
        return name != distinct_id or self._known.is_known(name) or self.told(name) != NOBODY

    def told(self, distinct_id: str) -> Told:
        name = self.name(distinct_id)
        found: dict[str, Told] = self._state.told(self._connection.id, [name])
        return found.get(name, NOBODY)

    def joined(self, distinct_id: str) -> list[str]:
        return sorted(self._known.members(distinct_id) - {self.name(distinct_id)})[:MOST_JOINED]

    def view(self, distinct_id: str) -> PersonView:
        name = self.name(distinct_id)
        told = self.told(name)
        if name != distinct_id:
            return self._joined_view(distinct_id, name, told)
        person = self._known.person(name)
        main = told.main
        unsent, refused, left_out = self._differences(person, main)
        email = self._of_email(person, main)
        if "email" in person.facts and email in {"unsent", "refused"}:
            (unsent if email == "unsent" else refused).append("email")
        return PersonView(
            connection=self._connection.name,
            distinct_id=name,
            email=person.email,
            identified=person.identified_at != EVER,
            customer=None if main is None or main.state != "accepted" else CustomerView(main.kind, main.value),
            not_sent=self._not_sent(person, told),
            attributes={fact: one.value for fact, one in self._facts(person).items()},
            unsent=sorted(unsent),
            refused=sorted(refused),
            left_out=left_out,
            email_not_sent=None if email in {"unsent", "refused"} else email,
            to_merge=[CustomerView(one.kind, one.value) for one in told.others if one.state != "kept"],
            merged=[CustomerView(one.kind, one.value) for one in told.gone],
        )

    def believed(self, distinct_id: str) -> Believed | None:
        """What the destination accepted of somebody and nothing has replaced since; None: nothing is accepted, or
        something is on its way. Of attributes with a newer value only the newer one will be right, so they are left
        out."""
        name = self.name(distinct_id)
        told = self.told(name)
        main = told.main
        if name != distinct_id or main is None or main.state != "accepted" or told.others:
            return None
        person = self._known.person(name)
        facts = mapped(self._facts(person), person.id, self._rules.mapping)
        attributes: dict[str, object] = {}
        for attribute, mark in main.names.items():
            if attribute == "email":
                continue
            fact = facts.get(attribute)
            value, _ = self._people.attribute(attribute, fact.value if fact is not None else None, self._options)
            if value is not UNKNOWN and fingerprint(value) == mark.print:
                attributes[attribute] = value
        email = main.key.value if main.kind == "email" else main.email
        row = self._state.ledger(self._connection.id, [email]).get(email) if email is not None else None
        settled = row is not None and row.state == "accepted" and row.customer == main.key
        return Believed(name, main.identifier, email if settled else None, attributes)

    def _joined_view(self, distinct_id: str, into: str, told: Told) -> PersonView:
        own = Identifier("id", distinct_id)
        waiting = next((one for one in told.others if one.key == own), None)
        became = None
        if own in told.gone:
            became = "merged"
        elif waiting is not None:
            became = "not merged" if waiting.state == "kept" else "merge waits"
        return PersonView(
            connection=self._connection.name,
            distinct_id=distinct_id,
            email=None,
            identified=False,
            customer=None if became is None else CustomerView(own.kind, own.value),
            not_sent=None,
            attributes={},
            unsent=[],
            refused=[],
            left_out=[],
            joined_into=into,
            became=became,
        )

    def _not_sent(self, person: Person, told: Told) -> str | None:
        if told.main is None and not self._people.takes(Identifier("id", person.id)):
            return "identifier_too_long"
        if is_cookieless(person.id):
            return "cookieless"
        return not_sent(person, told, EVER - 1, self._rules)

    def _facts(self, person: Person) -> dict[str, Fact]:
        facts = dict(person.facts)
        if self._rules.learning.properties:
            facts = {**person.properties, **facts}
        return facts

    def _differences(self, person: Person, main: Customer | None) -> tuple[list[str], list[str], list[str]]:
        """Names of attributes whose value the destination does not have yet, rejected, or must not get."""
        unsent, refused, left_out = [], [], []
        for name, fact in sorted(self._facts(person).items()):
            if name == "email":
                continue
            value, _ = self._people.attribute(name, fact.value, self._options)
            if value is UNKNOWN:
                left_out.append(name)
                continue
            print_ = fingerprint(value)
            if main is not None and (mark := main.refused.get(name)) is not None and mark.print == print_:
                refused.append(name)
            elif main is None or name not in main.names:
                if fact.value is not None:
                    unsent.append(name)
            elif main.names[name].print != print_:
                unsent.append(name)
        return unsent, refused, left_out

    def _of_email(self, person: Person, main: Customer | None) -> str | None:
        """The state of the email: None (the destination has it), `unsent`, `refused`, or why it is not sent."""
        email = person.email
        if main is None or email is None:
            waits = email is not None if main is None else main.email is not None
            return "unsent" if waits else None
        low = email.lower()
        if low == (main.key.value if main.kind == "email" else main.email):
            return None
        if main.refused.get("email") == Mark(0, fingerprint(email)):
            return "refused"
        row = self._state.ledger(self._connection.id, [low]).get(low)
        if row is not None and row.state != "left" and (row.person != person.id or row.customer != main.key):
            return whose(row, person.id)
        free = row is None or (row.person == person.id and not row.others)
        moves = main.kind != "email" or (free and self._rules.by_email and may_change(person, self._rules))
        return "unsent" if moves else "email_change_not_sent"
