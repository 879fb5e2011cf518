"""Capture v1: what PostHog's SDKs may rely on (PostHog/posthog-sdk-test-harness, `capture_analytics_v1_tests.yaml`), seen
from the side that answers.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

import gzip
import json
import sys
import zlib
from functools import partial

import brotli  # type: ignore[import-untyped]  # it has no types
import pytest
from receiving import NOW_MS, TOKEN, UUID, Inbox, Journal, Reply

from hogline.sources.limits import ReceivingLimits
from hogline.store.base import Unwritable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PATH = "/i/v1/analytics/events"
REQUEST_ID = "0199f3a0-1111-7000-8000-000000000001"
NOW = "2026-11-01T10:00:00Z"
HEADERS = {
    "authorization": f"Bearer {TOKEN}",
    "content-type": "application/json",
    "user-agent": "posthog-python/7.91.1",
    "posthog-sdk-info": "posthog-python/7.91.1",
    "posthog-attempt": "1",
    "posthog-request-id": REQUEST_ID,
    "posthog-request-timestamp": NOW,
}


@pytest.fixture
def inbox():
    return Inbox()


def uuid(number: int) -> str:
    return f"0199f3a0-0000-7000-8000-{number:012x}"


def event(**changes: object) -> dict[str, object]:
    """An event as an SDK sends it, with changes; `...` takes a key out."""
    whole: dict[str, object] = {
        "event": "order completed",
        "uuid": UUID,
        "distinct_id": "user-1",
        "timestamp": "2026-11-01T09:59:00Z",
        "options": {},
        "properties": {},
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not ...}


def batch(*events: object, **changes: object) -> bytes:
    return json.dumps({"created_at": NOW, "batch": events, **changes}).encode()


def post(inbox: Inbox, body: bytes, **headers: str | None) -> Reply:
    """The answer to a body; a header that is None is not sent."""
    given = {**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return inbox.ask("POST", PATH, body, {name: value for name, value in given.items() if value is not None})


def send(inbox: Inbox, *events: object, **headers: str | None) -> Reply:
    return post(inbox, batch(*events), **headers)


# endpoint and method


@pytest.mark.parametrize("path", [PATH, PATH + "/"])
def test_a_batch_is_taken_by_post(inbox, path):
    assert inbox.ask("POST", path, batch(event()), HEADERS).status == 200
    assert (inbox.event.name, inbox.event.uuid, inbox.event.received_ms) == ("order completed", UUID, NOW_MS)


def test_other_methods_are_told_so(inbox):
    reply = inbox.ask("GET", PATH, headers=HEADERS)
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


def test_pages_may_send(inbox):
    asked = {"origin": "https://shop.example", "access-control-request-headers": "authorization,posthog-attempt"}
    reply = inbox.ask("OPTIONS", PATH, headers=asked)
    assert reply.status == 200
    assert reply.headers["access-control-allow-headers"] == "authorization,posthog-attempt"


# required headers: only the token is needed


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_token_stands_in_a_header(inbox, scheme):
    assert send(inbox, event(), authorization=f"{scheme}   {TOKEN} ").status == 200


@pytest.mark.parametrize("shown", [None, "", "Bearer ", f"Basic {TOKEN}", TOKEN])
def test_without_a_token_nothing_is_taken(inbox, shown):
    reply = send(inbox, event(), authorization=shown)
    assert (reply.status, reply.json["error"]) == (401, "missing_authorization")
    assert reply.headers["www-authenticate"] == "Bearer"
    assert "retry-after" not in reply.headers


def test_a_wrong_token_is_told_from_a_missing_one(inbox):
    reply = post(inbox, b"not even JSON", authorization="Bearer phc_other")
    assert (reply.status, reply.json["error"]) == (401, "invalid_api_token")
    assert "hogline token" in reply.json["error_description"]
    assert inbox.journal.refused == {}


@pytest.mark.parametrize("content_type", [None, "application/json; charset=utf-8", "Application/JSON", "text/plain"])
def test_the_body_is_what_it_is_whatever_its_type_is_called(inbox, content_type):
    assert send(inbox, event(), content_type=content_type).status == 200


@pytest.mark.parametrize("name", [name for name in HEADERS if name != "authorization"])
def test_a_header_that_a_proxy_took_away_costs_no_event(inbox, name):
    assert send(inbox, event(), **{name: None}).status == 200
    assert inbox.event.uuid == UUID


@pytest.mark.parametrize(
    ("sdk", "library"),
    [
        ("posthog-python/7.91.1", {"$lib": "posthog-python", "$lib_version": "7.91.1"}),
        ("posthog/elixir/1.0", {"$lib": "posthog/elixir", "$lib_version": "1.0"}),
        ("posthog", {}),
        ("/1", {}),
        ("posthog/", {}),
        (None, {}),
    ],
)
def test_the_sdk_becomes_the_properties_that_it_is_in_v0(inbox, sdk, library):
    send(inbox, event(properties={"a": 1}), posthog_sdk_info=sdk)
    assert inbox.event.properties == {"a": 1, **library}


def test_an_event_that_names_its_sdk_itself_keeps_it(inbox):
    send(inbox, event(properties={"$lib": "web", "$lib_version": "1"}))
    assert inbox.event.properties == {"$lib": "web", "$lib_version": "1"}


# body format


@pytest.mark.parametrize(
    "wrong", [{"sent_at": "2020-01-01T00:00:00Z"}, {"api_key": "phc_x"}, {"token": 5}, {"a": None}]
)
def test_what_belongs_to_v0_says_nothing_here(inbox, wrong):
    assert post(inbox, batch(event(), **wrong)).status == 200
    assert inbox.event.timestamp_ms == NOW_MS - 60_000


@pytest.mark.parametrize("created_at", ["2026-11-01T09:00:00Z", "yesterday", None, 7])
def test_when_a_batch_was_made_says_nothing_of_events_with_times_of_their_own(inbox, created_at):
    assert post(inbox, batch(event(), created_at=created_at)).status == 200
    assert inbox.event.timestamp_ms == NOW_MS - 60_000


def test_an_event_without_a_time_happened_when_its_batch_was_made(inbox):
    post(inbox, batch(event(timestamp=...), created_at="2026-11-01T09:58:00Z"))
    assert inbox.event.timestamp_ms == NOW_MS - 120_000
    reply = post(inbox, json.dumps({"batch": [event(timestamp=...)]}).encode())
    assert (inbox.journal.events[1].timestamp_ms, reply.json["results"][UUID]) == (NOW_MS, {"result": "ok"})


@pytest.mark.parametrize("flag", [True, False, None])
def test_a_batch_of_older_events_is_taken_like_any_other(inbox, flag):
    assert post(inbox, batch(event(), historical_migration=flag)).status == 200
    assert inbox.event.properties.keys() == {"$lib", "$lib_version"}


# event format


@pytest.mark.parametrize("count", [1, 3])
def test_everything_an_event_says_arrives(inbox, count):
    properties = {
        "custom_string": "hello",
        "custom_number": 42,
        "custom_bool": True,
        "timestamp_like": "2025-01-02T08:34:05+05:30",
        "$groups": {"company": "posthog"},
        "$geoip_disable": True,
    }
    said = {"$set": {"name": "Ada"}, "$set_once": {"initial_referrer": "mail"}, "$unset": ["coupon"]}
    send(inbox, *(event(uuid=uuid(number), properties={**properties, **said}) for number in range(count)))
    assert [one.uuid for one in inbox.journal.events] == [uuid(number) for number in range(count)]
    for one in inbox.journal.events:
        assert (one.set, one.set_once, one.unset) == ({"name": "Ada"}, {"initial_referrer": "mail"}, ("coupon",))
        assert {name: one.properties[name] for name in properties} == properties
        assert one.properties.keys() - properties.keys() == {"$lib", "$lib_version"}
        assert one.distinct_id == "user-1"


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-11-01T09:59:00Z",
        "2026-11-01T15:29:00+05:30",
        "2026-11-01T09:59:00.000000+00:00",
        "2026-11-01T09:59:00.0004Z",
    ],
)
def test_a_time_is_an_instant_whatever_zone_it_is_written_in(inbox, timestamp):
    send(inbox, event(timestamp=timestamp))
    assert inbox.event.timestamp_ms == NOW_MS - 60_000


def test_a_time_that_cannot_be_read_is_that_of_receipt_and_said_to_the_sender(inbox):
    reply = send(inbox, event(timestamp="at tea time"))
    assert inbox.event.timestamp_ms == NOW_MS
    assert reply.json["results"] == {UUID: {"result": "warning", "details": "timestamp_unreadable"}}


@pytest.mark.parametrize("given", [..., None, ""])
def test_an_event_without_a_uuid_gets_one(inbox, given):
    reply = send(inbox, event(uuid=given), event(uuid=given))
    assert reply.status == 200
    assert len({one.uuid for one in inbox.journal.events}) == 2


def test_a_property_named_token_is_a_property_unless_it_is_the_projects(inbox):
    send(inbox, event(properties={"token": "of a coffee machine"}), event(properties={"token": TOKEN}))
    assert [one.properties.get("token") for one in inbox.journal.events] == ["of a coffee machine", None]


# what v0 has as properties


def test_the_session_and_the_window_are_properties_as_in_v0(inbox):
    send(inbox, event(session_id="s1", window_id="w1", properties={"$session_id": "of another"}))
    assert (inbox.event.properties["$session_id"], inbox.event.properties["$window_id"]) == ("s1", "w1")


@pytest.mark.parametrize(
    ("option", "value", "name"),
    [
        ("cookieless_mode", True, "$cookieless_mode"),
        ("disable_skew_correction", True, "$ignore_sent_at"),
        ("process_person_profile", False, "$process_person_profile"),
        ("product_tour_id", "tour_123", "$product_tour_id"),
    ],
)
def test_an_option_is_the_property_that_it_is_in_v0(inbox, option, value, name):
    others = [event(uuid=uuid(number)) for number in (1, 2)]
    send(inbox, event(options={option: value}), *others)
    first, *more = inbox.journal.events
    assert first.properties[name] == value
    assert all(name not in one.properties for one in more)


def test_an_event_without_person_processing_has_no_person(inbox):
    send(inbox, event(options={"process_person_profile": False}), event(options={"process_person_profile": True}))
    assert [one.personless for one in inbox.journal.events] == [True, False]


@pytest.mark.parametrize("options", [{}, ..., None, {"process_person_profile": None, "one of tomorrow": 1}])
def test_options_that_are_not_set_leave_no_trace(inbox, options):
    reply = send(inbox, event(options=options))
    assert inbox.event.properties.keys() == {"$lib", "$lib_version"}
    assert reply.json["results"][UUID] == {"result": "ok"}


def test_options_that_are_no_object_cost_no_event(inbox):
    reply = send(inbox, event(options=[1]))
    assert reply.json["results"][UUID] == {"result": "warning", "details": "options_not_an_object"}
    assert inbox.event.name == "order completed"


# the client's clock


def test_the_clients_clock_is_corrected(inbox):
    # The client is one hour ahead: by its clock the event happened five seconds before sending.
    hour_ahead = {"posthog_request_timestamp": "2026-11-01T11:00:00Z"}
    late = event(timestamp="2026-11-01T10:59:55Z")
    send(inbox, late, {**late, "options": {"disable_skew_correction": True}}, **hour_ahead)
    send(inbox, late, posthog_request_timestamp="at tea time")
    send(inbox, late, posthog_request_timestamp=None)
    happened = [one.timestamp_ms - NOW_MS for one in inbox.journal.events]
    assert happened == [-5_000, 3_595_000, 3_595_000, 3_595_000]


def test_an_event_that_lies_too_far_ahead_happened_on_receipt(inbox):
    reply = send(inbox, event(timestamp="2026-11-03T10:00:00Z"))
    assert inbox.event.timestamp_ms == NOW_MS
    assert reply.json["results"][UUID] == {"result": "warning", "details": "timestamp_ahead"}


# batches, and sending again


def test_a_batch_has_all_its_events_each_with_its_result(inbox):
    reply = send(inbox, *(event(uuid=uuid(number), distinct_id=f"user-{number}") for number in range(5)))
    assert [one.distinct_id for one in inbox.journal.events] == [f"user-{number}" for number in range(5)]
    assert reply.json == {"results": {uuid(number): {"result": "ok"} for number in range(5)}}


def test_events_that_say_the_same_are_two_if_their_uuids_are(inbox):
    send(inbox, event(uuid=uuid(1), properties={"key": "value"}), event(uuid=uuid(2), properties={"key": "value"}))
    assert [one.uuid for one in inbox.journal.events] == [uuid(1), uuid(2)]


def test_what_is_sent_again_is_the_same_event_at_the_same_time():
    kept = []
    for attempt, sent_at in ((1, NOW), (2, "2026-11-01T10:00:00.000Z")):
        inbox = Inbox()
        reply = send(inbox, event(), posthog_attempt=str(attempt), posthog_request_timestamp=sent_at)
        assert reply.headers["posthog-request-id"] == REQUEST_ID
        kept.append((inbox.event.uuid, inbox.event.timestamp_ms))
    assert kept[0] == kept[1]


def test_a_time_does_not_move_when_an_event_comes_later():
    times = []
    for delay_s in (0, 45):
        inbox = Inbox(clock=partial(int, NOW_MS + delay_s * 1_000))
        send(inbox, event(), posthog_request_timestamp=f"2026-11-01T10:00:{delay_s:02}Z")
        times.append(inbox.event.timestamp_ms)
    assert times == [NOW_MS - 60_000] * 2


# answers


@pytest.mark.parametrize("shown", [REQUEST_ID, REQUEST_ID.upper(), REQUEST_ID.replace("-", "")])
def test_the_answer_carries_the_requests_id(inbox, shown):
    for headers in ({}, {"authorization": None}):
        assert send(inbox, event(), posthog_request_id=shown, **headers).headers["posthog-request-id"] == shown


@pytest.mark.parametrize("shown", [None, "", "7", "a\x01b", "ü", "x" * 5_000])
def test_an_id_that_is_none_is_not_echoed(inbox, shown):
    reply = send(inbox, event(), posthog_request_id=shown)
    assert (reply.status, "posthog-request-id" in reply.headers) == (200, False)


@pytest.mark.parametrize("sent", [UUID.upper(), "no uuid at all", "{" + UUID + "}"])
def test_a_result_stands_under_the_uuid_as_it_was_sent(inbox, sent):
    assert send(inbox, event(uuid=sent)).json["results"].keys() == {sent}


DROPPED: dict[str, tuple[dict[str, object], str]] = {
    "no name": ({"event": ...}, "missing_event_name"),
    "a blank name": ({"event": " "}, "missing_event_name"),
    "no distinct_id": ({"distinct_id": ...}, "missing_distinct_id"),
    "a blank distinct_id": ({"distinct_id": ""}, "missing_distinct_id"),
}


@pytest.mark.parametrize("case", DROPPED)
def test_an_event_that_cannot_be_kept_is_dropped_and_harms_no_other(inbox, case):
    changes, details = DROPPED[case]
    reply = send(inbox, event(uuid=uuid(1)), event(uuid=uuid(2), **changes))
    assert reply.status == 200
    assert reply.json["results"] == {uuid(1): {"result": "ok"}, uuid(2): {"result": "drop", "details": details}}
    assert "retry-after" not in reply.headers
    assert [one.uuid for one in inbox.journal.events] == [uuid(1)]
    assert sum(inbox.journal.refused.values()) == 1


def test_a_batch_of_which_nothing_can_be_kept_says_so_of_each(inbox):
    reply = send(inbox, event(event=7))
    assert (reply.status, reply.json["results"][UUID]["result"]) == (200, "drop")
    assert inbox.journal.events == []


def test_what_is_put_right_is_a_warning(inbox):
    reply = send(inbox, event(distinct_id=5, properties=[1]))
    assert inbox.event.distinct_id == "5"
    assert reply.json["results"][UUID]["result"] == "warning"
    assert set(reply.json["results"][UUID]["details"].split(", ")) == {
        "distinct_id_as_text",
        "properties_not_an_object",
    }


def test_what_json_cannot_hold_is_put_right_where_it_stands(inbox):
    reply = post(inbox, batch(event(uuid=uuid(1)), event(uuid=uuid(2), properties={"a": "x\ud800"})))
    assert [one["result"] for one in reply.json["results"].values()] == ["ok", "warning"]


UNREADABLE = {
    "nothing": (b"", 400, "empty_body"),
    "no JSON": (b"nonsense", 400, "request_parsing_error"),
    "an array": (b"[]", 400, "request_parsing_error"),
    "no batch": (b"{}", 400, "request_parsing_error"),
    "a batch that is no array": (b'{"batch": {}}', 400, "request_parsing_error"),
    "an empty batch": (b'{"batch": []}', 400, "empty_batch"),
    "a batch of numbers": (b'{"batch": [1, 2]}', 400, "request_parsing_error"),
    "a batch of uuids that are none": (b'{"batch": [{"uuid": 7}]}', 400, "request_parsing_error"),
    "damaged gzip": (gzip.compress(batch(event()))[:-9], 400, "request_decoding_error"),
    "too many events": (batch(*[event()] * 4), 413, "payload_too_large"),
    "too long": (b" " * 2_001, 413, "payload_too_large"),
    "too long, once unpacked": (gzip.compress(batch() + b" " * 10_000), 413, "payload_too_large"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_refused_for_good_with_a_word_and_a_sentence(case):
    body, status, word = UNREADABLE[case]
    inbox = Inbox(ReceivingLimits(batch_body_bytes=2_000, batch_events=3))
    reply = post(inbox, body)
    assert (reply.status, reply.json["error"]) == (status, word)
    assert reply.json["error_description"].endswith(".")
    assert reply.json["error_uri"].startswith("https://posthog.com/docs")
    assert reply.headers["posthog-request-id"] == REQUEST_ID
    assert "retry-after" not in reply.headers
    assert inbox.journal.events == []


def test_what_may_be_tried_again_says_when():
    full = Inbox()
    full.journal.full = Unwritable("The disk is full.", retry_after_s=7)

    class Broken(Journal):
        async def append(self, events, refused=None):
            raise RuntimeError("order completed")

    reply = send(full, event())
    assert (reply.status, reply.json["error"], reply.headers["retry-after"]) == (503, "service_unavailable", "7")
    broken = send(Inbox(journal=Broken()), event())
    assert (broken.status, broken.headers["retry-after"]) == (500, "5")


# compression


COMPRESSED = {
    "none": (batch(event()), None),
    "gzip": (gzip.compress(batch(event())), "gzip"),
    "deflate": (zlib.compress(batch(event())), "deflate"),
    "br": (brotli.compress(batch(event())), "br"),
    "zstd": (zstd.compress(batch(event())), "zstd"),
    "GZIP": (gzip.compress(batch(event())), "GZIP"),
    "gzip that a proxy unpacked": (batch(event()), "gzip"),
    "gzip that is not called so": (gzip.compress(batch(event())), None),
}


@pytest.mark.parametrize("encoding", ["compress", "lz4"])
def test_a_compression_that_is_not_read_is_said_to_be_that(inbox, encoding):
    reply = post(inbox, b"\x28\xb5\x2f\xfd\x04", content_encoding=encoding)
    assert (reply.status, reply.json["error"]) == (415, "unsupported_encoding")
    assert post(inbox, batch(event()), content_encoding=encoding).status == 200  # a proxy unpacked it


@pytest.mark.parametrize("case", COMPRESSED)
def test_every_compression_is_read(inbox, case):
    body, encoding = COMPRESSED[case]
    assert post(inbox, body, content_encoding=encoding).json["results"] == {UUID: {"result": "ok"}}
    assert inbox.event.uuid == UUID
