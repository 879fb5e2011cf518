"""The five shapes: each is told apart by its keys, and each becomes the same event."""

# mypy: allow-untyped-defs, allow-untyped-calls

import json
from pathlib import Path

import pytest

from hogline.posthog import Unreadable, read_one, read_text, read_webhook
from hogline.posthog.entry import decode_event
from hogline.posthog.json_text import read_file_line
from hogline.posthog.shapes import Shape, shape_of

SAMPLES = Path(__file__).parents[3] / "samples"
NOW_MS = 1_793_600_000_000
UUID = "0199f3a0-0000-7000-8000-000000000001"
AT_MS = 1_793_527_200_123

PROPERTIES = {"total": 12.5, "$set": {"plan": "pro"}, "$set_once": {"first": 1}, "$unset": ["coupon"]}
PERSON = {"email": "a@b.co"}
COMMON: dict[str, object] = {"uuid": UUID, "event": "order completed", "distinct_id": "user-1"}
ISO = "2026-11-01T10:00:00.123Z"
CLICKHOUSE = "2026-11-01 10:00:00.123"

ONE_EVENT_IN_EVERY_SHAPE: dict[Shape, dict[str, object]] = {
    Shape.WEBHOOK: {
        "event": {**COMMON, "properties": PROPERTIES, "timestamp": ISO, "elements_chain": "", "url": ""},
        "person": {"id": "1", "properties": PERSON},
    },
    Shape.CAPTURE: {**COMMON, "api_key": "phc_x", "properties": PROPERTIES, "timestamp": ISO},
    Shape.CLICKHOUSE: {
        **COMMON,
        "properties": json.dumps(PROPERTIES),
        "person_properties": json.dumps(PERSON),
        "timestamp": CLICKHOUSE,
        "team_id": 1,
        "person_mode": "full",
    },
    Shape.EXPORT: {
        **COMMON,
        "properties": PROPERTIES,
        "person_properties": PERSON,
        "timestamp": ISO,
        "_inserted_at": ISO,
    },
    Shape.APP_EVENT: {
        **COMMON,
        "team_id": 1,
        "properties": PROPERTIES,
        "$set": {"plan": "pro"},
        "timestamp": ISO,
        "person": {"properties": PERSON},
    },
}


@pytest.mark.parametrize("shape", ONE_EVENT_IN_EVERY_SHAPE)
def test_every_shape_becomes_the_same_event(shape):
    row = ONE_EVENT_IN_EVERY_SHAPE[shape]
    assert shape_of(row) is shape
    received = read_one(json.dumps(row).encode(), NOW_MS)
    event = received.event
    assert decode_event(received.body) == event
    assert (event.uuid, event.name, event.distinct_id) == (UUID, "order completed", "user-1")
    assert (event.timestamp_ms, event.received_ms) == (AT_MS, NOW_MS)
    assert event.properties == {"total": 12.5}
    assert (event.set, event.set_once, event.unset) == ({"plan": "pro"}, {"first": 1}, ("coupon",))
    assert event.person_properties == ({} if shape is Shape.CAPTURE else PERSON)
    assert not event.personless
    assert event.repaired == ()


@pytest.mark.parametrize(
    ("row", "shape"),
    [
        ({"event": "x", "distinct_id": "u", "properties": {}}, Shape.CAPTURE),
        ({"$token": "t", "$distinct_id": "u", "$set": {}}, Shape.CAPTURE),
        ({"event": "x", "ip": "1.2.3.4", "api_key": "t"}, Shape.CAPTURE),
        ({"batch": [], "api_key": "t"}, Shape.CAPTURE_BATCH),
        ({"event": "x", "properties": "{}", "team_id": 1}, Shape.CLICKHOUSE),
        ({"event": "x", "properties": {}, "person_created_at": "", "team_id": 1}, Shape.CLICKHOUSE),
        ({"event": "x", "properties": "{}"}, Shape.EXPORT),
        ({"event": "x", "properties": {}, "person_id": "1"}, Shape.EXPORT),
        ({"event": "x", "properties": {}, "team_id": 1}, Shape.APP_EVENT),
        ({**COMMON, "properties": {}, "elements_chain": "", "url": "https://eu.posthog.com"}, Shape.APP_EVENT),
    ],
)
def test_shapes_are_told_apart_by_their_keys(row, shape):
    assert shape_of(row) is shape


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.iterdir()))
def test_every_sample_is_read_whole(name):
    batches = [read_text(line, NOW_MS) for line in (SAMPLES / name).read_bytes().splitlines()]
    events = [received.event for batch in batches for received in batch.received]
    assert len(events) >= 2
    assert not any(batch.refused for batch in batches)
    assert {event.repaired for event in events} == {()}
    assert len({event.uuid for event in events}) == len(events)
    assert all(event.timestamp_ms < NOW_MS for event in events)


