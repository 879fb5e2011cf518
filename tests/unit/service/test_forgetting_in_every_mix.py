"""Forgetting: what stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sandbox_server import Operations
from test_forgetting import ADA, ANON, MAIL, Forgetting, identify, said

from hogline.model import Response

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Forgetting]:
    made = Forgetting(tmp_path / "data")
    await made.begin()
    yield made
    await made.close()


def ids(bench: Forgetting) -> list[str | None]:
    return [one.id or one.email for one in bench.server.people]


async def test_a_connection_that_began_after_the_join_knows_of_it(bench: Forgetting) -> None:
    await bench.connect("one", anonymous_users="identified")
    await bench.deliver(identify(1))
    await bench.connect("other")
    await bench.deliver(said("$pageview", ANON, 2), said("x", ADA, 3))
    assert ids(bench) == [ADA]
    await bench.service.forgetting.forget(ADA)
    assert ids(bench) == []


async def test_a_customer_whose_merge_was_refused_is_deleted_too(bench: Forgetting) -> None:
    await bench.connect(identify_by_email=True)
    await bench.deliver(said("a", ADA, 1, set={"email": MAIL}))

    def no_merge(operations: Operations) -> Response | None:
        if any(one["action"] == "merge" for one in operations):
            return Response(207, {}, b'{"errors":[{"batch_index":0,"reason":"invalid","message":"no"}]}')
        return None

    bench.server.script = [no_merge, no_merge, no_merge]
    await bench.deliver(said("b", ADA, 2, set={"email": "new@lovelace.example"}))
    assert MAIL in ids(bench)
    await bench.service.forgetting.forget(ADA)
    assert ids(bench) == []


async def test_somebody_suppressed_does_not_come_back_under_an_email_they_had_before(bench: Forgetting) -> None:
    await bench.connect(identify_by_email=True)
    await bench.deliver(said("a", ADA, 1, set={"email": MAIL}))
    await bench.deliver(said("b", ADA, 2, set={"email": "new@lovelace.example"}))
    await bench.service.forgetting.forget(ADA, suppress=True)
    await bench.deliver(said("c", "somebody-else", 3, set={"email": MAIL}))
    assert ids(bench) == []


async def test_a_failure_of_another_keeps_no_trace_in_what_was_refused(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(identify(1))
    naming = {"$anon_distinct_id": ADA}

    def refuse_event(operations: Operations) -> Response | None:
        found = [index for index, one in enumerate(operations) if one["action"] == "event"]
        return Response(207, {}, b'{"errors":[{"batch_index":%d,"reason":"invalid","message":"no"}]}' % found[0])

    bench.server.script = [refuse_event]
    await bench.deliver(said("$identify", "bob", 2, **naming))  # type: ignore[arg-type]  # properties
    await bench.service.forgetting.forget(ADA)
    (connection,) = await bench.state.connections()
    (letter,) = await bench.state.failures(connection.id)
    assert ADA.encode() not in letter.event
    assert ADA.encode() not in letter.refusals[0].operation


async def test_a_customer_that_was_made_by_a_request_without_an_answer_is_deleted(bench: Forgetting) -> None:
    await bench.connect()

    def done_and_no_answer(operations: Operations) -> Response:
        for one in operations:
            bench.server._error_of(one)
        return Response(504, {}, b"")

    bench.server.script = [done_and_no_answer, *[Response(503, {}, b"")] * 10_000]
    await bench.receive(said("a", ADA, 1))
    async with asyncio.timeout(5):
        while not bench.server.people:
            await asyncio.sleep(0.001)
    await bench.service.connections.pause("customerio")
    bench.server.script = []
    await bench.service.forgetting.forget(ADA)
    assert ids(bench) == []


async def test_whoever_waits_for_sent_events_is_told_of_forgotten_ones_too(bench: Forgetting) -> None:
    """`hogline send` waits for its events; one of their users is forgotten meanwhile."""
    await bench.connect()
    tallies = bench.service.workers.tally()
    bench.server.script = [
        lambda operations: Response(503, {}, b"") if any(one["action"] != "delete" for one in operations) else None
    ] * 100_000
    await bench.receive(said("a", ADA, 1), said("b", "bob", 2))
    (tally,) = tallies.values()
    tally.claim(range(1, 3))
    async with asyncio.timeout(5):
        while not bench.service.workers.trouble(1):
            await asyncio.sleep(0)
    await bench.service.forgetting.forget(ADA)
    bench.server.script = []
    async with asyncio.timeout(5):
        await tally.wait()
    assert (tally.delivered, tally.filtered) == (1, {"forgotten": 1})


async def test_whom_an_event_joined_that_still_waits_is_forgotten_too(bench: Forgetting) -> None:
    await bench.connect()
    await bench.service.connections.pause("customerio")
    await bench.receive(said("$pageview", ANON, 1), identify(2), said("$pageview", ANON, 3))
    await bench.service.forgetting.forget(ADA)
    assert bench.traces() == []
