"""A shipment: events of some lanes, planned together, on their way to the destination. Pure but for loading
people.

People's states before the shipment are on disk. Within it, what follows is planned as if everything before
was accepted; what really was is known at the end, and only that is settled.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Literal, NamedTuple, TypeAlias

from hogline.delivery.again import another_chance
from hogline.delivery.lanes import Item, Lane, Source
from hogline.delivery.pack import Room
from hogline.destinations.base import Limits
from hogline.model import Event, Operation, Person, Plan, Refusal, accept, encode_event, refuse
from hogline.store.base import DeadLetter, Settlement

MOST_EVENTS = 2_000
"""In one shipment, however few of them are sent: the event loop has others to serve."""
SLICE = 100
"""Events planned between two chances for others."""

Planner: TypeAlias = Callable[[Event, Person | None], Plan]
LoadPeople: TypeAlias = Callable[[Sequence[str]], Awaitable[Mapping[str, Person | None]]]
"""The people of these distinct_ids as they are on disk; None for those we do not know."""


class Planned(NamedTuple):
    item: Item
    plan: Plan
    first: int
    """Where its operations begin in the shipment's."""


class Shipment:
    """Its lanes are busy from `plan_shipment` until it is settled."""

    def __init__(self) -> None:
        self.lanes: list[Lane] = []
        self.planned: list[Planned] = []
        self.operations: list[Operation] = []
        self.before: dict[str, Person | None] = {}
        self.expected: dict[str, Person | None] = {}
        self.links_emails = False
        self.size_bytes = 0

    def add(self, item: Item, plan: Plan) -> None:
        person = plan.person
        if person is not None:
            for operation in plan.operations:
                person = accept(person, operation.promise, only_expected=True)
                if operation.promise.linked_email is not None:
                    self.links_emails = True
        self.size_bytes += item.size_bytes
        self.planned.append(Planned(item, plan, len(self.operations)))
        self.operations.extend(plan.operations)
        self.expected[item.event.distinct_id] = person


async def plan_shipment(ready: Sequence[Lane], load: LoadPeople, planner: Planner, limits: Limits) -> Shipment:
    """Take events from the lanes, in their order, until a request is full or nothing waits."""
    shipment = Shipment()
    room = Room(limits)
    for lane in ready:
        lane.busy = True
        shipment.lanes.append(lane)
        while lane.line and not room.full and len(shipment.planned) < MOST_EVENTS:
            await _plan_slice(shipment, lane.line, room, load, planner)
        if room.full or len(shipment.planned) >= MOST_EVENTS:
            break
    return shipment


def _plan(item: Item, person: Person | None, planner: Planner) -> Plan:
    if item.source is Source.RETRY:
        person = another_chance(person, item.event)
    return planner(item.event, person)


async def _plan_slice(shipment: Shipment, line: deque[Item], room: Room, load: LoadPeople, planner: Planner) -> None:
    items = list(islice(line, SLICE))
    unknown = {item.event.distinct_id for item in items} - shipment.before.keys()
    if unknown:
        loaded = await load(list(unknown))
        shipment.before.update(loaded)
        shipment.expected.update(loaded)
    for item in items:
        plan = _plan(item, shipment.expected[item.event.distinct_id], planner)
        if not room.takes(plan.operations):
            return
        shipment.add(item, plan)
        line.popleft()
        if room.full:
            return


class Outcome(NamedTuple):
    """What became of one event."""

    position: int
    kind: Literal["delivered", "filtered", "dead_letter"]
    reason: str
    """Of filtered events the rule, of dead letters why the first operation was refused; else empty."""


class Result(NamedTuple):
    """What became of a shipment."""

    settlement: Settlement
    people: dict[str, Person | None]
    """As they are once the settlement is on disk."""
    outcomes: list[Outcome]


