"""The clock that tests move."""

from __future__ import annotations

import asyncio

import pytest

from hogline.testing.clock import ManualClock


@pytest.mark.anyio
async def test_sleepers_wake_up_in_order_when_their_time_has_come() -> None:
    clock = ManualClock(1_000)
    woken: list[tuple[float, int]] = []

    async def sleeper(*seconds: float) -> None:
        for each in seconds:
            await clock.sleep(each)
            woken.append((clock.now_s(), clock.time_ms()))

    tasks = [asyncio.create_task(sleeper(2, 2)), asyncio.create_task(sleeper(3)), asyncio.create_task(sleeper(9))]
    await asyncio.sleep(0)
    tasks[2].cancel()
    await clock.advance(1.5)
    assert woken == []
    await clock.advance(3.5)
    assert woken == [(2, 3_000), (3, 4_000), (4, 5_000)]
    await clock.advance(10)
    assert clock.time_ms() == 16_000
    assert tasks[2].cancelled()
