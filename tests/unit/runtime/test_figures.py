"""Events over time: which minute they are counted in, whatever happens to the process, its clock and its connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest
from harness import Serviced

from hogline.core.changes import Failure, Settlement
from hogline.core.lanes import LANES
from hogline.model import Refusal, Request, Response
from hogline.runtime.figures import Fresh, Sampler
from hogline.service import CannotDo
from hogline.service.figures import Trends
from hogline.store.base import Connection, Unwritable
from hogline.store.figures import Figure, bucket, percentile_ms
from hogline.store.sqlite.figures import SqliteFigures
from hogline.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

NOON_MS = 1_793_534_400_000
NOON_S = NOON_MS / 1_000
MINUTE_MS = 60_000
REFUSAL = Refusal("invalid", "It is invalid.")


async def never(_: Request) -> Response:
    raise NotImplementedError


class Sampled(Serviced):
    def __init__(self, folder: Path) -> None:
        self.past = SqliteFigures(folder / "history.db")
        super().__init__(folder, ManualClock(NOON_MS, now_s=NOON_S), send=never, figures=self.past, delivers=False)
        self.sampler = self.process()

    def process(self) -> Sampler:
        """As after a start."""
        return Sampler(self.past, self.journal, self.state, self.clock)

    async def close(self) -> None:
        await super().close()
        await self.past.close()

    async def connect(self, name: str = "shop") -> Connection:
        return await self.install(name)

    async def fill(self, events: int) -> None:
        await self.receive_bytes(*[b"event"] * events)

    async def settle(
        self,
        connection: Connection,
        *,
        delivered: int = 0,
        filtered: Mapping[str, int] | None = None,
        failed: int = 0,
        requests: int = 0,
    ) -> None:
        """Everything is settled, so many of them so."""
        letters = [
            Failure(position=self.journal.end - n, uuid=str(n), event=b"", refusals=(REFUSAL,), at_ms=0)
            for n in range(failed)
        ]
        await self.state.settle(
            Settlement(
                connection=connection.id,
                lanes=dict.fromkeys(range(LANES), self.journal.end),
                delivered=delivered,
                filtered=filtered or {},
                failures=letters,
                requests=requests,
            )
        )

    async def at(self, minutes: float) -> None:
        """The sampler looks so long after noon."""
        self.clock.at_s = NOON_S + minutes * 60
        await self.sampler.once()

    async def sleep_number(self, number: int) -> None:
        """Returns once the sampler sleeps for the first, second, … time."""
        while len(self.clock.slept) < number:
            await asyncio.sleep(0.001)

    async def minutes(self, series: str = "received") -> dict[int, object]:
        """What the last hour's plot has, by minutes after noon, without what is 0."""
        view = await self.service.trends.show("shop", "hour")
        return {
            (at_s - NOON_MS // 1_000) // 60: n for at_s, n in zip(view.times, getattr(view, series), strict=True) if n
        }


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Sampled]:
    made = Sampled(tmp_path)
    yield made
    await made.close()


async def test_events_are_counted_in_the_minute_in_which_they_came(bench: Sampled) -> None:
    await bench.connect()
    await bench.at(0)
    await bench.fill(3)
    await bench.at(1)
    await bench.at(2.0001)  # a timer is late
    await bench.fill(4)
    await bench.at(2.9)  # on stop
    assert await bench.minutes() == {0: 3, 2: 4}


async def test_what_became_of_events_is_told_apart(bench: Sampled) -> None:
    shop = await bench.connect()
    await bench.at(0)
    await bench.fill(10)
    await bench.settle(shop, delivered=4, filtered={"not_identified": 3, "allowlist": 1}, failed=2)
    await bench.at(1)
    view = await bench.service.trends.show("shop", "hour")
    assert sum(view.delivered) == 4
    assert {reason: sum(series) for reason, series in view.filtered.items()} == {"allowlist": 1, "not_identified": 3}
    assert sum(view.failures) == 2
    assert (sum(view.held), max(view.pending), max(view.lag_s)) == (0, 0, 0.0)


async def test_what_waits_and_for_how_long(bench: Sampled) -> None:
    await bench.connect()
    await bench.at(0)
    await bench.fill(5)
    await bench.at(1)
    await bench.at(2)
    assert await bench.minutes("pending") == {0: 5, 1: 5}
    assert await bench.minutes("lag_s") == {0: 60.0, 1: 120.0}


