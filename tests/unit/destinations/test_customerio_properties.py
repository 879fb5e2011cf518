"""What holds for any event, any person and any options."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import msgspec
from customerio_cases import Life, Made, actions, event, everything, options
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hogline.destinations.customerio import CUSTOMERIO, Options
from hogline.model import Event, Operation, Refused, Response, Retry, Settled

# A busy machine is slow, not wrong.
EXAMPLES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Big(NamedTuple):
    """A long text in few words: what hypothesis shows of a failure stays short."""

    text: str
    times: int


class Many(NamedTuple):
    """As many values as this, all of the largest size."""

    values: int


def real(value: object) -> object:
    """What such descriptions stand for."""
    match value:
        case Big(text, times):
            return text * times
        case Many(values):
            return {f"n{n}": "\x02" * 999 for n in range(values)}
        case list():
            return [real(one) for one in value]
        case dict():
            return {name: real(one) for name, one in value.items()}
        case _:
            return value


Described: TypeAlias = "dict[str, object] | Many"


class Spoken(NamedTuple):
    """An event, described."""

    name: str
    at_ms: int
    received_ms: int
    properties: Described
    said: Described
    email: str | None
    unset: tuple[str, ...]
    person: Described
    personless: bool

    def event(self, who: str) -> Event:
        values = [real(one) for one in (self.properties, self.said, self.person)]
        properties, said, person = (one if isinstance(one, dict) else {} for one in values)
        return Event(
            uuid="01890a5d-ac96-774b-bcce-b302099a8057",
            name=self.name,
            distinct_id=who,
            timestamp_ms=self.at_ms,
            received_ms=self.received_ms,
            properties=properties,
            set=said if self.email is None else {**said, "email": self.email},
            unset=self.unset,
            person_properties=person,
            personless=self.personless,
        )


NAMES = st.sampled_from(
    ["plan", "city", "created_at", "email", "id", " id", "recipient", "Reply-To", "", "ü" * 80, "null"]
) | st.text(max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["2026-11-01", "1955-02-30", "ann@example.com"])
    | st.sampled_from([Big("x", 1001), Big("😀", 300), Big("\x01", 900)])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=5
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)
WHO = st.sampled_from(["u1", "ann@example.com", "..", "cookieless_1", "x" * 151])
EVENTS = st.builds(
    Spoken,
    name=st.sampled_from(["$identify", "$set", "$pageview", "$snapshot", "order", "", "ü" * 60]) | st.text(),
    at_ms=st.integers(-(10**12), 10**13),
    received_ms=st.integers(10**12, 2 * 10**12),
    properties=OBJECTS | st.integers(0, 130_000).map(lambda size: {"text": Big("x", size)}),
    said=OBJECTS | st.integers(0, 400).map(Many),
    email=st.none() | st.sampled_from(["ann@example.com", "Ann@Example.com", "bob@example.com", "nonsense"]),
    unset=st.lists(NAMES, max_size=3).map(tuple),
    person=OBJECTS,
    personless=st.booleans(),
)
OPTIONS = st.builds(
    options,
    identify_by_email=st.booleans(),
    anonymous_users=st.sampled_from(["all", "identified", "emails", "anonymous-events"]),
    event_allowlist=st.sampled_from(["", "order, $set"]),
    date_attributes=st.sampled_from(["created_at", "plan, n1"]),
)
Fate: TypeAlias = Literal["accepts", "refuses", "is lost"]
ANSWERS: st.SearchStrategy[Fate] = st.sampled_from(["accepts", "refuses", "is lost"])
HISTORIES = st.lists(st.tuples(EVENTS, ANSWERS), min_size=1, max_size=5)


def say(life: Life, it: Event, answer: Fate) -> list[Operation]:
    """All that goes out of an event, until it is settled."""
    shipment = life.out(it)
    sent = list(shipment.operations)
    if answer == "is lost":
        life.crash()
        shipment = life.out()
        shipment.doubt()
        sent += shipment.operations
    life.land(shipment, everything if answer == "refuses" else lambda _: None)
    return sent


def lived(who: str, past: list[tuple[Spoken, Fate]], chosen: Options) -> tuple[Life, list[Operation]]:
    life, sent = Life(chosen), []
    for it, answer in past:
        sent += say(life, it.event(who), answer)
    return life, sent


@EXAMPLES
@given(WHO, HISTORIES, OPTIONS)
def test_every_operation_and_every_person_keeps_customerios_limits(
    who: str, past: list[tuple[Spoken, Fate]], chosen: Options
) -> None:
    life, operations = lived(who, past, chosen)
    for operation in operations:
        sent = msgspec.json.decode(operation.body)
        if operation.path is None:
            assert len(operation.body) <= 32_000
            assert len(next(iter(sent["identifiers"].values())).encode()) <= 150
        else:
            assert len(msgspec.json.encode(sent["data"])) <= 100_000
            assert not {".", ".."} & set(operation.path.split("/"))
        if operation.action == "identify":
            assert len(sent["attributes"]) <= 300
            for name, value in sent["attributes"].items():
                assert name.strip()
                assert len(name.encode()) <= 150
                assert name not in {"id", "cio_id"}
                size = len(value.encode()) if isinstance(value, str) else len(msgspec.json.encode(value))
                assert size <= 1000
        else:
            assert 0 < len(sent["name"].encode()) <= 100
            assert not {"recipient", "from_address", "reply_to"} & set(sent.get("attributes", sent.get("data")))
    main, values = life.told(who).main, life.values(who)
    assert main is None or sum(values.get(name) is not None for name in main.names) <= 300


@EXAMPLES
@given(WHO, HISTORIES, EVENTS, OPTIONS)
def test_an_event_is_delivered_filtered_or_a_failure_and_only_delivered_ones_are_sent(
    who: str, past: list[tuple[Spoken, Fate]], it: Spoken, chosen: Options
) -> None:
    life, _ = lived(who, past, chosen)
    made: Made = life.say(it.event(who))
    (outcome,) = made.settled.outcomes
    assert (outcome.kind == "filtered") == (made.filtered is not None)
    assert (outcome.kind == "failed") == bool(made.reasons)
    assert set(actions(made)) <= {"identify"} or outcome.kind == "delivered"
    assert sum(life.store.counts(1).values()) == len(past) + 1


@EXAMPLES
@given(WHO, HISTORIES, OPTIONS)
def test_the_same_history_is_the_same_operations_byte_for_byte(
    who: str, past: list[tuple[Spoken, Fate]], chosen: Options
) -> None:
    assert lived(who, past, chosen)[1] == lived(who, past, chosen)[1]


@EXAMPLES
@given(WHO, HISTORIES, EVENTS, OPTIONS)
def test_learning_the_same_event_twice_changes_nothing(
    who: str, past: list[tuple[Spoken, Fate]], it: Spoken, chosen: Options
) -> None:
    life, _ = lived(who, past, chosen)
    life.say(it.event(who))
    once = life.person(who)
    life.say(it.event(who))
    assert life.person(who) == once


@EXAMPLES
@given(WHO, st.lists(EVENTS, min_size=1, max_size=5), OPTIONS)
def test_once_all_is_accepted_nothing_is_said_again(who: str, past: list[Spoken], chosen: Options) -> None:
    life, _ = lived(who, [(it, "accepts") for it in past], chosen)
    before = life.told(who)
    assert "identify" not in actions(life.say(past[-1].event(who), event("order", who))) or before.main is None
    after = life.told(who)
    assert before.main is None or (after.main, after.others) == (before.main, before.others)


@EXAMPLES
@given(HISTORIES, OPTIONS)
def test_one_person_stays_one_customer(past: list[tuple[Spoken, Fate]], chosen: Options) -> None:
    life = Life(chosen)
    for it, answer in past:
        before = life.customer()
        say(life, it.event("u1"), answer)
        if before is not None and life.customer() != before:  # moved on to another email
            assert chosen.merge_people
            assert before in life.to_merge()


ERRORS = st.fixed_dictionaries(
    {}, optional={"batch_index": st.integers(-2, 4) | VALUES, "reason": VALUES, "field": VALUES, "message": VALUES}
)
BODIES = st.binary(max_size=30) | st.builds(
    msgspec.json.encode,
    st.fixed_dictionaries({}, optional={"errors": st.lists(ERRORS | VALUES, max_size=3) | VALUES, "meta": VALUES})
    | VALUES,
)


@EXAMPLES
@given(st.integers(100, 699), BODIES, st.text(max_size=40), st.integers(1, 4))
def test_any_answer_is_an_outcome_and_a_settled_one_has_one_for_each_operation(
    status: int, raw: bytes, retry_after: str, count: int
) -> None:
    response = Response(status, {"retry-after": retry_after}, raw)
    answer = CUSTOMERIO.read_answer([Operation("event", b"{}")] * count, response, 1.8e9)
    if isinstance(answer, Settled):
        assert 200 <= status < 300
        assert len(answer.outcomes) == count
    if isinstance(answer, Retry):
        assert answer.after_s is None or 0 <= answer.after_s <= 3600
    if isinstance(answer, Refused):
        assert len(answer.refusal.reason) <= 40
        assert len(answer.refusal.message) <= 500
