"""What is sent again: failures that are retried, and replays from the journal. Whatever happens in between, every
event is accounted for once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
from delivery_cases import OK, Server, event, failing, refusing
from test_worker import PEOPLE, ConnectionAtWork, assert_everything_in_order, traffic

from hogline.core.changes import Failure, Settlement
from hogline.model import Request, Response
from hogline.store.base import Counts, Replay, Unwritable

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ConnectionAtWork]:
    made = ConnectionAtWork(tmp_path)
    await made.connect()
    yield made
    await made.journal.close()
    await made.state.close()


class Silent(Server):
    """Takes everything and never answers."""

    async def send(self, request: Request) -> Response:
        await super().send(request)
        await asyncio.Event().wait()
        raise AssertionError


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.002)


async def accounted(bench: ConnectionAtWork, **expected: object) -> Counts:
    """The equation holds, nothing is pending, and these counts are as expected."""
    counts = await bench.counts()
    assert counts.settled == bench.journal.end - bench.connection.start
    assert {name: getattr(counts, name) for name in expected} == expected
    return counts


async def letters(bench: ConnectionAtWork, *, retrying: bool = False) -> list[Failure]:
    return await bench.state.failures(bench.connection.id, retrying=retrying)


async def refused(bench: ConnectionAtWork, *numbers: int) -> Server:
    """Ada's first five events are received; those of these numbers are refused."""
    server = Server(refusing(*(n + 1 for n in numbers)))  # the identify goes first
    await bench.receive(*(event("ada", n) for n in range(5)))
    async with bench.running(server):
        await bench.settled(5)
    await accounted(bench, delivered=5 - len(numbers), failures={"invalid": len(numbers)} if numbers else {})
    return server


async def retry(bench: ConnectionAtWork, *positions: int) -> int:
    return len(await bench.state.retry_failures(bench.connection.id, positions=positions or None))


async def none_retrying(bench: ConnectionAtWork) -> None:
    async with asyncio.timeout(20):
        while await letters(bench, retrying=True):
            await asyncio.sleep(0.002)


def ulids(server: Server) -> list[object]:
    return [one["id"] for one in server.accepted if "id" in one]


# failures


async def test_a_retried_failure_that_is_accepted_is_none_any_more_and_keeps_its_id(bench: ConnectionAtWork) -> None:
    def accept_everything(operations: list[dict[str, object]]) -> Response:
        return OK

    await refused(bench, 1, 3)
    server, first = Server(accept_everything), await letters(bench)
    assert await retry(bench) == 2
    async with bench.running(server):
        await none_retrying(bench)
    await accounted(bench, delivered=5, failures={})
    assert server.events_of("ada") == [1, 3]
    sent = [msgspec.json.decode(letter.refusals[0].operation) for letter in first]
    assert ulids(server) == [one["id"] for one in sent]


async def test_one_that_is_refused_again_stays_a_failure_and_can_be_retried_again(bench: ConnectionAtWork) -> None:
    await refused(bench, 2)
    await retry(bench)
    async with bench.running(Server(failing(400))):
        await none_retrying(bench)
    await accounted(bench, delivered=4, failures={"refused_400": 1})
    (letter,) = await letters(bench)
    assert letter.refusals[0].reason == "refused_400"
    assert await retry(bench, letter.position) == 1
    async with bench.running(Server()):
        await none_retrying(bench)
    await accounted(bench, delivered=5, failures={})


async def test_a_retry_waits_out_an_outage_like_everything_else(bench: ConnectionAtWork) -> None:
    await refused(bench, 2)
    await retry(bench)
    async with bench.running(Server(*[failing(503)] * 5)):
        await none_retrying(bench)
    await accounted(bench, delivered=5, failures={}, retries={"503": 5})


def said_of(bench: ConnectionAtWork, distinct_id: str) -> tuple[list[str], list[str]]:
    """The attributes of somebody that were accepted, and those that were refused."""
    told = bench.state.told(bench.connection.id, [distinct_id])[distinct_id]
    assert told.main is not None
    return list(told.main.names), list(told.main.refused)


async def test_attributes_that_were_refused_are_sent_again_with_the_retry(bench: ConnectionAtWork) -> None:
    await bench.receive(event("ada", 0, set={"plan": "pro"}))
    async with bench.running(Server(refusing(0))):
        await bench.settled(1)
    await retry(bench)
    server = Server()
    async with bench.running(server):
        await none_retrying(bench)
    assert [one["attributes"] for one in server.accepted if one["action"] == "identify"] == [{"plan": "pro"}]
    assert said_of(bench, "ada") == (["plan"], [])
    await accounted(bench, delivered=1, failures={})