def test_there_is_a_sample_of_every_shape():
    first_lines = [json.loads(path.read_text().splitlines()[0]) for path in SAMPLES.iterdir()]
    assert {shape_of(line) for line in first_lines} == set(ONE_EVENT_IN_EVERY_SHAPE)


def test_what_stands_at_the_top_wins_name_by_name():
    row = {
        **COMMON,
        "properties": {"$set": {"a": 1, "b": 1}, "$set_once": {"c": 1}, "$unset": ["x", "y"]},
        "$set": {"b": 2},
        "$set_once": {"d": 2},
        "$unset": ["y", "z"],
    }
    event = read_one(json.dumps(row).encode(), NOW_MS).event
    assert event.set == {"a": 1, "b": 2}
    assert event.set_once == {"c": 1, "d": 2}
    assert event.unset == ("x", "y", "z")
    assert event.properties == {}


def test_a_set_of_a_wrong_kind_at_the_top_does_not_hide_the_one_in_the_properties():
    row = {**COMMON, "properties": {"$set": {"a": 1}}, "$set": None}
    event = read_one(json.dumps(row).encode(), NOW_MS).event
    assert event.set == {"a": 1}
    assert event.repaired == ("set_not_an_object",)


@pytest.mark.parametrize(
    ("value", "personless"), [(False, True), (True, False), ("false", False), (0, False), (None, False)]
)
def test_only_the_boolean_false_takes_the_person_away(value, personless):
    row = {**COMMON, "properties": {"$process_person_profile": value}}
    event = read_one(json.dumps(row).encode(), NOW_MS).event
    assert event.personless is personless
    assert event.properties == {"$process_person_profile": value}


@pytest.mark.parametrize(("mode", "personless"), [("propertyless", True), ("full", False), ("force_upgrade", False)])
def test_kafka_says_by_its_mode_that_there_is_no_person(mode, personless):
    row = {**ONE_EVENT_IN_EVERY_SHAPE[Shape.CLICKHOUSE], "person_mode": mode}
    assert read_one(json.dumps(row).encode(), NOW_MS).event.personless is personless


@pytest.mark.parametrize(
    ("column", "kept", "repaired"),
    [
        ("", {}, ()),
        ("null", {}, ()),
        (None, {}, ()),
        ('{"a": "\\u0000x"}', {"a": "x"}, ("nul_removed",)),
        ('{"a": NaN}', {"a": None}, ("not_a_number",)),
        ('{"a": 18446744073709551616}', {"a": "18446744073709551616"}, ("integer_as_text",)),
        ("[1]", {}, ("properties_not_an_object",)),
    ],
)
def test_a_column_of_json_text(column, kept, repaired):
    row = {**ONE_EVENT_IN_EVERY_SHAPE[Shape.CLICKHOUSE], "properties": column}
    event = read_one(json.dumps(row).encode(), NOW_MS).event
    assert event.repaired == repaired
    assert event.properties == kept


@pytest.mark.parametrize("column", ["properties", "person_properties"])
@pytest.mark.parametrize("text", ["{", "hello", '{"a":' + "[" * 2000])
def test_a_broken_column_refuses_the_row(column, text):
    row = {**ONE_EVENT_IN_EVERY_SHAPE[Shape.EXPORT], column: text}
    with pytest.raises(Unreadable) as refused:
        read_one(json.dumps(row).encode(), NOW_MS)
    assert column in refused.value.sentence
    assert refused.value.reason == f"{column}_unreadable"


def test_ids_are_only_cut_where_posthog_has_not_done_it_yet():
    for shape, length in ((Shape.CAPTURE, 200), (Shape.APP_EVENT, 300)):
        row = {**ONE_EVENT_IN_EVERY_SHAPE[shape], "distinct_id": "x" * 300}
        assert len(read_one(json.dumps(row).encode(), NOW_MS).event.distinct_id) == length


WEBHOOK_EVENT = {**COMMON, "properties": {"total": 12.5, "$set": {"plan": "pro"}}, "timestamp": ISO}


