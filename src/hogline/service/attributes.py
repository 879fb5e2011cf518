"""The state of each of a person's attributes at the destination, in words, for pages and commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hogline.views.people import PersonView

STANDINGS: Mapping[str, str] = {
    "accepted": "Accepted",
    "unsent": "Not sent yet",
    "refused": "Rejected",
    "left_out": "Left out",
    "not_sent": "Not sent",
}
"""Each state in words."""

_EMAIL: Mapping[str, str] = {
    "email_taken": "Another person has this email there.",
    "email_on_other_customer": "Another customer of the same person has it there. The two will be merged.",
    "email_change_not_sent": "The destination knows them by a different email, which cannot be changed.",
}


@dataclass(frozen=True)
class Attribute:
    """One attribute of a person."""

    name: str
    value: object
    """What PostHog says; None: it was removed."""
    state: str
    """A key of `STANDINGS`."""
    why: str = ""
    """Why, in a sentence; empty: nothing to explain."""


def attributes(person: PersonView) -> list[Attribute]:
    """Sorted by name; those that are left out, often a dozen of PostHog's own, come last."""
    found = [Attribute(name, value, *_standing(person, name)) for name, value in person.attributes.items()]
    return sorted(found, key=lambda each: (each.state == "left_out", each.name))


def _standing(person: PersonView, name: str) -> tuple[str, str]:
    if name == "email" and person.email_not_sent is not None:
        return "not_sent", _EMAIL[person.email_not_sent]
    if name in person.refused:
        return "refused", "It is not sent again until it changes or you resend this person."
    if name in person.left_out:
        return "left_out", "Your options leave it out, or the name is reserved."
    if person.customer is None:
        return "unsent", "It is sent with their first event."
    return ("unsent", "It is sent with their next event.") if name in person.unsent else ("accepted", "")
