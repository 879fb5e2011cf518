"""The real `posthog` Python SDK, pointed at Hogline: its events arrive whole."""

# mypy: allow-untyped-defs, allow-untyped-calls

import asyncio
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec
import posthog
import pytest
from posthog.request import reset_sessions
from receiving import TOKEN, UUID, Journal

from hogline.sources.http import create_app
from hogline.sources.server import Listener
from hogline.sources.tokens import TokenCheck

AT = datetime(2026, 11, 1, 9, 58, 30, 250_000, tzinfo=UTC)
AT_MS = 1_793_527_110_250
CLOCK_TOLERANCE_MS = 5_000
"""The SDK says when it sends; what passes until we receive is taken for a clock that is off."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def no_problems() -> list[str]:
    return []


@contextmanager
def running(token=TOKEN):
    """A listener in a thread of its own: the SDK blocks this one."""
    journal = Journal()
    app = create_app(journal, TokenCheck([token]), no_problems, now_ms)
    port: list[int] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve():
        async with Listener(app, "127.0.0.1", 0) as listener:
            port.append(listener.port)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait(10)
    try:
        yield journal, f"http://127.0.0.1:{port[0]}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
        reset_sessions()


WAYS: list[dict[str, object]] = [
    {"capture_mode": "v0", "gzip": False},
    {"capture_mode": "v0", "gzip": True},
    {"capture_mode": "v1", "capture_compression": "none"},
    {"capture_mode": "v1", "capture_compression": "gzip"},
    {"capture_mode": "v1", "capture_compression": "deflate"},
]
MODES = [{**way, "sync_mode": sync} for way in WAYS for sync in (True, False)]


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: " ".join(f"{key}={value}" for key, value in mode.items()))
def test_what_the_sdk_sends_arrives_whole(mode, caplog):
    errors: list[object] = []
    with running() as (journal, host):
        client = posthog.Posthog(TOKEN, host=host, on_error=lambda *told: errors.append(told), **mode)
        client.capture(
            "order completed",
            distinct_id="user-1",
            uuid=UUID,
            timestamp=AT,
            properties={"total": 12.5, "items": [{"sku": "ü"}], "$set": {"plan": "pro"}, "$set_once": {"first": 1}},
            groups={"company": "acme"},
        )
        client.set(distinct_id="user-1", properties={"email": "a@b.co"})
        client.set_once(distinct_id="user-1", properties={"referrer": "mail"})
        client.alias(previous_id="anon-1", distinct_id="user-1")
        client.group_identify("company", "acme", {"size": 7}, distinct_id="user-1")
        with client.new_context():
            client.identify_context("user-2")
            client.capture("signed up")
        client.capture("page seen", properties={"a": float("nan")})
        client.shutdown()
    assert (journal.refused, errors, caplog.records) == ({}, [], [])
    assert [event.repaired for event in journal.events] == [()] * len(journal.events)
    events = {event.name: event for event in journal.events}
    assert [event.name for event in journal.events] == [
        "order completed", "$set", "$set_once", "$create_alias", "$groupidentify", "signed up", "page seen",
    ]  # fmt: skip
    order = events["order completed"]
    assert (order.uuid, order.distinct_id) == (UUID, "user-1")
    assert abs(order.timestamp_ms - AT_MS) < CLOCK_TOLERANCE_MS
    assert (order.set, order.set_once) == ({"plan": "pro"}, {"first": 1})
    assert order.properties["total"] == 12.5
    assert order.properties["items"] == [{"sku": "ü"}]
    assert order.properties["$groups"] == {"company": "acme"}
    assert order.properties["$lib"] == "posthog-python"
    assert events["$set"].set == {"email": "a@b.co"}
    assert events["$set_once"].set_once == {"referrer": "mail"}
    alias = events["$create_alias"]
    assert (alias.distinct_id, alias.properties["alias"]) == ("anon-1", "user-1")
    assert events["$groupidentify"].properties["$group_set"] == {"size": 7}
    assert events["signed up"].distinct_id == "user-2"
    assert events["page seen"].personless
    assert len({event.uuid for event in journal.events}) == 7


def test_an_event_is_the_same_in_both_modes():
    said = {"total": 12.5, "$session_id": "s1", "$process_person_profile": False, "$set": {"plan": "pro"}}
    events = []
    for mode in ("v0", "v1"):
        with running() as (journal, host):
            client = posthog.Posthog(TOKEN, host=host, capture_mode=mode)
            client.capture("order completed", distinct_id="user-1", uuid=UUID, timestamp=AT, properties=said)
            client.shutdown()
        (event,) = journal.events
        assert abs(event.timestamp_ms - AT_MS) < CLOCK_TOLERANCE_MS
        events.append(msgspec.structs.replace(event, timestamp_ms=0, received_ms=0))
    assert events[0] == events[1]


def test_what_it_says_of_models_arrives_on_the_route_of_its_own():
    errors: list[object] = []
    with running() as (journal, host):
        client = posthog.Posthog(TOKEN, host=host, on_error=lambda *told: errors.append(told))
        client.capture_ai("$ai_generation", distinct_id="user-1", properties={"$ai_model": "m"})
        client.shutdown()
    assert (errors, [event.name for event in journal.events]) == ([], ["$ai_generation"])


@pytest.mark.parametrize("mode", ["v0", "v1"])
def test_a_wrong_token_is_an_error_in_the_sdk_and_not_tried_again(mode):
    errors: list[Exception] = []
    with running("phc_other") as (journal, host):
        client = posthog.Posthog(
            TOKEN, host=host, capture_mode=mode, on_error=lambda error, batch: errors.append(error)
        )
        client.capture("order completed", distinct_id="user-1")
        client.shutdown()
    (error,) = errors
    assert getattr(error, "status", None) == 401
    assert "nknown" in str(error)
    assert journal.events == []


def test_the_sdk_finds_no_feature_flags():
    with running() as (_, host):
        client = posthog.Posthog(TOKEN, host=host)
        flags = client.evaluate_flags("user-1")
        assert not flags.is_enabled("new-checkout")
        client.shutdown()
