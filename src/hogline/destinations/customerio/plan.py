"""What one event comes to: the order of the decisions, each of which is made in a module of its own.

Pure: no clock, no network, no disk. What is told of somebody (`Person`) is what was accepted so far.
"""

from __future__ import annotations

from msgspec import Struct

from hogline.destinations.customerio import gate, limits, operations
from hogline.destinations.customerio.learn import Lesson, learn, time_ms
from hogline.destinations.customerio.options import Options
from hogline.destinations.customerio.ulid import ulid
from hogline.model import Event, Identifier, Operation, Person, Plan, Promise, Refusal, same_value

_KINDS = {"$pageview": "page", "$screen": "screen"}

_TOO_LONG = Refusal(
    "identifier_too_long",
    f"The distinct_id is longer than {limits.IDENTIFIER_BYTES} bytes, which Customer.io does not take.",
)
_NO_NAME = Refusal("event_name_blank", "The event has no name; Customer.io does not take an event without.")


class _Who(Struct, frozen=True):
    """For whom operations are made: the identifier they name, and the one the customer was created under."""

    identifier: Identifier
    customer: Identifier


def plan(event: Event, person: Person | None, options: Options) -> Plan:
    """Learn, then decide who is sent, then write the identify and the event."""
    name = event.name.strip()
    never = gate.never_sent(name, event.distinct_id)
    if never is not None:
        return Plan(person, filtered=never, adjusted=event.repaired)
    lesson = learn(person, event, options)
    known = lesson.person
    adjusted = event.repaired + lesson.adjusted
    filtered = gate.filtered(name, known, options)
    if filtered is not None and known.customer is None:
        return Plan(_worth_keeping(person, known, options), filtered=filtered, adjusted=adjusted)
    identifier = gate.identity(known, options)
    if identifier is None:
        # Nothing can ever be sent for this id: what it taught would be kept for nothing.
        return Plan(None if person is None else known, refusals=(_TOO_LONG,), adjusted=adjusted)
    who = _Who(identifier, known.customer or identifier)
    applied_only = name in gate.APPLIED and name not in options.allowlist
    nobody_yet = known.customer is None and applied_only and not known.unsent
    made = () if nobody_yet else _identify(event, lesson, who)
    if filtered is None and applied_only and not made:
        filtered = "nothing_to_send"
    if filtered is not None or applied_only:
        kept = known if made else _worth_keeping(person, known, options)
        return Plan(kept, made, filtered, adjusted=adjusted)
    sent, changes = _event(event, name, known, who)
    adjusted += changes
    if isinstance(sent, Refusal):
        return Plan(known, made, refusals=(sent,), adjusted=adjusted)
    return Plan(known, (*made, sent), adjusted=adjusted)


def _worth_keeping(person: Person | None, known: Person, options: Options) -> Person | None:
    """Somebody of whom nothing was known, who taught nothing and was not sent, is not kept; nor is one whom
    nothing can be sent for."""
    if person is not None:
        return known
    taught = known.identified or known.email is not None or known.attributes_ms is not None
    return known if taught and gate.identity(known, options) is not None else None


def _identify(event: Event, lesson: Lesson, who: _Who) -> tuple[Operation, ...]:
    """The identify, if the customer is new here or Customer.io has not accepted all that is known."""
    person = lesson.person
    if person.customer is not None and not (person.unsent or lesson.outdated):
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
    if "email" not in attributes and "email" not in person.refused and person.accepted.get("email"):
        attributes["email"] = person.accepted["email"]
    email = attributes.get("email")
    promise = Promise(
        customer=who.customer,
        attributes=attributes,
        linked_email=email if who.identifier.kind == "id" and isinstance(email, str) else None,
    )
    newest_ms = max(event_ms, person.attributes_ms or event_ms)
    return operations.identify(who.identifier, attributes, newest_ms // 1000, promise)


def _was_refused(person: Person, name: str, value: object) -> bool:
    return name in person.refused and same_value(person.refused[name], value)


def _event(event: Event, name: str, person: Person, who: _Who) -> tuple[Operation | Refusal, tuple[str, ...]]:
    """The event itself, or why it can never be sent; and what was adjusted in it."""
    if not name:
        return _NO_NAME, ()
    short, change = limits.event_name(name)
    data, changes = limits.event_data(event.properties)
    if change is not None:
        changes = (change, *changes)
    sent = operations.event(
        who.identifier,
        _KINDS.get(name, "event"),
        name=short,
        event_ulid=ulid(event.uuid),
        timestamp_s=time_ms(event) // 1000,
        data=data,
        promise=Promise(customer=who.customer),
        email=person.email,
    )
    if isinstance(sent, Operation) and b"null" in sent.body:
        changes += ("not_a_number",) * limits.not_numbers(data)
    return sent, changes
