"""A shipment: events of some lanes, planned together, on their way to the destination. Pure but for asking the
records.

People's states before the shipment are on disk. Within it, what follows is planned as if everything before
was accepted; what really was is known at the end, and only that is settled (`settle`).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from hogline.delivery.again import another_chance, asks_again
from hogline.delivery.lanes import Item, Lane, Lanes, Source
from hogline.delivery.pack import Room
from hogline.delivery.records import Records
from hogline.destinations.base import Limits
from hogline.entry import decode_event
from hogline.model import Event, Operation, Person, Plan, accept

MOST_EVENTS = 2_000
"""In one shipment, however few of them are sent: the event loop has others to serve."""
SLICE = 100
"""Events planned between two chances for others."""


class Planner(Protocol):
    """A destination with the connection's options."""

    def plan(self, event: Event, person: Person | None, other: Person | None = None) -> Plan: ...

    def due(self, person: Person) -> Plan: ...


class Step(Struct, gc=False):
    """Something that was planned, and all that it takes to plan it again."""

    item: Item
    plan: Plan
    person: str
    """The distinct_id of whose it was."""
    other: str | None = None
    """Whom it was to join."""
    taken: str | None = None
    """The email that the person was not to have."""
    first: int = 0
    """Where its operations begin in the shipment's."""
    only_taught: bool = False
    """It stands here only for what it taught; it is sent, and counted, later."""


class Company:
    """The people of a shipment: as they were on disk, and as they are if all is accepted."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self.before: dict[str, Person | None] = {}
        self.expected: dict[str, Person | None] = {}

    async def meet(self, distinct_ids: Sequence[str]) -> None:
        """Load these, and whom they were joined into."""
        unknown = {one for one in distinct_ids if one not in self.before}
        while unknown:
            loaded = await self._records.people(list(unknown))
            self.before.update(loaded)
            self.expected.update(loaded)
            unknown = {
                person.joined_into
                for person in loaded.values()
                if person is not None and person.joined_into is not None
            } - self.before.keys()

    def who(self, distinct_id: str) -> str:
        """Whose an id is, after all joins."""
        while (person := self.expected[distinct_id]) is not None and person.joined_into is not None:
            distinct_id = person.joined_into
        return distinct_id


class Shipment:
    """Its lanes are busy from `plan_shipment` until it is settled."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self.lanes: list[Lane] = []
        self.items: list[Item] = []
        """What was taken from the lanes."""
        self.steps: list[Step] = []
        self.operations: list[Operation] = []
        self.company = Company(records)
        self.linking: set[str] = set()
        """Whose email becomes an identifier, if all is accepted."""
        self.held: dict[str, list[Item]] = {}
        """Events that are to be held, by person."""
        self.released: set[int] = set()
        """Positions of held events that go with this shipment."""
        self.claims: dict[str, str] = {}
        """Emails, and whom they are to identify."""
        self.absorbed: dict[str, str] = {}
        """Who became part of whom in it."""

    def add(self, item: Item, steps: Sequence[Step]) -> None:
        """What one item of a lane came to."""
        self.items.append(item)
        expected = self.company.expected
        for step in steps:
            plan = step.plan
            step.first = len(self.operations)
            self.steps.append(step)
            self.operations.extend(plan.operations)
            person = after(plan)
            expected[step.person if person is None else person.distinct_id] = person
            if plan.claims is not None and person is not None:
                self.claims[plan.claims] = person.distinct_id
            if plan.absorbed is not None:
                expected[plan.absorbed.distinct_id] = plan.absorbed
                assert person is not None  # whoever absorbs somebody is somebody
                self.absorbed[plan.absorbed.distinct_id] = person.distinct_id
            for operation in plan.operations:
                if operation.promise.linked_email is not None:
                    self.linking.add(step.person)
            if step.item.source is Source.HELD:
                self.released.add(step.item.position)
            elif plan.held and step.item.source is Source.JOURNAL and not step.only_taught:
                self.held.setdefault(step.person, []).append(without_lessons(step.item))

    async def fill(
        self, lane: Lane, line: deque[Item], may_go: Callable[[Item], bool], room: Room, planner: Planner
    ) -> bool:
        """Plan the next of a lane, as long as they fit and may go. False: the rest has to wait."""
        items = list(islice(line, SLICE))
        ids = [item.distinct_id for item in items]
        ids += [item.other for item in items if item.other is not None]
        await self.company.meet(ids)
        for item in items:
            if item.waits and not may_go(item):
                return False
            step = plan_step(self.company, item, planner)
            plan = step.plan
            if plan.frees and self.company.expected[step.person] is not self.company.before.get(step.person):
                return False
            if plan.claims is not None or (plan.releases and (self._records.holds or self.held)):
                steps = await steps_of(self, step, self._records, planner)
                operations: Sequence[Operation] = [one for each in steps for one in each.plan.operations]
            else:
                steps, operations = (step,), plan.operations
            if not room.takes(operations):
                return False
            self.add(item, steps)
            lane.take(line)
            if room.full:
                return False
        return True


def after(plan: Plan) -> Person | None:
    """The person when everything of a plan is accepted."""
    person = plan.person
    if person is not None:
        for operation in plan.operations:
            person = accept(person, operation.promise, only_expected=True)
    return person


