"""What a stranger may send: it costs no more than it is worth, with a token or without."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs
# mypy: disable-error-code="method-assign, arg-type, no-any-return"

import asyncio
import base64
import contextlib
import gc
import gzip
import json
import tracemalloc

import pytest
from receiving import PUBLIC_TOKEN, TOKEN, Inbox, captured, zipped

from hogline.posthog import bounds, read_one, repair, weight
from hogline.posthog.entry import Entry, decode_entry
from hogline.posthog.received import Unreadable
from hogline.sources.budget import Budget
from hogline.sources.intake import LIGHT_BYTES
from hogline.sources.limits import MIB

N = 16_000_000


def twice(text: bytes) -> bytes:
    return gzip.compress(gzip.compress(text))


def event_of(properties: bytes, token: str = PUBLIC_TOKEN) -> bytes:
    return b'{"api_key":"%s","event":"a","distinct_id":"b","properties":{"a":%s}}' % (token.encode(), properties)


STRANGERS = {
    "brackets": b"[" * N,
    "empty arrays": b"[" + b"[]," * (N // 3) + b"[]]",
    "empty objects": b"[" + b"{}," * (N // 3) + b"{}]",
    "a form of escapes": b"data=" + b"%41" * (N // 3),
    "base64 of nothing": b"A" * N,
    "blanks": b" " * N,
    "an event of somebody else's": event_of(b"[" + b"1," * (N // 2) + b"1]", "phc_other"),
}


@pytest.mark.parametrize("layers", [0, 1, 2])
@pytest.mark.parametrize("case", STRANGERS)
def test_without_a_token_nothing_is_decoded(case, layers, monkeypatch):
    def never(*_):
        raise AssertionError

    monkeypatch.setattr("hogline.posthog.capture.decode", never)
    body = STRANGERS[case]
    for _ in range(layers):
        body = gzip.compress(body, 1)
    inbox = Inbox()
    assert inbox.ask("POST", "/batch/", body).status in {400, 401, 413}
    assert inbox.ask("POST", "/batch/", body, {"content-encoding": "gzip"}).status in {400, 401, 413}
    assert inbox.journal.events == []
    assert inbox.journal.refused == {}


def peak_mb(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


AMPLIFIED = {
    "empty arrays": (b"[", b"[],", b"[]]"),
    "empty objects": (b"[", b"{},", b"{}]"),
    "objects of one": (b"[", b'{"":0},', b"{}]"),
    "short texts": (b"[", b'"ab",', b'"ab"]'),
    "small numbers": (b"[", b"1.5,", b"1.5]"),
    "wide texts": ('["😀'.encode(), b"a", b'"]'),
    "brackets in texts": (b"[", b'"[",', b'""]'),
    "closing brackets in a text": (b'["', b"]", b'"]'),
    "brackets that close nothing": (b"", b"]", b""),
    "nested brackets": (b"", b"[", b""),
    "names": (b"{", b'"a":1,', b'"b":2}'),
}


@pytest.mark.parametrize("case", AMPLIFIED)
def test_what_a_text_would_take_is_known_before_it_is_decoded(case):
    begin, middle, end = AMPLIFIED[case]
    text = begin + middle * (N // len(middle)) + end

    def read():
        with contextlib.suppress(bounds.NotJson):
            repair.decode(text)

    # The text itself is not counted; what is thrown away on the way to counting is.
    assert peak_mb(read) < bounds.MOST_DECODED_BYTES * 1.1 / 1e6


@pytest.mark.parametrize("path", ["/batch/", "/i/v1/analytics/events", "/webhook"])
def test_whoever_sends_more_values_than_fit_is_asked_for_smaller_parts(path):
    """PostHog's SDKs divide a batch that is answered with 413, and drop one that is answered with 400."""
    inbox = Inbox()
    values, headers = b"[" + b"{}," * 400_000 + b"{}]", {"authorization": f"Bearer {TOKEN}"}
    reply = inbox.ask("POST", path, b'{"api_key":"%s","batch":%s}' % (TOKEN.encode(), values), headers)
    assert reply.status == 413


def test_twenty_megabytes_of_ordinary_events_are_not_too_many_values():
    properties = {f"property_{n}": f"a value of some length, as most are, {n}" for n in range(12)}
    events = [captured(properties={**properties, "total": 12.5 + n}) for n in range(9_000)]
    text = json.dumps({"api_key": TOKEN, "batch": events}, separators=(",", ":")).encode()
    assert len(text) > 5 * MIB
    assert isinstance(repair.decode(text).value, dict)


HEAVY = {
    "bytes": b'"' + b"x" * 1_000_001 + b'"',
    "values": b"[" + b"1," * 50_000 + b"1]",
    "arrays": b"[" + b"[]," * 10_000 + b"[]]",
    "objects": b"[" + b'{"":0},' * 8_000 + b"0]",
    "names": b"{" + b",".join(b'"%d":%d' % (n, n) for n in range(26_000)) + b"}",
}


@pytest.mark.parametrize("case", HEAVY)
def test_an_event_that_is_too_large_is_refused_at_the_door_with_its_reason(case):
    inbox = Inbox()
    reply = inbox.ask("POST", "/batch/", gzip.compress(event_of(HEAVY[case])))
    assert reply.status == 413
    assert "1,000,000 bytes" in reply.error
    assert inbox.journal.refused == {"event_over_1_mb": 1}
    assert inbox.journal.events == []


