"""Which event, and whose."""

# mypy: allow-untyped-defs, allow-untyped-calls

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hogline.core.fold import Fold, other_of
from hogline.core.known import Known, Person
from hogline.model import Event
from hogline.posthog import encode_repaired, uuid7
from hogline.posthog.entry import entry_of
from hogline.posthog.identity import ABSENT, cut_captured, event_uuid, id_text, uuid_of
from hogline.posthog.joins import may_be_joined
from hogline.store.forgetting import NOBODY
from hogline.store.memory import MemoryStore

CANONICAL = "01890a5d-ac96-774b-bcce-b302099a8057"


def read_uuid(value):
    reasons: list[str] = []
    return event_uuid(value, 7, lambda received_ms: f"made at {received_ms}", reasons), reasons


@pytest.mark.parametrize(
    "written",
    [
        CANONICAL,
        CANONICAL.upper(),
        f" {CANONICAL} ",
        f"{{{CANONICAL}}}",
        CANONICAL.replace("-", ""),
        f"urn:uuid:{CANONICAL}",
    ],
)
def test_a_uuid_is_one_however_it_is_written(written):
    assert read_uuid(written) == (CANONICAL, [])


NIL = "00000000-0000-0000-0000-000000000000"


def test_a_missing_uuid_is_made_on_receipt():
    assert read_uuid(ABSENT) == ("made at 7", [])


@pytest.mark.parametrize("missing", [None, "", "  ", NIL, f"{{{NIL}}}", "0" * 32])
def test_so_is_one_that_was_never_set_which_is_counted(missing):
    assert read_uuid(missing) == ("made at 7", ["uuid_missing"])


def test_a_uuid_of_parts_is_made_of_them_alone():
    assert uuid_of(b"a", b"1") == uuid_of(b"a", b"1") == "0a0d4859-03f3-50fd-8bf5-6222d3419b19"
    assert len({uuid_of(b"a", b"1"), uuid_of(b"a1"), uuid_of(b"", b"a1"), uuid_of(b"a", b"2")}) == 4
    assert uuid.UUID(uuid_of(b"a")).version == 5


@pytest.mark.parametrize("other", ["order-1", 17, ["x"], True, "ü" * 9])
def test_what_is_no_uuid_gives_the_same_one_every_time(other):
    derived, reasons = read_uuid(other)
    assert uuid.UUID(derived).version == 5
    assert derived == read_uuid(other)[0] != read_uuid("order-2")[0]
    assert reasons == ["uuid_derived"]


def test_derived_uuids_never_change():
    assert read_uuid("order-1")[0] == "b6fb4141-1f89-58e9-983e-68374abe3a02"


@given(st.integers(0, 2**48 - 1))
def test_uuid7_sorts_by_time_and_never_repeats(ms):
    one, other = uuid.UUID(uuid7(ms)), uuid.UUID(uuid7(ms))
    assert one != other
    assert one.version == 7
    assert one.variant == uuid.RFC_4122
    assert one.int >> 80 == ms


@pytest.mark.parametrize(
    ("value", "text", "reasons"),
    [
        ("user-1", "user-1", []),
        (" user 1 ", " user 1 ", []),
        ("\n\t ", "", []),
        (None, "", []),
        (True, "true", ["distinct_id_as_text"]),
        (1.0, "1.0", ["distinct_id_as_text"]),
        (10**30, "1" + "0" * 30, ["distinct_id_as_text"]),
        ({"a": "ü"}, '{"a":"ü"}', ["distinct_id_as_text"]),
    ],
)
def test_an_id_is_text(value, text, reasons):
    noted: list[str] = []
    assert (id_text(value, noted), noted) == (text, reasons)


def test_capture_keeps_200_characters():
    reasons: list[str] = []
    assert cut_captured("😀" * 200, reasons) == "😀" * 200
    assert reasons == []
    assert cut_captured("😀" * 201, reasons) == "😀" * 200
    assert reasons == ["distinct_id_cut"]


def test_an_event_that_cannot_be_encoded_is_repaired_in_every_field():
    event = Event(CANONICAL, "n\ud800", "d\ud800", 0, 0, {"k\ud800": 2**64}, unset=("u\ud800",), repaired=("before",))
    repaired = encode_repaired(event).event
    assert (repaired.name, repaired.distinct_id, repaired.unset) == ("n\ufffd", "d\ufffd", ("u\ufffd",))
    assert repaired.properties == {"k\ufffd": str(2**64)}
    assert repaired.repaired == ("before", "lone_surrogate_replaced", "integer_as_text")


