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
from hogline.posthog.email_names import emails_elsewhere
from hogline.posthog.joins import asks_too_much
from hogline.posthog.meaning import identifies
from hogline.posthog.repair import note


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
    if not person.identified and identifies(event):
        person = replace(person, identified=True)
    older = person.attributes_ms is not None and now_ms < person.attributes_ms
    values, adjusted = _said(event, person, options)
    if "email" not in values:
        email = _email_elsewhere(event, person, options, older=older)
        if email is not None:
            values["email"] = email
    if values.get("email") is None:
        _hint(event, person, options, adjusted)
    if not values:
        return Lesson(person, adjusted=tuple(adjusted))
    return _learn_attributes(person, values, adjusted, now_ms, older=older)


def _protect_email(person: Person, values: dict[str, object], adjusted: list[str]) -> None:
    """A known email is not changed, nor taken away, by whoever read the public token in a page."""
    if "email" not in values or person.email is None:
        return
    said = values["email"]
    if not isinstance(said, str) or not same_address(said, person.email):
        del values["email"]
        adjusted.append("email_protected")


def _hint(event: Event, person: Person, options: Options, adjusted: list[str]) -> None:
    """Names under which somebody without an email seems to have one."""
    if person.email is None and (event.set or event.set_once or event.person_properties):
        for name in emails_elsewhere(event):
            if name != options.email_property:
                note(adjusted, f"email_under:{name}")


def _said(event: Event, person: Person, options: Options) -> tuple[dict[str, object], list[str]]:
    """The attributes of `$set` and `$unset` (as None) within the limits, the email first, and what was
    adjusted."""
    values: dict[str, object] = {}
    adjusted: list[str] = []
    email_property = options.email_property
    said_email = event.set.get(email_property, UNKNOWN)
    if said_email is UNKNOWN and options.attributes_from == "person":
        said_email = event.person_properties.get(email_property, UNKNOWN)
    if said_email is not UNKNOWN:
        _say_email(said_email, person, values, adjusted)
    for name, value in _attributes(event, options).items():
        if name != email_property:
            clean, problem = _clean(name, value, options)
            if clean is not UNKNOWN:
                values[name] = clean
            if problem is not None:
                adjusted.append(problem)
    _say_unset(event.unset, options, values, adjusted)
    if event.public and options.protect_emails:
        _protect_email(person, values, adjusted)
    if asks_too_much(event):
        adjusted.append("merge_from_public_token")
    return values, adjusted


def _say_unset(names: tuple[str, ...], options: Options, values: dict[str, object], adjusted: list[str]) -> None:
    for name in names:
        if name == options.email_property:
            values["email"] = None
        elif options.attribute_names.takes(name):
            problem = _name_problem(name)
            if problem is None:
                values[name] = None
            else:
                adjusted.append(problem)


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
    problem = _name_problem(name)
    if problem is not None:
        return UNKNOWN, problem
    return limits.attribute_value(value, is_date=name in options.date_attributes)


def _name_problem(name: str) -> str | None:
    """Why a name cannot be an attribute's. The email has its name to itself, whatever property it comes from."""
    return "reserved_attribute" if name == "email" else limits.attribute_name_problem(name)


def _attributes(event: Event, options: Options) -> Mapping[str, object]:
    """What the event says of its user: what it sets, over what PostHog knows if that is wanted."""
    said: Mapping[str, object] = event.set
    if options.attributes_from == "person" and event.person_properties:
        said = {**event.person_properties, **event.set}
    names = options.attribute_names
    return {name: value for name, value in said.items() if names.takes(name)} if names else said


def _email_elsewhere(event: Event, person: Person, options: Options, *, older: bool) -> str | None:
    """The email that the event does not set: as PostHog knows the person, which is as new as the event; where none is
    known also that of `$set_once`, or the `distinct_id`.

    An email that was taken away (`$unset`) does not come back by the `distinct_id`, nor by what was before that.
    """
    known = person.email
    taken_away = person.attribute("email") is None
    places = [] if older and (taken_away or known is not None) else [event.person_properties]
    if known is None and not (older and taken_away):
        places.append(event.set_once)
    for place in places:
        email = written_address(place.get(options.email_property)) if place else None
        if email is not None:
            return known if known is not None and same_address(known, email) else email
    return address(event.distinct_id) if known is None and not taken_away else None


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
        if known is not UNKNOWN and same_value(known, value):
            continue
        if known is not UNKNOWN and older:
            contradicted = contradicted or name != "email"
            continue
        if value is not None and (known is UNKNOWN or known is None):
            room = limits.room_for_attributes(person) if room is None else room
            room -= 1
            if room < 0:
                del values[name]
                adjusted.append("too_many_attributes")
                continue
        fresh[name] = value
    return fresh, contradicted


def _newest(one_ms: int | None, other_ms: int) -> int:
    return other_ms if one_ms is None else max(one_ms, other_ms)
