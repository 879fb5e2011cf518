"""What waits, and what a restart does with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from people_bench import PeopleBench, identify, said

from hogline.core.lanes import lane_of
from hogline.delivery.folder import Folder
from hogline.model import Request, Response
from hogline.runtime.housekeeping import Housekeeping
from hogline.settings import Settings
from hogline.store.cleaning import Cleaning

pytestmark = pytest.mark.anyio

DAY_S = 86_400
MAIL = "team@example.com"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[PeopleBench]:
    made = PeopleBench(tmp_path)
    yield made
    await made.close()


async def test_a_paused_or_waiting_connection_gives_up_nothing_of_a_user_who_qualified_in_time(
    bench: PeopleBench, tmp_path: Path
) -> None:
    await bench.connect(anonymous_users="identified", hold_days=3)
    await bench.deliver(said("seen", "ada", 0))
    await bench.receive(identify("ada", 3_600))  # a Customer.io that cannot be reached, or a disabled connection
    await bench.clock.sleep(4 * DAY_S)
    await Housekeeping(
        bench.journal,
        bench.state,
        Settings(data=tmp_path),
        bench.clock,
        Cleaning(bench.journal, bench.state),
        people=bench.state,
    ).once()
    await bench.deliver()
    assert [one.name for one in bench.events_of("ada")] == ["seen", "$identify"]


async def test_a_restart_does_not_change_who_has_an_email_that_two_claim(bench: PeopleBench) -> None:
    """Eve's request hangs; ada's is accepted, with her email; then the process is killed. bob, who travels with eve,
    claims the same email later."""
    await bench.connect(identify_by_email=True)
    bob = next(f"bob{n}" for n in range(10_000) if lane_of(f"bob{n}") == lane_of("eve"))
    send = bench.server.send
    accepted = asyncio.Event()

    async def hanging(request: Request) -> Response:
        if b'"zoe"' in request.body:  # whoever got through opens the gate for several requests at a time
            return await send(request)
        if b'"eve"' not in request.body:
            await send(request)
            accepted.set()
        await asyncio.Event().wait()
        raise AssertionError

    bench.server.send = hanging  # type: ignore[method-assign]
    folder = Folder(bench.journal, bench.state, bench.clock)
    folder.start()
    worker = bench.worker(0.0, folder)
    task = asyncio.create_task(worker.run())
    await bench.receive(said("z", "zoe", 0))
    while (await bench.counts()).settled < 1:
        await asyncio.sleep(0.001)
    await bench.receive(said("x", "eve", 1))
    await asyncio.sleep(0.05)
    await bench.receive(said("a", "ada", 2, set={"email": MAIL}), said("b", bob, 3, set={"email": MAIL}))
    async with asyncio.timeout(5):
        await accepted.wait()
    await worker.close(0)
    await folder.close()
    await task
    bench.server.send = send  # type: ignore[method-assign]
    await bench.deliver()
    whose = {one.name: one.person.cio_id for one in bench.server.events if one.person is not None}
    assert whose["a"] != whose["b"]
