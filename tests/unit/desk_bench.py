"""A life: one connection, from events to the operations that go out, without a network, a disk or a clock; and events
for it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeAlias

import msgspec
from msgspec.structs import replace

from hogline.core.desk import Desk
from hogline.core.fold import Fold, Suppressed
from hogline.core.items import Item, OperationOutcome, Origin
from hogline.core.known import Known, Person
from hogline.core.settle import SettledShipment
from hogline.core.shipment import Shipment
from hogline.core.told import NOBODY, WAITS_MS, Told
from hogline.destinations.base import Destination
from hogline.model import Event, Identifier, Operation, Refusal
from hogline.posthog.entry import Entry, decode_entry, encode_event
from hogline.store.forgetting import NOBODY as NOBODY_ELSE
from hogline.store.memory import MemoryStore

UUID = "01890a5d-ac96-774b-bcce-b302099a8057"
NOW_S = 1_700_000_000
NOW_MS = NOW_S * 1000
LATER_MS = NOW_MS + 3_600_000
"""When everything is received and planned."""

Refuses: TypeAlias = Callable[[dict[str, Any]], Refusal | None]
"""Why an operation is not taken; None: it is."""


def accepts(_: dict[str, Any]) -> None:
    """Takes everything."""


def event(
    name: str = "order completed",
    distinct_id: str = "u1",
    *,
    at_s: float = NOW_S,
    uuid: str = UUID,
    properties: dict[str, object] | None = None,
    set: dict[str, object] | None = None,  # noqa: A002 - PostHog's word
    unset: tuple[str, ...] = (),
    person_properties: dict[str, object] | None = None,
    personless: bool = False,
    repaired: tuple[str, ...] = (),
) -> Event:
    return Event(
        uuid=uuid,
        name=name,
        distinct_id=distinct_id,
        timestamp_ms=int(at_s * 1000),
        received_ms=LATER_MS,
        properties=properties or {},
        set=set or {},
        unset=unset,
        person_properties=person_properties or {},
        personless=personless,
        repaired=repaired,
    )


class Made:
    """What a shipment came to; `filtered`, `adjusted`, `held` and `reasons` are those of its last event."""

    def __init__(self, shipment: Shipment, settled: SettledShipment) -> None:
        self.operations = tuple(shipment.operations)
        self.items = shipment.items
        self.settled = settled
        last = shipment.items[-1]
        self.filtered = last.filtered
        self.adjusted = last.adjusted
        self.held = last.held
        self.reasons = [one.reason for one in last.refusals]
        """Why it could never be sent."""

    @property
    def dead(self) -> list[str]:
        """The reasons of its failures."""
        return [letter.reason for letter in self.settled.settlement.failures]


class Life:
    """A connection. Each call of `say` is a shipment; in between everything is on record."""

    def __init__(
        self,
        destination: Destination[Any],
        options: object,
        *,
        suppressed: Suppressed = NOBODY_ELSE,
        mine: Collection[int] | None = None,
    ) -> None:
        """`mine`: as for a `Desk`."""
        self.destination = destination
        self.mine = mine
        self.suppressed = suppressed
        self.now_ms = LATER_MS
        self.journal: list[tuple[int, Entry, int]] = []
        self.store = MemoryStore()
        self.known = Known(self.store, 0)
        self.fold = Fold(self.known, suppressed=suppressed)
        self.restart(options)

    def restart(self, options: object) -> Life:
        """With a desk made from what is on record."""
        self.options = options
        self.desk = Desk(
            self.destination,
            options,
            connection=1,
            known=self.known,
            reads=self.store,
            start=0,
            lanes=self.store.connection(1).lanes,
            mine=self.mine,
            start_s=0,
            suppressed=self.suppressed,
        )
        self.fold.learning = self.desk.rules.learning
        return self

    def change(self, options: object) -> Life:
        """Other options, as by `hogline configure`: held events may go, and so may what waited for the options."""
        self.restart(options)
        mine = self.store.connection(1)
        for person in {one.distinct_id for one in mine.held.values() if one is not None}:
            self.desk.resends.add(Item(Origin.RELEASE, 0, person, None))
        for person, told in mine.told.items():
            if told is not None and told.due_ms == WAITS_MS:
                mine.told[person] = replace(told, due_ms=self.now_ms)
        return self

    def say(self, *events: Event, refuses: Refuses = accepts) -> Made:
        """These are one shipment. `refuses`: why Customer.io does not take an operation; None: it does."""
        shipment = self.out(*events)
        return self.land(shipment, refuses)

    def feed(self, *events: Event) -> None:
        """These are received, and wait."""
        for one in events:
            entry = decode_entry(encode_event(one))  # as the journal keeps it
            self.journal.append((len(self.journal) + 1, entry, 100))
            self.fold.fold(len(self.journal), entry)
            self.desk.feed(self.journal[-1:])
        flush = self.known.take_flush()
        self.store.flush(flush)
        self.known.flushed(flush)

    def out(self, *events: Event) -> Shipment:
        """These are on their way: nobody knows what becomes of them."""
        self.feed(*events)
        shipment = self.desk.plan(self.now_ms)
        assert shipment is not None
        if shipment.intent is not None:
            self.store.intend(shipment.intent)
        return shipment

    def land(self, shipment: Shipment, refuses: Refuses = accepts) -> Made:
        """Every operation is answered; a refused identify is tried again in parts."""
        outcomes = [self._outcome(operation, refuses) for operation in shipment.operations]
        settled = self.desk.settle(shipment, outcomes, self.now_ms)
        self.store.settle(settled.settlement)
        self.desk.settled(shipment, settled)
        return Made(shipment, settled)

    def crash(self) -> Life:
        """Everything in memory is gone; what was sent and not settled is planned again."""
        self.known = Known(self.store, self.store.folded)
        self.fold = Fold(self.known, suppressed=self.suppressed)
        self.restart(self.options)
        self.desk.feed(self.journal[self.desk.lanes.read :])
        return self

    def again(self, *items: Item, refuses: Refuses = accepts) -> Made:
        """What is no new event: retries, people to be sent again."""
        for item in items:
            self.desk.resends.add(item)
        return self.say(refuses=refuses)

    def due(self, refuses: Refuses = accepts) -> list[dict[str, Any]]:
        """Once the pause is over: what goes out by itself."""
        self.now_ms += 60_000
        made: list[dict[str, Any]] = []
        while due := [person for person, at_ms in self.store.due(1) if at_ms <= self.now_ms]:
            made += bodies(self.again(*(Item(Origin.DUE, 0, person, None) for person in due), refuses=refuses))
        return made

    def who(self, distinct_id: str = "u1") -> str:
        """Whose an id is: the distinct_id that names them."""
        return self.known.who(distinct_id)

    def person(self, distinct_id: str = "u1") -> Person:
        return self.known.person(self.who(distinct_id))

    def values(self, distinct_id: str = "u1") -> dict[str, object]:
        """What is known of them; what was removed is null."""
        return {name: fact.value for name, fact in self.person(distinct_id).facts.items()}

    def told(self, distinct_id: str = "u1") -> Told:
        return self.store.told(1, [self.who(distinct_id)]).get(self.who(distinct_id), NOBODY)

    def customer(self, distinct_id: str = "u1") -> Identifier | None:
        """The customer that Customer.io accepted."""
        main = self.told(distinct_id).main
        return main.identifier if main is not None and main.state == "accepted" else None

    def to_merge(self, distinct_id: str = "u1") -> list[Identifier]:
        return [one.identifier for one in self.told(distinct_id).others]

    def _outcome(self, operation: Operation, refuses: Refuses) -> OperationOutcome:
        """As the carrier finds it: what is refused is divided until what is bad is alone."""
        refusal, people = refuses(body(operation)), self.destination.people
        if refusal is None or people is None:
            return refusal
        parts, answered = list(people.parts(operation, refusal)), list[tuple[Operation, Refusal | None]]()
        while parts:
            part = parts.pop(0)
            again = refuses(body(part))
            smaller = people.parts(part, again) if again is not None else ()
            parts += smaller
            if not smaller:
                answered.append((part, again))
        if all(again is not None for _, again in answered):
            bare = people.bare(operation)
            if bare is not None and refuses(body(bare)) is None:
                return (*(answered or [(operation, refusal)]), (bare, None))
        return tuple(answered) if answered else refusal


def body(operation: Operation) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(operation.body)
    return decoded


def bodies(made: Made) -> list[dict[str, Any]]:
    return [body(operation) for operation in made.operations]


def actions(made: Made) -> list[str]:
    return [operation.action for operation in made.operations]
