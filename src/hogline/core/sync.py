"""The difference between what is known about a person and what they were told: which customer they are, which email is
theirs, which attributes have to be sent. Once for each person in a shipment, before their first operation."""

from __future__ import annotations

from typing import Any, NamedTuple, get_args
from zlib import crc32

import msgspec
from msgspec.structs import replace

from hogline.core.draft import Draft, Roster
from hogline.core.fold import Suppressed
from hogline.core.identifiers import Chooser, EmailMissing, whose
from hogline.core.items import Effect, Item
from hogline.core.known import Known, Person
from hogline.core.ledger import LedgerRow
from hogline.core.mapping import mapped
from hogline.core.told import Customer, Mark, Told
from hogline.destinations.base import People
from hogline.model import UNKNOWN, Identifier, Operation, Refusal

_encode = msgspec.json.Encoder().encode
_TAKEN = frozenset(get_args(EmailMissing))
NULL = crc32(b"null")
"""The fingerprint of a removed value."""


def fingerprint(value: object) -> int:
    return crc32(_encode(value))


def _says(item: Item | None, name: str) -> bool:
    """Whether this event sets a property. Only then is it reported that it cannot be sent."""
    said = item.entry.said if item is not None and item.entry is not None else None
    return said is not None and (name in said.set or name in said.unset)


class _Linked(NamedTuple):
    """What happens to the email of a customer identified by an id."""

    says: bool = False
    value: str | None = None
    """The email, as written; None: it is removed."""
    links: str | None = None
    """In lowercase, if this makes it theirs."""
    unlinks: tuple[str, ...] = ()
    uncertain: bool = False
    missing: EmailMissing | None = None
    """Why it cannot be theirs now."""


