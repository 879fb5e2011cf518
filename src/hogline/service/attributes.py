"""What happened to each attribute of somebody at the destination, and why: for pages and commands. Knows only words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hogline.views import PersonView

STANDINGS: Mapping[str, str] = {
    "accepted": "Accepted",
    "unsent": "Not sent yet",
    "refused": "Refused",
    "left_out": "Left out",
    "not_sent": "Not sent",
}
"""Each in words."""

_EMAIL: Mapping[str, str] = {
    "email_taken": "Somebody else has this email there.",
    "email_on_other_customer": "Another customer of this person has it there. The two are to be merged.",
    "email_change_not_sent": "They are known there by another email, and cannot be moved.",
}


@dataclass(frozen=True)
class Attribute:
    """One attribute of somebody."""

    name: str
    value: object
    """What PostHog says; None: it was removed."""
    state: str
    """A key of `STANDINGS`."""
    why: str = ""
    """A sentence; empty: nothing has to be known about it."""


def attributes(person: PersonView) -> list[Attribute]:
    """By name."""
    return [Attribute(name, value, *_standing(person, name)) for name, value in sorted(person.attributes.items())]


def _standing(person: PersonView, name: str) -> tuple[str, str]:
    if name == "email" and person.email_not_sent is not None:
        return "not_sent", _EMAIL[person.email_not_sent]
    if name in person.refused:
        return "refused", "It is not sent again until it changes, or you send this person again."
    if name in person.left_out:
        return "left_out", "Your options leave it out, or the name is reserved."
    if person.customer is None:
        return "unsent", "It goes with the first event that is sent."
    return ("unsent", "It goes with their next event.") if name in person.unsent else ("accepted", "")