async def test_the_mean_time_of_requests(bench: Sampled) -> None:
    await bench.connect()
    told: list[tuple[str, float]] = []
    listener = bench.sampler.heard(lambda connection, took_s: told.append((connection, took_s)))
    listener("shop", 9.9)  # before the sampler looked for the first time
    await bench.at(0)
    for took_s in (0.1, 0.3):
        listener("shop", took_s)
    await bench.at(1)
    await bench.at(2)
    assert await bench.minutes("requests") == {0: 2}
    assert await bench.minutes("request_ms") == {0: 200.0}
    assert told == [("shop", 9.9), ("shop", 0.1), ("shop", 0.3)]


async def test_request_times_at_50_and_95_percent(bench: Sampled) -> None:
    await bench.connect()
    listener = bench.sampler.heard(lambda *_: None)
    await bench.at(0)
    for number in range(100):
        listener("shop", 2.0 if number >= 90 else 0.05)
    await bench.at(1)
    listener("shop", 30.0)
    await bench.at(2)
    view = await bench.service.trends.show("shop", "hour")
    half, most = view.request_p50_ms[-3], view.request_p95_ms[-3]
    assert half is not None
    assert most is not None
    assert 40 < half < 60
    assert 1_600 < most < 2_400
    assert view.request_p50_ms[-4] is None
    assert view.p95_ms is not None
    assert 1_600 < view.p95_ms < 2_400


@pytest.mark.parametrize("ms", [0.4, 1.0, 1.1, 37.0, 5_000.0, 299_000.0])
def test_a_time_is_right_to_about_a_tenth(ms: float) -> None:
    found = percentile_ms({bucket(ms): 10}, 0.5)
    assert found is not None
    assert max(ms, 0.8) * 0.88 <= found <= max(ms, 0.8) * 1.13


async def test_failures_are_told_by_reason(bench: Sampled) -> None:
    shop = await bench.connect()
    await bench.at(0)
    await bench.fill(3)
    await bench.settle(shop, delivered=1, failed=2)
    await bench.at(1)
    view = await bench.service.trends.show("shop", "hour")
    assert {reason: sum(series) for reason, series in view.failures_by_reason.items()} == {"invalid": 2}
    assert sum(view.failures) == 2


@pytest.mark.parametrize(
    ("since_min", "until_min", "step_s", "steps"),
    [
        (-60, 0, 60, 60),
        (-12 * 60, 0, 600, 72),
        (-20 * 60, -18 * 60, 60, 120),
        (-48 * 60, -47 * 60, 3_600, 1),
        (-14 * 1_440, 0, 21_600, 56),
        (-90 * 1_440, 0, 86_400, 61),
        (-60, 600, 60, 61),
    ],
)
async def test_a_range_comes_in_the_finest_steps_that_are_kept(
    bench: Sampled, since_min: int, until_min: int, step_s: int, steps: int
) -> None:
    await bench.connect()
    view = await bench.service.trends.show(
        "shop", since_ms=NOON_MS + since_min * MINUTE_MS, until_ms=NOON_MS + until_min * MINUTE_MS
    )
    assert (view.period, view.step_s, len(view.times)) == ("range", step_s, steps)


async def test_a_range_that_ends_before_it_begins_is_a_mistake(bench: Sampled) -> None:
    await bench.connect()
    with pytest.raises(CannotDo, match="The range must begin before it ends"):
        await bench.service.trends.show("shop", since_ms=NOON_MS, until_ms=NOON_MS - 1_000)


async def test_who_reads_sees_what_happened_a_moment_ago(bench: Sampled) -> None:
    await bench.connect()
    await bench.at(0)
    fresh = Fresh(bench.past, bench.sampler)
    await bench.fill(3)
    since_s = NOON_MS // 1_000
    points = await fresh.read(1, since_s=since_s, until_s=since_s + 60, step_s=60)
    assert [point.n for point in points if point.kind == "received"] == [3]
    await bench.at(1)
    assert await bench.minutes() == {0: 3}