ILLEGAL = [
    "anonymous",
    "guest",
    "distinctid",
    "distinct_id",
    "id",
    "not_authenticated",
    "email",
    "undefined",
    "true",
    "false",
]
ILLEGAL += ["ANONYMOUS", "Distinct_Id", "True", "'guest'", '"Email"']
ILLEGAL += ["[object Object]", "NaN", "None", "none", "null", "0", "'NaN'", '"[object Object]"']
ILLEGAL += ["", " ", "\t\n", "''", '" "', "a\0b", "x" * 401]
LEGAL = ["user-1", "nan", "NONE", "Null", "00", "[object object]", "'anonymous\"", "'", "anonymous2", "x" * 400, "."]


@pytest.mark.parametrize("distinct_id", ILLEGAL)
def test_ids_that_posthog_refuses_to_merge(distinct_id):
    assert not may_be_joined(distinct_id)


@pytest.mark.parametrize("distinct_id", LEGAL)
def test_ids_that_posthog_merges(distinct_id):
    assert may_be_joined(distinct_id)


def join(name, distinct_id="user-1", **properties):
    return other_of(entry_of(Event(CANONICAL, name, distinct_id, 0, 0, properties)))


def test_events_that_join():
    assert join("$identify", **{"$anon_distinct_id": "anon"}) == "anon"
    assert join("$create_alias", alias="other") == "other"
    assert join("$merge_dangerously", alias="other") == "other"


ANON = "0190a5d0-ac96-774b-bcce-b302099a8057"


@pytest.mark.parametrize(
    ("name", "distinct_id", "other", "identified", "stays"),
    [
        ("$identify", "u1", ANON, (True, False), "u1"),
        ("$identify", "u1", "u2", (True, True), None),
        ("$create_alias", "u1", ANON, (False, False), "u1"),
        ("$create_alias", ANON, "u1", (False, False), "u1"),
        ("$create_alias", "u1", "u2", (False, False), "u1"),
        ("$create_alias", ANON, "u1", (False, True), None),
        ("$create_alias", "u1", "u2", (False, True), None),
        ("$create_alias", "u1", "u2", (True, False), "u1"),
        ("$create_alias", "u1", "u2", (True, True), None),
        ("$merge_dangerously", "u1", "u2", (True, True), "u1"),
        ("$merge_dangerously", "u1", "u2", (False, True), "u1"),
    ],
)
def test_who_stays(name, distinct_id, other, identified, stays):
    """Identified, and protected since a join was asked for."""
    people = [
        Person(one, identified_at=0, protected=True)
        for one, is_so in zip((distinct_id, other), identified, strict=True)
        if is_so
    ]
    assert who_stays(people, name, distinct_id, other) == ((stays, stays) if stays else (distinct_id, other))


@pytest.mark.parametrize(("distinct_id", "other", "stays"), [(ANON, "u1", "u1"), ("u1", "u2", "u2")])
def test_an_alias_never_names_a_customer_by_the_visitors_id(distinct_id, other, stays):
    known = [Person(other, identified_at=0)]
    assert who_stays(known, "$create_alias", distinct_id, other) == (stays, stays)


def who_stays(people, name, distinct_id, other):
    known = Known(MemoryStore(), 0)
    for person in people:
        known.put(person)
    key = "$anon_distinct_id" if name == "$identify" else "alias"
    Fold(known, suppressed=NOBODY).fold(1, entry_of(Event(CANONICAL, name, distinct_id, 0, 0, {key: other})))
    return known.who(distinct_id), known.who(other)


@pytest.mark.parametrize("other", ["user-1", ["user-1"], "guest", "", None, 0, True, {"a": 1}, float("nan"), []])
def test_joins_that_posthog_would_not_make(other):
    assert join("$identify", **{"$anon_distinct_id": other}) is None
    assert join("$create_alias", alias=other) is None
    assert join("$merge_dangerously", alias=other) is None


@pytest.mark.parametrize(("other", "text"), [(7, "7"), (7.0, "7"), (10**19, "1" + "0" * 19), (["x"], "x")])
def test_another_id_that_is_no_text_is_joined_as_posthog_writes_it(other, text):
    for name, key in (("$identify", "$anon_distinct_id"), ("$create_alias", "alias"), ("$merge_dangerously", "alias")):
        assert join(name, **{key: other}) == text


def test_events_that_do_not_join():
    assert join("$identify") is None
    assert join("order completed", alias="other", **{"$anon_distinct_id": "anon"}) is None
    assert join("$create_alias", distinct_id="anonymous", alias="other") is None