@pytest.mark.parametrize(
    "body",
    [
        {"event": {**WEBHOOK_EVENT, "properties": json.dumps(WEBHOOK_EVENT["properties"])}},
        {"event": json.dumps(WEBHOOK_EVENT)},
        {"Event": WEBHOOK_EVENT},
        {"event": WEBHOOK_EVENT, "person": ""},
        {"event": WEBHOOK_EVENT, "person": "{person}"},
        {"event": WEBHOOK_EVENT, "groups": {"company": {"id": "acme"}}, "project": {"id": 1}, "source": {"name": "x"}},
    ],
)
def test_a_webhook_however_its_body_was_edited(body):
    event = read_one(json.dumps(body).encode(), NOW_MS).event
    assert (event.uuid, event.name, event.distinct_id, event.timestamp_ms) == (UUID, "order completed", "user-1", AT_MS)
    assert (event.properties, event.set) == ({"total": 12.5}, {"plan": "pro"})


@pytest.mark.parametrize(
    "person",
    [
        {"properties": PERSON},
        {"properties": json.dumps(PERSON)},
        json.dumps({"properties": PERSON}),
        json.dumps({"properties": json.dumps(PERSON)}),
    ],
)
@pytest.mark.parametrize("shape", [Shape.WEBHOOK, Shape.APP_EVENT])
def test_the_person_may_be_json_text(shape, person):
    row = {**ONE_EVENT_IN_EVERY_SHAPE[shape], "person": person}
    event = read_one(json.dumps(row).encode(), NOW_MS).event
    assert (event.person_properties, event.repaired) == (PERSON, ())


def test_an_event_that_only_looks_like_json_text_is_one_without_a_user():
    with pytest.raises(Unreadable, match="distinct_id") as refused:
        read_one(b'{"event": "{event}", "person": "{person}"}', NOW_MS)
    assert refused.value.reason == "distinct_id_missing"


def test_properties_of_a_webhook_that_are_broken_text_refuse_it():
    with pytest.raises(Unreadable, match="properties"):
        read_one(json.dumps({"event": {**COMMON, "properties": "{event.properties}"}}).encode(), NOW_MS)


def test_column_names_may_be_in_capitals():
    row = {**ONE_EVENT_IN_EVERY_SHAPE[Shape.CLICKHOUSE], "properties": {"Total": 1}}
    event = read_one(json.dumps({name.upper(): value for name, value in row.items()}).encode(), NOW_MS).event
    assert (event.uuid, event.timestamp_ms, event.properties) == (UUID, AT_MS, {"Total": 1})
    assert event.person_properties == PERSON


API_ROW = {
    "id": UUID,
    "event": "order completed",
    "distinct_id": "user-1",
    "properties": {"total": 12.5},
    "timestamp": "2026-11-01T10:00:00.123000+00:00",
    "person": {"is_identified": True, "distinct_ids": ["user-1"], "properties": PERSON},
    "elements": [],
    "elements_chain": "",
}
HOGQL = {
    "columns": ["uuid", "event", "distinct_id", "properties", "timestamp", "person.properties"],
    "results": [[UUID, "order completed", "user-1", '{"total": 12.5}', ISO, json.dumps(PERSON)]],
    "types": [],
}


@pytest.mark.parametrize(
    "line",
    [
        API_ROW,
        {"next": None, "results": [API_ROW]},
        HOGQL,
        {"columns": ["*", "distinct_id"], "results": [[{**API_ROW, "distinct_id": "?"}, "user-1"]]},
    ],
)
def test_answers_of_posthogs_api(line):
    (received,) = read_file_line(json.dumps(line).encode(), 1, NOW_MS).received
    event = received.event
    assert (event.uuid, event.name, event.distinct_id, event.timestamp_ms) == (UUID, "order completed", "user-1", AT_MS)
    assert (event.properties, event.person_properties) == ({"total": 12.5}, PERSON)
    assert event.repaired == ()


def test_a_last_page_may_be_empty_and_a_row_may_be_none():
    assert read_file_line(b'{"results": []}', 1, NOW_MS).refused == {}
    assert read_file_line(b'{"columns": ["event"], "results": [7]}', 1, NOW_MS).refused == {"not_an_event": 1}
    assert read_file_line(b'{"results": 7}', 1, NOW_MS).refused == {"event_without_name": 1}


