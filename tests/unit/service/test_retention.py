"""People who are no customer and were not seen for long: by the day on which their last event was received."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from harness import Serviced
from sandbox_server import SandboxServer
from service_bench import GOOD

from hogline.model import Event
from hogline.runtime.housekeeping import Housekeeping
from hogline.settings import Settings
from hogline.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

DAY_S = 86_400
LONG_AGO_MS = 1_000


class ImpatientClock(ManualClock):
    """Short sleeps end right away; long ones never do."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.001 if seconds < 10 else 3_600)


class Retained(Serviced):
    async def deliver(self, *events: tuple[str, str, dict[str, object]]) -> None:
        """Each with the time of long ago, whenever it comes. All of them are settled then."""
        end = await self.receive(
            *(
                Event(str(uuid4()), name, who, LONG_AGO_MS, self.clock.time_ms(), said, set={"plan": "pro"})
                for name, who, said in events
            )
        )
        async with asyncio.timeout(10):
            while (await self.state.counts(1)).settled < end:
                await asyncio.sleep(0.001)

    async def days_later(self, days: int) -> list[str]:
        """Who is known then, once everybody was looked at."""
        self.clock.at_s += days * DAY_S
        keeping = Housekeeping(
            self.journal,
            self.state,
            self.settings,
            self.clock,
            self.service.cleaning,
            people=self.service.retention,
        )
        for _ in range(2):  # the journal is trimmed at first
            await keeping.once()
        return await self.state.find_people(1, "")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Retained]:
    settings = Settings(data=tmp_path, people_retention_days=30, journal_retention_days=1)
    made = Retained(tmp_path, ImpatientClock(), send=SandboxServer().send, settings=settings)
    await made.service.start()
    await made.service.connections.add("customerio", {**GOOD, "anonymous_users": "identified"}, name="shop")
    yield made
    await made.close()


async def test_events_of_long_ago_that_came_today_keep_their_people(bench: Retained) -> None:
    await bench.deliver(("seen", "ann", {}), ("seen", "ben", {}))
    assert await bench.days_later(0) == ["ann", "ben"]
    assert await bench.days_later(20) == ["ann", "ben"]
    await bench.deliver(("seen", "ben", {}))
    assert await bench.days_later(15) == ["ben"]
    assert await bench.days_later(20) == []


async def test_whoever_is_seen_under_another_of_their_ids_stays_whole(bench: Retained) -> None:
    alias: dict[str, object] = {"alias": "phone"}
    await bench.deliver(("seen", "phone", {}), ("$create_alias", "web", alias))
    assert await bench.days_later(0) == ["phone", "web"]
    assert await bench.days_later(20) == ["phone", "web"]
    await bench.deliver(("seen", "phone", {}))
    await bench.restart()
    assert await bench.days_later(15) == ["phone", "web"]
    assert await bench.days_later(20) == []
    await bench.deliver(("seen", "phone", {}))
    assert bench.state.ids(["phone", "web"]) == {}


async def test_a_customer_stays(bench: Retained) -> None:
    await bench.deliver(("$identify", "ann", {}), ("seen", "ben", {}))
    assert await bench.days_later(0) == ["ann", "ben"]
    assert await bench.days_later(500) == ["ann"]
