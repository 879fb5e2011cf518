"""A connection at work: the journal and the state are real, the destination is the real Customer.io one, its server
answers as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from delivery_cases import Server, Worker, event, failing, refusing
from harness import OneConnection

from hogline.core.changes import Intent, Settlement
from hogline.core.told import Customer
from hogline.delivery.carrier import Stopped
from hogline.delivery.gate import Gate, Rate
from hogline.destinations.base import Unreachable
from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Event, Request, Response
from hogline.posthog.entry import Entry
from hogline.store.base import Counts, Unwritable
from hogline.testing.clock import SkippingClock

pytestmark = pytest.mark.anyio

OPTIONS: dict[str, object] = {"site_id": "site", "api_key": "key"}


class ConnectionAtWork(OneConnection):
    """Workers come and go."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, SkippingClock(1_793_001_000_000))

    def worker(self, server: Server) -> Worker:
        return Worker(
            self.connection,
            CUSTOMERIO,
            CUSTOMERIO.read_options(self.connection.options),
            journal=self.journal,
            state=self.state,
            send=server.send,
            gate=Gate(Rate(100, self.clock), self.clock, lambda: 0.5),
            clock=self.clock,
        )

    async def settled(self, events: int) -> Counts:
        async with asyncio.timeout(20):
            while (counts := await self.counts()).settled < events:
                await asyncio.sleep(0.002)
        return counts

    @asynccontextmanager
    async def running(self, server: Server) -> AsyncIterator[Worker]:
        worker = self.worker(server)
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            await worker.close()
            await task


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ConnectionAtWork]:
    made = ConnectionAtWork(tmp_path)
    await made.connect()
    yield made
    await made.close()


PEOPLE = [f"person-{n}" for n in range(40)]


def traffic(events_each: int, first: int = 0) -> list[Event]:
    return [event(person, n) for n in range(first, first + events_each) for person in PEOPLE]


def assert_everything_in_order(server: Server, events_each: int) -> None:
    for person in PEOPLE:
        assert server.events_of(person) == list(range(events_each))


async def test_what_is_received_is_delivered_in_each_persons_order(bench: ConnectionAtWork) -> None:
    server = Server()
    async with bench.running(server):
        for first in range(0, 20, 5):
            await bench.receive(*traffic(5, first))
        counts = await bench.settled(800)
    assert counts.delivered == 800
    assert_everything_in_order(server, 20)


@pytest.mark.parametrize(
    "trouble",
    [
        failing(429, {"retry-after": "3"}),
        failing(500),
        failing(503),
        failing(408),
        Unreachable("no connection"),
        Response(200, {}, b"<html>garbage"),
    ],
    ids=["429", "500", "503", "408", "unreachable", "garbage"],
)
async def test_an_outage_costs_time_and_nothing_else(bench: ConnectionAtWork, trouble: Response | Unreachable) -> None:
    server = Server(*[trouble] * 30)
    await bench.receive(*traffic(5))
    async with bench.running(server):
        counts = await bench.settled(200)
    assert counts.delivered == 200
    assert sum(counts.retries.values()) == 30
    assert counts.requests == len(server.requests)
    assert_everything_in_order(server, 5)


async def test_retry_after_is_waited_for(bench: ConnectionAtWork) -> None:
    server = Server(failing(429, {"retry-after": "77"}))
    await bench.receive(event("ada"))
    begin = bench.clock.at_s
    async with bench.running(server):
        await bench.settled(1)
    assert bench.clock.at_s - begin >= 77


async def test_refused_operations_become_failures_and_the_others_are_delivered(bench: ConnectionAtWork) -> None:
    await bench.receive(event("ada", 0), event("ada", 1), event("ada", 2))
    server = Server(refusing(2))  # identify, event 0, event 1, event 2
    async with bench.running(server):
        counts = await bench.settled(3)
    assert (counts.delivered, counts.failures) == (2, {"invalid": 1})
    assert server.events_of("ada") == [0, 2]
    (letter,) = await bench.state.failures(bench.connection.id)
    assert letter.uuid == event("ada", 1).uuid
    assert b'"n":1' in letter.refusals[0].operation
    assert letter.refusals[0].message == "no"


