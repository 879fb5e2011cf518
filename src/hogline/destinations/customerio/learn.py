"""What an event teaches about its user: identified, the email, attributes. Learning comes before any gate.

Knows nothing of what is sent or to whom. Values that Customer.io cannot take are adjusted here, so that what
is remembered is what would be sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from hogline.destinations.customerio import limits
from hogline.destinations.customerio.emails import address, same_address, written_address
from hogline.destinations.customerio.options import Options
from hogline.model import UNKNOWN, Event, Person, same_value


class Lesson(Struct, frozen=True):
    """What is known after an event, and what the event itself said."""

    person: Person
    values: dict[str, object] = {}
    """Attributes as this event gives them, within the limits: what an identify for it carries besides what
    is unsent. Of an older event: empty, unless it is `outdated`."""
    outdated: bool = False
    """An older event that says something else, or something new, about attributes: its values are for its
    own time only."""
    adjusted: tuple[str, ...] = ()


def time_ms(event: Event) -> int:
    """When the event happened; what claims to lie ahead happened when it was received.

    No clock is asked: the same event always has the same time.
    """
    return min(event.timestamp_ms, event.received_ms)


def learn(person: Person | None, event: Event, options: Options) -> Lesson:
    """What is known of the user after this event. Learning the same event twice changes nothing."""
    now_ms = time_ms(event)
    if person is None:
        person = Person(distinct_id=event.distinct_id, first_seen_ms=now_ms, last_seen_ms=now_ms)
    elif not person.first_seen_ms <= now_ms <= person.last_seen_ms:
        person = replace(
            person,
            first_seen_ms=min(person.first_seen_ms, now_ms),
            last_seen_ms=max(person.last_seen_ms, now_ms),
        )
    if event.personless:
        return Lesson(person)
    if not person.identified and _identifies(event):
        person = replace(person, identified=True)
    older = person.attributes_ms is not None and now_ms < person.attributes_ms
    values, adjusted = _said(event, person, options)
    if "email" not in values and person.email is None:
        email = _email_elsewhere(event, person, older=older)
        if email is not None:
            values["email"] = email
    if not values:
        return Lesson(person, adjusted=tuple(adjusted))
    return _learn_attributes(person, values, adjusted, now_ms, older=older)


def _identifies(event: Event) -> bool:
    return event.name.strip() == "$identify" or event.properties.get("$is_identified") is True


def _said(event: Event, person: Person, options: Options) -> tuple[dict[str, object], list[str]]:
    """The attributes of `$set` and `$unset` (as None) within the limits, the email first, and what was
    adjusted."""
    values: dict[str, object] = {}
    adjusted: list[str] = []
    said_email = event.set.get("email", UNKNOWN)
    if said_email is UNKNOWN and options.attributes_from == "person":
        said_email = event.person_properties.get("email", UNKNOWN)
    if said_email is not UNKNOWN:
        _say_email(said_email, person, values, adjusted)
    for name, value in _attributes(event, options).items():
        if name != "email":
            clean, problem = _clean(name, value, options)
            if clean is not UNKNOWN:
                values[name] = clean
            if problem is not None:
                adjusted.append(problem)
    for name in event.unset:
        if name != "email" and not options.attribute_names.takes(name):
            continue
        problem = limits.attribute_name_problem(name)
        if problem is None:
            values[name] = None
        else:
            adjusted.append(problem)
    return values, adjusted


def _say_email(said: object, person: Person, values: dict[str, object], adjusted: list[str]) -> None:
    """An email as it is known already, if it only differs in capitals."""
    email = written_address(said)
    if email is None:
        adjusted.append("invalid_email")
    else:
        known = person.email
        values["email"] = known if known is not None and same_address(known, email) else email


def _clean(name: str, value: object, options: Options) -> tuple[object, str | None]:
    """An attribute's value within the limits, and why it was changed; `UNKNOWN` if it must be left out."""
    problem = limits.attribute_name_problem(name)
    if problem is not None:
        return UNKNOWN, problem
    return limits.attribute_value(value, is_date=name in options.date_attributes)


def _attributes(event: Event, options: Options) -> Mapping[str, object]:
    """What the event says of its user: what it sets, over what PostHog knows if that is wanted."""
    said: Mapping[str, object] = event.set
    if options.attributes_from == "person" and event.person_properties:
        said = {**event.person_properties, **event.set}
    names = options.attribute_names
    return {name: value for name, value in said.items() if names.takes(name)} if names else said


def _email_elsewhere(event: Event, person: Person, *, older: bool) -> str | None:
    """The email of somebody whose email is not known: as PostHog knows the person, or the `distinct_id`.

    An email that was taken away (`$unset`) does not come back by the `distinct_id`, nor by what PostHog knew
    before that.
    """
    taken_away = person.attribute("email") is None
    email = None
    if event.person_properties and not (taken_away and older):
        email = written_address(event.person_properties.get("email"))
    if email is None and not taken_away:
        email = address(event.distinct_id)
    return email


def _learn_attributes(
    person: Person, values: dict[str, object], adjusted: list[str], now_ms: int, *, older: bool
) -> Lesson:
    """The lesson of an event that names attributes. An older event teaches only names that are not known."""
    email = _email_after(person, values, older=older)
    fresh, contradicted = _compare(person, values, adjusted, older=older)
    unsent = {**person.unsent, **fresh}
    refused = {name: value for name, value in person.refused.items() if name not in fresh}
    learned = replace(
        person,
        email=email,
        linked_email=person.linked_email if email == person.email else None,
        unsent=unsent,
        refused=refused,
        attributes_ms=_newest(person.attributes_ms, now_ms) if fresh else person.attributes_ms,
    )
    if not older:
        return Lesson(learned, values, adjusted=tuple(adjusted))
    # Customer.io tells older from newer by whole seconds, and an email is an identifier: not for old news.
    values.pop("email", None)
    new_here = any(name in fresh for name in values)
    in_time = person.attributes_ms is not None and now_ms // 1000 < person.attributes_ms // 1000
    outdated = in_time and (contradicted or new_here)
    return Lesson(learned, values if outdated else {}, outdated, tuple(adjusted))


def _email_after(person: Person, values: dict[str, object], *, older: bool) -> str | None:
    if "email" not in values or (older and person.attribute("email") is not UNKNOWN):
        return person.email
    email = values["email"]
    return email if isinstance(email, str) else None


def _compare(
    person: Person, values: dict[str, object], adjusted: list[str], *, older: bool
) -> tuple[dict[str, object], bool]:
    """What is new of the values, and whether an older event gives a known name another value.

    Takes out of `values` what goes beyond the attributes that one person may have.
    """
    fresh: dict[str, object] = {}
    contradicted = False
    room: int | None = None
    for name, value in list(values.items()):
        known = person.attribute(name)
        if known is UNKNOWN:
            if room is None:
                room = limits.room_for_attributes(person)
            room -= value is not None
            if room < 0:
                del values[name]
                adjusted.append("too_many_attributes")
            else:
                fresh[name] = value
        elif not same_value(known, value):
            if not older:
                fresh[name] = value
            elif name != "email":
                contradicted = True
    return fresh, contradicted


def _newest(one_ms: int | None, other_ms: int) -> int:
    return other_ms if one_ms is None else max(one_ms, other_ms)
