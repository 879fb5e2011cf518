"""Sources: events that Hogline fetches from PostHog by itself, every few minutes (from an emulator of PostHog's API)."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest
from posthog_emulator import KEY, PROJECT, PostHog, emulated
from service_bench import GOOD, RECEIVED_MS, ServiceBench, bench_in

from hogline.backfill import posthog_query
from hogline.backfill.posthog import PostHogExports
from hogline.posthog.entry import decode_entry, event_of
from hogline.service import CannotDo
from hogline.store.base import Connection, Unusable
from hogline.store.datadir.directory import DataDirectory
from hogline.store.datadir.secrets import Vault
from hogline.store.datadir.sources import Fetched
from hogline.store.datadir.sources import Sources as Kept
from hogline.testing.clock import SkippingClock
from hogline.testing.processes import all_events, connect, hogline, hogline_json, serving, status, until
from hogline.views.connections import SourceView

NOW = datetime.fromtimestamp(RECEIVED_MS / 1_000, UTC)
MINUTE = timedelta(minutes=1)


def event(number: int, landed: datetime, *, late: timedelta = timedelta(0)) -> dict[str, Any]:
    """One that happened some time before it reached PostHog."""
    return {
        "uuid": str(UUID(int=0x0199F3A0 << 96 | number)),
        "event": "ordered",
        "distinct_id": f"user-{number % 7}",
        "person_id": str(UUID(int=number % 7)),
        "properties": {"n": number},
        "person_properties": None,
        "timestamp": (landed - late).isoformat(),
        "_inserted_at": landed.isoformat(),
    }


@pytest.fixture
def posthog() -> Iterator[PostHog]:
    with emulated() as made:
        made.polls = 0
        yield made


class Fetching:
    """A service that fetches, whose time is moved."""

    def __init__(self, bench: ServiceBench, posthog: PostHog) -> None:
        self.bench = bench
        self.posthog = posthog
        self.sources = bench.service.sources
        self.clock = cast("SkippingClock", bench.service.clock)

    async def add(self, key: str = KEY, **more: Any) -> SourceView:
        return await self.sources.add(self.posthog.url, PROJECT, key, **more)

    async def later(self, by: timedelta) -> None:
        """Time passes, and what is due then is done."""
        standings = self.bench.service.fetching._standings.all()
        await self.until(lambda: all(one.task is None or one.task.done() for one in standings))
        self.clock.off_ms += by // timedelta(milliseconds=1)
        for standing in standings:
            standing.due_s = 0.0
        await self.until(lambda: all(one.due_s > 0 for one in standings))

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not true():
                await asyncio.sleep(0.005)

    async def numbers(self) -> list[object]:
        """Of the events in the journal, in its order."""
        bodies = await self.bench.service.journal.read(0, 10_000)
        return [event_of(decode_entry(body)).properties["n"] for _, body in bodies]

    async def view(self) -> SourceView:
        (view,) = await self.sources.all()
        return view


@asynccontextmanager
async def fetching(folder: Path, posthog: PostHog, *, connected: bool = True) -> AsyncIterator[Fetching]:
    async with bench_in(folder) as bench:
        if connected and not await bench.service.connections.all():
            await bench.service.connections.add("customerio", GOOD | {"anonymous_users": "all"}, name="shop")
        made = Fetching(bench, posthog)
        bench.service.fetching._opens = partial(PostHogExports, sleep=lambda _: None)
        running = asyncio.create_task(bench.service.fetching.run())
        try:
            yield made
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


pytestmark = pytest.mark.anyio


async def test_what_reached_posthog_since_the_last_time_is_fetched_once_and_in_order(
    tmp_path: Path, posthog: PostHog
) -> None:
    posthog.events = [event(0, NOW - MINUTE)]
    async with fetching(tmp_path, posthog) as one:
        added = await one.add()
        assert (added.name, added.up_to_ms, added.every_s) == ("posthog", RECEIVED_MS, 300)
        posthog.events += [event(number, NOW + number * 10 * MINUTE / 100) for number in (3, 1, 2)]
        await one.later(5 * MINUTE)
        assert await one.numbers() == [1, 2, 3]
        posthog.events += [event(4, NOW + 6 * MINUTE, late=3 * timedelta(days=1)), event(5, NOW + 6 * MINUTE)]
        await one.later(5 * MINUTE)
        assert await one.numbers() == [1, 2, 3, 4, 5]
        view = await one.view()
        assert (view.state, view.reason, view.by, view.fetched_ms) == ("fetching", None, "exports", one.clock.time_ms())
        intervals = [export["body"]["data_interval_start"] for export in posthog.exports]
        assert len(set(intervals)) == len(intervals)


async def test_what_becomes_visible_late_is_caught_by_the_overlap(tmp_path: Path, posthog: PostHog) -> None:
    async with fetching(tmp_path, posthog) as one:
        await one.add()
        posthog.events = [event(1, NOW + 3 * MINUTE)]
        await one.later(5 * MINUTE)
        posthog.events.append(event(2, NOW + 3 * MINUTE + timedelta(seconds=1)))
        await one.later(5 * MINUTE)
        await one.later(5 * MINUTE)
        assert await one.numbers() == [1, 2]
        assert "repeated" not in (await one.bench.service.status.show()).connections[0].adjusted


async def test_after_a_pause_it_catches_up_a_day_at_a_time(tmp_path: Path, posthog: PostHog) -> None:
    posthog.events = [event(number, NOW + number * timedelta(hours=5)) for number in range(1, 40)]
    async with fetching(tmp_path, posthog) as one:
        await one.add()
        assert (await one.sources.pause("posthog")).state == "paused"
        one.clock.off_ms += 9 * 86_400_000
        await one.sources.resume("posthog")
        await one.until(lambda: posthog.exports != [] and one.bench.service.fetching.standing("posthog").due_s > 1_000)
        await one.until(lambda: one.bench.service.sources._sources()[0].up_to_ms > one.clock.time_ms() - 200_000)
        assert await one.numbers() == list(range(1, 40))
        assert len(posthog.exports) >= 9


@pytest.mark.parametrize("troubles", [[429, 429], [500, 503], [403, 403]], ids=["429", "5xx", "expired links"])
async def test_it_goes_on_behind_trouble_that_passes(tmp_path: Path, posthog: PostHog, troubles: list[int]) -> None:
    posthog.events = [event(1, NOW + MINUTE)]
    async with fetching(tmp_path, posthog) as one:
        await one.add()
        if troubles[0] == 403:
            posthog.downloads = list(troubles)
        else:
            posthog.troubles = list(troubles)
        await one.later(5 * MINUTE)
        await one.later(5 * MINUTE)
        assert (await one.numbers(), (await one.view()).state) == ([1], "fetching")


async def test_a_revoked_key_is_one_sentence_and_a_new_one_goes_on_where_it_stopped(
    tmp_path: Path, posthog: PostHog
) -> None:
    posthog.events = [event(1, NOW + MINUTE), event(2, NOW + 7 * MINUTE)]
    async with fetching(tmp_path, posthog) as one:
        await one.add()
        await one.later(5 * MINUTE)
        posthog.keys = {"phx_another_key"}
        await one.later(5 * MINUTE)
        await one.later(40 * MINUTE)
        view = await one.view()
        assert view.state == "retrying"
        assert view.reason is not None
        assert view.reason.startswith("PostHog does not know this personal API key.")
        assert "hogline source add posthog" in view.reason
        assert view.trouble_s == 40 * 60
        alerts = [alert.sentence for alert in await one.bench.service.alerts.all()]
        assert any("the source posthog for 40 minutes" in alert for alert in alerts)
        await one.add("phx_another_key")
        await one.later(5 * MINUTE)
        assert (await one.numbers(), (await one.view()).state) == ([1, 2], "fetching")


async def test_a_key_that_posthog_does_not_know_is_refused_at_once(tmp_path: Path, posthog: PostHog) -> None:
    async with fetching(tmp_path, posthog) as one:
        with pytest.raises(CannotDo, match="does not know this personal API key"):
            await one.add("phx_not_a_key_of_it")
        with pytest.raises(CannotDo, match="between 1m and 24h"):
            await one.add(every_s=5)
        assert await one.sources.all() == []


async def test_a_posthog_without_file_downloads_is_asked_by_queries(
    tmp_path: Path, posthog: PostHog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posthog_query, "PAGE_ROWS", 2)
    posthog.has_exports = False
    posthog.events = [event(number, NOW + MINUTE, late=number * timedelta(hours=9)) for number in range(7)]
    async with fetching(tmp_path, posthog) as one:
        await one.add()
        await one.later(5 * MINUTE)
        assert (sorted(map(str, await one.numbers())), (await one.view()).by) == (list("0123456"), "queries")
        posthog.events.append(event(8, NOW + 6 * MINUTE, late=timedelta(days=3)))
        await one.later(5 * MINUTE)
        assert (await one.numbers())[-1] == 8


async def test_without_a_connection_nothing_is_fetched_and_nothing_lost(tmp_path: Path, posthog: PostHog) -> None:
    posthog.events = [event(1, NOW + MINUTE)]
    async with fetching(tmp_path, posthog, connected=False) as one:
        await one.add()
        await one.until(lambda: one.bench.service.fetching.standing("posthog").due_s > 1_000)
        view = await one.view()
        assert (view.state, view.reason) == ("waiting", "No connection is running. PostHog keeps the events.")
        await one.bench.service.connections.add("customerio", GOOD | {"anonymous_users": "all"}, name="shop")
        await one.until(lambda: len(one.bench.service.fetching._connections) == 1)
        await one.later(5 * MINUTE)
        assert await one.numbers() == [1]


async def test_what_was_fetched_and_lost_with_its_file_is_fetched_again(tmp_path: Path, posthog: PostHog) -> None:
    posthog.events = [event(1, NOW + MINUTE)]
    async with fetching(tmp_path, posthog) as one:
        await one.add()
        fetcher = one.bench.service.fetching
        lost = Fetched(up_to_ms=RECEIVED_MS + 180_000, before=0)
        fetcher._store.put(msgspec.structs.replace(fetcher._get("posthog"), fetched=lost))
        await one.later(5 * MINUTE)
        assert await one.numbers() == [1]


async def test_who_is_forgotten_leaves_what_was_fetched(tmp_path: Path, posthog: PostHog) -> None:
    posthog.events = [event(1, NOW + MINUTE), event(2, NOW + MINUTE)]
    async with fetching(tmp_path, posthog) as one:
        await one.add()
        await one.later(5 * MINUTE)
        await one.bench.service.forgetting.forget("user-1")
        posthog.events += [event(3, NOW + 6 * MINUTE)]
        await one.later(5 * MINUTE)
        bodies = await one.bench.service.journal.read(0, 100)
        assert [decode_entry(body).distinct_id for _, body in bodies][1:] == ["user-2", "user-3"]


async def test_while_somebody_is_being_forgotten_nothing_begins(
    tmp_path: Path, posthog: PostHog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fetching(tmp_path, posthog) as one:
        fetcher, state = one.bench.service.fetching, one.bench.service.state
        connections, asked, may_answer = state.connections, asyncio.Event(), asyncio.Event()

        async def slow() -> Sequence[Connection]:
            found = await connections()
            asked.set()
            await may_answer.wait()
            return found

        with monkeypatch.context() as patched:
            patched.setattr(state, "connections", slow)
            await asked.wait()
        await one.add()
        await fetcher.stop()
        may_answer.set()
        for _ in range(100):
            await asyncio.sleep(0)
        assert fetcher.standing("posthog").task is None
        fetcher.go_on()
        await one.until(lambda: fetcher.standing("posthog").due_s > 1_000)


async def test_the_key_is_encrypted_and_gone_with_the_source(tmp_path: Path, posthog: PostHog) -> None:
    async with fetching(tmp_path, posthog) as one:
        vault = DataDirectory(tmp_path).vault(None)
        added = await one.add(name="shop")
        assert KEY not in repr(added) + repr(Kept(tmp_path, vault).all())
        assert KEY not in (tmp_path / "sources.json").read_text()
        assert Kept(tmp_path, vault).all()[0].key == KEY
        with pytest.raises(Unusable, match="different key"):
            Kept(tmp_path, Vault(Vault.new_key()))
        await one.sources.remove("shop")
        assert msgspec.json.decode((tmp_path / "sources.json").read_bytes()) == []
        with pytest.raises(CannotDo, match="You have no sources yet"):
            await one.sources.pause("shop")


def test_the_commands_of_the_documentation(data: Path, posthog: PostHog) -> None:
    add = ("source", "add", "posthog", "--host", posthog.url, "--project", PROJECT)
    assert "posthog fetches from" in hogline(data, *add, HOGLINE_POSTHOG_API_KEY=KEY).stdout
    assert "every 30m" in hogline(data, *add, "--every", "30m", HOGLINE_POSTHOG_API_KEY=KEY).stdout
    assert hogline(data, "source", "pause", "posthog").stdout == "posthog is paused.\n"
    assert "posthog  paused" in hogline(data, "status").stdout
    assert hogline(data, "source", "resume", "posthog").stdout == "posthog continues.\n"
    assert "its key or settings are deleted" in hogline(data, "source", "remove", "posthog").stdout
    assert "No sources yet" in hogline(data, "source", "list").stdout
    assert "what Kafka missed." in hogline(data, *add, "--only-gaps", HOGLINE_POSTHOG_API_KEY=KEY).stdout
    assert "what Kafka missed." in hogline(data, *add, HOGLINE_POSTHOG_API_KEY=KEY).stdout
    assert (
        "does not know this personal API key"
        in hogline(data, *add, code=1, HOGLINE_POSTHOG_API_KEY="phx_unknown").stderr
    )


def test_what_is_wrong_with_kafka_is_one_sentence(data: Path, tmp_path: Path) -> None:
    add = ("source", "add", "kafka", "--brokers", "127.0.0.1:1", "--project", "1", "--settings")
    settings = tmp_path / "kafka.properties"
    assert "Cannot read" in hogline(data, *add, str(settings), code=1).stderr
    settings.write_text("nonsense")
    assert "must be lines of name=value" in hogline(data, *add, str(settings), code=1).stderr
    settings.write_text("no.such.setting=hunter22")
    assert 'No such configuration property: "no.such.setting"' in hogline(data, *add, str(settings), code=1).stderr
    assert "No sources yet" in hogline(data, "source", "list").stdout


DAYS, A_DAY = 12, 900


def test_killed_at_random_moments_every_event_is_taken_once(data: Path, sandbox: str, posthog: PostHog) -> None:
    seed = random.SystemRandom().getrandbits(32)
    chosen = random.Random(seed)
    begin = datetime.now(UTC) - timedelta(days=DAYS, hours=1)
    posthog.events = [event(number, begin + number * timedelta(days=1) / A_DAY) for number in range(1, DAYS * A_DAY)]
    chosen.shuffle(posthog.events)
    connect(data, sandbox)
    source = ("source", "add", "posthog", "--host", posthog.url, "--project", PROJECT, "--every", "1m")
    since = ("--since", begin.strftime("%Y-%m-%dT%H:%M:%S"))
    said = hogline(data, *source, *since, HOGLINE_POSTHOG_API_KEY=KEY)
    assert "It begins when `hogline serve` runs." in said.stdout
    for _ in range(8):
        with serving(data) as serve:
            before = len(posthog.exports)
            until(lambda: len(posthog.exports) > before)  # noqa: B023  # asked at once
            with contextlib.suppress(subprocess.TimeoutExpired):
                serve.process.wait(chosen.uniform(0, 0.3))
            serve.kill()
    with serving(data):
        until(lambda: _is_done(data) and status(data)["pending"] == 0)
        (shown,) = hogline_json(data, "status")["sources"]
    count = DAYS * A_DAY - 1
    counts = status(data)
    assert (counts["received"], counts["delivered"], counts["adjusted"]) == (count, count, {}), seed
    assert len(all_events(sandbox)) == count
    assert (shown["settled"], shown["state"]) == (count, "fetching")
    assert KEY not in said.stdout + said.stderr + hogline(data, "source", "list").stdout


def _is_done(data: Path) -> bool:
    (source,) = hogline_json(data, "source", "list")["sources"]
    return bool(source["up_to_ms"] > (datetime.now(UTC) - timedelta(minutes=10)).timestamp() * 1_000)
