"""The same uuid on different events."""

# mypy: allow-untyped-defs, allow-untyped-calls

import uuid

from hypothesis import given
from hypothesis import strategies as st

from hogline.model import Event
from hogline.posthog import encode_repaired
from hogline.posthog.entry import decode_event, decode_identity, encode_event
from hogline.posthog.uuids import Seen, Uuids, told_apart

A, B = "01960000-0000-7000-8000-00000000aaaa", "01960000-0000-7000-8000-00000000bbbb"


def told(uuids, *events):
    received = [encode_repaired(Event(event[0], event[1], event[2], 0, 0, {})) for event in events]
    found = [told_apart(each, uuids) for each in received]
    assert [decode_event(each.body) for each in found] == [each.event for each in found]
    return [(each.event.uuid, each.event.repaired) for each in found]


def test_a_uuid_on_another_event_is_replaced_by_one_made_of_both():
    uuids = Uuids()
    events = [(A, "opened", "u1"), (A, "$screen", "u1"), (A, "opened", "u2"), (B, "opened", "u1")]
    first = told(uuids, *events)
    assert [repaired for _, repaired in first] == [(), ("uuid_reused",), ("uuid_reused",), ()]
    assert (first[0][0], first[3][0]) == (A, B)
    assert first[1][0] == "610b6176-3476-5cc6-949f-544f67bb6799"
    assert len({made for made, _ in first}) == 4
    again = told(uuids, *events)
    assert [made for made, _ in again] == [made for made, _ in first]
    assert [repaired for _, repaired in again] == [
        ("repeated",),
        ("uuid_reused", "repeated"),
        ("uuid_reused", "repeated"),
        ("repeated",),
    ]


def test_a_repeat_with_another_time_or_other_properties_is_one():
    uuids = Uuids()
    event = Event(A, "opened", "u1", 1, 1, {"a": 1}, repaired=("nul_removed",))
    assert told_apart(encode_repaired(event), uuids).event == event
    repeat = told_apart(encode_repaired(Event(A, "opened", "u1", 2, 2, {"b": 1}, repaired=("nul_removed",))), uuids)
    assert (repeat.event.uuid, repeat.event.repaired) == (A, ("nul_removed", "repeated"))


def test_names_and_ids_are_not_mixed_up():
    uuids = Uuids()
    assert uuids.see(A, "a", "bc") is Seen.NEW
    assert uuids.see(A, "ab", "c") is Seen.REUSED
    assert uuids.see(A, "a", "bc") is Seen.REPEATED


def test_an_event_that_was_not_kept_is_new_when_it_comes_again():
    uuids = Uuids(window=2)
    assert uuids.see(A, "x", "u") is Seen.NEW
    uuids.lose(A)
    assert uuids.see(A, "y", "u") is Seen.NEW
    assert uuids.see(A, "y", "u") is Seen.REPEATED
    assert uuids.see(A, "x", "u") is Seen.REUSED
    for number in range(9):  # no more is remembered of these either
        uuids.lose(str(number))


def test_the_last_uuids_are_known_and_no_more_than_twice_as_many():
    uuids = Uuids(window=1_000)
    names = [str(uuid.UUID(int=n)) for n in range(5_000)]
    for name in names:
        assert uuids.see(name, "x", "u") is Seen.NEW
    assert all(uuids.see(name, "x", "u") is Seen.REPEATED for name in names[-1_000:])
    assert uuids.see(names[0], "x", "u") is Seen.NEW


def test_a_uuid_that_keeps_coming_stays_known():
    uuids = Uuids(window=100)
    assert uuids.see(A, "x", "u") is Seen.NEW
    for number in range(1_000):
        uuids.see(str(number), "x", "u")
        assert uuids.see(A, "x", "u") is Seen.REPEATED


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.text(max_size=2), st.text(max_size=1))))
def test_every_event_has_a_uuid_of_its_own_each_time(events):
    uuids = Uuids()
    first = [made for made, _ in told(uuids, *events)]
    assert len(set(first)) == len(set(events))
    assert [made for made, _ in told(uuids, *events)] == first


def test_of_an_event_that_is_kept_the_identity_can_be_read_alone():
    identity = decode_identity(encode_event(Event(A, "x", "u1", 1, 2, {"a": [1, {"b": None}]}, {"s": 1})))
    assert (identity.uuid, identity.name, identity.distinct_id) == (A, "x", "u1")
