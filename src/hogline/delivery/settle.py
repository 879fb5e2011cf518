"""The settlement of a shipment: what became of its events and people, when every operation has its outcome. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from msgspec.structs import replace

from hogline.delivery.lanes import Source
from hogline.delivery.shipment import Planner, Shipment, Step, plan_item
from hogline.model import MOST_RECENT, Operation, Person, Refusal, accept, encode_event, refuse
from hogline.store.base import DeadLetter, HeldEvent, Settlement

LATER_MS = 3_600_000
"""Merges that are not wanted now may be when the connection's options are changed."""
FOR_EVER_MS = 2**62

Parts: TypeAlias = tuple[tuple[Operation, Refusal | None], ...]
"""What a refused operation was divided into, and the outcome of each part."""
OperationOutcome: TypeAlias = Refusal | Parts | None
"""None: accepted."""


class Outcome(NamedTuple):
    """What became of one event."""

    position: int
    kind: Literal["delivered", "filtered", "held", "dead_letter"]
    reason: str
    """Of filtered and held events the rule, of dead letters why the first operation was refused; else empty."""
    adjusted: tuple[str, ...] = ()


class Result(NamedTuple):
    """What became of a shipment."""

    settlement: Settlement
    people: dict[str, Person | None]
    """Those that changed, as they are once the settlement is on disk."""
    outcomes: list[Outcome]
    claims: list[str]
    """Emails of which is decided now whom they identify."""


class _Counted:
    """The counters of a settlement, on their way."""

    def __init__(self, shipment: Shipment, now_ms: int) -> None:
        self._shipment = shipment
        self._now_ms = now_ms
        self.delivered = 0
        self.filtered: Counter[str] = Counter()
        self.adjusted: Counter[str] = Counter()
        self.replayed: Counter[str] = Counter()
        self.letters: list[DeadLetter] = []
        self.resolved: list[int] = []
        self.held: list[HeldEvent] = []
        self.outcomes: list[Outcome] = []
        self.recent: dict[str, list[int | tuple[int, str]]] = {}
        """By person: the events that were counted, as `Person.recent` has them."""
        self.held_here = {item.position for items in shipment.held.values() for item in items}

    def count(self, step: Step, refusals: tuple[Refusal, ...]) -> None:
        """One step. Events are counted once: a replayed one was when it came and is only noted beside, one that is
        held here and set free here when it goes.
        """
        item, plan = step.item, step.plan
        match item.source:
            case Source.DUE:
                return
            case Source.REPLAY:
                self.replayed[refusals[0].reason if refusals else plan.filtered or "delivered"] += 1
                return
            case Source.RETRY if not refusals:
                self.resolved.append(item.position)
            case Source.JOURNAL | Source.HELD if plan.adjusted:
                self.adjusted.update(plan.adjusted)
        if item.source is Source.JOURNAL and plan.held:
            if item.position not in self._shipment.released:
                self._hold(step)
            return
        if refusals:
            self.letters.append(_dead_letter(step, refusals, self._now_ms))
            self._note(step, "dead_letter", refusals[0].reason)
        elif plan.filtered is not None:
            self.filtered[plan.filtered] += 1
            self._note(step, "filtered", plan.filtered)
        else:
            self.delivered += 1
            self._note(step, "delivered", "")

    def _hold(self, step: Step) -> None:
        company, items = self._shipment.company, self._shipment.held[step.person]
        event = next(item.event for item in items if item.position == step.item.position)
        assert event is not None
        self.held.append(
            HeldEvent(
                position=step.item.position,
                distinct_id=company.who(step.person) if step.person in company.expected else step.person,
                received_ms=event.received_ms,
                event=encode_event(event),
            )
        )
        self._note(step, "held", step.plan.filtered or "")

    def _note(self, step: Step, kind: Literal["delivered", "filtered", "held", "dead_letter"], reason: str) -> None:
        position, source = step.item.position, step.item.source
        self.recent.setdefault(step.person, []).append((position, reason) if reason else position)
        # An event that was held before was told of when it was.
        if source is not Source.HELD or position in self.held_here:
            self.outcomes.append(Outcome(position, kind, reason, step.plan.adjusted))