async def test_a_failure_that_is_delivered_at_last_does_not_count_as_less_than_nothing(bench: Sampled) -> None:
    shop = await bench.connect()
    await bench.at(0)
    await bench.fill(3)
    await bench.settle(shop, delivered=1, failed=2)
    await bench.at(1)
    await bench.state.discard_failures(shop.id)
    await bench.at(2)
    assert await bench.minutes("failures") == {0: 2}
    assert (await bench.service.trends.show("shop", "hour")).filtered["discarded"][-2] == 2


async def test_a_restart_changes_nothing(bench: Sampled) -> None:
    shop = await bench.connect()
    await bench.at(0)
    await bench.fill(2)
    await bench.settle(shop, delivered=2)
    await bench.at(0.5)  # stop
    bench.sampler = bench.process()
    await bench.at(0.6)  # start
    await bench.fill(1)
    await bench.at(1)
    assert await bench.minutes() == {0: 3}
    assert await bench.minutes("delivered") == {0: 2}


async def test_what_happened_while_nobody_looked_belongs_to_no_minute(bench: Sampled) -> None:
    await bench.connect()
    await bench.at(0)
    await bench.fill(1)
    await bench.at(1)
    await bench.fill(100)  # by a command that delivers by itself
    bench.sampler = bench.process()
    await bench.at(30)
    await bench.fill(7)
    await bench.at(31)
    assert await bench.minutes() == {0: 1, 30: 7}


async def test_after_hours_of_sleep_the_change_belongs_to_the_time_of_waking(bench: Sampled) -> None:
    await bench.connect()
    await bench.at(0)
    await bench.fill(5)
    await bench.at(180)
    assert await bench.minutes() == {179: 5}


async def test_a_clock_that_goes_back_counts_nothing_twice_and_nothing_less(bench: Sampled) -> None:
    await bench.connect()
    await bench.at(0)
    await bench.fill(1)
    await bench.at(30)
    await bench.fill(2)
    await bench.at(10)
    await bench.fill(4)
    await bench.at(11)
    await bench.at(31)
    assert await bench.minutes() == {9: 2, 10: 4, 29: 1}


async def test_a_connection_that_is_made_between_two_looks_begins_at_nothing(bench: Sampled) -> None:
    await bench.fill(50)
    await bench.at(0)
    shop = await bench.connect()
    await bench.fill(2)
    await bench.settle(shop, delivered=2)
    await bench.at(1)
    assert await bench.minutes() == {0: 2}
    assert await bench.minutes("delivered") == {0: 2}


async def test_a_new_connection_has_nothing_of_the_one_of_the_same_name_before(bench: Sampled) -> None:
    old = await bench.connect()
    listener = bench.sampler.heard(lambda *_: None)
    await bench.at(0)
    await bench.fill(9)
    await bench.settle(old, delivered=9, requests=1)
    await bench.at(1)
    listener("shop", 0.5)
    await bench.state.remove_connection(old.id)
    await bench.connect()
    await bench.fill(1)
    await bench.at(2)
    assert await bench.minutes() == {1: 1}
    assert await bench.minutes("delivered") == {}
    assert await bench.minutes("requests") == {}
    listener("shop", 0.5)
    await bench.at(3)
    assert await bench.minutes("requests") == {2: 1}


async def test_what_is_removed_is_forgotten(bench: Sampled) -> None:
    shop = await bench.connect()
    await bench.at(0)
    await bench.fill(9)
    await bench.at(1)
    await bench.state.remove_connection(shop.id)
    await bench.at(2)
    kept = await bench.past.read(shop.id, since_s=0, until_s=NOON_MS, step_s=60)
    assert kept == []


async def test_what_is_removed_while_it_is_off_is_forgotten_at_the_next_start(bench: Sampled) -> None:
    shop = await bench.connect()
    await bench.at(0)
    await bench.fill(9)
    await bench.at(1)
    await bench.state.remove_connection(shop.id)
    bench.sampler = bench.process()
    await bench.at(2)
    assert await bench.past.read(shop.id, since_s=0, until_s=NOON_MS, step_s=60) == []


