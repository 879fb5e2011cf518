"""The destination by itself: Hogline's suite for destinations, and its own rules."""

from __future__ import annotations

import base64
import json

import pytest
from hogline.destinations.base import InvalidOptions
from hogline.model import Operation, Refusal, Response, Retry, Settled
from hogline.testing.destinations import DestinationSuite, event
from hogline_webhook import EVENT_BYTES, WEBHOOK
from hogline_webhook.signing import signature_headers
from receiver import TYPED, Receiver

OPTIONS = {"url": "https://shop.example/events", "signing_secret": TYPED}
READ = WEBHOOK.read_options(OPTIONS)
TWO = [Operation("event", b'{"n":1}'), Operation("event", b'{"n":2}')]


class TestSuite(DestinationSuite):
    destination = WEBHOOK
    options = OPTIONS


def test_a_request_carries_events_in_order_and_a_signature_that_the_other_side_can_prove() -> None:
    operations = [one for number in (1, 2) for one in TestSuite().operations(event(number, set={"plan": "pro"}))]
    request = WEBHOOK.request(operations, READ, 1_793_527_200.9)
    assert request.headers["webhook-timestamp"] == "1793527200"
    receiver = Receiver()
    assert receiver.take(request.headers, request.body)[0] == 200
    assert [one["properties"]["n"] for one in receiver.events] == [1, 2]
    assert receiver.events[0]["set"] == {"plan": "pro"}
    assert receiver.events[0]["timestamp"] == "2026-11-01T10:00:00.000Z"
    assert receiver.take(request.headers, request.body + b" ")[0] == 401


def test_the_same_events_have_the_same_id_whenever_they_are_sent() -> None:
    first, again = (signature_headers(b"key", b"body", at_s) for at_s in (1, 2))
    assert first["webhook-id"] == again["webhook-id"]
    assert first["webhook-signature"] != again["webhook-signature"]


def test_events_that_the_option_leaves_out_are_not_sent() -> None:
    options = WEBHOOK.read_options({**OPTIONS, "events": "order*, -order opened"})
    assert WEBHOOK.forward(event(name="order opened"), options) == "not_selected"
    assert not isinstance(WEBHOOK.forward(event(name="order paid"), options), str)


def test_an_event_that_is_too_large_is_a_failure() -> None:
    written = WEBHOOK.forward(event(properties={"x": "y" * EVENT_BYTES}), READ)
    assert not isinstance(written, str)
    assert written.refusal is not None
    assert written.refusal.reason == "too_large_for_webhook"


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"signing_secret": "whsec_dG9vIHNob3J0"}, "signing_secret"),
        ({"signing_secret": base64.b64encode(bytes(32)).decode()}, "signing_secret"),
        ({"signing_secret": "whsec_!!!!"}, "signing_secret"),
        ({"url": "http://shop.example/events"}, "url"),
        ({"url": ""}, "url"),
    ],
)
def test_options_that_cannot_be_used_are_named(options: dict[str, str], key: str) -> None:
    with pytest.raises(InvalidOptions) as raised:
        WEBHOOK.read_options({**OPTIONS, **options})
    assert [problem.key for problem in raised.value.problems] == [key]


def answer(said: object) -> object:
    return WEBHOOK.read_answer(TWO, Response(200, {}, json.dumps(said).encode()), 0)


def test_single_events_may_be_refused() -> None:
    refused = {"refused": [{"index": 1, "error": "unknown_event"}, {"index": 0, "error": "Not here!"}]}
    assert answer(refused) == Settled(
        [
            Refusal("refused_by_webhook", "Not here!", operation=b'{"n":1}'),
            Refusal("unknown_event", "unknown_event", operation=b'{"n":2}'),
        ]
    )


@pytest.mark.parametrize("refused", [5, [5], [{}], [{"index": 2}], [{"index": -1}], [{"index": True}]])
def test_refusals_that_cannot_be_read_are_asked_for_again(refused: object) -> None:
    assert isinstance(answer({"refused": refused}), Retry)
