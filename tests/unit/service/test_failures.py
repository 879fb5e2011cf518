"""What a user can ask about failures and replays: the functions behind `hogline failures` and `hogline replay`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from operator import attrgetter
from pathlib import Path
from uuid import UUID

import pytest
from service_bench import GOOD, ServiceBench, bench_in

from hogline.model import Event
from hogline.posthog.entry import encode_event
from hogline.service import CannotDo
from hogline.views.connections import ConnectionStatus
from hogline.views.events import FailureView

pytestmark = pytest.mark.anyio

NOW_MS = 1_793_527_200_000  # the bench's clock stands still
NAMES = ("clicked", "refuse me", "ordered", "refuse me", "clicked")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with bench_in(tmp_path) as made:
        await made.service.connections.add("customerio", GOOD)
        yield made


def event(n: int, name: str) -> Event:
    return Event(
        uuid=str(UUID(int=n + 1)),
        name=name,
        distinct_id="ada",
        timestamp_ms=NOW_MS + n,
        received_ms=NOW_MS,
        properties={"n": n},
        set={"plan": "pro"},
    )


async def receive(bench: ServiceBench, *names: str) -> None:
    first = bench.service.journal.end
    await bench.service.journal.append([encode_event(event(first + n, name)) for n, name in enumerate(names)])


async def status(bench: ServiceBench) -> ConnectionStatus:
    """It adds up."""
    (found,) = (await bench.service.status.show()).connections
    filtered, dead = sum(found.filtered.values()), sum(found.failures.values())
    assert found.received == found.delivered + filtered + found.held + dead + found.pending
    return found


async def settled(bench: ServiceBench) -> ConnectionStatus:
    async with asyncio.timeout(10):
        while (
            (await status(bench)).pending
            or await bench.service.failures.retrying("customerio")
            or await bench.service.replays.pending("customerio")
        ):
            await asyncio.sleep(0.002)
    return await status(bench)


@pytest.fixture
async def failures(bench: ServiceBench) -> list[FailureView]:
    await receive(bench, *NAMES)
    assert (await settled(bench)).failures == {"invalid": 2}
    return await bench.service.failures.find("customerio")


async def test_failures_are_listed_with_reason_event_and_person(failures: list[FailureView]) -> None:
    assert [(one.id, one.reason, one.event, one.distinct_id, one.at_ms) for one in failures] == [
        (2, "invalid", "refuse me", "ada", NOW_MS),
        (4, "invalid", "refuse me", "ada", NOW_MS),
    ]


async def test_they_are_listed_for_all_connections_by_reason_and_page_by_page(
    bench: ServiceBench, failures: list[FailureView]
) -> None:
    assert await bench.service.failures.find() == failures
    assert await bench.service.failures.find(reason="invalid") == failures
    assert await bench.service.failures.find(reason="something else") == []
    assert await bench.service.failures.find(limit=1) == failures[:1]
    assert await bench.service.failures.find(after=failures[0].id) == failures[1:]


async def test_one_is_shown_whole(bench: ServiceBench, failures: list[FailureView]) -> None:
    found = await bench.service.failures.show("customerio", failures[1].id)
    assert found.failure == failures[1]
    assert (found.properties, found.set, found.timestamp_ms) == ({"n": 3}, {"plan": "pro"}, NOW_MS + 3)
    (refusal,) = found.refusals
    assert (refusal.reason, refusal.field, refusal.message) == ("invalid", "name", "It asks for it.")
    assert isinstance(refusal.operation, dict)
    assert refusal.operation["attributes"] == {"n": 3}


@pytest.mark.parametrize(
    ("chosen", "retried"),
    [({}, 2), ({"reason": "invalid"}, 2), ({"reason": "other"}, 0), ({"ids": [4]}, 1), ({"ids": [3, 99]}, 0)],
)
async def test_all_those_of_a_reason_or_some_are_retried(
    bench: ServiceBench,
    failures: list[FailureView],
    monkeypatch: pytest.MonkeyPatch,
    chosen: dict[str, object],
    retried: int,
) -> None:
    monkeypatch.setattr("service_bench._answer", lambda _: bench.customerio.check)
    assert await bench.service.failures.retry("customerio", **chosen) == retried  # type: ignore[arg-type]
    after = await settled(bench)
    assert (after.delivered, sum(after.failures.values())) == (3 + retried, 2 - retried)


async def test_a_retry_that_is_refused_again_changes_no_count(bench: ServiceBench, failures: list[FailureView]) -> None:
    before = await status(bench)
    assert await bench.service.failures.retry("customerio") == 2
    after = await settled(bench)
    assert (after.delivered, after.failures) == (before.delivered, before.failures)
    assert [one.id for one in await bench.service.failures.find()] == [2, 4]


async def test_a_retry_of_a_paused_connection_waits_until_it_is_resumed(
    bench: ServiceBench, failures: list[FailureView], monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.service.connections.pause("customerio")
    assert await bench.service.failures.retry("customerio") == 2
    assert await bench.service.failures.retrying("customerio") == 2
    monkeypatch.setattr("service_bench._answer", lambda _: bench.customerio.check)
    await bench.service.connections.resume("customerio")
    assert (await settled(bench)).delivered == 5


async def test_discarded_ones_count_as_filtered(bench: ServiceBench, failures: list[FailureView]) -> None:
    assert await bench.service.failures.discard("customerio", ids=[2]) == 1
    found = await status(bench)
    assert (found.filtered, found.failures) == ({"discarded": 1}, {"invalid": 1})
    assert await bench.service.failures.discard("customerio", reason="invalid") == 1
    assert await bench.service.failures.find() == []
    with pytest.raises(CannotDo, match="Failure 2 not found"):
        await bench.service.failures.show("customerio", 2)


@pytest.mark.parametrize(
    "call", ["failures.find", "failures.retry", "failures.discard", "failures.retrying", "replays.pending"]
)
async def test_an_unknown_connection_is_told(bench: ServiceBench, call: str) -> None:
    with pytest.raises(CannotDo, match="Connection 'other' not found"):
        await attrgetter(call)(bench.service)("other")


# replays


async def test_a_replay_sends_what_was_received_in_that_time(bench: ServiceBench) -> None:
    await receive(bench, "clicked", "ordered", "clicked")
    await settled(bench)
    assert await bench.service.replays.begin("customerio", since_ms=NOW_MS) == 3
    after = await settled(bench)
    assert (after.delivered, after.replayed) == (3, {"delivered": 3})


async def test_a_replay_of_some_events_looks_at_all_and_sends_those(bench: ServiceBench) -> None:
    await receive(bench, "clicked", "ordered", "clicked")
    await settled(bench)
    assert await bench.service.replays.begin("customerio", since_ms=0, events=["ordered"]) == 3
    assert (await settled(bench)).replayed == {"delivered": 1}


@pytest.mark.parametrize(("since_ms", "until_ms"), [(NOW_MS + 1, None), (0, NOW_MS), (NOW_MS + 5, NOW_MS)])
async def test_where_nothing_was_received_nothing_is_replayed_and_that_is_told(
    bench: ServiceBench, since_ms: int, until_ms: int | None
) -> None:
    await receive(bench, "clicked")
    await settled(bench)
    with pytest.raises(CannotDo, match="no delivered events from that time"):
        await bench.service.replays.begin("customerio", since_ms=since_ms, until_ms=until_ms)


async def test_a_second_replay_waits_for_the_end_of_the_first(bench: ServiceBench) -> None:
    await receive(bench, "clicked")
    await settled(bench)
    await bench.service.connections.pause("customerio")
    await bench.service.replays.begin("customerio", since_ms=0)
    assert await bench.service.replays.pending("customerio") == 1
    with pytest.raises(CannotDo, match="is still running"):
        await bench.service.replays.begin("customerio", since_ms=0)
    await bench.service.connections.resume("customerio")
    assert (await settled(bench)).replayed == {"delivered": 1}
    assert await bench.service.replays.begin("customerio", since_ms=0) == 1


async def test_what_came_before_the_connection_was_made_is_not_replayed(bench: ServiceBench) -> None:
    await receive(bench, "clicked", "clicked")
    await settled(bench)
    await bench.service.connections.remove("customerio")
    await bench.service.connections.add("customerio", GOOD)
    await receive(bench, "ordered")
    await settled(bench)
    assert await bench.service.replays.begin("customerio", since_ms=0) == 1
