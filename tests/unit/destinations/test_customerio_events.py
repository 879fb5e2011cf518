"""The event as Customer.io gets it: kind, name, time, ULID, data, and the way it takes when it is big."""

from __future__ import annotations

import msgspec
import pytest
from customerio_cases import (
    NOW_MS,
    NOW_S,
    PLAIN,
    ULID,
    UUID,
    actions,
    bodies,
    body,
    customer,
    event,
    history,
    options,
    plan,
)
from msgspec.structs import replace

from hogline.destinations.customerio import CUSTOMERIO
from hogline.destinations.customerio.ulid import ulid
from hogline.model import Event, Identifier
from hogline.posthog.entry import entry_of


def test_an_event_carries_its_ulid_whole_seconds_and_its_properties() -> None:
    made = plan(event(at_s=NOW_S + 0.9, properties={"total": 12, "$browser": "Firefox"}), customer())
    assert bodies(made) == [
        {
            "type": "person",
            "identifiers": {"id": "u1"},
            "action": "event",
            "name": "order completed",
            "id": ULID,
            "timestamp": NOW_S,
            "attributes": {"total": 12, "$browser": "Firefox"},
        }
    ]


@pytest.mark.parametrize(
    ("name", "action"),
    [("$pageview", "page"), ("$screen", "screen"), ("$identify", "event"), ("$autocapture", "event")],
)
def test_page_views_are_pages_screens_are_screens_all_others_are_events(name: str, action: str) -> None:
    made = plan(event(name), customer())
    assert actions(made) == [action]
    assert (bodies(made)[0]["action"], bodies(made)[0]["name"]) == (action, name)


@pytest.mark.parametrize(
    ("uuid", "expected"),
    [
        (UUID, ULID),
        ("00000000-0000-0000-0000-000000000000", "0" * 26),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", "7" + "Z" * 25),
    ],
)
def test_a_uuid_is_written_as_a_ulid_without_loss(uuid: str, expected: str) -> None:
    assert ulid(uuid) == expected.encode()


@pytest.mark.parametrize("text", ["", "01890a5d-ac96-774b-bcce-b302099a805", "x" * 36])
def test_a_text_that_is_no_uuid_has_no_ulid(text: str) -> None:
    with pytest.raises(ValueError):
        ulid(text)


@pytest.mark.parametrize(
    ("at_ms", "received_ms", "timestamp"),
    [
        (NOW_MS + 999, NOW_MS + 5000, NOW_S),
        (NOW_MS + 9000, NOW_MS + 5999, NOW_S + 5),
        (-1, NOW_MS, -1),
        (0, NOW_MS, 0),
        (4_000_000_000_000, NOW_MS, NOW_S),
    ],
)
def test_the_time_is_the_events_own_unless_it_lies_ahead(at_ms: int, received_ms: int, timestamp: int) -> None:
    made = plan(Event(UUID, "x", "u1", at_ms, received_ms, {}, set={"a": 1}))
    assert [b["timestamp"] for b in bodies(made)] == [timestamp, timestamp]


def test_an_event_from_the_future_does_not_make_all_later_ones_old() -> None:
    ahead = Event(UUID, "x", "u1", 4_000_000_000_000, NOW_MS, {}, set={"plan": "free"})
    (_, made), _ = history(ahead, event(at_s=NOW_S + 60, set={"plan": "pro"}))
    assert bodies(made)[0]["attributes"] == {"plan": "pro"}


@pytest.mark.parametrize(
    ("name", "expected", "reason"),
    [
        ("  order completed \n", "order completed", None),
        ("x" * 100, "x" * 100, None),
        ("x" * 300, "x" * 100, "event_name_cut"),
        ("ü" * 50, "ü" * 50, None),
        ("x" + "ü" * 50, "x" + "ü" * 49, "event_name_cut"),
        ("x" * 99 + "😀", "x" * 99, "event_name_cut"),
        ("x" * 99 + " yz", "x" * 99, "event_name_cut"),
    ],
)
def test_an_event_name_over_100_bytes_is_cut_at_a_character_and_counted(
    name: str, expected: str, reason: str | None
) -> None:
    made = plan(event(name), customer())
    assert bodies(made)[0]["name"] == expected
    assert made.adjusted == (() if reason is None else (reason,))