@pytest.mark.parametrize("culprit", [0, 17, 39])
async def test_a_request_that_is_refused_whole_is_halved_until_the_culprit_is_alone(
    bench: ConnectionAtWork, culprit: int
) -> None:
    bad = f"person-{culprit}"

    def refuse_culprit(operations: list[dict[str, object]]) -> Response:
        return (
            failing(400) if any(one["identifiers"] == {"id": bad} for one in operations) else Response(200, {}, b"{}")
        )

    server = Server(*[refuse_culprit] * 1_000)
    await bench.receive(*traffic(2))
    async with bench.running(server):
        counts = await bench.settled(80)
    assert counts.delivered == 78
    assert sum(counts.failures.values()) == 2
    assert server.events_of(bad) == []
    assert all(server.events_of(person) == [0, 1] for person in PEOPLE if person != bad)


def main_of(bench: ConnectionAtWork, distinct_id: str) -> Customer:
    told = bench.state.told(bench.connection.id, [distinct_id])[distinct_id]
    assert told.main is not None
    return told.main


async def test_a_refused_identify_is_not_remembered_as_accepted(bench: ConnectionAtWork) -> None:
    await bench.receive(event("ada", 0, set={"plan": "pro"}))
    async with bench.running(Server(refusing(0))):
        await bench.settled(1)
    main = main_of(bench, "ada")
    assert (dict(main.names), list(main.refused)) == ({}, ["plan"])


async def test_what_follows_a_refusal_in_the_same_request_does_not_hide_it(bench: ConnectionAtWork) -> None:
    """What is refused is divided, and what is bad alone is remembered."""
    await bench.receive(event("ada", 0, set={"plan": "pro"}), event("ada", 1, set={"seats": 3}))
    async with bench.running(Server(refusing(0), refusing(0))):  # divided, the one with the plan is refused again
        await bench.settled(2)
    main = main_of(bench, "ada")
    assert (list(main.names), list(main.refused)) == (["seats"], ["plan"])


@pytest.mark.parametrize("status", [401, 403, 301, 302])
async def test_wrong_credentials_or_endpoint_stop_the_connection_and_nothing_is_thrown_away(
    bench: ConnectionAtWork, status: int
) -> None:
    server = Server(default=failing(status))
    await bench.receive(*traffic(1))
    with pytest.raises(Stopped) as stopped:
        await asyncio.wait_for(bench.worker(server).run(), 10)
    assert len(str(stopped.value)) > 20
    counts = await bench.counts()
    assert counts.settled == 0
    assert counts.requests == len(server.requests)
    good = Server()
    async with bench.running(good):
        await bench.settled(40)
    assert_everything_in_order(good, 1)


async def test_it_goes_on_where_it_stopped_and_counts_everything_once(bench: ConnectionAtWork) -> None:
    first, second = Server(), Server()
    await bench.receive(*traffic(3))
    async with bench.running(first):
        await bench.settled(120)
    await bench.receive(*traffic(3, 3))
    async with bench.running(second):
        counts = await bench.settled(240)
    assert counts.delivered == 240
    for person in PEOPLE:
        assert first.events_of(person) + second.events_of(person) == list(range(6))


async def test_what_is_not_settled_when_it_stops_is_sent_again_the_same(bench: ConnectionAtWork) -> None:
    """The answer to the first requests never arrives; afterwards the same operations go out, byte for byte."""

    class Silent(Server):
        async def send(self, request: object) -> Response:
            await super().send(request)  # type: ignore[arg-type]
            await asyncio.Event().wait()
            raise AssertionError

    silent, server = Silent(), Server()
    await bench.receive(*[event(person, 0, set={"plan": "pro"}) for person in PEOPLE])
    worker = bench.worker(silent)
    task = asyncio.create_task(worker.run())
    async with asyncio.timeout(10):
        while not silent.accepted:
            await asyncio.sleep(0.001)
    await worker.close(within_s=0.0)
    await task
    assert (await bench.counts()).settled == 0
    async with bench.running(server):
        counts = await bench.settled(40)
    assert counts.delivered == 40
    again = {_key(one): one for one in server.accepted}
    # An identify carries a later time than what was said before the stop, and may be written anew.
    assert all(again[_key(one)] == one for one in silent.accepted if one["action"] != "identify")


