"""What holds for any event, any person and any options."""

from __future__ import annotations

import msgspec
from customerio_cases import accepted, actions, options, plan
from hogline.destinations.customerio.learn import learn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hogline.destinations.customerio import CUSTOMERIO
from hogline.destinations.customerio.options import Options
from hogline.model import Event, Operation, Person, Refused, Response, Retry, Settled, accept, refuse
from hogline.posthog.entry import decode_event, encode_event

# A busy machine is slow, not wrong.
EXAMPLES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

NAMES = st.sampled_from(
    ["plan", "city", "created_at", "email", "id", " id", "recipient", "Reply-To", "", "ü" * 80, "null"]
) | st.text(max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["x" * 1001, "😀" * 300, "2026-11-01", "1955-02-30", "ann@example.com", "\x01" * 900])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=5
)
EMAILS = st.sampled_from(["ann@example.com", "Ann@Example.com", "bob@example.com", "nonsense"])
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)
MANY = st.integers(0, 400).map(lambda count: {f"n{n}": "\x02" * 999 for n in range(count)})
SETS = st.builds(
    lambda said, email: {**said, **({"email": email} if email else {})},
    OBJECTS | MANY,
    st.none() | EMAILS,
)
EVENTS = st.builds(
    Event,
    uuid=st.uuids().map(str),
    name=st.sampled_from(["$identify", "$set", "$pageview", "$snapshot", "order", "", "ü" * 60]) | st.text(),
    distinct_id=st.sampled_from(["u1", "ann@example.com", "..", "cookieless_1", "x" * 151]),
    timestamp_ms=st.integers(-(10**12), 10**13),
    received_ms=st.integers(10**12, 2 * 10**12),
    properties=OBJECTS | st.integers(0, 130_000).map(lambda size: {"text": "x" * size}),
    set=SETS,
    unset=st.lists(NAMES, max_size=3).map(tuple),
    person_properties=OBJECTS,
    personless=st.booleans(),
)
OPTIONS = st.builds(
    options,
    identify_by_email=st.booleans(),
    anonymous_users=st.sampled_from(["all", "identified", "emails"]),
    event_allowlist=st.sampled_from(["", "order, $set"]),
    date_attributes=st.sampled_from(["created_at", "plan, n1"]),
)
HISTORIES = st.lists(st.tuples(EVENTS, st.sampled_from(["accept", "refuse", "wait"])), min_size=1, max_size=5)


def somebody(past: list[tuple[Event, str]], chosen: Options) -> Person | None:
    """A person as a history leaves them: accepted, refused or not answered, event by event."""
    person: Person | None = None
    for it, outcome in past:
        made = plan(msgspec.structs.replace(it, distinct_id=past[0][0].distinct_id), person, chosen)
        person = made.person
        for operation in made.operations:
            assert person is not None
            if outcome == "accept":
                person = accept(person, operation.promise)
            elif outcome == "refuse":
                person = refuse(person, operation.promise)
    return person


@EXAMPLES
@given(HISTORIES, EVENTS, OPTIONS)
def test_every_operation_and_every_person_keeps_customerios_limits(
    past: list[tuple[Event, str]], it: Event, chosen: Options
) -> None:
    it = msgspec.structs.replace(it, distinct_id=past[0][0].distinct_id)
    made = plan(it, somebody(past, chosen), chosen)
    for operation in made.operations:
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
                assert name not in {"id", "cio_id", "anonymous_id"}
                size = len(value.encode()) if isinstance(value, str) else len(msgspec.json.encode(value))
                assert size <= 1000
        else:
            assert 0 < len(sent["name"].encode()) <= 100
            assert not {"recipient", "from_address", "reply_to"} & set(sent.get("attributes", sent.get("data")))
    if made.person is not None:
        assert sum(value is not None for value in made.person.attributes().values()) <= 300


@EXAMPLES
@given(HISTORIES, EVENTS, OPTIONS)
def test_an_event_is_sent_filtered_or_a_dead_letter(past: list[tuple[Event, str]], it: Event, chosen: Options) -> None:
    it = msgspec.structs.replace(it, distinct_id=past[0][0].distinct_id)
    made = plan(it, somebody(past, chosen), chosen)
    assert made.filtered is None or not made.refusals
    assert made.filtered or made.refusals or made.operations
    assert set(actions(made)) <= {"identify"} or not (made.filtered or made.refusals)


@EXAMPLES
@given(HISTORIES, EVENTS, OPTIONS)
def test_the_same_event_for_the_same_person_is_the_same_operations_byte_for_byte(
    past: list[tuple[Event, str]], it: Event, chosen: Options
) -> None:
    person = somebody(past, chosen)
    again = decode_event(encode_event(it))
    one, other = plan(it, person, chosen), plan(again, person, chosen)
    assert [(o.action, o.path, o.body) for o in one.operations] == [
        (o.action, o.path, o.body) for o in other.operations
    ]
    assert (one.filtered, one.refusals, one.adjusted) == (other.filtered, other.refusals, other.adjusted)


@EXAMPLES
@given(HISTORIES, EVENTS, OPTIONS)
def test_learning_the_same_event_twice_changes_nothing(
    past: list[tuple[Event, str]], it: Event, chosen: Options
) -> None:
    it = msgspec.structs.replace(it, distinct_id=past[0][0].distinct_id)
    once = learn(somebody(past, chosen), it, chosen).person
    assert learn(once, it, chosen).person == once


@EXAMPLES
@given(EVENTS, OPTIONS)
def test_once_all_is_accepted_the_same_event_sends_no_identify_again(it: Event, chosen: Options) -> None:
    person = accepted(plan(it, None, chosen))
    again = plan(it, person, chosen)
    assert "identify" not in actions(again)
    assert accepted(again) == person


@EXAMPLES
@given(HISTORIES, OPTIONS)
def test_one_person_stays_one_customer(past: list[tuple[Event, str]], chosen: Options) -> None:
    person: Person | None = None
    for it, _ in past:
        before = person
        person = accepted(plan(msgspec.structs.replace(it, distinct_id="u1"), person, chosen))
        if before is not None and before.customer is not None:
            assert person is not None
            if person.customer != before.customer:  # moved on to another email
                assert chosen.merge_people
                assert before.customer in person.to_merge


@EXAMPLES
@given(HISTORIES, OPTIONS)
def test_what_was_accepted_is_not_waiting_to_be_sent(past: list[tuple[Event, str]], chosen: Options) -> None:
    person: Person | None = None
    for it, _ in past:
        made = plan(msgspec.structs.replace(it, distinct_id="u1"), person, chosen)
        newest = person is None or person.attributes_ms is None or it.timestamp_ms >= person.attributes_ms
        person = accepted(made)
        if person is not None and person.customer is not None and newest and "identify" in actions(made):
            assert person.unsent == {}


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
