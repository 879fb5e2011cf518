"""Runs of older events in the service: what happens when their rows are damaged, left behind, or somebody's who is
forgotten meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from service_bench import GOOD, RECEIVED_MS, ServiceBench, bench_in

from hogline.backfill.run_file import write_rows
from hogline.backfill.runs import Prepared, Run, Runs, Wanted
from hogline.backfill.views import RunView
from hogline.cli.backfill import followed
from hogline.cli.progress import Progress
from hogline.model import Event
from hogline.posthog.entry import decode_event, encode_event
from hogline.service import CannotDo, Service

pytestmark = pytest.mark.anyio

WANTED = Wanted(connection="shop", sources=["old.jsonl"], key="key")


def body(number: int, who: str = "ada") -> bytes:
    uuid = f"0199f3a0-0000-7000-8000-{number:012d}"
    return encode_event(Event(uuid, "ordered", who, RECEIVED_MS, RECEIVED_MS, {}))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with bench_in(tmp_path) as made:
        await made.service.connections.add("customerio", GOOD | {"anonymous_users": "all"}, name="shop")
        yield made


def rows_of(bench: ServiceBench, number: int) -> Path:
    return bench.service.backfills._runs.rows(number)


async def begun(bench: ServiceBench, *rows: bytes) -> RunView:
    view = await bench.service.backfills.begin(WANTED)
    write_rows(rows_of(bench, view.number), rows)
    return view


async def until(bench: ServiceBench, number: int, state: str) -> RunView:
    async with asyncio.timeout(20):
        while (view := await bench.service.backfills.show(number)).state != state:
            await asyncio.sleep(0.01)
    return view


async def test_a_run_with_damaged_rows_is_interrupted_says_why_and_can_be_resumed(bench: ServiceBench) -> None:
    run = await begun(bench)
    rows_of(bench, run.number).write_bytes(b"\0\0\0\4\0\0\0\1spam")
    await bench.service.backfills.ready(run.number, Prepared(rows=1))
    view = await until(bench, run.number, "interrupted")
    assert view.reason is not None
    assert view.reason.startswith("its rows cannot be read (")
    write_rows(rows_of(bench, run.number), [body(1)])
    await bench.service.backfills.resume(run.number)
    (shop,) = (await until(bench, run.number, "finished")).connections
    assert shop.delivered == 1


async def test_the_end_of_a_run_is_saved_when_the_disk_takes_it(
    bench: ServiceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, refused = Runs.put, [OSError(28, "No space left on device")]

    def full(self: Runs, run: Run) -> None:
        if run.state == "finished" and refused:
            raise refused.pop()
        put(self, run)

    monkeypatch.setattr(Runs, "put", full)
    run = await begun(bench, body(1))
    await bench.service.backfills.ready(run.number, Prepared(rows=1))
    await until(bench, run.number, "finished")
    assert (refused, rows_of(bench, run.number).exists()) == ([], False)


async def test_whoever_is_forgotten_while_files_are_read_does_not_come_back(bench: ServiceBench) -> None:
    service = bench.service
    await service.journal.append([body(1)])
    run = await begun(bench)
    await service.forgetting.forget("ada")
    write_rows(rows_of(bench, run.number), [body(2), body(3, "bob")])
    await service.backfills.ready(run.number, Prepared(rows=2))
    await until(bench, run.number, "finished")
    kept = [decode_event(row).distinct_id for _, row in await service.journal.read(0, 10)]
    assert "ada" not in kept
    assert kept[-1] == "bob"


async def test_nobody_is_half_forgotten_when_the_disk_is_too_full_for_it(
    bench: ServiceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = bench.service
    await service.journal.append([body(1)])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Runs, "change_rows", full)
        with pytest.raises(CannotDo, match=r"^The rows of a run cannot be rewritten \(No space left on device\)"):
            await service.forgetting.forget("ada")
    assert await service.finder.who_is("ada")
    assert (await service.forgetting.forget("ada")).events == 1


async def test_rows_that_a_crash_left_of_an_ended_run_go_at_the_next_start(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:
        await bench.service.connections.add("customerio", GOOD, name="shop")
        run = await begun(bench)
        await bench.service.backfills.cancel(run.number)
        write_rows(rows_of(bench, run.number), [body(1)])
    async with bench_in(tmp_path) as bench:
        assert not rows_of(bench, run.number).exists()


async def test_a_command_goes_on_watching_while_the_destination_is_in_trouble(bench: ServiceBench) -> None:
    run = await begun(bench, body(1))
    seen: list[str] = []
    view = await bench.service.backfills.ready(run.number, Prepared(rows=1))
    retrying = replace(
        view, connections=[replace(view.connections[0], state="retrying", reason="It cannot be reached.")]
    )

    class Watched:
        async def show(self, number: int, wait_s: float = 0.0) -> RunView:
            del number, wait_s
            seen.append("asked")
            return replace(view, state="finished")

    service: Service = SimpleNamespace(backfills=Watched())  # type: ignore[assignment]  # only this is asked of it
    with Progress(json=True) as progress:
        assert (await followed(service, retrying, progress)).state == "finished"
    assert seen == ["asked"]