def settle(
    shipment: Shipment,
    outcomes: Sequence[OperationOutcome],
    planner: Planner,
    *,
    connection: int,
    positions: Mapping[int, int],
    now_ms: int,
    due_ms: int,
    requests: int,
    retries: Mapping[str, int],
    replay_settled: int | None,
) -> Result:
    """The settlement of a shipment. `due_ms`: when to do what has to wait for a pause."""
    counted = _Counted(shipment, now_ms)
    all_accepted = not any(outcomes)
    for step in shipment.steps:
        if not all_accepted and (step.item.source is Source.DUE or step.plan.held):
            counted.adjusted.update(
                f"{operation.action}_refused" for operation, outcome in answered(step, outcomes) if outcome is not None
            )
        if not step.only_taught:
            counted.count(step, step.plan.refusals if all_accepted else _refusals(step, outcomes))
    company = shipment.company
    surprised = shipment.linking if all_accepted else shipment.linking | _refused(shipment, outcomes)
    people = _surprised_people(shipment, surprised, outcomes, planner) if surprised else company.expected
    people = _with_recent(people, counted.recent)
    done = {item.distinct_id: item.due_ms for item in shipment.items if item.source is Source.DUE}
    due = _due(people, company.before, done, due_ms, now_ms + LATER_MS)
    changed = {
        distinct_id: person for distinct_id, person in people.items() if person is not company.before.get(distinct_id)
    }
    settlement = Settlement(
        connection=connection,
        lanes=positions,
        people=[person for person in changed.values() if person is not None],
        delivered=counted.delivered,
        filtered=counted.filtered,
        adjusted=counted.adjusted,
        dead_letters=counted.letters,
        resolved=counted.resolved,
        requests=requests,
        retries=retries,
        replayed=counted.replayed,
        replay_settled=replay_settled,
        routes=[route for item in shipment.items for route in item.routes],
        held=counted.held,
        released=sorted(shipment.released - counted.held_here),
        absorbed=shipment.absorbed,
        claimed=_claimed(changed, company.before),
        freed=_claimed(company.before, changed) | _not_kept(shipment.claims, people),
        due=due,
        done=done | dict.fromkeys(shipment.absorbed, FOR_EVER_MS),
    )
    return Result(settlement, changed, counted.outcomes, list(shipment.claims))


def _identifying(person: Person | None) -> set[str]:
    """The emails that reach this person's customers, in small letters: theirs, and those of customers of theirs that
    are not merged yet."""
    if person is None:
        return set()
    emails = {one.value.lower() for one in person.to_merge if one.kind == "email"}
    return emails | {person.claimed_email} if person.claimed_email is not None else emails


def _claimed(people: Mapping[str, Person | None], others: Mapping[str, Person | None]) -> dict[str, str]:
    """The emails that identify these people, and did not identify them as they are among the others."""
    return {
        email: distinct_id
        for distinct_id, person in people.items()
        if person is not None and (person.claimed_email is not None or person.to_merge) and distinct_id in others
        for email in _identifying(person) - _identifying(others[distinct_id])
    }


def _not_kept(claims: Mapping[str, str], people: Mapping[str, Person | None]) -> dict[str, str]:
    """Claims that came to nothing: what would have linked the email was refused."""
    return {
        email: distinct_id
        for email, distinct_id in claims.items()
        if email not in _identifying(people.get(distinct_id))
    }


