"""Events, people and options for the tests of the Customer.io destination."""

from __future__ import annotations

from typing import Any

import msgspec

from hogline.destinations.customerio import CUSTOMERIO, Options
from hogline.model import Event, Identifier, Operation, Person, Plan, accept

UUID = "01890a5d-ac96-774b-bcce-b302099a8057"
ULID = "01H455VB4PEX5VSKNK084SN02Q"
NOW_S = 1_700_000_000
NOW_MS = NOW_S * 1000


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
        received_ms=NOW_MS + 3_600_000,
        properties=properties or {},
        set=set or {},
        unset=unset,
        person_properties=person_properties or {},
        personless=personless,
        repaired=repaired,
    )


def customer(distinct_id: str = "u1", **known: Any) -> Person:
    """Somebody who is a customer under their id, and of whom nothing else is known."""
    values = {"customer": Identifier("id", distinct_id), "first_seen_ms": NOW_MS, "last_seen_ms": NOW_MS}
    return Person(distinct_id=distinct_id, **{**values, **known})


def plan(it: Event, person: Person | None = None, with_options: Options = PLAIN) -> Plan:
    return CUSTOMERIO.plan(it, person, with_options)


def body(operation: Operation) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(operation.body)
    return decoded


def bodies(made: Plan) -> list[dict[str, Any]]:
    return [body(operation) for operation in made.operations]


def actions(made: Plan) -> list[str]:
    return [operation.action for operation in made.operations]


def accepted(made: Plan) -> Person | None:
    """The person after the destination accepted all of the plan."""
    person = made.person
    for operation in made.operations:
        assert person is not None
        person = accept(person, operation.promise)
    return person


def history(
    *events: Event, person: Person | None = None, with_options: Options = PLAIN
) -> tuple[list[Plan], Person | None]:
    """The plans of events one after the other, each accepted before the next."""
    plans = []
    for it in events:
        made = plan(it, person, with_options)
        plans.append(made)
        person = accepted(made)
    return plans, person
