"""What one event comes to: the order of the decisions, each of which is made in a module of its own.

Pure: no clock, no network, no disk. What is told of somebody (`Person`) is what was accepted so far.
"""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from hogline.destinations.customerio import gate, groups, limits, operations
from hogline.destinations.customerio.emails import same_address
from hogline.destinations.customerio.join import join
from hogline.destinations.customerio.learn import Lesson, learn, time_ms
from hogline.destinations.customerio.options import Options
from hogline.destinations.customerio.write import Who, identify, write
from hogline.model import Event, Identifier, Operation, Person, Plan, Promise, Refusal

_TOO_LONG = Refusal(
    "identifier_too_long",
    f"The distinct_id is longer than {limits.IDENTIFIER_BYTES} bytes, which Customer.io does not take.",
)


def plan(event: Event, person: Person | None, options: Options, other: Person | None = None) -> Plan:
    """Learn, join, then decide who is sent, then write the identify and the event."""
    name = event.name.strip()
    never = gate.never_sent(name, event.distinct_id)
    if never is not None:
        return Plan(person, filtered=never, adjusted=event.repaired)
    lesson = learn(person, event, options)
    if other is None:
        planned = _plan(event, name, person, lesson, options)
        planned = _with_frees(planned, person, lesson.person, options)
        return _with_group(planned, event, options) if name == "$groupidentify" else planned
    joined = join(event, lesson.person, other, time_ms(event), options)
    if joined.absorbed is not None and joined.absorbed.distinct_id != other.distinct_id:
        # Turned round: PostHog joins first, and then sets what the event says.
        lesson = learn(joined.person, event, options)
    else:
        lesson = replace(lesson, person=joined.person)
    lesson = replace(lesson, adjusted=lesson.adjusted + joined.adjusted)
    planned = _plan(event, name, person, lesson, options, joined=joined.absorbed is not None)
    before = other if joined.person.distinct_id == other.distinct_id else person
    planned = _with_frees(planned, before, joined.person, options)
    if joined.absorbed is None:
        return planned
    return replace(planned, person=planned.person or joined.person, absorbed=joined.absorbed)


def _plan(
    event: Event, name: str, person: Person | None, lesson: Lesson, options: Options, *, joined: bool = False
) -> Plan:
    """What is sent of an event that taught this."""
    lesson = _without_unsendable_email(lesson, options)
    known = lesson.person
    adjusted = event.repaired + lesson.adjusted
    rule = gate.not_qualified(known, options)
    not_listed = bool(options.allowlist) and name not in options.allowlist
    applied_only = name in gate.APPLIED and name not in options.allowlist
    filtered = "not_in_allowlist" if not_listed else rule
    held = filtered is not None and filtered == rule and not applied_only and options.hold_days > 0
    releases = rule is None and (known.customer is None or joined or known.has_held)
    if held != known.has_held and (held or releases):
        known = replace(known, has_held=held)
    if options.anonymous_users == "anonymous-events" and gate.is_anonymous(known):
        return _anonymous(event, person, lesson, filtered or ("nothing_to_send" if applied_only else None))
    if filtered is not None and not gate.is_customer(known):
        kept = _worth_keeping(person, known, options)
        return Plan(kept, filtered=filtered, held=held, releases=releases and not held, adjusted=adjusted)
    identifier = gate.identity(known, options)
    if identifier is None:
        # Nothing can ever be sent for this id: what it taught would be kept for nothing.
        return Plan(None if person is None else known, refusals=(_TOO_LONG,), adjusted=adjusted)
    who = _who(known, identifier)
    nobody_yet = applied_only and not gate.is_customer(known) and not known.unsent
    made = () if nobody_yet else identify(event, lesson, who)
    if options.group_objects and not nobody_yet:
        made += groups.relationships(event, who.identifier, who.customer, known.relationships, options)
    claims: str | None = None
    if made or (filtered is None and not applied_only):
        claims, known = _claim(known)
    if filtered is None and applied_only and not made:
        filtered = "nothing_to_send"
    if filtered is not None or applied_only:
        kept = known if made else _worth_keeping(person, known, options)
        return Plan(kept, made, filtered, held, releases, adjusted=adjusted, claims=claims)
    sent, changes = write(event, name, who, known)
    adjusted += changes
    if isinstance(sent, Refusal):
        return Plan(known, made, releases=releases, refusals=(sent,), adjusted=adjusted, claims=claims)
    return Plan(known, (*made, sent), releases=releases, adjusted=adjusted, claims=claims)


def _with_frees(planned: Plan, before: Person | None, known: Person, options: Options) -> Plan:
    """An email that somebody leaves may be the identifier of what went before, whether that was accepted or not."""
    if not options.identify_by_email or before is None or before.email is None:
        return planned
    left = known.email is None or not same_address(before.email, known.email)
    return replace(planned, frees=True) if left else planned