def without_lessons(item: Item) -> Item:
    """A held event: what it taught was learned when it came, and is not to be learned again out of its time."""
    event = item.event
    assert event is not None  # only events are held
    bare = replace(event, set={}, set_once={}, unset=(), person_properties={}, repaired=())
    return Item(item.position, item.distinct_id, bare, 0, Source.HELD)


async def plan_shipment(
    ready: Sequence[Lane], lanes: Lanes, records: Records, planner: Planner, limits: Limits
) -> Shipment:
    """Take events from the lanes, in their order, until a request is full or nothing may go."""
    shipment = Shipment(records)
    room = Room(limits)
    for lane in ready:
        lane.busy = True
        shipment.lanes.append(lane)
        while (line := lanes.line(lane)) and not room.full and len(shipment.items) < MOST_EVENTS:
            if not await shipment.fill(lane, line, lanes.may_go, room, planner):
                break
        if room.full or len(shipment.items) >= MOST_EVENTS:
            break
    return shipment


def plan_item(
    item: Item, person: Person | None, other: Person | None, planner: Planner, taken: str | None = None
) -> Plan:
    """What an item comes to for somebody. `taken`: the email that they are not to have."""
    event = item.event
    if event is None:
        return _plan_due(item, person, planner)
    if item.source is Source.RETRY:
        person = another_chance(person, event)
    if person is not None and person.taken_email is not None:
        person = asks_again(person, event)
    if taken is not None:
        now_ms = min(event.timestamp_ms, event.received_ms)
        person = person or Person(distinct_id=item.distinct_id, first_seen_ms=now_ms, last_seen_ms=now_ms)
        person = replace(person, taken_email=taken)
    return planner.plan(event, person, other)


def _plan_due(item: Item, person: Person | None, planner: Planner) -> Plan:
    """Whoever was joined into somebody has nothing due any more; and something newer may wait for a later time."""
    if person is None or person.distinct_id != item.distinct_id or person.due_ms > item.due_ms:
        return Plan(person)
    return planner.due(person)


def plan_step(company: Company, item: Item, planner: Planner) -> Step:
    """What one item comes to, by itself."""
    who = company.who(item.distinct_id)
    person = company.expected[who]
    if item.other is None or (other_id := company.who(item.other)) == who:
        return Step(item, plan_item(item, person, None, planner), who)
    other = company.expected[other_id] or Person(distinct_id=other_id)
    return Step(item, plan_item(item, person, other, planner), who, other_id)


async def steps_of(shipment: Shipment, step: Step, records: Records, planner: Planner) -> Sequence[Step]:
    """What one item comes to, when others have a say: whoever has the email that it claims; and held events that it
    sets free, which go before it.
    """
    company, item, whose = shipment.company, step.item, {step.person, step.other}
    if await _is_taken(step.plan, whose, company, records):
        other = None if step.other is None else company.expected[step.other] or Person(distinct_id=step.other)
        _plan_without(step, company.expected[step.person], other, planner)
    if not step.plan.releases or not (records.holds or shipment.held):
        return (step,)
    released = await _released(shipment, whose, records)
    if not released:
        return (step,)
    taught = step.plan
    step.plan = replace(taught, operations=(), refusals=())
    step.only_taught = True
    steps = [step]
    known = taught.person
    for one in (*released, item):
        who = step.person if known is None else known.distinct_id
        next_step = Step(one, plan_item(one, known, None, planner), who)
        if await _is_taken(next_step.plan, whose | {who}, company, records):
            _plan_without(next_step, known, None, planner)
        steps.append(next_step)
        known = after(next_step.plan)
    last = steps[-1]
    # What was adjusted is counted once, whichever of both plans of the event found it.
    adjusted = Counter(taught.adjusted) | Counter(last.plan.adjusted)
    last.plan = replace(last.plan, adjusted=tuple(adjusted.elements()))
    return steps


async def _is_taken(plan: Plan, whose: set[str | None], company: Company, records: Records) -> bool:
    """Whether the email that a plan claims identifies somebody else than these. If not, it is claimed."""
    if plan.claims is None or plan.person is None:
        return False
    owner = await records.owner(plan.claims)
    if owner is not None:
        await company.meet([owner])
        if company.who(owner) not in whose:
            return True
    records.claim(plan.claims, plan.person.distinct_id)
    return False


def _plan_without(step: Step, person: Person | None, other: Person | None, planner: Planner) -> None:
    """Plan once more, for somebody who is not to have the email that they claimed."""
    step.taken = step.plan.claims
    step.plan = plan_item(step.item, person, other, planner, step.taken)


async def _released(shipment: Shipment, whose: set[str | None], records: Records) -> list[Item]:
    """The held events of these people and of whom they absorbed in this shipment, in order."""
    company = shipment.company
    ids = [one for one in whose if one is not None]
    ids += [one for one in shipment.absorbed if company.who(one) in whose]
    items = [
        Item(one.position, one.distinct_id, decode_event(one.event), 0, Source.HELD)
        for one in (await records.held(ids) if records.holds else ())
        if one.position not in shipment.released
    ]
    items += [item for one in ids for item in shipment.held.get(one, ()) if item.position not in shipment.released]
    items.sort(key=lambda item: item.position)
    return items
