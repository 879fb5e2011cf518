"""Who is sent: a connection's options against what is known about a person as of an event."""

from __future__ import annotations

from collections.abc import Sequence

from hogline.core.fold import EMAIL
from hogline.core.items import Item, Origin
from hogline.core.known import Person
from hogline.core.removing import would_return
from hogline.core.told import Told
from hogline.destinations.base import Rules
from hogline.posthog.entry import NOTHING, Entry, Said, event_of


def is_ignored(entry: Entry, person: Person, rules: Rules) -> bool:
    """Whether an option ignores this event because of its properties or its person's."""
    if not rules.ignores:
        return False
    properties = event_of(entry).properties
    said = entry.said or NOTHING

    def of_event(name: str) -> object:
        return entry.distinct_id if name == "distinct_id" and name not in properties else properties.get(name)

    def of_person(name: str) -> object:
        for place in (said.set, said.person):
            if name in place:
                return place[name]
        if name in {EMAIL, rules.learning.email_property}:
            return person.email
        fact = person.facts.get(name) or person.properties.get(name)
        return None if fact is None else fact.value

    return rules.ignores.hold(of_event, of_person)


def kept_away(item: Item, entry: Entry, person: Person, parts: Sequence[Told], rules: Rules) -> str | None:
    """Why nothing is sent for an event, no matter whose it is: its person is suppressed, a later event deleted them, or
    an option ignores it. A retried event was already accepted when it arrived."""
    if any(part.suppressed for part in parts):
        return "suppressed"
    if would_return(item, entry, parts):
        return "deleted"
    return "ignored" if item.origin is not Origin.RETRY and is_ignored(entry, person, rules) else None


def says_something(said: Said, rules: Rules) -> bool:
    """Whether an event says something about its person."""
    once = said.set_once if rules.learning.set_once else None
    return bool(said.set or said.unset or said.person or once) and not said.personless


def not_qualified(person: Person, position: int, rules: Rules) -> str | None:
    """The option that this person does not satisfy as of a position; None if they qualify."""
    if rules.whom == "identified" and person.identified_at > position:
        return "not_identified"
    if rules.whom == "emails" and person.emailed_at > position:
        return "no_email"
    return None


def is_visitor(person: Person, position: int, rules: Rules) -> bool:
    """Whether this person is only a visitor, whose events are sent without creating a customer."""
    return rules.whom == "anonymous-events" and person.identified_at > position and person.emailed_at > position


def not_sent(person: Person, told: Told, position: int, rules: Rules) -> str | None:
    """Why this person is not a customer; None if they are, or if only nothing was sent yet."""
    if told.main is not None:
        return None
    if told.suppressed:
        return "suppressed"
    return not_qualified(person, position, rules) or ("anonymous" if is_visitor(person, position, rules) else None)
