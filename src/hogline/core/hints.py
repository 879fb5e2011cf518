"""Counts what suggests a mistake in how events are sent or read, besides their results."""

from __future__ import annotations

from hogline.core.fold import EMAIL, asks_too_much, replaces_email
from hogline.core.known import Person
from hogline.destinations.base import Learning, Rules
from hogline.emails import written_address
from hogline.posthog.email_names import emails_elsewhere
from hogline.posthog.entry import Entry, Said
from hogline.posthog.identity import is_nobodys

_CHANGING = frozenset({"$identify", "$set"})


def hints(position: int, entry: Entry, person: Person, rules: Rules) -> list[str]:
    """Everything to count: besides emails, an event that should change its person but has no `$set`, if only that is
    looked at; and an id that many people share. `person`: as they are known now."""
    said, learning = entry.said, rules.learning
    found = [] if said is None else about_email(position, entry, said, person, learning)
    silent = said is not None and not said.set and entry.name in _CHANGING and not learning.properties
    if silent and said is not None and any(name != learning.email_property and name[:1] != "$" for name in said.person):
        found.append("set_missing")
    if entry.public and rules.removal(entry.name.strip()) is not None:
        found.append("removal_from_public_token")
    if is_nobodys(entry.distinct_id):
        found.append(f"no_person:{entry.distinct_id}")
    return found


def about_email(position: int, entry: Entry, said: Said, person: Person, learning: Learning) -> list[str]:
    """An email that is invalid or not accepted, a join that its sender may not ask for, and properties in which a
    person without an email seems to have one. `person`: as they are known now."""
    adjusted, name = list[str](), learning.email_property
    if learning.protects_emails and (name in said.set or name in said.unset):
        email = None if name in said.unset else written_address(said.set[name])
        learned = person.facts.get(EMAIL)
        if (learned is None or learned.at < position) and replaces_email(entry, person, email):
            adjusted.append("email_protected")
    if asks_too_much(entry):
        adjusted.append("merge_from_public_token")
    if name in said.set and written_address(said.set[name]) is None:
        adjusted.append("invalid_email")
    if name != EMAIL:  # that attribute has the other property's value
        adjusted.extend("reserved_attribute" for names in (said.set, said.unset) if EMAIL in names)
    if (said.set or said.set_once or said.person) and person.email is None:
        adjusted.extend(f"email_under:{one}" for one in emails_elsewhere(said) if one != name)
    return adjusted
