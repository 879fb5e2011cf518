"""Two people who are one: who stays, and what the other one's customer, attributes and email come to.

The one who stays keeps every value of their own and gets those that they lack, as in PostHog, and as Customer.io does
when it merges. Knows nothing of when a merge is sent.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from hogline.destinations.customerio import limits
from hogline.destinations.customerio.emails import address
from hogline.destinations.customerio.options import Options
from hogline.model import MOST_RECENT, UNKNOWN, Event, Identifier, Person
from hogline.posthog.joins import join_of, who_stays


class Joined(Struct, frozen=True):
    person: Person
    """The one who stays."""
    absorbed: Person | None = None
    """The other, as they are from now on; None: the two stay apart."""
    adjusted: tuple[str, ...] = ()


def join(event: Event, known: Person, other: Person, now_ms: int, options: Options) -> Joined:
    """`known` after an event that says `other` to be the same person."""
    asked = join_of(event)
    assert asked is not None  # who calls has an `other`
    # Whom the event is about was identified before it, or is by it: both count.
    stays = who_stays(asked, identified=known.identified, other_identified=other.identified)
    if stays is None:
        return Joined(known, adjusted=("join_refused",))
    adjusted: tuple[str, ...] = ()
    if known.identified and other.identified and not asked.protected:
        if not options.merge_people:
            return Joined(known, adjusted=("join_refused",))
        adjusted = ("merged_dangerously",)
    person, absorbed = (known, other) if stays == asked.distinct_id else (other, known)
    whole, dropped = _absorb(person, absorbed, now_ms, options)
    adjusted += ("too_many_attributes",) * dropped
    return Joined(whole, _part_of(person, absorbed, now_ms), adjusted)


def _part_of(person: Person, absorbed: Person, now_ms: int) -> Person:
    """What is kept of somebody who became part of somebody else."""
    return Person(
        distinct_id=absorbed.distinct_id,
        joined_into=person.distinct_id,
        identified=absorbed.identified,
        customer=absorbed.customer,
        claimed_email=absorbed.claimed_email,
        first_seen_ms=absorbed.first_seen_ms or now_ms,
        last_seen_ms=absorbed.last_seen_ms or now_ms,
    )


def _absorb(person: Person, other: Person, now_ms: int, options: Options) -> tuple[Person, int]:
    """The person with what the other brings, and how many attributes there was no room for."""
    lacking: dict[str, object] = {}
    email = person.email
    if email is None and person.attribute("email") is not None:
        email = other.email or address(other.distinct_id)
        if email is not None:
            lacking["email"] = email
    if person.taken_email is not None and person.taken_email == other.claimed_email and "email" in person.refused:
        lacking["email"] = person.refused["email"]
    lacking |= {
        name: value
        for name, value in other.attributes().items()
        if value is not None and name != "email" and person.attribute(name) is UNKNOWN
    }
    room = max(limits.room_for_attributes(person), 0)
    gained = dict(list(lacking.items())[:room])
    times = [ms for ms in (person.attributes_ms, other.attributes_ms) if ms is not None]
    whole = replace(
        person,
        identified=person.identified or other.identified,
        email=email,
        taken_email=None,
        to_merge=_to_merge(person, other) if options.merge_people else person.to_merge,
        anonymous_ids=tuple(dict.fromkeys((*person.anonymous_ids, *other.anonymous_ids))),
        relationships=person.relationships if person.customer else (),
        recent=tuple(sorted((*person.recent, *other.recent), key=_position)[-MOST_RECENT:]),
        unsent={**gained, **person.unsent},
        refused={name: value for name, value in person.refused.items() if name not in gained},
        attributes_ms=max(times, default=now_ms if gained else None),
        first_seen_ms=min(person.first_seen_ms or now_ms, other.first_seen_ms or now_ms),
        last_seen_ms=max(person.last_seen_ms, other.last_seen_ms),
        has_held=person.has_held or other.has_held,
    )
    return whole, len(lacking) - len(gained)


def _position(recent: int | tuple[int, str]) -> int:
    return recent if isinstance(recent, int) else recent[0]


def _to_merge(person: Person, other: Person) -> tuple[Identifier, ...]:
    """The customers to be merged into the person's: the other's, and those that waited to be merged into that."""
    theirs = ((other.customer,) if other.customer is not None else ()) + other.to_merge
    known = {person.customer, *person.to_merge}
    return (*person.to_merge, *(one for one in theirs if one not in known))
