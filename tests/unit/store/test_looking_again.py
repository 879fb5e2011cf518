"""What is looked at every second goes on, whatever happens."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from hogline.store.base import Unusable, Unwritable
from hogline.store.postgresql.turns import in_turns

pytestmark = pytest.mark.anyio


async def test_after_any_trouble_the_next_turn_comes() -> None:
    troubles = [KeyError("canary"), Unwritable("away"), Unusable("No right.")]
    done = asyncio.Event()

    async def work() -> None:
        if troubles:
            raise troubles.pop()
        done.set()

    with capture_logs() as said:
        turns = asyncio.create_task(in_turns(work, 0.0, "looking"))
        async with asyncio.timeout(10):
            await done.wait()
        turns.cancel()
        await asyncio.gather(turns, return_exceptions=True)
    assert [{**line, "event": ""} for line in said] == [
        {"log_level": "warning", "event": "", "of": "looking", "reason": "No right."},
        {"log_level": "error", "event": "", "of": "looking", "error": "KeyError"},
    ]
