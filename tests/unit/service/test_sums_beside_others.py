"""Other processes receive and deliver: the sums are right, although this one has not yet heard of the newest events."""

from __future__ import annotations

from pathlib import Path

import pytest
from service_bench import GOOD, ServiceBench, bench_in
from test_backlog_bound import receive, status

from hogline.core.changes import Settlement
from hogline.core.lanes import LANES
from hogline.store.sqlite.journal import SqliteJournal

pytestmark = pytest.mark.anyio

EVENTS, SETTLED = 5, 3


async def received_and_settled_by_others(bench: ServiceBench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.service.connections.add("customerio", GOOD, name="shop", paused=True)
    (shop,) = await bench.service.state.connections()
    await receive(bench, EVENTS)
    monkeypatch.setattr(SqliteJournal, "end", property(lambda _: 0))
    await bench.service.state.settle(
        Settlement(connection=shop.id, lanes=dict.fromkeys(range(LANES), SETTLED), delivered=SETTLED)
    )


async def test_nothing_is_settled_before_it_was_received(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench_in(tmp_path) as bench:
        await received_and_settled_by_others(bench, monkeypatch)
        shop = await status(bench, "shop")
        assert (shop.received, shop.delivered, shop.pending) == (EVENTS, SETTLED, EVENTS - SETTLED)
        assert (await bench.service.backlogs.show("shop")).events == EVENTS - SETTLED


async def test_what_is_skipped_is_what_was_pending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench_in(tmp_path) as bench:
        await received_and_settled_by_others(bench, monkeypatch)
        await bench.service.connections.resume("shop", from_now_on=True)
        shop = await status(bench, "shop")
        assert (shop.delivered, shop.filtered, shop.pending) == (SETTLED, {"skipped": EVENTS - SETTLED}, 0)