async def test_what_could_not_be_kept_is_kept_with_the_next_minute(
    bench: Sampled, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise Unwritable("The disk is full.")

    await bench.connect()
    listener = bench.sampler.heard(lambda *_: None)
    await bench.at(0)
    await bench.fill(2)
    listener("shop", 0.1)
    with monkeypatch.context() as patched:
        patched.setattr(bench.past, "add", full)
        with pytest.raises(Unwritable):
            await bench.at(1)
    await bench.fill(3)
    listener("shop", 0.3)
    await bench.at(2)
    assert await bench.minutes() == {1: 5}
    assert await bench.minutes("requests") == {1: 2}
    assert await bench.minutes("request_ms") == {1: 200.0}


async def test_a_request_that_ends_while_the_history_is_written_counts_in_the_next_minute(
    bench: Sampled, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.connect()
    listener = bench.sampler.heard(lambda *_: None)
    await bench.at(0)
    listener("shop", 0.1)
    write = bench.past.add

    async def meanwhile(figures: Sequence[Figure], at_s: int) -> None:
        listener("shop", 0.5)
        await write(figures, at_s)

    with monkeypatch.context() as patched:
        patched.setattr(bench.past, "add", meanwhile)
        await bench.at(1)
    await bench.at(2)
    assert await bench.minutes("requests") == {0: 1, 1: 1}
    assert await bench.minutes("request_ms") == {0: 100.0, 1: 500.0}


async def test_it_looks_at_every_full_minute_and_when_it_stops(bench: Sampled) -> None:
    await bench.connect()
    bench.clock.at_s += 12.5
    async with asyncio.timeout(10), bench.sampler.running():
        await bench.sleep_number(1)
        await bench.fill(1)
        await bench.clock.advance(47.5)
        await bench.sleep_number(2)
        assert bench.clock.slept == [47.5, 60.0]
        await bench.fill(2)
        bench.clock.at_s += 5
    assert await bench.minutes() == {0: 1, 1: 2}


async def test_trouble_with_the_disk_stops_nothing(bench: Sampled, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> None:
        raise Unwritable("The disk is full.")

    await bench.connect()
    monkeypatch.setattr(bench.past, "add", full)
    async with asyncio.timeout(10), bench.sampler.running():
        await bench.sleep_number(1)
        await bench.clock.advance(60)
        await bench.sleep_number(2)  # it continues


@pytest.mark.parametrize(("period", "step_s", "steps"), [("hour", 60, 60), ("day", 600, 144), ("week", 3_600, 168)])
async def test_every_series_has_a_value_for_every_time(bench: Sampled, period: str, step_s: int, steps: int) -> None:
    shop = await bench.connect()
    await bench.at(0)
    await bench.fill(3)
    await bench.settle(shop, delivered=2, filtered={"allowlist": 1})
    await bench.at(1)
    view = await bench.service.trends.show("shop", period)  # type: ignore[arg-type]  # a text here
    assert (view.step_s, len(view.times)) == (step_s, steps)
    assert {b - a for a, b in zip(view.times, view.times[1:], strict=False)} == {step_s}
    assert view.times[-1] <= bench.clock.time_ms() / 1_000 < view.times[-1] + step_s
    everything: list[Sequence[object]] = [
        view.received, view.delivered, *view.filtered.values(), view.held, view.failures, view.pending, view.lag_s,
        view.requests, view.request_ms, view.request_p50_ms, view.request_p95_ms,
    ]  # fmt: skip
    assert {len(series) for series in everything} == {steps}
    assert (sum(view.received), sum(view.delivered), sum(view.filtered["allowlist"])) == (3, 2, 1)


async def test_where_there_was_no_request_there_is_no_time_of_one(bench: Sampled) -> None:
    await bench.connect()
    assert set((await bench.service.trends.show("shop", "day")).request_ms) == {None}


async def test_the_sparkline_has_the_last_24_hours(bench: Sampled) -> None:
    await bench.connect()
    await bench.at(0)
    for hour in (1, 3, 25):
        await bench.fill(hour)
        await bench.at(60 * hour)
    sparkline = await bench.service.trends.sparkline("shop")
    assert len(sparkline) == 24
    assert sparkline == [3, *[0] * 21, 25, 0]


async def test_without_a_history_there_is_an_empty_plot(bench: Sampled) -> None:
    await bench.connect()
    trends = Trends(None, bench.service.state, bench.service.clock)
    assert sum((await trends.show("shop")).received) == 0
    assert await trends.sparkline("shop") == [0] * 24


async def test_the_history_of_no_connection_is_a_mistake(bench: Sampled) -> None:
    for ask in (bench.service.trends.show, bench.service.trends.sparkline):
        with pytest.raises(CannotDo, match="Connection 'nobody' not found"):
            await ask("nobody")
