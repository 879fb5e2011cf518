"""People who are no customer and were not seen for long: by the day on which their last event was received."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from sandbox_server import SandboxServer
from service_bench import GOOD

from hogline.model import Event
from hogline.posthog.entry import encode_event
from hogline.runtime.housekeeping import Housekeeping
from hogline.service import Service
from hogline.settings import Settings
from hogline.store.datadir.secrets import Vault
from hogline.store.sqlite.journal import SqliteJournal
from hogline.store.sqlite.state import SqliteState
from hogline.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

DAY_S = 86_400
LONG_AGO_MS = 1_000


class ImpatientClock(ManualClock):
    """Short sleeps end right away; long ones never do."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.001 if seconds < 10 else 3_600)


class RetentionBench:
    def __init__(self, folder: Path) -> None:
        self.clock = ImpatientClock()
        self.settings = Settings(data=folder, people_retention_days=30, journal_retention_days=1)
        self.journal = SqliteJournal(folder / "journal.db", self.clock.time_ms)
        self.state = SqliteState(folder / "state.db", Vault(Vault.new_key()))
        self.service = self._service()

    def _service(self) -> Service:
        return Service(
            self.settings,
            journal=self.journal,
            state=self.state,
            send=SandboxServer().send,
            clock=self.clock,
            delivers=True,
        )

    async def restart(self) -> None:
        await self.service.close()
        self.service = self._service()
        await self.service.start()

    async def receive(self, *events: tuple[str, str, dict[str, object]]) -> None:
        """Each with the time of long ago, whenever it comes. All of them are settled then."""
        bodies = [
            encode_event(Event(str(uuid4()), name, who, LONG_AGO_MS, self.clock.time_ms(), said, set={"plan": "pro"}))
            for name, who, said in events
        ]
        end = await self.journal.append(bodies)
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
async def bench(tmp_path: Path) -> AsyncIterator[RetentionBench]:
    made = RetentionBench(tmp_path)
    await made.service.start()
    await made.service.connections.add("customerio", {**GOOD, "anonymous_users": "identified"}, name="shop")
    yield made
    await made.service.close()
    await made.journal.close()
    await made.state.close()


async def test_events_of_long_ago_that_came_today_keep_their_people(bench: RetentionBench) -> None:
    await bench.receive(("seen", "ann", {}), ("seen", "ben", {}))
    assert await bench.days_later(0) == ["ann", "ben"]
    assert await bench.days_later(20) == ["ann", "ben"]
    await bench.receive(("seen", "ben", {}))
    assert await bench.days_later(15) == ["ben"]
    assert await bench.days_later(20) == []


async def test_whoever_is_seen_under_another_of_their_ids_stays_whole(bench: RetentionBench) -> None:
    alias: dict[str, object] = {"alias": "phone"}
    await bench.receive(("seen", "phone", {}), ("$create_alias", "web", alias))
    assert await bench.days_later(0) == ["phone", "web"]
    assert await bench.days_later(20) == ["phone", "web"]
    await bench.receive(("seen", "phone", {}))
    await bench.restart()
    assert await bench.days_later(15) == ["phone", "web"]
    assert await bench.days_later(20) == []
    await bench.receive(("seen", "phone", {}))
    assert bench.state.ids(["phone", "web"]) == {}


async def test_a_customer_stays(bench: RetentionBench) -> None:
    await bench.receive(("$identify", "ann", {}), ("seen", "ben", {}))
    assert await bench.days_later(0) == ["ann", "ben"]
    assert await bench.days_later(500) == ["ann"]