@pytest.mark.parametrize("name", ["", "  "])
@pytest.mark.parametrize("properties", [{}, {"recipient": "eve@example.com"}])
def test_an_event_without_a_name_is_a_failure(name: str, properties: dict[str, object]) -> None:
    made = plan(event(name, properties=properties), customer())
    assert (made.reasons, made.operations) == (["event_name_blank"], ())


@pytest.mark.parametrize("name", ["", "  "])
def test_the_attributes_of_an_event_without_a_name_are_sent(name: str) -> None:
    made = plan(event(name, set={"plan": "pro"}), customer())
    assert made.reasons == ["event_name_blank"]
    assert actions(made) == ["identify"]


@pytest.mark.parametrize(
    ("name", "sent_as"),
    [
        ("recipient", "posthog_recipient"),
        ("from_address", "posthog_from_address"),
        ("reply_to", "posthog_reply_to"),
        ("Recipient", "posthog_Recipient"),
        ("REPLY_TO", "posthog_REPLY_TO"),
        ("reply-to", "posthog_reply-to"),
        ("Reply To", "posthog_Reply To"),
        ("replyTo", "posthog_replyTo"),
        (" recipient ", "posthog_recipient"),
        ("from.address", "posthog_from.address"),
        ("\uff52ecipient", "posthog_\uff52ecipient"),
    ],
)
def test_no_event_can_redirect_mail(name: str, sent_as: str) -> None:
    made = plan(event(properties={name: "eve@example.com", "a": 1}), customer())
    assert bodies(made)[0]["attributes"] == {"a": 1, sent_as: "eve@example.com"}
    assert made.adjusted == ("property_renamed",)


@pytest.mark.parametrize("name", ["ip_address", "recipients", "replied", "größe", "in_reply_to_you"])
def test_names_that_only_resemble_them_are_left_alone(name: str) -> None:
    made = plan(event(properties={name: 1}), customer())
    assert bodies(made)[0]["attributes"] == {name: 1}
    assert made.adjusted == ()


@pytest.mark.parametrize(
    ("properties", "sent"),
    [
        ({}, {"$elements_chain": "a:nth-child"}),
        ({"n": 1}, {"n": 1, "$elements_chain": "a:nth-child"}),
        ({"$elements_chain": "button"}, {"$elements_chain": "button"}),
    ],
)
def test_what_was_clicked_goes_along(properties: dict[str, object], sent: dict[str, object]) -> None:
    it = replace(event("$autocapture", properties=properties), elements_chain="a:nth-child")
    assert bodies(plan(it, customer()))[0]["attributes"] == sent


def test_a_renamed_property_takes_nobody_elses_place() -> None:
    made = plan(event(properties={"recipient": 1, "posthog_recipient": 2, " recipient": 3}), customer())
    assert bodies(made)[0]["attributes"] == {
        "posthog_recipient": 2,
        "posthog_posthog_recipient": 1,
        "posthog_posthog_posthog_recipient": 3,
    }


def test_nan_and_infinities_are_null_in_event_data_and_counted() -> None:
    made = plan(event(properties={"a": float("nan"), "b": [float("inf"), {"c": float("-inf")}], "d": None}), customer())
    assert bodies(made)[0]["attributes"] == {"a": None, "b": [None, {"c": None}], "d": None}
    assert made.adjusted == ("not_a_number",) * 3


def test_a_null_that_was_one_is_not_counted() -> None:
    assert plan(event(properties={"a": None, "b": "null"}), customer()).adjusted == ()