async def test_a_wrong_key_costs_one_request_however_much_waits(bench: ConnectionAtWork) -> None:
    class Distant(Server):
        async def send(self, request: Request) -> Response:
            answer = await super().send(request)
            for _ in range(50):
                await asyncio.sleep(0)
            return answer

    server = Distant(default=failing(401))
    for first in range(0, 500, 50):  # many full requests
        await bench.receive(*(event(who, first, properties={"n": first, "t": "x" * 6_000}) for who in PEOPLE))
    with pytest.raises(Stopped):
        await asyncio.wait_for(bench.worker(server).run(), 10)
    assert len(server.requests) == 1


async def test_a_shipment_that_is_just_being_planned_when_it_stops_is_not_sent(
    bench: ConnectionAtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would wait for its answer, which may take for ever."""
    asked, planned, intend, server = asyncio.Event(), asyncio.Event(), bench.state.intend, Server()

    async def slow(intent: Intent) -> None:
        asked.set()
        await planned.wait()
        await intend(intent)

    monkeypatch.setattr(bench.state, "intend", slow)
    await bench.receive(event("ada"))
    worker = bench.worker(server)
    task = asyncio.create_task(worker.run())
    await asked.wait()
    await worker.close(within_s=0)
    planned.set()
    await asyncio.wait_for(task, 5)
    assert server.requests == []


async def test_large_events_are_pulled_in_small_portions(
    bench: ConnectionAtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hogline.delivery.puller.WINDOW_BYTES", 500_000)
    monkeypatch.setattr("hogline.delivery.puller.PULL_BYTES", 300_000)
    for first in range(0, 400, 50):
        await bench.receive(
            *(event("ada", n, properties={"n": n, "t": "x" * 20_000}) for n in range(first, first + 50))
        )
    seen: list[int] = []
    server = Server()
    async with bench.running(server) as worker:
        async with asyncio.timeout(20):
            while worker._desk is None:
                await asyncio.sleep(0)
            while (settled := (await bench.counts()).settled) < 400:
                if settled >= 100:  # the first portion is a guess; then it is known how large they are
                    seen.append(worker._desk.lanes.size_bytes)
                await asyncio.sleep(0)
    assert max(seen) <= 500_000 + 350_000


def _key(operation: dict[str, object]) -> tuple[str, str]:
    return (str(operation["identifiers"]), str(operation["action"]))


async def test_a_filtered_event_is_settled_without_a_request(bench: ConnectionAtWork) -> None:
    await bench.state.remove_connection(bench.connection.id)
    await bench.connect(anonymous_users="identified")
    server = Server()
    await bench.receive(*traffic(3))
    async with bench.running(server):
        counts = await bench.settled(120)
    assert counts.filtered == {"not_identified": 120}
    assert server.requests == []
    assert await bench.state.find_people(bench.connection.id, "") == []


async def test_one_event_that_we_fail_over_harms_no_other(
    bench: ConnectionAtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = CUSTOMERIO.people
    assert people is not None
    write: Callable[..., object] = people.event

    def failing_event(head: bytes, who: object, entry: Entry, *rest: object) -> object:
        if entry.data == b'{"n":1}':
            raise ZeroDivisionError
        return write(head, who, entry, *rest)

    monkeypatch.setattr(people, "event", failing_event)
    server = Server()
    await bench.receive(*traffic(3))
    async with bench.running(server):
        counts = await bench.settled(120)
    assert (counts.delivered, counts.failures) == (80, {"internal_error": 40})


async def test_batches_grow_by_themselves_under_load(bench: ConnectionAtWork) -> None:
    server = Server()
    await bench.receive(*traffic(50))
    async with bench.running(server):
        counts = await bench.settled(2_000)
    assert counts.requests <= 2_000 / 100


async def test_an_email_is_an_identifier_only_once_it_was_accepted_under_the_id(bench: ConnectionAtWork) -> None:
    await bench.state.remove_connection(bench.connection.id)
    await bench.connect(identify_by_email=True)
    server = Server()
    async with bench.running(server):
        await bench.receive(event("ada", 0))
        await bench.settled(1)
        await bench.receive(event("ada", 1, set={"email": "ada@example.com"}), event("ada", 2))
        await bench.settled(3)
        await bench.receive(event("ada", 3))
        await bench.settled(4)
    assert [one["identifiers"] for one in server.accepted] == [{"id": "ada"}] * 5 + [{"email": "ada@example.com"}]


@pytest.mark.parametrize("call", ["read", "lanes"])
async def test_a_disk_that_cannot_be_read_for_a_while_costs_time_only(
    bench: ConnectionAtWork, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    store: object = bench.journal if call == "read" else bench.state
    whole = getattr(store, call)
    failures = 3

    async def broken(*arguments: object) -> object:
        nonlocal failures
        if failures:
            failures -= 1
            raise Unwritable("The disk of the data directory is failing.")
        return await whole(*arguments)

    monkeypatch.setattr(store, call, broken)
    server = Server()
    await bench.receive(*traffic(3))
    async with bench.running(server):
        counts = await bench.settled(120)
    assert (counts.delivered, failures) == (120, 0)
    assert counts.requests == len(server.requests)
    for person in PEOPLE:
        assert list(dict.fromkeys(server.events_of(person))) == [0, 1, 2]


async def test_what_comes_after_a_write_that_the_disk_refused_is_written_after_it(
    bench: ConnectionAtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small write may fit where a large one does not: it must not be overwritten by what was decided before it."""
    whole, refusals, told, written = bench.state.settle, 3, [], list[bool]()
    later: list[asyncio.Task[None]] = []

    async def full_for_people(settlement: Settlement) -> None:
        nonlocal refusals
        if settlement.told and refusals:
            refusals -= 1
            raise Unwritable("The disk is full.")
        await whole(settlement)
        if refusals < 3:
            written.append(bool(settlement.told))

    monkeypatch.setattr(bench.state, "settle", full_for_people)
    server = Server()
    await bench.receive(event("ada", 0))
    async with bench.running(server) as worker:
        standing = worker._watch.standing

        def note(trouble: str | None) -> None:
            told.append(trouble)
            standing(trouble)

        async def small_writes(seconds: float) -> None:
            if refusals < 3:
                small = Settlement(connection=bench.connection.id, lanes={})
                later.append(asyncio.create_task(worker._keep(small)))
            for _ in range(5):
                await asyncio.sleep(0)
            told.append(worker.trouble)
            bench.clock.at_s += seconds

        monkeypatch.setattr(worker._watch, "standing", note)
        monkeypatch.setattr(bench.clock, "sleep", small_writes)
        await bench.settled(1)
        await asyncio.gather(*later)
        assert worker.trouble is None
    assert (refusals, written[:4]) == (0, [True, False, False, False])
    changes = [one for one, before in zip(told, [None, *told], strict=False) if one != before]
    assert changes == ["The disk is full.", None]


async def test_a_disk_that_cannot_be_read_is_trouble_without_a_break(
    bench: ConnectionAtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, tries, told = bench.journal.read, 0, []

    async def broken(*arguments: int) -> list[tuple[int, bytes]]:
        nonlocal tries
        tries += 1
        told.append(worker.folder.trouble)
        if tries <= 4:
            raise Unwritable("The disk fails.")
        return await whole(*arguments)

    monkeypatch.setattr(bench.journal, "read", broken)
    await bench.receive(event("ada", 0))
    async with bench.running(Server()) as worker:
        await bench.settled(1)
        async with asyncio.timeout(10):
            while worker.folder.trouble is not None:
                await asyncio.sleep(0.002)
    assert told[:4] == [None] + ["The disk fails."] * 3