class Sync:
    """Compares, for one shipment."""

    def __init__(
        self,
        roster: Roster,
        known: Known,
        people: People[Any],
        options: object,
        *,
        suppressed: Suppressed,
        now_ms: int,
    ) -> None:
        self._roster = roster
        self._known = known
        self._people = people
        self._options = options
        self._now_ms = now_ms
        self._rules = roster.rules
        self._said: dict[Identifier, int] = {}
        """The newest time of each customer in this shipment."""
        self._chooser = Chooser(roster, known, people, suppressed)

    def is_quiet(self, draft: Draft, person: Person) -> bool:
        """Whether a customer has been told everything that is known. Then their events may go as they are."""
        told = draft.told
        main = told.main
        if main is None or main.state != "accepted" or told.seen != (person.version, self._rules.view):
            return False
        if told.anonymous or (self._roster.joins and any(one.anonymous for one in self._roster.parts(draft))):
            return False
        draft.synced = True
        draft.email = person.email
        self._aim(draft, main)
        return True

    def sync(self, draft: Draft, item: Item | None, adjusted: list[str]) -> list[tuple[Operation, Effect]]:
        """What the person is told before anything else. `item`: whose result a refusal decides."""
        if draft.synced:
            return []
        person = self._known.person(draft.person)
        if self.is_quiet(draft, person):
            return []
        draft.synced = True
        draft.email = person.email
        return self._tell(draft, person, item, adjusted)

    def _tell(
        self, draft: Draft, person: Person, item: Item | None, adjusted: list[str]
    ) -> list[tuple[Operation, Effect]]:
        told, seen = draft.told, (person.version, self._rules.view)
        chosen = self._chooser.choose(draft, person)
        if isinstance(chosen, Refusal):
            draft.nobody = chosen
            return []
        main, others, fresh, unsaid = chosen
        if unsaid is not None and _says(item, self._names_by(main)):
            adjusted.append(unsaid)
        linked = _Linked()
        if main.kind != "email":
            linked = self._link(draft, person, main)
            if linked.missing is not None and (fresh or _says(item, "email")):
                adjusted.append(linked.missing)
        self._note_denied(person, linked.missing or unsaid)
        mine = {one.key for one in told.customers}
        theirs = {one.key for part in self._roster.parts(draft)[1:] for one in part.customers}
        draft.taken = draft.taken or (main.key in theirs and main.key not in mine)
        for email in linked.unlinks:
            row = self._roster.row(email)
            assert row is not None  # it was looked at a moment ago
            self._roster.keep(draft, email, replace(row, person=draft.person, state="leaving"))
        values, marks, newest_ms = self._attributes(person, main, told, adjusted)
        if linked.says and "email" in person.facts:
            newest_ms = max(newest_ms, person.facts["email"].ms)
        first = main.state != "accepted"
        draft.told = replace(draft.told, main=main, others=others, seen=None if unsaid or linked.missing else seen)
        self._aim(draft, main)
        operations: list[tuple[Operation, Effect]] = []
        if first or values or linked.says:
            if linked.says:
                values = {"email": linked.value, **values}
                marks["email"] = Mark(0, fingerprint(linked.value))
            elif main.kind == "email" and person.email is not None and person.email.lower() == main.value.lower():
                values = {"email": person.email, **values}
                newest_ms = max(newest_ms, person.facts["email"].ms if "email" in person.facts else 0)
            effect = Effect(
                draft.person,
                main.key,
                item,
                "identify",
                marks,
                self._time_s(draft, main, newest_ms, item, fresh=fresh),
                linked.links,
                linked.unlinks,
                uncertain=linked.uncertain or (first and told.main is not None),
            )
            operations += self._identify(draft, values, effect)
        adopted = [one for part in self._roster.parts(draft) for one in part.anonymous]
        return operations + self.adopt(draft, item, adopted)

    def _note_denied(self, person: Person, why: str | None) -> None:
        if why in _TAKEN and person.email is not None:
            self._roster.denied[person.id] = person.email.lower()

    def _names_by(self, main: Customer) -> str:
        """The property that decides which customer they are."""
        by = self._rules.by_property
        return by.name if by is not None and main.kind != "email" else "email"

    def _identify(self, draft: Draft, values: dict[str, object], effect: Effect) -> list[tuple[Operation, Effect]]:
        assert draft.address is not None  # someone with a main customer can be identified
        made = self._people.identify(draft.address, values, effect.said_s)
        if len(made) == 1:
            return [(made[0][0], effect)]
        return [(operation, effect.of(set(names))) for operation, names in made]

    # the email of someone identified by an id

    def _link(self, draft: Draft, person: Person, main: Customer) -> _Linked:
        roster, email = self._roster, person.email
        low = email.lower() if email is not None else None
        row = roster.row(low) if low is not None else None
        mine = row is not None and row.person == draft.person
        linked = row is not None and mine and row.customer == main.key
        has = tuple(
            one
            for one in dict.fromkeys(email for part in roster.parts(draft) for email in part.emails)
            if one != low
            and (its := roster.row(one)) is not None
            and its.person == draft.person
            and its.customer == main.key
            and its.state != "left"
        )
        if low is None or email is None:
            takes_away = bool(has) and "email" in person.facts
            return _Linked(says=True, unlinks=has) if takes_away else _Linked()
        if low == main.email and linked and row is not None and row.state == "accepted":
            return _Linked()
        if main.refused.get("email") == Mark(0, fingerprint(email)):
            return _Linked()
        if row is None or row.state == "left" or linked:
            uncertain = row is not None and linked and row.state in {"wanted", "leaving"}
            roster.keep(draft, low, LedgerRow(draft.person, "wanted", main.key, self._others(draft, low, row)))
            return _Linked(says=True, value=email, links=low, unlinks=has, uncertain=uncertain)
        return _Linked(missing=whose(row, draft.person))

    def _others(self, draft: Draft, email: str, row: LedgerRow | None) -> int:
        """How many other people ever had an email that will be this person's."""
        if row is None:
            return 0
        had = any(email in part.emails for part in self._roster.parts(draft))
        return row.others if had else row.others + 1

    # attributes

    def _attributes(
        self, person: Person, main: Customer, told: Told, adjusted: list[str]
    ) -> tuple[dict[str, object], dict[str, Mark], int]:
        """The attributes to send, their marks, and the time of the newest."""
        seen_view = told.seen[1] if told.seen is not None else None
        seen_version = told.seen[0] if told.seen is not None else -1
        same_view = seen_view == self._rules.view and main is told.main
        values: dict[str, object] = {}
        marks: dict[str, Mark] = {}
        newest_ms, facts = 0, person.facts
        if self._rules.learning.properties and person.properties:
            facts = {**{name: one for name, one in person.properties.items() if name not in facts}, **facts}
        if self._rules.mapping:
            facts = mapped(facts, person.id, self._rules.mapping)
        # What the customer has keeps its place, whatever else was learned before it.
        has = {
            name
            for name, mark in main.names.items()
            if mark.print != NULL and (name not in facts or facts[name].value is not None)
        }
        room = self._people.most_attributes - len(has) - (person.email is not None)
        for name, fact in facts.items():
            if name == "email":
                continue
            before = main.names.get(name)
            if before is not None and before.at == fact.at and same_view:
                continue
            value, problem = self._people.attribute(name, fact.value, self._options)
            new = value is not None and value is not UNKNOWN and name not in has
            if new and room <= 0:
                value, problem = UNKNOWN, "too_many_attributes"
            if problem is not None and fact.at > seen_version:
                adjusted.append(problem)
            if value is UNKNOWN:
                continue
            mark = Mark(fact.at, fingerprint(value))
            if before == mark or main.refused.get(name) == mark:
                continue
            room -= new
            values[name], marks[name] = value, mark
            newest_ms = max(newest_ms, fact.ms)
        return values, marks, newest_ms

    def _time_s(self, draft: Draft, main: Customer, newest_ms: int, item: Item | None, *, fresh: bool) -> int:
        """Known has already decided which values are newest. The time only makes them win over what was said earlier.
        What a killed process said last may even take effect later than this. Its time was before this start, or at most
        a second after the one on disk: the first time after a start is on disk before it is sent. (For a customer of
        someone who was joined here, only the pause after a kill keeps them apart.)"""
        entry = item.entry if item is not None else None
        when_ms = newest_ms or (entry.time_ms if entry is not None else self._now_ms)
        records = self._roster.records
        before_s = 0 if fresh or draft.person in records.spoken else records.start_s
        last_s = max(main.said_s + (before_s > 0), self._said.get(main.key, 0), before_s)
        said_s = max(when_ms // 1_000, last_s + 1 if last_s else when_ms // 1_000)
        self._said[main.key] = said_s
        if before_s:
            draft.told = replace(draft.told, main=replace(main, said_s=said_s))
        return said_s

    # identifiers

    def _aim(self, draft: Draft, main: Customer) -> None:
        """The identifier for all operations of this shipment: one that none of them removes."""
        address = main.identifier
        draft.key = address.key
        if self._rules.by_email and main.kind == "id" and main.state == "accepted" and main.email:
            row = self._roster.row(main.email)
            if (
                row is not None
                and row.person == draft.person
                and row.state == "accepted"
                and not row.others
                and row.customer == draft.key
            ):
                known = self._known.person(draft.person).email
                same = known is not None and known.lower() == main.email
                by_email = Identifier("email", known if same and known is not None else main.email)
                address = by_email if self._people.takes(by_email) else address
        draft.address = address
        draft.head = self._people.head(address)

    def adopt(self, draft: Draft, item: Item | None, ids: list[str]) -> list[tuple[Operation, Effect]]:
        """Gives what was sent under these anonymous ids to the customer, one id at a time. Anonymous events that go
        with this shipment are accepted before, because each of them is a separate request."""
        main, address = draft.told.main, draft.address
        if main is None or address is None:
            return []
        entry = item.entry if item is not None else None
        when_s = (entry.time_ms if entry is not None else self._now_ms) // 1_000
        # Never later than the attributes' time: where a person's newest time counts, those would be ignored.
        said_s = self._said.get(main.key) or main.said_s or when_s
        return [
            (
                self._people.give_anonymous(address, one, said_s),
                Effect(draft.person, main.key, item, "identify", anonymous=one, uncertain=True),
            )
            for one in dict.fromkeys(ids)
        ]