def _due(
    people: dict[str, Person | None],
    before: Mapping[str, Person | None],
    done: Mapping[str, int],
    due_ms: int,
    later_ms: int,
) -> dict[str, int]:
    """Who has customers to merge, since both sides are accepted; and whom a merge left something to be told of. They
    are told so themselves, too. Whose merges were due and not wanted is asked again later.
    """
    due = {}
    for distinct_id, person in people.items():
        if person is None or person.customer is None or person.joined_into is not None:
            continue
        was = before.get(distinct_id)
        if person is was and distinct_id not in done:
            continue
        if person.to_merge:
            news = was is None or was.customer is None or was.to_merge != person.to_merge
        else:
            news = bool(person.unsent) and was is not None and was.merged != person.merged
        if news:
            due[distinct_id] = due_ms
        elif person.to_merge and done.get(distinct_id, -1) >= person.due_ms:
            due[distinct_id] = later_ms
    for distinct_id, at_ms in due.items():
        person = people[distinct_id]
        assert person is not None  # only people are due
        people[distinct_id] = replace(person, due_ms=at_ms)
    return due


def answered(step: Step, outcomes: Sequence[OperationOutcome]) -> Iterator[tuple[Operation, Refusal | None]]:
    """The operations of a step as they were sent at last, and the outcome of each."""
    operations = step.plan.operations
    for operation, outcome in zip(operations, outcomes[step.first : step.first + len(operations)], strict=True):
        if isinstance(outcome, tuple):
            yield from outcome
        else:
            yield operation, outcome


def _refusals(step: Step, outcomes: Sequence[OperationOutcome]) -> tuple[Refusal, ...]:
    refused = [
        Refusal(outcome.reason, outcome.message, outcome.field, operation.body)
        for operation, outcome in answered(step, outcomes)
        if outcome is not None
    ]
    return (*step.plan.refusals, *refused)


def _dead_letter(step: Step, refusals: tuple[Refusal, ...], now_ms: int) -> DeadLetter:
    event = step.item.event
    assert event is not None  # what is due is no event
    return DeadLetter(
        position=step.item.position, uuid=event.uuid, event=encode_event(event), refusals=refusals, at_ms=now_ms
    )


def _with_recent(
    people: dict[str, Person | None], recent: Mapping[str, Sequence[int | tuple[int, str]]]
) -> dict[str, Person | None]:
    for distinct_id, events in recent.items():
        person = people.get(distinct_id)
        while person is not None and person.joined_into is not None:
            person = people[person.joined_into]
        if person is not None:
            last = (*person.recent, *events)[-MOST_RECENT:]
            people[person.distinct_id] = replace(person, recent=last)
    return people


def _refused(shipment: Shipment, outcomes: Sequence[OperationOutcome]) -> set[str]:
    """Who had something refused."""
    return {
        step.person for step in shipment.steps if any(outcomes[step.first : step.first + len(step.plan.operations)])
    }


def _surprised_people(
    shipment: Shipment, surprised: set[str], outcomes: Sequence[OperationOutcome], planner: Planner
) -> dict[str, Person | None]:
    """Everybody as they are now, when not all came as expected. Whoever had something refused, or an email
    linked, learns their events once more, this time with what was really accepted; and so does whoever they were
    joined with here.
    """
    surprised = set(surprised)
    joins = [step for step in shipment.steps if step.other is not None]
    grown = -1
    while grown != len(surprised):
        grown = len(surprised)
        for step in joins:
            if step.person in surprised or step.other in surprised:
                surprised |= {step.person, step.other or step.person}
    before = shipment.company.before
    people = {**shipment.company.expected, **{one: before.get(one) for one in surprised}}
    for step in shipment.steps:
        if step.person in surprised:
            _learn_again(step, people, outcomes, planner)
    return people


def _learn_again(
    step: Step, people: dict[str, Person | None], outcomes: Sequence[OperationOutcome], planner: Planner
) -> None:
    person, other = people[step.person], None
    if step.other is not None:
        other = people[step.other] or Person(distinct_id=step.other)
    plan = plan_item(step.item, person, other, planner, step.taken)
    person = plan.person
    for operation, outcome in answered(step, outcomes):
        if person is not None:
            person = (accept if outcome is None else refuse)(person, operation.promise)
    people[step.person if person is None else person.distinct_id] = person
    if plan.absorbed is not None:
        people[plan.absorbed.distinct_id] = plan.absorbed
