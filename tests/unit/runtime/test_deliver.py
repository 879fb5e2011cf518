"""A process that delivers in turn: whatever happens in one turn, the next one comes, and until then it says why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from hogline.clock import SystemClock
from hogline.runtime import deliver
from hogline.runtime.deliver import Delivery, _Turns
from hogline.settings import Settings
from hogline.store.base import Unusable
from hogline.store.shared import Joining
from hogline.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio


class Stub:
    """Of a service and its stores, only what a turn looks at."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self.hold = self.status = self

    async def problems(self) -> list[str]:
        return ["of the service"]


def turns_of(folder: Path, *steps: Callable[[Joining], Any], monkeypatch: pytest.MonkeyPatch) -> _Turns:
    """One step is done in each turn: it says what is delivered, or raises."""
    left = list(steps)

    @asynccontextmanager
    async def delivering(*_: object, joining: Joining, **__: object) -> AsyncIterator[Delivery]:
        stub = await left.pop(0)(joining)
        yield Delivery(stub, stub, stub)

    monkeypatch.setattr(deliver, "delivering", delivering)
    monkeypatch.setattr(deliver, "AGAIN_S", 0.0)
    clock = SystemClock()
    return _Turns(Settings(data=folder), Metrics({}, clock.now_s), clock)


@pytest.mark.parametrize(
    ("trouble", "problem"),
    [
        (Unusable("PostgreSQL is away."), "PostgreSQL is away."),
        (KeyError("canary"), "Internal error while delivering (KeyError). The log has the details."),
    ],
)
async def test_after_trouble_the_next_turn_comes_and_until_then_it_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception, problem: str
) -> None:
    reached, go, delivers = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def fails(joining: Joining) -> Stub:
        joining.waits()
        raise trouble

    async def waits(joining: Joining) -> Stub:
        reached.set()
        await go.wait()
        joining.waits()
        reached.set()
        await delivers.wait()
        return Stub()

    turns = turns_of(tmp_path, fails, waits, monkeypatch=monkeypatch)
    with capture_logs() as said:
        async with turns.running():
            await reached.wait()
            assert await turns.problems() == [problem]
            reached.clear()
            go.set()
            await reached.wait()
            assert await turns.problems() == []  # another one delivers again
            delivers.set()
            async with asyncio.timeout(10):
                while await turns.problems() != ["of the service"]:
                    await asyncio.sleep(0)
    assert "canary" not in str(said)


@pytest.mark.parametrize("trouble", [Unusable("with another key"), KeyError("ours")])
async def test_what_fails_at_the_start_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    async def fails(_: Joining) -> Stub:
        raise trouble

    with pytest.raises(type(trouble)):
        async with turns_of(tmp_path, fails, monkeypatch=monkeypatch).running():
            pass
