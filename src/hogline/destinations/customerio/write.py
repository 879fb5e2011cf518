"""How what is to be said of a customer becomes operations: the identify, the anonymous ids, the event.

Who is sent, and as whom, is decided elsewhere.
"""

from __future__ import annotations

from msgspec import Struct

from hogline.destinations.customerio import limits, operations
from hogline.destinations.customerio.learn import Lesson, time_ms
from hogline.destinations.customerio.ulid import ulid
from hogline.destinations.values import not_numbers
from hogline.model import Event, Identifier, Operation, Person, Promise, Refusal, same_value
from hogline.posthog.meaning import event_properties

_KINDS = {"$pageview": "page", "$screen": "screen"}

_NO_NAME = Refusal("event_name_blank", "The event has no name; Customer.io does not take an event without.")


class Who(Struct, frozen=True):
    """For whom operations are made: the identifier they name, and the one by which the customer is known when they
    are accepted."""

    identifier: Identifier
    customer: Identifier


def identify(event: Event, lesson: Lesson, who: Who) -> tuple[Operation, ...]:
    """The identify, if the customer is new here or Customer.io has not accepted all that is known."""
    person = lesson.person
    if person.customer == who.customer and not (person.unsent or lesson.outdated or person.anonymous_ids):
        return ()
    said = lesson.values
    if person.refused:
        said = {name: value for name, value in said.items() if not _was_refused(person, name, value)}
    event_ms = time_ms(event)
    if lesson.outdated and person.customer is not None:
        # Customer.io orders updates by time, so an older value changes nothing newer. Nobody knows whether
        # this one came to be: nothing of it counts as accepted.
        return operations.identify(who.identifier, said, event_ms // 1000, Promise(customer=who.customer))
    attributes = {**person.unsent} if lesson.outdated else {**said, **person.unsent}
    if person.customer is not None and person.customer != who.customer:
        # A new customer, into which the old one will be merged, gets all that the old one had.
        attributes = {**person.accepted, **attributes}
    if "email" not in attributes and "email" not in person.refused and person.accepted.get("email"):
        attributes["email"] = person.accepted["email"]
    newest_s = max(event_ms, person.attributes_ms or event_ms) // 1000
    return (
        *operations.identify(who.identifier, attributes, newest_s, _promise(attributes, who, person)),
        *(
            operation
            for anonymous_id in person.anonymous_ids
            for operation in _become(who, anonymous_id, event_ms // 1000)
        ),
    )


def _promise(attributes: dict[str, object], who: Who, person: Person) -> Promise:
    """An email that is somebody else's is given as an attribute; Customer.io links nobody to it."""
    email = attributes.get("email")
    links = who.identifier.kind == "id" and isinstance(email, str) and person.taken_email != email.lower()
    return Promise(customer=who.customer, attributes=attributes, linked_email=str(email) if links else None)


def _become(who: Who, anonymous_id: str, timestamp_s: int) -> tuple[Operation, ...]:
    """Customer.io gives the customer the events that were sent under an anonymous id. It takes one id at a time."""
    promise = Promise(customer=who.customer, known_anonymous_id=anonymous_id)
    return operations.identify(who.identifier, {"anonymous_id": anonymous_id}, timestamp_s, promise)


def _was_refused(person: Person, name: str, value: object) -> bool:
    return name in person.refused and same_value(person.refused[name], value)


def write(event: Event, name: str, who: Who | None, person: Person) -> tuple[Operation | Refusal, tuple[str, ...]]:
    """The event of a customer, or of nobody."""
    if not name:
        return _NO_NAME, ()
    short, change = limits.event_name(name)
    data, changes = limits.event_data(event_properties(event))
    if change is not None:
        changes = (change, *changes)
    kind, event_ulid, timestamp_s = _KINDS.get(name, "event"), ulid(event.uuid), time_ms(event) // 1000
    if who is None:
        sent = operations.anonymous_event(
            person.distinct_id, kind, name=short, event_ulid=event_ulid, timestamp_s=timestamp_s, data=data
        )
    else:
        sent = operations.event(
            who.identifier,
            kind,
            name=short,
            event_ulid=event_ulid,
            timestamp_s=timestamp_s,
            data=data,
            promise=Promise(customer=who.customer),
            email=person.email,
        )
    if isinstance(sent, Operation) and b"null" in sent.body:
        changes += ("not_a_number",) * not_numbers(data)
    return sent, changes