@pytest.mark.parametrize("own", ["order-1", 7, None, "", UUID[:-1]])
def test_an_id_that_is_no_uuid_is_none_of_posthogs(own):
    event = read_one(json.dumps({"event": "x", "distinct_id": "u", "id": own}).encode(), NOW_MS, lambda _: "new").event
    assert event.uuid == "new"


@pytest.mark.parametrize("person", [None, [], "x", {"properties": None}, {}])
def test_a_person_may_be_missing(person):
    row = {**ONE_EVENT_IN_EVERY_SHAPE[Shape.WEBHOOK], "person": person}
    assert read_one(json.dumps(row).encode(), NOW_MS).event.person_properties == {}


def test_chains_and_addresses_of_a_wrong_kind_are_left_out():
    row = {**COMMON, "properties": {}, "elements_chain": 1, "url": None}
    event = read_one(json.dumps(row).encode(), NOW_MS).event
    assert (event.elements_chain, event.url) == ("", "")


def test_integers_beyond_64_bits_in_any_place_are_text():
    row = {**COMMON, "properties": {"$set": {"n": 2**64}, "n": [2**65]}, "person": {"properties": {"n": 2**66}}}
    event = read_one(json.dumps(row).encode(), NOW_MS).event
    assert event.set == {"n": str(2**64)}
    assert event.properties == {"n": [str(2**65)]}
    assert event.person_properties == {"n": str(2**66)}
    assert event.repaired == ("integer_as_text",)


class TestLinesOfAFile:
    ROW = '{"event": "x", "distinct_id": "u", "timestamp": "2026-11-01"}'

    def uuids(self, line, number=1):
        batch = read_file_line(line.encode(), number, NOW_MS)
        assert batch.refused == {}
        return [received.event.uuid for received in batch.received]

    def test_an_event_without_a_uuid_gets_the_same_one_each_time(self):
        assert self.uuids(self.ROW) == self.uuids(self.ROW) == ["f5a59164-6222-5fc4-8993-66a02fee6819"]

    def test_another_place_or_another_content_is_another_event(self):
        array = f"[{self.ROW}, {self.ROW}]"
        every = [*self.uuids(self.ROW), *self.uuids(self.ROW, 2), *self.uuids(self.ROW.replace("x", "y"))]
        every += [*self.uuids(array), *self.uuids(array, 2)]
        assert len(set(every)) == len(every) == 7
        assert self.uuids(array) == self.uuids(array)

    def test_every_event_that_cannot_be_kept_is_told_by_its_place(self):
        batch = read_file_line(f'[{self.ROW}, {{"event": "x", "distinct_id": "u"}}, 7]'.encode(), 1, NOW_MS)
        assert [(place, problem.reason) for place, problem in batch.problems] == [
            (2, "timestamp_missing"),
            (3, "not_an_event"),
        ]
        assert batch.problem is batch.problems[0][1]
        assert len(batch.received) == 1


class TestLines:
    def test_a_batch_in_a_line_is_several_events(self):
        batch = {"api_key": "t", "sent_at": "2026-11-01T12:00:00Z", "batch": [{**COMMON, "timestamp": ISO}, None]}
        lines = read_text(json.dumps(batch).encode(), NOW_MS)
        # Whoever wrote the file did so long ago: nothing is corrected by today's clock.
        assert [received.event.timestamp_ms for received in lines.received] == [AT_MS]
        assert lines.refused == {"not_an_event": 1}
        assert lines.problem is not None

    def test_an_array_may_mix_shapes(self):
        rows = list(ONE_EVENT_IN_EVERY_SHAPE.values())
        assert len(read_text(json.dumps(rows).encode(), NOW_MS).received) == 5
        assert len(read_webhook(json.dumps(rows).encode(), NOW_MS).received) == 5

    @pytest.mark.parametrize("line", [b"[]", b'{"batch": []}', b'{"batch": null}', b"{", b"", b"\xff"])
    def test_a_line_without_events_is_unreadable(self, line):
        with pytest.raises(Unreadable):
            read_text(line, NOW_MS)

    @pytest.mark.parametrize(
        "line",
        [
            b"null",
            b"7",
            b'{"event": "x"}',
            b'[{"batch": []}]',
            b"[" + json.dumps(COMMON).encode() + b"," + json.dumps(COMMON).encode() + b"]",
        ],
    )
    def test_one_event_is_expected_of_read_line(self, line):
        with pytest.raises(Unreadable):
            read_one(line, NOW_MS)