def test_others_in_its_batch_are_kept():
    inbox = Inbox()
    large = captured(properties={"a": "x" * 1_000_001})
    reply = inbox.capture({"api_key": TOKEN, "batch": [captured(), large]})
    assert (reply.status, reply.json["refused"]) == (200, {"event_over_1_mb": 1})
    assert inbox.event.name == "order completed"


def test_the_webhook_and_files_refuse_it_too():
    inbox = Inbox()
    large = json.dumps(captured(properties={"a": "x" * 1_000_001})).encode()
    assert inbox.webhook(large).status == 413
    with pytest.raises(Unreadable, match="too large"):
        read_one(large, 0)


class TestWeight:
    @pytest.mark.parametrize(
        "properties", [{}, {"a": "b", "c": 1.5}, {"text": "Привет, мир! " * 200}, {"a": "[" * 900}]
    )
    def test_an_ordinary_event_weighs_its_bytes(self, properties):
        received = read_one(json.dumps(captured(properties=properties)).encode(), 0)
        assert weight.weight_bytes(received.body, decode_entry(received.body)) == len(received.body)

    @pytest.mark.parametrize("case", ["arrays", "objects"])
    def test_attributes_of_nothing_but_brackets_weigh_what_they_take_and_data_takes_its_bytes(self, case):
        small = HEAVY[case][: len(HEAVY[case]) // 3].rpartition(b",")[0] + b"]"
        body = read_one(event_of(b'0,"$set":{"a":%s}' % small), 0).body
        decoded: list[Entry] = []
        taken = peak_mb(lambda: decoded.append(decode_entry(body))) * 1e6
        assert len(body) < weight.weight_bytes(body, decoded[0])
        assert taken / 16 < weight.weight_bytes(body, decoded[0]) < taken
        data = read_one(event_of(small), 0).body
        assert weight.weight_bytes(data, decode_entry(data)) == len(data)


class TestOneBudget:
    def test_what_is_read_but_not_kept_yet_counts(self):
        inbox = Inbox(budget=Budget(100_000))
        event = captured(properties={"a": "x" * 60_000})
        assert inbox.capture(event).status == 200
        reply = inbox.capture({"api_key": TOKEN, "batch": [event, event]})
        assert (reply.status, reply.headers["retry-after"]) == (503, "5")
        assert inbox.capture(event).status == 200

    def test_large_bodies_cannot_take_all_of_it(self):
        budget = Budget(8 * MIB)
        held = 0
        while budget.grow(held, 1_000):
            held += 1_000
        assert 5 * MIB < held < 7 * MIB
        assert budget.grow(0, 60_000)
        assert not budget.grow(60_000, 60_000)
        budget.release(held)
        assert budget.grow(60_000, 60_000)
        budget.release(120_000)
        assert budget.used_bytes == 0

    def test_small_ones_take_all_of_it(self):
        budget = Budget(MIB)
        count = 0
        while budget.grow(0, 1_000):
            count += 1
        assert count == MIB // 1_000


class TestLargeBodies:
    def test_they_are_read_and_kept_one_after_the_other(self):
        inbox = Inbox()
        under_way: list[int] = []
        most: list[int] = []
        append = inbox.journal.append

        async def slowly(events, refused=None):
            under_way.append(1)
            most.append(len(under_way))
            await asyncio.sleep(0)
            under_way.pop()
            return await append(events, refused)

        inbox.journal.append = slowly
        large = {"api_key": TOKEN, "batch": [captured(properties={"a": "x" * LIGHT_BYTES})]}
        statuses = inbox.ask_at_once([("POST", "/batch/", body) for body in [json.dumps(large).encode()] * 5])
        assert statuses == [200] * 5
        assert max(most) == 1
        assert len(inbox.journal.events) == 5

    def test_a_small_one_that_unpacks_to_a_large_one_takes_its_turn_too(self):
        inbox = Inbox()
        body = zipped(captured(properties={"a": "x" * (2 * LIGHT_BYTES)}))
        assert len(body) < 5_000
        assert inbox.ask("POST", "/e/", body).status == 200
        assert len(str(inbox.event.properties["a"])) == 2 * LIGHT_BYTES

    def test_base64_and_forms_beyond_their_bound_are_413(self):
        inbox = Inbox()
        text = json.dumps(captured(properties={"a": "x" * 2_500_000})).encode()
        for body in (base64.b64encode(text), b"data=" + base64.b64encode(text), b"data=" + text):
            reply = inbox.ask("POST", "/batch/", body)
            assert reply.status == 413
            assert "2,097,152 bytes" in reply.error


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (b"[" * 100 + b"]" * 100, True),
        (b"[" * 101 + b"]" * 101, False),
        (b"[" + b"[]," * 500 + b"[]]", True),
        (b'["' + b"[" * 500 + b'"]', True),
        (b'["\\"' + b"[" * 500 + b'"]', True),
        (b'["\\\\",' + b"[" * 500 + b"]" * 500 + b"]", False),
        (b"]" * 500 + b"[" * 200, True),
        (b'{"a":' * 101 + b"1" + b"}" * 101, False),
    ],
)
def test_depth_is_counted_in_one_pass(text, fits):
    with contextlib.nullcontext() if fits else pytest.raises(bounds.NotJson, match="100 levels"):
        bounds.check_bounds(text)


def test_what_was_refused_leaves_nothing_behind():
    """Not even until the collector comes by."""
    inbox = Inbox()
    body = event_of(b'"' + b"x" * 2_000_000 + b'"')
    inbox.ask("POST", "/batch/", body)
    tracemalloc.start()
    gc.disable()
    try:
        for _ in range(5):
            assert inbox.ask("POST", "/batch/", body).status == 413
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        gc.enable()
        tracemalloc.stop()
