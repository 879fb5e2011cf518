"""A forgotten connection does not stop the others: what waits for it is bounded, and what goes is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from msgspec.structs import replace
from service_bench import GOOD, RECEIVED_MS, ServiceBench, bench_in

from hogline.model import Event
from hogline.posthog.entry import encode_event
from hogline.views.connections import ConnectionStatus

pytestmark = pytest.mark.anyio

EVENTS, BYTES_EACH = 400, 1_000
FEW_BYTES = 100_000


@asynccontextmanager
async def two(folder: Path, **settings: object) -> AsyncIterator[ServiceBench]:
    """One connection runs, the other is paused."""
    async with bench_in(folder, **settings) as bench:
        await bench.service.connections.add("customerio", GOOD | {"anonymous_users": "all"}, name="shop")
        await bench.service.connections.add("customerio", GOOD | {"anonymous_users": "all"}, name="old", paused=True)
        yield bench


async def receive(bench: ServiceBench, events: int = EVENTS) -> None:
    text = "x" * BYTES_EACH
    made = (Event(str(uuid4()), "opened", f"u{n % 7}", RECEIVED_MS, RECEIVED_MS, {"text": text}) for n in range(events))
    await bench.service.journal.append([encode_event(one) for one in made])


async def status(bench: ServiceBench, name: str) -> ConnectionStatus:
    (found,) = [one for one in (await bench.service.status.show()).connections if one.name == name]
    return found


async def delivered(bench: ServiceBench, name: str) -> ConnectionStatus:
    async with asyncio.timeout(20):
        while (found := await status(bench, name)).pending:
            await asyncio.sleep(0.01)
    return found


async def test_the_oldest_go_and_are_counted_and_the_others_get_everything(tmp_path: Path) -> None:
    async with two(tmp_path, paused_max_bytes=FEW_BYTES) as bench:
        await receive(bench)
        await bench.service.backlogs.bound()
        old = await status(bench, "old")
        dropped = old.filtered["backlog_dropped"]
        assert 0 < old.pending < EVENTS / 2
        assert old.pending + dropped == old.received == EVENTS
        assert (await delivered(bench, "shop")).delivered == EVENTS
        await bench.service.backlogs.bound()
        assert (await status(bench, "old")).filtered == {"backlog_dropped": dropped}
        await bench.service.connections.resume("old")
        resumed = await delivered(bench, "old")
        assert (resumed.delivered, resumed.filtered) == (EVENTS - dropped, {"backlog_dropped": dropped})


async def test_a_connection_that_hogline_stopped_is_no_different(tmp_path: Path) -> None:
    async with two(tmp_path, paused_max_bytes=FEW_BYTES) as bench:
        (old,) = [one for one in await bench.service.state.connections() if one.name == "old"]
        await bench.service.state.change_connection(replace(old, paused=False, stopped="The credentials are wrong."))
        await receive(bench)
        await bench.service.backlogs.bound()
        assert (await status(bench, "old")).filtered["backlog_dropped"] > EVENTS / 2


async def test_a_connection_that_runs_loses_nothing(tmp_path: Path) -> None:
    async with two(tmp_path, paused_max_bytes=FEW_BYTES) as bench:
        await bench.service.connections.resume("old")
        bench.customerio.open.clear()
        await receive(bench)
        await bench.service.backlogs.bound()
        bench.customerio.open.set()
        for name in ("shop", "old"):
            found = await delivered(bench, name)
            assert (found.delivered, found.filtered) == (EVENTS, {})


async def test_what_is_settled_already_is_not_counted_again(tmp_path: Path) -> None:
    async with two(tmp_path, paused_max_bytes=FEW_BYTES) as bench:
        await bench.service.connections.resume("old")
        await receive(bench, 100)
        await delivered(bench, "old")
        await bench.service.connections.pause("old")
        await receive(bench)
        await bench.service.backlogs.bound()
        old = await status(bench, "old")
        assert (old.delivered, old.received) == (100, EVENTS + 100)
        assert old.delivered + old.filtered["backlog_dropped"] + old.pending == old.received


async def test_all_is_kept_if_you_want_that(tmp_path: Path) -> None:
    async with two(tmp_path, paused_max_bytes=0) as bench:
        await receive(bench)
        await bench.service.backlogs.bound()
        assert (await status(bench, "old")).pending == EVENTS
