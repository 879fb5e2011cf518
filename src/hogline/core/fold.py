"""The fold: how one event changes what is known. It goes through the journal once, ahead of all connections. What it
does depends on the journal alone, so doing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Protocol

import msgspec
from msgspec.structs import replace

from hogline.core.known import EVER, Fact, Id, Known, Person
from hogline.destinations.base import DEFAULT_LEARNING, Learning
from hogline.emails import written_address
from hogline.model import same_value
from hogline.posthog.entry import NOTHING, Entry, Said
from hogline.posthog.identity import is_cookieless, is_uuid
from hogline.posthog.joins import may_be_joined
from hogline.posthog.meaning import not_analytics

EMAIL = "email"
"""The name of the fact with the email, whatever property it comes from."""
MOST_FACTS = 1_000
ONCE_MS = -(2**62)
"""The time of what `$set_once` says: before everything else."""
LARGEST_VALUE_BYTES = 8_000
_FOLLOWED = frozenset({"$identify", "$create_alias", "$merge_dangerously"})

_encode = msgspec.json.Encoder().encode


class Suppressed(Protocol):
    """Whether an id or email belongs to a suppressed person. False as a whole if nobody is suppressed."""

    def __bool__(self) -> bool: ...

    def __call__(self, text: str, /) -> bool: ...


def never_sent(entry: Entry) -> str | None:
    """Why an event is sent for nobody and teaches nothing, whatever the options: it is PostHog's own, or a cookieless
    visitor's, whose id changes every day. None if it may be sent."""
    if entry.name.startswith("$") or entry.name[:1].isspace():
        internal = not_analytics(entry.name.strip())
        if internal is not None:
            return internal
    return "cookieless" if is_cookieless(entry.distinct_id) else None


def names_suppressed(entry: Entry, suppressed: Suppressed, email_property: str = EMAIL) -> bool:
    """Whether an event belongs to a suppressed person: by an id or an email that it has."""
    if not suppressed:
        return False
    if suppressed(entry.distinct_id):
        return True
    if entry.said is None:
        return False
    said = entry.said
    if said.other is not None and suppressed(said.other):
        return True
    places = (said.set, said.set_once, said.person)
    emails = [place.get(name) for place in places if place for name in ("email", email_property)]
    return any(isinstance(one, str) and suppressed(one) for one in emails)


def asks_too_much(entry: Entry) -> bool:
    """Whether an event asks for a join that its sender may not ask for. `$merge_dangerously` joins two known people, so
    only servers may send it, not anyone who read the public token in a page."""
    return entry.public and entry.name == "$merge_dangerously"


def replaces_email(entry: Entry, person: Person, email: object) -> bool:
    """Whether an event without permission sets an email other than the known one, or removes it."""
    if not entry.public or person.email is None:
        return False
    return not isinstance(email, str) or email.lower() != person.email.lower()


def other_of(entry: Entry) -> str | None:
    """The other id of the join that an event asks for; None: none, or PostHog ignores one of the ids."""
    said = entry.said
    if said is None or said.other is None or said.personless or entry.name not in _FOLLOWED or asks_too_much(entry):
        return None
    other = said.other
    if other == entry.distinct_id or not may_be_joined(entry.distinct_id) or not may_be_joined(other):
        return None
    return other


class Fold:
    def __init__(self, known: Known, *, suppressed: Suppressed, learning: Learning = DEFAULT_LEARNING) -> None:
        """Change `learning` or who is suppressed only when everything is flushed: folding again after a crash must have
        the same result."""
        self.known = known
        self.suppressed = suppressed
        self.learning = learning

    def _is_nobodys(self, entry: Entry) -> bool:
        """Whether an event says nothing about anyone that Hogline may know."""
        if not entry.distinct_id or never_sent(entry) is not None:
            return True
        return names_suppressed(entry, self.suppressed, self.learning.email_property)

    def fold(self, position: int, entry: Entry) -> None:
        """Fold the event at the next position."""
        known = self.known
        known.folded = position
        said = entry.said
        if said is None:
            # Most events end here. An `$identify` with nothing else still identifies its user, and an id that is an
            # address is known to have it without a row.
            if entry.name != "$identify" and entry.name.strip() != "$identify":
                return
            said = NOTHING
        if said.personless or self._is_nobodys(entry):
            return
        person = before = known.person(known.who(entry.distinct_id))
        if person.identified_at == EVER and (said.identified or entry.name.strip() == "$identify"):
            person = replace(person, identified_at=position)
        other = other_of(entry)
        if other is not None:
            theirs = known.person(known.who(other))
            if theirs.id != person.id and (not theirs.protected or entry.name == "$merge_dangerously"):
                person = join(known, position, entry, person, theirs)
            if not person.protected:
                person = replace(person, protected=True)
        if said.set or said.unset or said.person or said.set_once:
            person = self._learn(position, entry, said, person)
        if person is not before:
            known.put(person)

    def _learn(self, position: int, entry: Entry, said: Said, person: Person) -> Person:
        ms, email_property = entry.time_ms, self.learning.email_property
        values = {name: value for name, value in said.set.items() if name not in {EMAIL, email_property}}
        values.update({name: None for name in said.unset if name != EMAIL})
        if email_property in said.unset:
            values.pop(email_property, None)
            values[EMAIL] = None
        elif (email := self._email(said, person)) is not None:
            values[EMAIL] = email
        if self.learning.protects_emails and EMAIL in values and replaces_email(entry, person, values[EMAIL]):
            del values[EMAIL]
        facts, version = learned(person.facts, values, ms, position)
        changed = version or person.version
        properties = person.properties
        if self.learning.properties and said.person:
            own = {EMAIL, email_property, *said.set}
            rest = {name: value for name, value in said.person.items() if name not in own}
            properties, version = learned(properties, rest, ms, position)
            changed = version or changed
        if self.learning.set_once and said.set_once:
            facts, version = learned_once(facts, properties, said, position, {EMAIL, email_property})
            changed = version or changed
        if facts is person.facts and properties is person.properties:
            return person
        person = replace(person, facts=facts, properties=properties, version=changed)
        if person.emailed_at == EVER and person.email is not None:
            person = replace(person, emailed_at=position)
        return person

    def _email(self, said: Said, person: Person) -> str | None:
        """The email in an event: the one it sets; otherwise the one PostHog's person has, which is as new as the event;
        otherwise that of `$set_once`."""
        name = self.learning.email_property
        email = written_address(said.set[name]) if name in said.set else None
        if email is None and said.person:
            email = written_address(said.person.get(name))
        if email is None and said.set_once and person.email is None:
            email = written_address(said.set_once.get(name))
        return email