class _Counted:
    """The counters of a settlement, on their way."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self.delivered = 0
        self.filtered: Counter[str] = Counter()
        self.adjusted: Counter[str] = Counter()
        self.replayed: Counter[str] = Counter()
        self.letters: list[DeadLetter] = []
        self.resolved: list[int] = []
        self.outcomes: list[Outcome] = []

    def count(self, planned: Planned, refusals: tuple[Refusal, ...]) -> None:
        """One event. One that is replayed was counted when it came; it is only noted beside."""
        position, _, _, source = planned.item
        filtered = planned.plan.filtered
        if source is Source.REPLAY:
            self.replayed[refusals[0].reason if refusals else filtered or "delivered"] += 1
            return
        if source is Source.JOURNAL:
            if planned.plan.adjusted:
                self.adjusted.update(planned.plan.adjusted)
        elif not refusals:
            self.resolved.append(position)
        if refusals:
            self.letters.append(_dead_letter(planned, refusals, self._now_ms))
            self.outcomes.append(Outcome(position, "dead_letter", refusals[0].reason))
        elif filtered is not None:
            self.filtered[filtered] += 1
            self.outcomes.append(Outcome(position, "filtered", filtered))
        else:
            self.delivered += 1
            self.outcomes.append(Outcome(position, "delivered", ""))


def settle(
    shipment: Shipment,
    outcomes: Sequence[Refusal | None],
    planner: Planner,
    *,
    connection: int,
    positions: Mapping[int, int],
    now_ms: int,
    requests: int,
    retries: Mapping[str, int],
    replay_settled: int | None,
) -> Result:
    """The settlement of a shipment, when every operation has its outcome (None: accepted)."""
    counted = _Counted(now_ms)
    all_accepted = not any(outcomes)
    for planned in shipment.planned:
        counted.count(planned, planned.plan.refusals if all_accepted else _refusals(planned, outcomes))
    as_expected = all_accepted and not shipment.links_emails
    people = shipment.expected if as_expected else _surprised_people(shipment, outcomes, planner)
    settlement = Settlement(
        connection=connection,
        lanes=positions,
        people=[person for person in people.values() if person is not None],
        delivered=counted.delivered,
        filtered=counted.filtered,
        adjusted=counted.adjusted,
        dead_letters=counted.letters,
        resolved=counted.resolved,
        requests=requests,
        retries=retries,
        replayed=counted.replayed,
        replay_settled=replay_settled,
    )
    return Result(settlement, people, counted.outcomes)


def _answered(planned: Planned, outcomes: Sequence[Refusal | None]) -> Iterator[tuple[Operation, Refusal | None]]:
    operations = planned.plan.operations
    return zip(operations, outcomes[planned.first : planned.first + len(operations)], strict=True)


def _refusals(planned: Planned, outcomes: Sequence[Refusal | None]) -> tuple[Refusal, ...]:
    refused = [
        Refusal(outcome.reason, outcome.message, outcome.field, operation.body)
        for operation, outcome in _answered(planned, outcomes)
        if outcome is not None
    ]
    return (*planned.plan.refusals, *refused)


def _dead_letter(planned: Planned, refusals: tuple[Refusal, ...], now_ms: int) -> DeadLetter:
    event = planned.item.event
    return DeadLetter(
        position=planned.item.position, uuid=event.uuid, event=encode_event(event), refusals=refusals, at_ms=now_ms
    )


def _surprised_people(
    shipment: Shipment, outcomes: Sequence[Refusal | None], planner: Planner
) -> dict[str, Person | None]:
    """Everybody as they are now, when not all came as expected. Whoever had something refused, or an email
    linked, learns their events once more, this time with what was really accepted.
    """
    surprised = {
        planned.item.event.distinct_id
        for planned in shipment.planned
        for operation, outcome in _answered(planned, outcomes)
        if outcome is not None or operation.promise.linked_email is not None
    }
    people = {**shipment.expected, **{distinct_id: shipment.before[distinct_id] for distinct_id in surprised}}
    for planned in shipment.planned if surprised else ():
        distinct_id = planned.item.event.distinct_id
        if distinct_id in surprised:
            person = _plan(planned.item, people[distinct_id], planner).person
            for operation, outcome in _answered(planned, outcomes):
                if person is not None:
                    person = (accept if outcome is None else refuse)(person, operation.promise)
            people[distinct_id] = person
    return people