async def test_attributes_that_are_refused_again_are_remembered_as_refused(bench: ConnectionAtWork) -> None:
    await bench.receive(event("ada", 0, set={"plan": "pro"}))
    async with bench.running(Server(refusing(0))):
        await bench.settled(1)
    await retry(bench)
    async with bench.running(Server(refusing(0))):
        await none_retrying(bench)
    assert said_of(bench, "ada") == ([], ["plan"])
    await accounted(bench, failures={"invalid": 1})


@pytest.mark.parametrize("apart_ms", [1, 5_000], ids=["the same second", "seconds apart"])
async def test_an_older_update_that_is_retried_does_not_undo_newer_attributes(
    bench: ConnectionAtWork, apart_ms: int
) -> None:
    newer_ms = event("ada").timestamp_ms + apart_ms
    await bench.receive(event("ada", 0, set={"plan": "pro"}))
    async with bench.running(Server(refusing(0, 1))):
        await bench.settled(1)
    await bench.receive(event("ada", 1, set={"plan": "team"}, timestamp_ms=newer_ms))
    async with bench.running(Server()):
        await bench.settled(2)
    await retry(bench)
    server = Server()
    async with bench.running(server):
        await none_retrying(bench)
    for one in server.accepted:
        if one["action"] == "identify":  # Customer.io ignores what is older by its time
            assert one["attributes"] == {"plan": "team"} or one["timestamp"] < newer_ms // 1_000  # type: ignore[operator]
    assert said_of(bench, "ada") == (["plan"], [])
    await accounted(bench, delivered=2, failures={})


async def test_a_retry_that_was_asked_for_while_nothing_ran_is_done_at_the_next_start(bench: ConnectionAtWork) -> None:
    await refused(bench, 0, 4)
    assert await retry(bench) == 2
    await accounted(bench, delivered=3, failures={"invalid": 2})
    async with bench.running(Server()):
        await none_retrying(bench)
    await accounted(bench, delivered=5, failures={})


async def test_a_crash_after_the_retry_was_sent_and_before_it_was_settled_sends_it_once_more(
    bench: ConnectionAtWork,
) -> None:
    await refused(bench, 2)
    await retry(bench)
    silent, server = Silent(), Server()
    worker = bench.worker(silent)
    task = asyncio.create_task(worker.run())
    await until(lambda: bool(silent.accepted))
    await worker.close(within_s=0)
    await task
    await accounted(bench, delivered=4, failures={"invalid": 1})
    async with bench.running(server):
        await none_retrying(bench)
    assert ulids(server) == ulids(silent)
    await accounted(bench, delivered=5, failures={})


async def test_asking_twice_while_the_first_retry_is_on_its_way_sends_it_once(bench: ConnectionAtWork) -> None:
    await refused(bench, 2)
    silent = Silent()
    worker = bench.worker(silent)
    task = asyncio.create_task(worker.run())
    for _ in range(2):
        assert await retry(bench) == 1
        worker.ask_again()
        await until(lambda: bool(silent.accepted))
    for _ in range(20):
        await asyncio.sleep(0)
    await worker.close(within_s=0)
    await task
    assert len(silent.requests) == 1