def learned(
    facts: dict[str, Fact], values: Mapping[str, object], ms: int, position: int
) -> tuple[dict[str, Fact], int]:
    """The facts with these values of an event, and its position if a value is different, otherwise 0. The newer event's
    value wins, then the later position's."""
    new: dict[str, Fact] | None = None
    version = 0
    for name, value in values.items():
        before = facts.get(name)
        if before is not None:
            if before.ms > ms:
                continue
            if name == "email" and isinstance(value, str) and isinstance(before.value, str):
                value = before.value if before.value.lower() == value.lower() else value  # noqa: PLW2901  # as it is known
            if same_value(before.value, value):
                if before.ms == ms:
                    continue
                fact = Fact(before.value, ms, before.at)
            else:
                fact, version = Fact(value, ms, position), position
        elif len(facts) >= MOST_FACTS:
            continue
        else:
            fact, version = Fact(value, ms, position), position
        if _too_large(fact.value):
            continue
        if new is None:
            new = dict(facts)
        new[name] = fact
    return (facts, 0) if new is None else (new, version)


def learned_once(
    facts: dict[str, Fact], properties: Mapping[str, Fact], said: Said, position: int, never: Container[str]
) -> tuple[dict[str, Fact], int]:
    """The facts with what `$set_once` says about unknown ones, and the position if there are any. Everything else that
    sets them wins, whenever it was sent. If PostHog's person came along, it has what PostHog made of it."""
    new, learned_some = dict(facts), 0
    for name, value in said.set_once.items():
        before, settled = facts.get(name), said.person.get(name, value)
        known = (before is not None and before.value is not None) or name in properties
        if known or name in never or settled is None or _too_large(settled) or len(new) >= MOST_FACTS:
            continue
        new[name] = Fact(settled, before.ms if before is not None else ONCE_MS, position)
        learned_some = position
    return (new, learned_some) if learned_some else (facts, 0)


def _too_large(value: object) -> bool:
    if isinstance(value, str):
        return len(value) > LARGEST_VALUE_BYTES
    return isinstance(value, (dict, list)) and len(_encode(value)) > LARGEST_VALUE_BYTES


def join(known: Known, position: int, entry: Entry, person: Person, other: Person) -> Person:
    """Two people become one from this position on. `person`, of the event's distinct_id, keeps their values and gets
    those that they lack or that were removed, as in PostHog."""
    name = _who_stays(entry, person, other)
    stays, goes = (person, other) if name == person.id else (other, person)
    email = person.email or other.email
    facts = _whole(person.facts, other.facts)
    said = facts.get("email")
    if email is not None and (said is None or said.value is None):
        facts["email"] = Fact(email, said.ms if said is not None else entry.time_ms, position)
    _unite(known, position, person.id, other.id, name)
    return Person(
        name,
        facts,
        min(stays.identified_at, position if goes.identified_at != EVER else EVER),
        min(stays.emailed_at, position if goes.emailed_at != EVER or email is not None else EVER),
        protected=True,
        version=position,
        properties=_whole(person.properties, other.properties),
    )


def _whole(facts: dict[str, Fact], others: dict[str, Fact]) -> dict[str, Fact]:
    """The facts, completed by missing ones. Of two times for one name, the later stays, no matter whose value it is: an
    older event must not win because two people became one."""
    whole = dict(facts)
    for name, theirs in others.items():
        mine = whole.get(name)
        if mine is None:
            whole[name] = theirs
        else:
            keep = mine if mine.value is not None or theirs.value is None else theirs
            whole[name] = replace(keep, ms=max(mine.ms, theirs.ms))
    return whole


def _who_stays(entry: Entry, person: Person, other: Person) -> str:
    """Whose id names the customer. An alias does not reliably say which of the two ids is the visitor's. Someone who is
    identified or has an email stays; then an id that is not a UUID, since PostHog gives visitors UUIDs."""
    if entry.name != "$create_alias" or not _is_visitor(person):
        return person.id
    turned = not _is_visitor(other) or (is_uuid(person.id) and not is_uuid(other.id))
    return other.id if turned else person.id


def _is_visitor(person: Person) -> bool:
    return person.identified_at == EVER and not person.protected and person.email is None


def _unite(known: Known, position: int, one: str, other: str, name: str) -> None:
    """Join their groups. The group names the person from this position on."""
    deep, flat = known.group(one), known.group(other)
    deeper, flatter = known.id(deep) or Id(), known.id(flat) or Id()
    if flatter.depth > deeper.depth:
        deep, flat, deeper, flatter = flat, deep, flatter, deeper
    known.put_id(flat, replace(flatter, parent=deep, since=position))
    depth = max(deeper.depth, flatter.depth + 1)
    known.put_id(deep, replace(deeper, depth=depth, people=(*deeper.people, (position, name))))
