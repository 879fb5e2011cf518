"""Runs of older events in the service: what happens when their rows are damaged, left behind, or somebody's who is
forgotten meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from msgspec.structs import replace
from service_bench import GOOD, RECEIVED_MS, ServiceBench, bench_in

from hogline.backfill import runs
from hogline.backfill.files import CannotRead
from hogline.backfill.prepare import Preparation
from hogline.backfill.run_file import write_rows
from hogline.backfill.runs import Prepared, Run, Runs, Wanted
from hogline.backfill.views import RunView
from hogline.cli.backfill import followed
from hogline.cli.progress import Progress
from hogline.model import Event
from hogline.posthog.entry import decode_event, encode_event
from hogline.service import CannotDo, Service
from hogline.service.history import History

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


@pytest.mark.parametrize(
    ("state", "pending"), [("retrying", 1), ("delivering", 0)], ids=["in trouble", "all settled, the end not saved yet"]
)
async def test_a_command_goes_on_watching_until_the_run_is_over(bench: ServiceBench, state: str, pending: int) -> None:
    run = await begun(bench, body(1))
    seen: list[str] = []
    view = await bench.service.backfills.ready(run.number, Prepared(rows=1))
    unfinished = replace(view, connections=[replace(view.connections[0], state=state, pending=pending)])

    class Watched:
        async def show(self, number: int, wait_s: float = 0.0) -> RunView:
            del number, wait_s
            seen.append("asked")
            return replace(view, state="finished")

    service: Service = SimpleNamespace(backfills=Watched())  # type: ignore[assignment]  # only this is asked of it
    with Progress(json=True) as progress:
        assert (await followed(service, unfinished, progress)).state == "finished"
    assert seen == ["asked"]


async def test_a_run_that_was_being_read_when_hogline_stopped_is_read_again_at_the_next_start(tmp_path: Path) -> None:
    file, data = tmp_path / "old.jsonl", tmp_path / "data"
    file.write_bytes(b'{"event": "ordered", "distinct_id": "ada", "timestamp": "2026-10-01T10:00:00Z"}\n')
    async with bench_in(data) as bench:
        await bench.service.connections.add("customerio", GOOD | {"anonymous_users": "all"}, name="shop")
        with patch.object(History, "_read", new=_reads_for_ever):
            run = await bench.service.history.start("shop", str(file))
            await asyncio.sleep(0)
        assert run.state == "reading"
    async with bench_in(data) as bench:
        (shop,) = (await until(bench, run.number, "finished")).connections
        assert shop.delivered == 1
        assert (await bench.service.history.start("shop", str(file))).number == run.number


async def test_a_run_whose_files_are_gone_at_the_next_start_ends_with_the_reason(tmp_path: Path) -> None:
    file, data = tmp_path / "old.jsonl", tmp_path / "data"
    file.write_bytes(b'{"event": "ordered", "distinct_id": "ada", "timestamp": "2026-10-01T10:00:00Z"}\n')
    async with bench_in(data) as bench:
        await bench.service.connections.add("customerio", GOOD, name="shop")
        with patch.object(History, "_read", new=_reads_for_ever):
            run = await bench.service.history.start("shop", str(file))
    file.unlink()
    async with bench_in(data) as bench:
        view = await until(bench, run.number, "cancelled")
        assert view.reason is not None
        assert view.reason.endswith("No such file or directory. Nothing was sent.")


async def test_nobody_goes_on_to_read_for_a_run_that_was_cancelled(bench: ServiceBench, tmp_path: Path) -> None:
    ended = threading.Event()

    def reads_until_stopped(self: Preparation) -> Prepared:
        assert self._stopped.wait(20)
        ended.set()
        raise CannotRead("Reading was stopped.")

    (tmp_path / "old.jsonl").write_bytes(b"{}\n")
    with (
        patch.object(Preparation, "prepare", new=reads_until_stopped),
        patch("hogline.service.history.LOOK_EVERY_S", 0.01),
    ):
        run = await bench.service.history.start("shop", str(tmp_path / "old.jsonl"))
        view = await bench.service.backfills.cancel(run.number)
        assert await asyncio.to_thread(ended.wait, 20)
    assert (view.state, view.reason) == ("cancelled", None)


async def _reads_for_ever(*_: object) -> None:
    await asyncio.Event().wait()


async def test_a_run_to_every_connection_waits_for_one_that_is_paused_and_holds_up_no_other(
    bench: ServiceBench,
) -> None:
    service = bench.service
    await service.connections.add("customerio", GOOD | {"anonymous_users": "all"}, name="other")
    run = await service.backfills.begin(Wanted(sources=["old.jsonl"], key=""))
    write_rows(rows_of(bench, run.number), [body(1), body(2)])
    await service.connections.pause("other")
    await service.backfills.ready(run.number, Prepared(rows=2))
    async with asyncio.timeout(20):
        while (view := await service.backfills.show(run.number)).connections[0].pending:
            await asyncio.sleep(0.01)
    assert (view.state, view.reason) == ("sending", "a connection is not running")
    assert [(one.connection, one.delivered, one.pending) for one in view.connections] == [
        ("shop", 2, 0),
        ("other", 0, 2),
    ]
    await service.connections.resume("other")
    view = await until(bench, run.number, "finished")
    assert [one.delivered for one in view.connections] == [2, 2]


async def test_a_run_to_every_connection_goes_on_without_one_that_is_removed(bench: ServiceBench) -> None:
    service = bench.service
    await service.connections.add("customerio", GOOD, name="other")
    run = await service.backfills.begin(Wanted(sources=["old.jsonl"], key=""))
    write_rows(rows_of(bench, run.number), [body(1)])
    await service.connections.pause("other")
    await service.backfills.ready(run.number, Prepared(rows=1))
    await service.connections.remove("other")
    view = await until(bench, run.number, "finished")
    assert [(one.connection, one.delivered) for one in view.connections] == [("shop", 1)]


@pytest.mark.parametrize(
    ("states", "ends"),
    [
        ([("delivering", 0), ("delivering", 0)], False),
        ([("delivering", 1), ("paused", 1)], False),
        ([("delivering", 0), ("paused", 1)], True),
        ([("delivering", 0), ("paused", 0)], True),
        ([("stopped", 1), ("paused", 0)], True),
    ],
)
async def test_a_command_ends_when_its_run_needs_somebody(
    bench: ServiceBench, states: list[tuple[str, int]], *, ends: bool
) -> None:
    run = await begun(bench, body(1))
    view = await bench.service.backfills.ready(run.number, Prepared(rows=1))
    shop = view.connections[0]
    view = replace(view, connections=[replace(shop, state=state, pending=pending) for state, pending in states])
    finished = replace(view, state="finished")

    class Watched:
        async def show(self, number: int, wait_s: float = 0.0) -> RunView:
            del number, wait_s
            return finished

    service: Service = SimpleNamespace(backfills=Watched())  # type: ignore[assignment]  # only this is asked of it
    with Progress(json=True) as progress:
        assert ((await followed(service, view, progress)).state == "sending") is ends


async def test_a_renamed_connection_keeps_its_runs(bench: ServiceBench) -> None:
    run = await begun(bench, body(1))
    await bench.service.connections.rename("shop", "store")
    await bench.service.backfills.ready(run.number, Prepared(rows=1))
    assert (await until(bench, run.number, "finished")).connection == "store"
    again = await bench.service.backfills.begin(replace(WANTED, connection="store"))
    assert (again.number, again.state) == (run.number, "finished")


async def test_of_runs_that_are_over_only_the_newest_are_kept(
    bench: ServiceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MOST_OVER_KEPT", 2)
    service = bench.service
    for number in range(1, 5):
        run = await service.backfills.begin(replace(WANTED, key=str(number)))
        write_rows(rows_of(bench, run.number), [body(number)])
        await service.backfills.ready(run.number, Prepared(rows=1))
        await until(bench, run.number, "finished")
    assert [one.number for one in await service.backfills.all()] == [4, 3, 2]
    assert set(service.journal.backfilled.taken) == {2, 3, 4}
    (shop,) = await service.state.connections()
    assert [await service.state.run_counts(shop.id, run) for run in (1, 2)] == [{}, {"delivered": 1}]
    assert not rows_of(bench, 1).parent.exists()


async def test_a_file_that_is_sent_again_continues_if_it_is_not_over_and_else_is_sent_again(
    bench: ServiceBench,
) -> None:
    service, wanted = bench.service, Wanted(sources=["old.jsonl"], key="file")
    run = await service.backfills.begin(wanted, again=True)
    write_rows(rows_of(bench, run.number), [body(1)])
    await service.connections.pause("shop")
    await service.backfills.ready(run.number, Prepared(rows=1))
    await service.backfills.pause(run.number)
    await service.connections.resume("shop")
    assert (await service.backfills.begin(wanted, again=True)).number == run.number
    await until(bench, run.number, "finished")
    again = await service.backfills.begin(wanted, again=True)
    assert (again.number, again.state) == (run.number + 1, "reading")