async def test_asking_again_in_the_moment_of_its_settlement_is_no_second_retry(
    bench: ConnectionAtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is there and the settlement on its way to the disk: the state still calls it retrying."""
    await refused(bench, 2)
    await retry(bench)
    settle = bench.state.settle
    server = Server()

    async def slow(settlement: Settlement) -> None:
        worker.ask_again()
        for _ in range(20):
            await asyncio.sleep(0)
        await settle(settlement)

    monkeypatch.setattr(bench.state, "settle", slow)
    async with bench.running(server) as worker:
        await none_retrying(bench)
        for _ in range(20):
            await asyncio.sleep(0.001)
    assert server.events_of("ada") == [2]
    await accounted(bench, delivered=5, failures={})


async def test_unknown_ids_are_none(bench: ConnectionAtWork) -> None:
    await refused(bench, 2)
    assert await retry(bench, 1, 99, -1) == 0
    assert await bench.state.discard_failures(bench.connection.id, positions=[1, 99, -1]) == 0
    assert await bench.state.retry_failures(bench.connection.id, reason="nothing of that kind") == []
    await accounted(bench, delivered=4, failures={"invalid": 1})


async def test_a_discarded_failure_counts_as_filtered_and_is_not_sent(bench: ConnectionAtWork) -> None:
    await refused(bench, 1, 2)
    assert await bench.state.discard_failures(bench.connection.id, positions=[2]) == 1
    await accounted(bench, delivered=3, filtered={"discarded": 1}, failures={"invalid": 1})
    assert await bench.state.discard_failures(bench.connection.id, positions=[2]) == 0
    assert await retry(bench) == 1
    server = Server()
    async with bench.running(server):
        await none_retrying(bench)
    assert server.events_of("ada") == [2]
    await accounted(bench, delivered=4, filtered={"discarded": 1}, failures={})


@pytest.mark.parametrize("answer", [OK, failing(400)], ids=["accepted", "refused again"])
async def test_discarding_one_that_is_on_its_way_harms_nothing(bench: ConnectionAtWork, answer: Response) -> None:
    await refused(bench, 2)
    await retry(bench)

    class Discarding(Server):
        async def send(self, request: Request) -> Response:
            if not self.requests:
                assert await bench.state.discard_failures(bench.connection.id) == 0
            return await super().send(request)

    async with bench.running(Discarding(answer)), asyncio.timeout(20):
        await none_retrying(bench)
        await bench.receive(event("ada", 5))
        await bench.settled(6)
    await accounted(bench, filtered={})


async def test_more_retries_than_fit_into_memory_at_once_are_all_sent_in_each_persons_order(
    bench: ConnectionAtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hogline.delivery.puller.WINDOW_BYTES", 5_000)
    monkeypatch.setattr("hogline.delivery.puller.PULL", 30)
    monkeypatch.setattr("hogline.delivery.fuse.AT_LEAST", 10_000)

    def refuse_all(operations: list[dict[str, object]]) -> Response:
        return refusing(*range(len(operations)))

    await bench.receive(*traffic(5))
    async with bench.running(Server(*[refuse_all] * 200)):
        await bench.settled(200)
    await accounted(bench, failures={"invalid": 200})
    assert await retry(bench) == 200
    server = Server()
    async with bench.running(server):
        await none_retrying(bench)
    assert_everything_in_order(server, 5)
    await accounted(bench, delivered=200, failures={})


# replays


async def delivered(bench: ConnectionAtWork, events_each: int) -> None:
    await bench.receive(*traffic(events_each))
    async with bench.running(Server()):
        await bench.settled(events_each * len(PEOPLE))


async def no_replay(bench: ConnectionAtWork) -> None:
    async with asyncio.timeout(20):
        while await bench.state.replay(bench.connection.id):
            await asyncio.sleep(0.002)


async def test_a_replay_sends_the_same_events_again_and_counts_them_beside(bench: ConnectionAtWork) -> None:
    await delivered(bench, 3)
    await bench.state.begin_replay(bench.connection.id, Replay(settled=0, last=120))
    server = Server()
    async with bench.running(server):
        await no_replay(bench)
    assert_everything_in_order(server, 3)
    await accounted(bench, delivered=120, replayed={"delivered": 120})


@pytest.mark.parametrize(
    ("settled", "last", "numbers"),
    [(0, 40, [0]), (40, 80, [1]), (80, 120, [2]), (40, 120, [1, 2])],
    ids=["until", "the middle", "since", "since and until"],
)
async def test_a_replay_sends_what_lies_between_its_ends(
    bench: ConnectionAtWork, settled: int, last: int, numbers: list[int]
) -> None:
    await delivered(bench, 3)
    await bench.state.begin_replay(bench.connection.id, Replay(settled=settled, last=last))
    server = Server()
    async with bench.running(server):
        await no_replay(bench)
    assert {person: server.events_of(person) for person in PEOPLE} == dict.fromkeys(PEOPLE, numbers)
    await accounted(bench, replayed={"delivered": last - settled})


@pytest.mark.parametrize("names", [("ordered",), ("ordered", "nothing of that name"), ("nothing of that name",)])
async def test_a_replay_of_some_names_sends_those_and_ends(bench: ConnectionAtWork, names: tuple[str, ...]) -> None:
    await bench.receive(*(event("ada", n, name="ordered" if n % 7 == 0 else "clicked") for n in range(50)))
    async with bench.running(Server()):
        await bench.settled(50)
    await bench.state.begin_replay(bench.connection.id, Replay(settled=0, last=50, events=names))
    server = Server()
    async with bench.running(server):
        await no_replay(bench)
    assert server.events_of("ada") == (list(range(0, 50, 7)) if "ordered" in names else [])
    await accounted(bench, delivered=50)


async def test_a_replay_during_live_traffic_keeps_the_order_of_what_is_new(bench: ConnectionAtWork) -> None:
    await delivered(bench, 3)
    server = Server()
    async with bench.running(server) as worker:
        await bench.receive(*traffic(2, 3))
        await bench.state.begin_replay(bench.connection.id, Replay(settled=0, last=120))
        worker.ask_again()
        await bench.receive(*traffic(2, 5))
        await bench.settled(280)
        await no_replay(bench)
    for person in PEOPLE:
        sent = server.events_of(person)
        assert [n for n in sent if n in {0, 1, 2}] == [0, 1, 2]
        assert [n for n in sent if n in {3, 4, 5, 6}] == [3, 4, 5, 6]
    await accounted(bench, delivered=280, replayed={"delivered": 120})


async def test_a_replay_goes_on_after_a_restart_where_it_was(
    bench: ConnectionAtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hogline.delivery.puller.PULL", 40)
    monkeypatch.setattr("hogline.delivery.puller.WINDOW_BYTES", 4_000)
    await delivered(bench, 10)
    await bench.state.begin_replay(bench.connection.id, Replay(settled=0, last=400))

    class Breaking(Server):
        async def send(self, request: Request) -> Response:
            if len(self.requests) == 3:
                await asyncio.Event().wait()
            return await super().send(request)

    breaking, server = Breaking(), Server()
    worker = bench.worker(breaking)
    task = asyncio.create_task(worker.run())
    await until(lambda: len(breaking.requests) == 3)
    await worker.close(within_s=0)
    await task
    replay = await bench.state.replay(bench.connection.id)
    assert replay is not None
    assert 0 < replay.settled < 400
    async with bench.running(server):
        await no_replay(bench)
    for person in PEOPLE:
        assert set(breaking.events_of(person)) | set(server.events_of(person)) == set(range(10))
        assert server.events_of(person) == sorted(server.events_of(person), key=str)
    assert len(server.accepted) < 400
    await accounted(bench, delivered=400)


async def test_a_replay_across_a_part_of_the_journal_that_is_gone_ends(bench: ConnectionAtWork) -> None:
    await delivered(bench, 3)
    await bench.journal.trim(100, received_before_ms=bench.clock.time_ms() + 1, most_bytes=0)
    await bench.state.begin_replay(bench.connection.id, Replay(settled=0, last=120))
    async with bench.running(Server()):
        await no_replay(bench)
    await accounted(bench, delivered=120, replayed={"delivered": 20})


async def test_what_is_refused_in_a_replay_is_counted_and_makes_no_failure(bench: ConnectionAtWork) -> None:
    await delivered(bench, 1)
    await bench.state.begin_replay(bench.connection.id, Replay(settled=0, last=40))
    async with bench.running(Server(refusing(0, 1))):
        await no_replay(bench)
    await accounted(bench, delivered=40, failures={}, replayed={"delivered": 38, "invalid": 2})


async def test_asking_for_something_else_in_the_moment_a_replay_ends_does_not_begin_it_again(
    bench: ConnectionAtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    await delivered(bench, 1)
    await bench.state.begin_replay(bench.connection.id, Replay(settled=0, last=40))
    settle = bench.state.settle
    server = Server()

    async def slow(settlement: Settlement) -> None:
        worker.ask_again()
        for _ in range(20):
            await asyncio.sleep(0)
        await settle(settlement)

    monkeypatch.setattr(bench.state, "settle", slow)
    async with bench.running(server) as worker:
        await no_replay(bench)
        for _ in range(20):
            await asyncio.sleep(0.001)
    assert_everything_in_order(server, 1)


async def test_a_full_disk_delays_the_end_of_a_replay_that_had_nothing_to_send(
    bench: ConnectionAtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    await delivered(bench, 1)
    await bench.state.begin_replay(bench.connection.id, Replay(settled=0, last=40, events=("none",)))
    settle, full = bench.state.settle, [True, True, True]

    async def sometimes(settlement: Settlement) -> None:
        if full:
            full.pop()
            raise Unwritable("The disk is full.")
        await settle(settlement)

    monkeypatch.setattr(bench.state, "settle", sometimes)
    async with bench.running(Server()):
        await no_replay(bench)
    assert full == []
    await accounted(bench, delivered=40)
