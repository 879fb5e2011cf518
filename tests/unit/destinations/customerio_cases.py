"""Events and options for the tests of the Customer.io destination, and a life: one connection, from events to the
operations that go out, without a network, a disk or a clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from hogline.core.desk import Desk
from hogline.core.fold import Fold
from hogline.core.items import Item, OperationOutcome, Source
from hogline.core.known import Known, Person
from hogline.core.settle import Settled
from hogline.core.shipment import Shipment
from hogline.core.told import NOBODY, Told
from hogline.destinations.customerio import CUSTOMERIO, Options
from hogline.destinations.customerio.people import CustomerIoPeople
from hogline.model import Event, Identifier, Operation, Refusal
from hogline.posthog.entry import entry_of
from hogline.store.forgetting import NOBODY as NOBODY_SUPPRESSED
from hogline.store.memory import MemoryStore

UUID = "01890a5d-ac96-774b-bcce-b302099a8057"
ULID = "01H455VB4PEX5VSKNK084SN02Q"
NOW_S = 1_700_000_000
NOW_MS = NOW_S * 1000
LATER_MS = NOW_MS + 3_600_000
"""When everything is received and planned."""

PEOPLE = CustomerIoPeople()
INVALID = Refusal("invalid", "no")


def options(**values: object) -> Options:
    return CUSTOMERIO.read_options({"site_id": "site", "api_key": "key", **values})


PLAIN = options()


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

    def __init__(self, shipment: Shipment, settled: Settled) -> None:
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
        """The reasons of its dead letters."""
        return [letter.reason for letter in self.settled.settlement.dead_letters]


class Life:
    """A connection to Customer.io. Each call of `say` is a shipment; in between everything is on record."""

    def __init__(self, with_options: Options = PLAIN) -> None:
        self.store = MemoryStore()
        self.known = Known(self.store, 0)
        self.fold = Fold(self.known, suppressed=NOBODY_SUPPRESSED)
        self.now_ms = LATER_MS
        self.change(with_options)

    def change(self, with_options: Options) -> Life:
        """Other options, as by `hogline configure`."""
        self.options = with_options
        self.desk = Desk(
            CUSTOMERIO,
            with_options,
            connection=1,
            known=self.known,
            reads=self.store,
            start=0,
            lanes=self.store.connection(1).lanes,
            start_s=0,
            suppressed=NOBODY_SUPPRESSED,
        )
        self.fold.keeps = self.desk.rules.keeps
        return self

    def say(self, *events: Event, refuses: Callable[[dict[str, Any]], Refusal | None] = lambda _: None) -> Made:
        """These are one shipment. `refuses`: why Customer.io does not take an operation; None: it does."""
        shipment = self.out(*events)
        return self.land(shipment, refuses)

    def out(self, *events: Event) -> Shipment:
        """These are on their way: nobody knows what becomes of them."""
        for one in events:
            entry = entry_of(one)
            self.fold.fold(self.known.folded + 1, entry)
            self.desk.feed([(self.known.folded, entry, 100)])
        flush = self.known.take_flush()
        self.store.flush(flush)
        self.known.flushed(flush)
        shipment = self.desk.plan(self.now_ms)
        assert shipment is not None
        if shipment.intent is not None:
            self.store.intend(shipment.intent)
        return shipment

    def land(self, shipment: Shipment, refuses: Callable[[dict[str, Any]], Refusal | None] = lambda _: None) -> Made:
        """Every operation is answered; a refused identify is tried again in parts."""
        outcomes = [_outcome(operation, refuses) for operation in shipment.operations]
        settled = self.desk.settle(shipment, outcomes, self.now_ms)
        self.store.settle(settled.settlement)
        self.desk.settled(shipment, settled)
        return Made(shipment, settled)

    def crash(self) -> Life:
        """Everything in memory is gone; what was sent and not settled is planned again."""
        self.known = Known(self.store, self.store.folded)
        self.fold = Fold(self.known, suppressed=NOBODY_SUPPRESSED)
        return self.change(self.options)

    def again(self, *items: Item) -> Made:
        """What is no new event: retries, people to be sent again."""
        for item in items:
            self.desk.again.add(item)
        return self.say()

    def due(self, refuses: Callable[[dict[str, Any]], Refusal | None] = lambda _: None) -> list[dict[str, Any]]:
        """Once the pause is over: what goes out by itself."""
        self.now_ms += 60_000
        for person, at_ms in self.store.due(1):
            if at_ms <= self.now_ms:
                self.desk.again.add(Item(Source.DUE, 0, person, None))
        made: list[dict[str, Any]] = []
        while self.desk.again.is_waiting:
            made += bodies(self.say(refuses=refuses))
        return made

    def who(self, distinct_id: str = "u1") -> str:
        """Whose an id is: the distinct_id that names them."""
        return self.known.who(distinct_id)

    def person(self, distinct_id: str = "u1") -> Person:
        return self.known.person(self.who(distinct_id))

    def values(self, distinct_id: str = "u1") -> dict[str, object]:
        """What is known of them; what was taken away is null."""
        return {name: fact.value for name, fact in self.person(distinct_id).facts.items()}

    def told(self, distinct_id: str = "u1") -> Told:
        return self.store.told(1, [self.who(distinct_id)]).get(self.who(distinct_id), NOBODY)

    def customer(self, distinct_id: str = "u1") -> Identifier | None:
        """The customer that Customer.io accepted."""
        main = self.told(distinct_id).main
        return main.identifier if main is not None and main.state == "accepted" else None

    def to_merge(self, distinct_id: str = "u1") -> list[Identifier]:
        return [one.identifier for one in self.told(distinct_id).others]


def _outcome(operation: Operation, refuses: Callable[[dict[str, Any]], Refusal | None]) -> OperationOutcome:
    refusal = refuses(body(operation))
    if refusal is None:
        return None
    parts, answered = list(PEOPLE.parts(operation, refusal)), []
    if not parts:
        return refusal
    while parts:
        part = parts.pop(0)
        refusal = refuses(body(part))
        smaller = PEOPLE.parts(part, refusal) if refusal is not None else ()
        parts += smaller
        if not smaller:
            answered.append((part, refusal))
    return tuple(answered)


def no_attribute(name: str) -> Callable[[dict[str, Any]], Refusal | None]:
    """Refuses every identify with this attribute."""
    return lambda said: INVALID if said["action"] == "identify" and name in said["attributes"] else None


def everything(_: dict[str, Any]) -> Refusal:
    return INVALID


def customer(distinct_id: str = "u1", with_options: Options = PLAIN, /, **known: object) -> Life:
    """A minute ago somebody became a customer, with these attributes."""
    life = Life(with_options)
    life.say(event("seen", distinct_id, at_s=NOW_S - 60, set=known))
    assert life.customer(distinct_id) is not None
    return life


def plan(it: Event, life: Life | None = None, with_options: Options | None = None) -> Made:
    """What an event comes to, all of it accepted: for nobody known, or as the next one of a life."""
    ((made,), _) = history(it, life=life, with_options=with_options)
    return made


def history(*events: Event, life: Life | None = None, with_options: Options | None = None) -> tuple[list[Made], Life]:
    """Events one after the other, each accepted before the next. `with_options`: other ones than before."""
    if life is None:
        life = Life(with_options or PLAIN)
    elif with_options is not None:
        life.change(with_options)
    return [life.say(one) for one in events], life


def body(operation: Operation) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(operation.body)
    return decoded


def bodies(made: Made) -> list[dict[str, Any]]:
    return [body(operation) for operation in made.operations]


def actions(made: Made) -> list[str]:
    return [operation.action for operation in made.operations]
