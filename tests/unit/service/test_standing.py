"""What a process does with a source: one task, which ends once."""

from __future__ import annotations

import asyncio

import pytest

from hogline.service.standing import Standing, Standings

pytestmark = pytest.mark.anyio


async def test_a_task_that_is_ending_is_waited_for_by_all_and_interrupted_by_none() -> None:
    """It may be waiting for what it writes."""
    standings, may_end, ended = Standings(Standing), asyncio.Event(), list[str]()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await may_end.wait()
            ended.append("work")

    async def end() -> None:
        await standings.end("kafka")
        ended.append("end")

    async def turns() -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    standings.of("kafka").task = asyncio.create_task(work())
    ending = []
    for _ in range(3):
        await turns()
        ending.append(asyncio.create_task(end()))
    await turns()
    ending.pop().cancel()
    await turns()
    may_end.set()
    await asyncio.gather(*ending)
    assert ended == ["work", "end", "end"]