def test_a_40_kb_event_goes_by_v1_under_the_percent_encoded_id() -> None:
    made = plan(event("$pageview", "a/b ü?#", properties={"text": "x" * 40_000}), customer("a/b ü?#"))
    operation = made.operations[0]
    assert operation.path == "/api/v1/customers/a%2Fb%20%C3%BC%3F%23/events"
    assert operation.action == "page"
    assert body(operation) == {
        "name": "$pageview",
        "id": ULID,
        "type": "page",
        "timestamp": NOW_S,
        "data": {"text": "x" * 40_000},
    }


def test_the_largest_event_of_a_batch_and_the_smallest_beyond_it() -> None:
    room = 32_000 - len(plan(event(properties={"t": ""}), customer()).operations[0].body)
    fits = plan(event(properties={"t": "x" * room}), customer()).operations[0]
    beyond = plan(event(properties={"t": "x" * (room + 1)}), customer()).operations[0]
    assert (len(fits.body), fits.path) == (32_000, None)
    assert beyond.path == "/api/v1/customers/u1/events"


@pytest.mark.parametrize(("size", "refused"), [(100_000, False), (100_001, True)])
def test_beyond_100_000_bytes_of_data_an_event_is_a_failure(size: int, *, refused: bool) -> None:
    empty = len(msgspec.json.encode({"t": ""}))
    made = plan(event(properties={"t": "x" * (size - empty)}, set={"plan": "pro"}), customer())
    assert made.reasons == (["event_too_large"] if refused else [])
    assert actions(made) == (["identify"] if refused else ["identify", "event"])


@pytest.mark.parametrize("distinct_id", [".", "..", "cio_03000001", "ann@example.com"])
def test_an_id_that_means_something_else_in_a_path_never_stands_in_one(distinct_id: str) -> None:
    life = customer(distinct_id, email="other@example.com")
    made = plan(event(distinct_id=distinct_id, properties={"t": "x" * 40_000}), life)
    assert made.reasons == ["event_too_large"]
    assert made.operations == ()
    small = plan(event(distinct_id=distinct_id), life)
    assert bodies(small)[0]["identifiers"] == {"id": distinct_id}


@pytest.mark.parametrize("by_email", [False, True])
def test_a_customers_own_email_may_stand_in_a_path(*, by_email: bool) -> None:
    life = customer("ann@example.com", options(identify_by_email=by_email))
    made = plan(event(distinct_id="ann@example.com", properties={"t": "x" * 40_000}), life)
    assert life.customer("ann@example.com") == Identifier("email" if by_email else "id", "ann@example.com")
    assert made.operations[0].path == "/api/v1/customers/ann%40example.com/events"


def test_operations_of_a_batch_are_one_request() -> None:
    made = plan(event(set={"plan": "pro"}))
    request = CUSTOMERIO.request(made.operations, options(tracking_endpoint="http://127.0.0.1:8/cio/"), 0)
    assert (request.method, request.url) == ("POST", "http://127.0.0.1:8/cio/api/v2/batch")
    assert request.headers["authorization"] == "Basic c2l0ZTprZXk="
    assert request.headers["content-type"] == "application/json"
    assert msgspec.json.decode(request.body) == {"batch": bodies(made)}
    limits = CUSTOMERIO.limits
    assert len(request.body) == sum(len(o.body) for o in made.operations) + limits.envelope_bytes + 1
    assert limits.request_bytes == 500_000


def test_a_big_event_is_a_request_of_its_own() -> None:
    made = plan(event(properties={"t": "x" * 40_000}), customer())
    request = CUSTOMERIO.request(made.operations, PLAIN, 0)
    assert request.url == "https://track.customer.io/api/v1/customers/u1/events"
    assert request.body == made.operations[0].body


def test_customerio_has_people_and_forwards_nothing() -> None:
    with pytest.raises(NotImplementedError):
        CUSTOMERIO.forward(entry_of(event()), PLAIN)


def test_where_requests_go_and_how_many() -> None:
    chosen = options(tracking_endpoint="http://127.0.0.1:8/cio/", max_requests_per_second=7)
    assert (CUSTOMERIO.base_url(chosen), CUSTOMERIO.requests_per_second(chosen)) == ("http://127.0.0.1:8/cio", 7)
