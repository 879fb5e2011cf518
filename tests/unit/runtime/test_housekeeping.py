"""The journal within its bounds: what goes, what stays whatever the bounds say, and when receiving pauses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from harness import Stores

from hogline.core.changes import Failure, Flush, Settlement
from hogline.core.known import Fact, Person
from hogline.core.lanes import LANES
from hogline.model import Refusal
from hogline.runtime import housekeeping
from hogline.runtime.housekeeping import Housekeeping
from hogline.settings import Settings
from hogline.sources.http import create_app
from hogline.sources.tokens import TokenCheck
from hogline.store.base import Connection, Replay, Unwritable
from hogline.store.cleaning import Cleaning
from hogline.testing.clock import SkippingClock

pytestmark = pytest.mark.anyio

DAY_S = 86_400.0
BODY = b"x" * 10_000


class Kept(Stores):
    def keeping(self, **settings: object) -> Housekeeping:
        cleaning = Cleaning(self.journal, self.state)
        chosen = Settings(data=self.folder, **settings)  # type: ignore[arg-type]
        return Housekeeping(self.journal, self.state, chosen, self.clock, cleaning, people=self.state)

    async def fill(self, events: int) -> None:
        await self.receive_bytes(*[BODY] * events)
        await self.state.flush(Flush({}, {}, self.journal.end))  # as the folder does

    async def settle(self, connection: Connection, position: int) -> None:
        """Everything up to there is delivered."""
        await self.state.settle(Settlement(connection=connection.id, lanes=dict.fromkeys(range(LANES), position)))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Kept]:
    made = Kept(tmp_path, SkippingClock(1_793_000_000_000))
    yield made
    await made.close()


async def test_settled_events_stay_for_the_days_of_retention_and_then_go(bench: Kept) -> None:
    customerio = await bench.install()
    keeping = bench.keeping(journal_retention_days=7)
    for _ in range(10):
        await bench.fill(3)
        bench.clock.at_s += DAY_S
    await bench.settle(customerio, 30)
    await keeping.once()
    assert (bench.journal.first, bench.journal.end) == (10, 30)
    bench.clock.at_s += 20 * DAY_S
    await keeping.once()
    assert bench.journal.first == 31
    await bench.fill(1)
    assert bench.journal.end == 31


async def test_settled_events_beyond_the_bytes_of_retention_go_the_oldest_first(
    bench: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hogline.store.sqlite.journal.TRIMMED_AT_ONCE", 10)
    customerio = await bench.install()
    await bench.fill(100)
    await bench.settle(customerio, 100)
    before = await bench.journal.size_bytes()
    await bench.keeping(journal_retention_bytes=before).once()
    assert bench.journal.first == 1
    await bench.keeping(journal_retention_bytes=before // 2).once()
    assert 30 <= bench.journal.first <= 70
    assert await bench.journal.size_bytes() <= before // 2


@pytest.mark.parametrize(
    "settings", [{"journal_retention_days": 0}, {"journal_retention_bytes": 0}], ids=["days", "bytes"]
)
@pytest.mark.parametrize("paused", [False, True], ids=["running", "paused"])
async def test_what_a_connection_has_not_settled_is_never_deleted(
    bench: Kept, settings: dict[str, object], *, paused: bool
) -> None:
    quick, slow = await bench.install("quick"), await bench.install("slow", paused=paused)
    await bench.fill(50)
    bench.clock.at_s += 1_000 * DAY_S
    await bench.settle(quick, 50)
    await bench.settle(slow, 20)
    await bench.keeping(**settings).once()
    assert bench.journal.first == 21
    assert [position for position, _ in await bench.journal.read(0, 100)] == list(range(21, 51))


async def test_one_lane_that_lags_keeps_what_it_needs(bench: Kept) -> None:
    customerio = await bench.install()
    await bench.fill(50)
    await bench.settle(customerio, 30)
    await bench.state.settle(Settlement(connection=customerio.id, lanes=dict.fromkeys(range(1, LANES), 50)))
    await bench.keeping(journal_retention_bytes=0).once()
    assert bench.journal.first == 31


async def test_a_connection_that_never_settled_anything_keeps_all_since_it_was_made(bench: Kept) -> None:
    await bench.fill(10)
    await bench.install()
    await bench.fill(10)
    await bench.keeping(journal_retention_bytes=0).once()
    assert bench.journal.first == 11


async def test_without_a_connection_nobody_needs_anything(bench: Kept) -> None:
    await bench.fill(10)
    await bench.keeping(journal_retention_bytes=0).once()
    assert bench.journal.first == 11


async def test_what_is_replayed_stays_until_it_was_sent_again(bench: Kept) -> None:
    customerio = await bench.install()
    await bench.fill(40)
    await bench.settle(customerio, 40)
    await bench.state.begin_replay(customerio.id, Replay(settled=9, last=30))
    keeping = bench.keeping(journal_retention_bytes=0)
    await keeping.once()
    assert bench.journal.first == 10
    await bench.state.settle(Settlement(connection=customerio.id, lanes={}, replay_settled=30))
    await keeping.once()
    assert bench.journal.first == 41


async def test_a_clock_that_went_back_deletes_nothing_that_is_not_settled_nor_too_young(
    bench: Kept,
) -> None:
    customerio = await bench.install()
    for moved_s in (0.0, 3_600.0, -3_600.0, 0.0):
        bench.clock.at_s += moved_s
        await bench.fill(5)
    await bench.settle(customerio, 12)
    keeping = bench.keeping(journal_retention_days=1)
    await keeping.once()
    assert bench.journal.first == 1
    bench.clock.at_s += 2 * DAY_S
    await keeping.once()
    assert bench.journal.first == 13


# When too much waits


async def test_receiving_pauses_while_too_many_bytes_wait_and_goes_on_by_itself(bench: Kept) -> None:
    customerio = await bench.install()
    keeping = bench.keeping(journal_max_bytes=1_000_000)
    await keeping.append([BODY] * 90)
    await keeping.once()
    await keeping.append([BODY] * 20)
    await bench.state.flush(Flush({}, {}, bench.journal.end))
    await keeping.once()
    with pytest.raises(Unwritable, match="HOGLINE_JOURNAL_MAX_BYTES") as refused:
        await keeping.append([BODY])
    assert refused.value.retry_after_s > 0
    assert bench.journal.end == 110
    await bench.settle(customerio, 60)
    await keeping.once()
    assert await keeping.append([BODY]) == 111


async def test_settled_events_that_are_kept_for_replays_do_not_pause_receiving(bench: Kept) -> None:
    customerio = await bench.install()
    keeping = bench.keeping(journal_max_bytes=1_000_000)
    await bench.fill(300)
    await bench.settle(customerio, 300)
    await keeping.once()
    assert bench.journal.first == 1
    assert await keeping.append([BODY]) == 301


async def test_senders_are_told_503_and_when_to_come_again(bench: Kept) -> None:
    await bench.install()
    keeping = bench.keeping(journal_max_bytes=1_000_000)
    await bench.fill(110)
    await keeping.once()

    async def well() -> list[str]:
        return []

    app = create_app(keeping, TokenCheck(["token"]), well, bench.clock.time_ms)
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b'{"event": "a", "distinct_id": "b", "api_key": "token"}'}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/capture/", "query_string": b"", "headers": []}
    await app(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 503
    headers: list[tuple[bytes, bytes]] = sent[0]["headers"]  # type: ignore[assignment]
    assert dict(headers)[b"retry-after"] == b"30"
    assert b"Send this again later" in sent[1]["body"]  # type: ignore[operator]
    assert bench.journal.end == 110


@pytest.mark.parametrize("trouble", [Unwritable("The disk is full."), OSError("read"), ZeroDivisionError()], ids=repr)
async def test_trouble_while_looking_after_the_journal_does_not_end_it(
    bench: Kept, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    await bench.install()
    await bench.fill(110)
    keeping = bench.keeping(journal_max_bytes=1_000_000)
    trim, troubles = bench.journal.trim, [trouble, trouble]

    async def sometimes(settled: int, *, received_before_ms: int, most_bytes: int) -> int:
        if troubles:
            raise troubles.pop()
        return await trim(settled, received_before_ms=received_before_ms, most_bytes=most_bytes)

    monkeypatch.setattr(bench.journal, "trim", sometimes)
    running = asyncio.create_task(keeping.run())
    async with asyncio.timeout(5):
        while True:
            try:
                await keeping.append([], {})
            except Unwritable:
                break
            await asyncio.sleep(0.001)
    assert troubles == []
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


async def test_what_is_not_part_of_what_is_known_yet_stays(bench: Kept) -> None:
    await bench.fill(10)
    await bench.journal.append([BODY] * 5)
    bench.clock.at_s += 100 * 86_400
    await bench.keeping(journal_retention_days=7).once()
    assert (bench.journal.first, bench.journal.end) == (11, 15)


DAY_S = 86_400


async def known(bench: Kept, *names: str) -> None:
    people = {one: Person(one, {"plan": Fact("pro", 0, 1)}) for one in names}
    await bench.state.flush(Flush({}, people, bench.journal.end))


async def seen_now(bench: Kept, *names: str) -> None:
    """As the folder keeps it."""
    day = bench.clock.time_ms() // 86_400_000
    await bench.state.flush(Flush({}, {}, bench.journal.end, dict.fromkeys(names, day)))


async def test_people_who_were_not_seen_for_the_days_of_retention_go_by_and_by(
    bench: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "PEOPLE_AT_ONCE", 2)
    await known(bench, *"abcde")
    keeping = bench.keeping(people_retention_days=30)
    left = []
    for days in (29, 2, 29, 2):
        for _ in range(3):
            await keeping.once()
            left.append("".join(sorted(bench.state.people(list("abcde")))))
        bench.clock.at_s += days * DAY_S
        if days == 29:
            await seen_now(bench, "c")
    assert left[:6] == ["abcde"] * 6
    assert left[6:9] == ["cde", "ce", "c"]
    assert left[9:] == ["c"] * 3


async def test_whoever_has_events_in_the_journal_stays(bench: Kept) -> None:
    await bench.fill(1)
    await known(bench, "a")
    keeping = bench.keeping(people_retention_days=30, journal_retention_days=1_000)
    await keeping.once()
    bench.clock.at_s += 500 * DAY_S
    await keeping.once()
    assert bench.state.people(["a"])


async def test_without_days_of_retention_everybody_stays(bench: Kept) -> None:
    await known(bench, "a")
    keeping = bench.keeping(people_retention_days=0)
    await keeping.once()
    bench.clock.at_s += 500 * DAY_S
    await keeping.once()
    assert bench.state.people(["a"])


async def test_old_failures_go(bench: Kept) -> None:
    connection = await bench.install()
    letter = Failure(position=1, uuid="u", event=BODY, refusals=(Refusal("invalid"),), at_ms=bench.clock.time_ms())
    await bench.state.settle(Settlement(connection=connection.id, lanes={}, failures=[letter]))
    keeping = bench.keeping(failures_retention_days=10)
    bench.clock.at_s += 9 * DAY_S
    await keeping.once()
    assert (await bench.state.counts(connection.id)).failures == {"invalid": 1}
    bench.clock.at_s += 2 * DAY_S
    await keeping.once()
    assert (await bench.state.counts(connection.id)).filtered == {"failure_expired": 1}


async def test_what_could_not_be_overwritten_is_overwritten_later(bench: Kept) -> None:
    connection = await bench.install()
    await known(bench, "quince-4711")
    await bench.state.forget(["quince-4711"], {connection.id: 0}, emails={})
    await bench.keeping(people_retention_days=400).once()
    assert await bench.state.to_clean() == []
    assert b"quince-4711" not in (bench.folder / "state.db").read_bytes()