def _who(known: Person, identifier: Identifier) -> Who:
    """The customer stays who they are, unless they move on to another email."""
    customer = known.customer
    if customer is None or (customer.kind == "email" and identifier.kind == "email"):
        return Who(identifier, identifier)
    return Who(identifier, customer)


def _without_unsendable_email(lesson: Lesson, options: Options) -> Lesson:
    """With an email that cannot be sent put aside; and with what is to be counted of it."""
    known = lesson.person
    if "email" not in known.unsent:
        return lesson
    taken = known.email is not None and known.taken_email == known.email.lower()
    renames = gate.would_rename(known, options)
    if not (taken or renames):
        return lesson
    adjusted = (*lesson.adjusted, "email_taken" if taken else "email_change_not_sent")
    if not renames and not options.identify_by_email:
        return replace(lesson, adjusted=adjusted)  # an attribute like any other, where it identifies nobody
    unsent = {name: value for name, value in known.unsent.items() if name != "email"}
    refused = {**known.refused, "email": known.unsent["email"]}
    return replace(lesson, person=replace(known, unsent=unsent, refused=refused), adjusted=adjusted)


def _claim(known: Person) -> tuple[str | None, Person]:
    """The email that from now on identifies the person, if it is a new one; and the person who claims it."""
    if known.email is None and known.claimed_email is None and "@" not in known.distinct_id:
        return None, known  # as with most
    usable = gate.usable_email(known)
    email = usable.lower() if usable is not None else None
    if email is None and known.customer is not None and known.customer.kind == "email":
        return None, known
    return (None, known) if email == known.claimed_email else (email, replace(known, claimed_email=email))


def _with_group(planned: Plan, event: Event, options: Options) -> Plan:
    """A `$groupidentify` is about a group; what it does to its sender does not matter for that."""
    made = groups.group_identify(event, time_ms(event), options)
    return replace(
        planned,
        operations=made.operations + planned.operations,
        filtered=None if made.operations else planned.filtered,
        held=planned.held and not made.operations,
        refusals=made.refusals + planned.refusals,
        adjusted=planned.adjusted + made.adjusted,
    )


def _anonymous(event: Event, person: Person | None, lesson: Lesson, filtered: str | None) -> Plan:
    """An event of somebody who is to be no customer yet."""
    known, adjusted = lesson.person, event.repaired + lesson.adjusted
    if filtered is not None:
        taught = known.attributes_ms is not None
        return Plan(known if person is not None or taught else None, filtered=filtered, adjusted=adjusted)
    if limits.too_long(known.distinct_id, limits.IDENTIFIER_BYTES):
        return Plan(person, refusals=(_TOO_LONG,), adjusted=adjusted)
    sent, changes = write(event, event.name.strip(), None, known)
    if isinstance(sent, Refusal):
        return Plan(known, refusals=(sent,), adjusted=adjusted + changes)
    return Plan(known, (sent,), adjusted=adjusted + changes)


def due(person: Person, options: Options) -> Plan:
    """Merges whose pause is over; and when they are done, what the merged customers took away with them."""
    identifier = gate.identity(person, options)
    if person.customer is None or identifier is None:
        return Plan(person)
    if person.to_merge and options.merge_people:
        return Plan(person, tuple(operations.merge(person.customer, one) for one in person.to_merge))
    if not person.unsent:
        return Plan(person)
    email = person.unsent.get("email")
    promise = Promise(
        attributes=person.unsent,
        linked_email=email if identifier.kind == "id" and isinstance(email, str) else None,
    )
    newest_ms = max(person.attributes_ms or 0, person.last_seen_ms)
    return Plan(person, operations.identify(identifier, person.unsent, newest_ms // 1000, promise))


def forget(person: Person, options: Options, *, suppress: bool) -> tuple[Operation, ...]:
    """What removes every customer that somebody is or was; suppressed, each of their identifiers is blocked."""
    action: Literal["delete", "suppress"] = "suppress" if suppress else "delete"
    customers = (person.customer, *person.to_merge, *person.merged, *person.not_merged)
    known = dict.fromkeys(one for one in customers if one is not None)
    if suppress and person.customer is not None:
        emails = (person.linked_email, person.claimed_email)
        known |= dict.fromkeys(Identifier("email", email) for email in emails if email is not None)
    if suppress and not known:
        identifier = gate.identity(person, options)
        known = {} if identifier is None else {identifier: None}
    return tuple(operations.remove(identifier, action) for identifier in known)


def _worth_keeping(person: Person | None, known: Person, options: Options) -> Person | None:
    """Somebody of whom nothing was known, who taught nothing and was not sent, is not kept; nor is one whom
    nothing can be sent for."""
    if person is not None:
        return known
    taught = known.identified or known.email is not None or known.attributes_ms is not None
    return known if taught and gate.identity(known, options) is not None else None
