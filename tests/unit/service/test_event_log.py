"""The event log as its users ask for it: by the service, a page, the API; with real delivery."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import apsw
import msgspec
import pytest
from service_bench import GOOD, RECEIVED_MS, ServiceBench, bench_in
from structlog.testing import capture_logs

from hogline.model import Event, Request, Response
from hogline.posthog.entry import encode_event
from hogline.service import CannotDo, Service
from hogline.store.backfilled import Taken
from hogline.store.base import Unwritable
from hogline.store.event_log import read_sent
from hogline.store.sqlite.journal import SqliteJournal
from hogline.views.events import LoggedEvent

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with bench_in(tmp_path) as made:
        await made.service.connections.add("customerio", {**GOOD, "anonymous_users": "identified"}, name="shop")
        yield made


async def receive(
    bench: ServiceBench, *events: tuple[str, str], at_ms: int = RECEIVED_MS, **properties: object
) -> None:
    bodies = [encode_event(Event(str(uuid4()), name, who, at_ms, at_ms, dict(properties))) for name, who in events]
    await bench.service.journal.append(bodies)


async def settled(bench: ServiceBench, name: str = "shop") -> None:
    async with asyncio.timeout(10):
        while next(one for one in (await bench.service.status.show()).connections if one.name == name).pending:
            await asyncio.sleep(0)


def told(events: list[LoggedEvent]) -> list[tuple[int, str, str, str]]:
    return [(one.position, one.event, one.outcome, one.reason) for one in events]


async def test_every_event_is_there_with_what_became_of_it(bench: ServiceBench) -> None:
    await receive(bench, ("$identify", "ada"), ("ordered", "ada"), ("ordered", "bob"), ("refuse me", "ada"))
    await settled(bench)
    found = await bench.service.events.find("shop")
    assert told(found.events)[:3] == [
        (4, "refuse me", "failed", "invalid"),
        (3, "ordered", "filtered", "not_identified"),
        (2, "ordered", "delivered", ""),
    ]
    assert found.before is None
    status = (await bench.service.status.show()).connections[0]
    by_outcome = [
        len((await bench.service.events.find("shop", outcome=kind)).events) for kind in ("delivered", "filtered")
    ]
    assert by_outcome == [status.delivered, sum(status.filtered.values())]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"name": "ordered"}, [3, 2]),
        ({"person": "ada"}, [4, 2, 1]),
        ({"person": "ADA@example.com"}, [4, 2, 1]),
        ({"person": "nobody@example.com"}, []),
        ({"outcome": "failed"}, [4]),
        ({"reason": "not_identified"}, [3]),
        ({"before": 3}, [2, 1]),
        ({"since_ms": RECEIVED_MS, "until_ms": RECEIVED_MS + 1}, [4, 3, 2, 1]),
        ({"since_ms": RECEIVED_MS + 1}, []),
        ({"until_ms": RECEIVED_MS}, []),
    ],
)
async def test_they_are_searched_by_anything(bench: ServiceBench, asked: dict[str, object], found: list[int]) -> None:
    await receive(bench, ("$identify", "ada"), ("ordered", "ada"), ("ordered", "bob"))
    event = Event(str(uuid4()), "refuse me", "ada", RECEIVED_MS, RECEIVED_MS, {}, {"email": "ada@example.com"})
    await bench.service.journal.append([encode_event(event)])
    await settled(bench)
    answer = await bench.service.events.find("shop", **asked)  # type: ignore[arg-type]
    assert [one.position for one in answer.events] == found


async def test_somebody_is_found_by_email_whether_or_not_they_are_a_customer(bench: ServiceBench) -> None:
    visitor = Event(str(uuid4()), "seen", "visitor", RECEIVED_MS, RECEIVED_MS, {}, {"email": "Eve@example.com"})
    await bench.service.journal.append([encode_event(visitor)])
    await settled(bench)
    found = await bench.service.events.find("shop", person="eve@example.com")
    assert told(found.events) == [(1, "seen", "filtered", "not_identified")]


async def test_pages_show_every_event_once_at_all_connections(bench: ServiceBench) -> None:
    await bench.service.connections.add("customerio", {**GOOD, "anonymous_users": "all"}, name="other")
    await receive(bench, *(("ordered", f"user-{n}") for n in range(7)))
    await settled(bench)
    await settled(bench, "other")
    before, seen = 0, []
    while True:
        page = await bench.service.events.find(before=before, limit=3)
        seen += [(one.position, one.connection) for one in page.events]
        if page.before is None:
            break
        before = page.before
    assert sorted(seen) == sorted((n, name) for n in range(1, 8) for name in ("shop", "other"))


async def test_one_event_has_its_input_its_operations_and_the_answer(bench: ServiceBench) -> None:
    await receive(bench, ("$identify", "ada"), ("refuse me", "ada"), plan="free")
    await settled(bench)
    details = await bench.service.events.show("shop", 2)
    assert details.properties == {"plan": "free"}
    (attempt,) = details.attempts
    assert (attempt.outcome, attempt.reason, attempt.at_ms) == ("failed", "invalid", RECEIVED_MS)
    (operation,) = [one for one in attempt.operations if one.action == "event"]
    assert operation.refused == "invalid"
    assert isinstance(operation.body, dict)
    assert operation.body["name"] == "refuse me"


async def test_recent_events_of_a_person_are_their_newest_although_nothing_else_changed(bench: ServiceBench) -> None:
    await receive(bench, ("$identify", "ada"))
    await settled(bench)
    for number in range(12):
        await receive(bench, (f"ordered {number}", "ada"))
        await settled(bench)
    recent = (await bench.service.people.show("shop", "ada")).recent
    assert [(each.event, each.outcome) for each in recent] == [
        (f"ordered {number}", "delivered") for number in range(11, 1, -1)
    ]


async def test_an_event_that_is_held_and_released_at_once_is_delivered(bench: ServiceBench) -> None:
    await bench.service.connections.configure("shop", {"hold_days": 7})
    await receive(bench, ("ordered", "ben"), ("$identify", "ben"))
    await settled(bench)
    assert told((await bench.service.events.find("shop")).events) == [
        (2, "$identify", "delivered", ""),
        (1, "ordered", "delivered", ""),
    ]


@pytest.mark.parametrize(
    ("properties", "name"),
    [
        ({"plan": "free", "deep": {"a": {}}}, "ordered"),
        ({}, "ordered"),
        ({"plan": "free", "$lib": "web"}, "ordered"),  # PostHog's own is kept apart
        ({"recipient": "eve@example.com"}, "ordered"),  # renamed
        ({"text": ":"}, "signed up: now"),
        ({"large": "x" * 40_000}, "ordered"),  # by v1
    ],
)
async def test_operations_are_shown_exactly_as_they_were_sent(
    bench: ServiceBench, properties: dict[str, object], name: str
) -> None:
    requests: list[Request] = []

    async def instead(request: Request) -> Response:
        requests.append(request)
        return Response(200, {}, b"{}")

    bench.customerio.instead = instead
    await receive(bench, ("$identify", "ada"))
    await settled(bench)
    requests.clear()
    await receive(bench, (name, "ada"), **properties)  # type: ignore[arg-type]  # data, not a time
    await settled(bench)
    (attempt,) = (await bench.service.events.show("shop", 2)).attempts
    bodies = [msgspec.json.decode(request.body) for request in requests]
    sent = [operation for body in bodies for operation in body.get("batch", [body])]
    assert [operation.body for operation in attempt.operations] == sent
    assert sent[-1]["name"] == name


async def test_an_events_data_is_not_kept_twice(bench: ServiceBench) -> None:
    await receive(bench, ("$identify", "ada"), ("ordered", "ada"), plan="free")
    await settled(bench)
    await bench.service.events.find()  # the log has everything now
    with closing(apsw.Connection(str(bench.folder / "events.db"))) as log:
        sent = [read_sent(packed) for (packed,) in log.execute("SELECT sent FROM shipments")]
    bodies = [body for each in sent for body in each.bodies]
    assert b'"name":"ordered"' in b"".join(bodies)
    assert b'"plan"' not in b"".join(bodies)


async def test_each_time_it_was_sent_in_vain_is_there_while_it_is_under_way_and_afterwards(bench: ServiceBench) -> None:
    answers = [Response(503, {}, b""), Response(429, {}, b""), Response(200, {}, b"{}")]
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def instead(_: Request) -> Response:
        if len(answers) == 3:
            return answers.pop(0)
        if len(answers) == 2:
            asked.set()
            await go_on.wait()
        return answers.pop(0)

    bench.customerio.instead = instead
    await receive(bench, ("$identify", "ada"))
    await asked.wait()
    details = await bench.service.events.show("shop", 1)
    assert details.event.outcome == "pending"
    assert [(one.at_ms, one.answer) for one in details.retries] == [(RECEIVED_MS, "503")]
    assert "503" in details.waits_for
    assert details.next_try_ms is not None
    connection = (await bench.service.status.show()).connections[0]
    assert (connection.requests, connection.retries) == (2, {"503": 1}), "the second one is under way"
    go_on.set()
    await settled(bench)
    details = await bench.service.events.show("shop", 1)
    (attempt,) = details.attempts
    assert [one.answer for one in attempt.retries] == ["503", "429"]
    assert (attempt.outcome, details.retries, details.next_try_ms) == ("delivered", [], None)


async def test_a_retry_is_another_attempt(bench: ServiceBench) -> None:
    await receive(bench, ("$identify", "ada"), ("refuse me", "ada"))
    await settled(bench)
    await bench.service.failures.retry("shop")
    async with asyncio.timeout(10):
        while len((await bench.service.events.show("shop", 2)).attempts) < 2:
            await asyncio.sleep(0)
    assert [one.outcome for one in (await bench.service.events.show("shop", 2)).attempts] == ["failed", "failed"]
    assert len((await bench.service.events.find("shop", outcome="failed")).events) == 1


async def test_a_discarded_failure_is_none_anymore(bench: ServiceBench) -> None:
    await receive(bench, ("$identify", "ada"), ("refuse me", "ada"))
    await settled(bench)
    await bench.service.failures.discard("shop")
    assert (await bench.service.events.show("shop", 2)).event.reason == "discarded"
    assert told((await bench.service.events.find("shop", name="refuse me")).events) == [
        (2, "refuse me", "filtered", "discarded")
    ]


async def test_what_waits_says_for_what(bench: ServiceBench) -> None:
    await bench.service.connections.pause("shop")
    await receive(bench, ("ordered", "ada"), ("signed up", "ada"))
    found = await bench.service.events.find("shop", outcome="pending", name="ordered")
    assert told(found.events) == [(1, "ordered", "pending", "")]
    assert (await bench.service.events.show("shop", 1)).waits_for == "shop is paused."


async def test_what_is_skipped_is_in_the_log(bench: ServiceBench) -> None:
    await bench.service.connections.pause("shop")
    await receive(bench, ("ordered", "ada"))
    await bench.service.connections.resume("shop", from_now_on=True)
    assert told((await bench.service.events.find("shop")).events) == [(1, "ordered", "filtered", "skipped")]


async def test_whoever_is_forgotten_is_not_in_the_log(bench: ServiceBench) -> None:
    await receive(bench, ("$identify", "ada"), ("ordered", "ada"), ("$identify", "bob"))
    await settled(bench)
    await bench.service.forgetting.forget("ada")
    assert [one.position for one in (await bench.service.events.find("shop")).events] == [3]
    with pytest.raises(CannotDo, match="no event with this number"):
        await bench.service.events.show("shop", 2)


async def test_a_removed_connection_leaves_the_log(bench: ServiceBench) -> None:
    await receive(bench, ("ordered", "ada"))
    await settled(bench)
    await bench.service.connections.remove("shop")
    assert (await bench.service.events.find()).events == []


@pytest.mark.parametrize("outcome", ["lost", "dead_letter"])
async def test_an_outcome_that_is_none_is_an_error(bench: ServiceBench, outcome: str) -> None:
    with pytest.raises(CannotDo, match="Unknown outcome"):
        await bench.service.events.find("shop", outcome=outcome)


async def test_an_event_that_never_came_is_an_error(bench: ServiceBench) -> None:
    with pytest.raises(CannotDo, match="no event with this number"):
        await bench.service.events.show("shop", 99)


async def test_it_can_be_asked_over_the_socket(bench: ServiceBench) -> None:
    await receive(bench, ("ordered", "ada"))
    await settled(bench)
    async with bench.remote() as remote:
        service: Service = remote
        assert told((await service.events.find("shop")).events) == [(1, "ordered", "filtered", "not_identified")]
        assert (await service.events.show("shop", 1)).event.event == "ordered"


async def test_a_bug_in_the_log_does_not_stop_delivery(bench: ServiceBench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ValueError("canary")

    monkeypatch.setattr("hogline.delivery.worker.noted", fails)
    with capture_logs() as lines:
        await receive(bench, ("$identify", "ada"), ("ordered", "ada"))
        await settled(bench)
    status = (await bench.service.status.show()).connections[0]
    assert (status.delivered, status.state) == (2, "delivering")
    line = next(one for one in lines if one["event"] == "the event log failed")
    assert (line["error"], "canary" in str(line)) == ("ValueError", False)


async def test_a_log_that_cannot_be_written_catches_up(bench: ServiceBench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise Unwritable("The disk is full.")

    with monkeypatch.context() as broken:
        broken.setattr("hogline.store.sqlite.event_log.SqliteEventLog.take", fails)
        await receive(bench, ("$identify", "ada"), ("ordered", "ada"))
        await settled(bench)
        found = await bench.service.events.find("shop")
        assert found.events == []
        assert (
            found.trouble == "The newest results are missing because the event log cannot be written. The disk is full."
        )
    assert told((await bench.service.events.find("shop")).events) == [
        (2, "ordered", "delivered", ""),
        (1, "$identify", "delivered", ""),
    ]


async def test_what_waits_for_a_log_that_cannot_be_written_is_bounded_and_leaves_a_gap(
    bench: ServiceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise Unwritable("The disk is full.")

    with monkeypatch.context() as trouble, capture_logs() as said:
        trouble.setattr("hogline.store.sqlite.event_log.SqliteEventLog.take", full)
        trouble.setattr("hogline.delivery.scribe.MOST_WAITING_BYTES", 0)
        await receive(bench, ("$identify", "ada"))
        await settled(bench)
        async with asyncio.timeout(10):
            while {"event": "the event log will have a gap", "shipments": 1, "log_level": "error"} not in said:
                await asyncio.sleep(0)
    await receive(bench, ("ordered", "ada"))
    await settled(bench)
    assert told((await bench.service.events.find("shop")).events) == [(2, "ordered", "delivered", "")]
    assert (await bench.service.events.show("shop", 1)).event.outcome == "unknown"


async def test_a_failure_that_expires_is_none_anymore(bench: ServiceBench) -> None:
    await receive(bench, ("$identify", "ada"), ("refuse me", "ada"))
    await settled(bench)
    (connection,) = await bench.service.state.connections()
    await bench.service.state.expire_failures(connection.id, before_ms=RECEIVED_MS + 1, most=10)
    (event,) = (await bench.service.events.find("shop", name="refuse me")).events
    assert (event.outcome, event.reason) == ("filtered", "failure_expired")
    attempts = (await bench.service.events.show("shop", 2)).attempts
    assert [(one.outcome, one.reason) for one in attempts] == [("failed", "invalid"), ("filtered", "failure_expired")]


async def test_a_failure_that_is_delivered_later_is_delivered(
    bench: ServiceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await receive(bench, ("$identify", "ada"), ("refuse me", "ada"))
    await settled(bench)
    monkeypatch.setattr("service_bench._answer", lambda _: bench.customerio.check)
    await bench.service.failures.retry("shop")
    async with asyncio.timeout(10):
        while (await bench.service.status.show()).connections[0].failures:
            await asyncio.sleep(0)
    (event,) = (await bench.service.events.find("shop", name="refuse me")).events
    assert (event.outcome, event.reason) == ("delivered", "")
    assert [one.outcome for one in (await bench.service.events.show("shop", 2)).attempts] == ["failed", "delivered"]
    assert (await bench.service.events.find("shop", outcome="failed")).events == []


async def test_a_held_event_that_expires_says_so(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:
        options = {**GOOD, "anonymous_users": "identified", "hold_days": 7}
        await bench.service.connections.add("customerio", options, name="shop")
        await receive(bench, ("ordered", "bob"))
        await settled(bench)
        assert told((await bench.service.events.find("shop")).events) == [(1, "ordered", "held", "not_identified")]
        (connection,) = await bench.service.state.connections()
        given_up = await bench.service.state.expire_held(
            connection.id, received_before_ms=RECEIVED_MS + 1, most_bytes=10**9
        )
        assert given_up == 1
        assert told((await bench.service.events.find("shop")).events) == [(1, "ordered", "filtered", "hold_expired")]


async def test_it_keeps_nothing_for_a_log_that_is_off(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:
        await bench.service.connections.add("customerio", GOOD, name="shop")
        await receive(bench, ("$identify", "ada"), ("refuse me", "ada"))
        await settled(bench)
        await bench.service.state.discard_failures(1)
    async with bench_in(tmp_path, event_log=False) as bench:
        assert await bench.service.state.unlogged(0, 10) == []
        assert "HOGLINE_EVENT_LOG" in (await bench.service.events.find("shop")).trouble


async def test_events_before_a_run_that_the_journal_emptied_are_found(bench: ServiceBench) -> None:
    await receive(bench, ("$identify", "ada"))
    bodies = [encode_event(Event(str(uuid4()), "ordered", "ada", RECEIVED_MS, RECEIVED_MS, {})) for _ in range(60)]
    await bench.service.journal.append(bodies, taken=Taken(1, 60, 0))
    await settled(bench)
    assert isinstance(bench.service.journal, SqliteJournal)
    await bench.service.journal._empty(bench.service.journal.end)
    assert [one.position for one in (await bench.service.events.find("shop", limit=1)).events] == [1]
