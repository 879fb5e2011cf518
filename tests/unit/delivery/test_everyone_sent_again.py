"""`hogline people resend --all`: in portions, beside live events, through a crash, until it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from delivery_cases import Server, event
from test_worker import ConnectionAtWork

from hogline.delivery import resender
from hogline.model import Request, Response
from hogline.store.base import Unwritable
from hogline.store.resending import Resending

pytestmark = pytest.mark.anyio

PEOPLE = 25


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ConnectionAtWork]:
    monkeypatch.setattr(resender, "PORTION", 4)
    made = ConnectionAtWork(tmp_path)
    await made.connect(anonymous_users="identified")
    names = [f"user {n:02}" for n in range(PEOPLE)]
    await made.receive(*(event(name, n, name="$identify", set={"n": n}) for n, name in enumerate(names)))
    await made.receive(event("visitor", 99))
    async with made.running(Server()):
        await made.settled(PEOPLE + 1)
    yield made
    await made.state.close()
    await made.journal.close()


class Hanging(Server):
    """Answers two requests, and never the third."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs = asyncio.Event()

    async def send(self, request: Request) -> Response:
        answer = await super().send(request)
        if len(self.requests) > 2:
            self.hangs.set()
            await asyncio.Event().wait()
        return answer


def identified(server: Server) -> list[str]:
    return [one["identifiers"]["id"] for request in server.requests for one in request if one["action"] == "identify"]  # type: ignore[index]


async def until_over(bench: ConnectionAtWork) -> None:
    async with asyncio.timeout(20):
        while bench.state.resending(1) is not None or bench.state.again(1, 1):
            await asyncio.sleep(0.002)


async def test_every_customer_is_sent_once_with_everything(bench: ConnectionAtWork) -> None:
    server = Server()
    await bench.state.resend_everyone(1)
    async with bench.running(server):
        await until_over(bench)
    assert sorted(identified(server)) == [f"user {n:02}" for n in range(PEOPLE)]
    assert sorted(one["attributes"]["n"] for request in server.requests for one in request) == list(range(PEOPLE))  # type: ignore[index]


async def test_it_begins_while_the_connection_runs_and_takes_one_portion_at_a_time(bench: ConnectionAtWork) -> None:
    server = Server()
    async with bench.running(server) as worker:
        await bench.state.resend_everyone(1)
        worker.ask_again()
        await until_over(bench)
    assert len(identified(server)) == PEOPLE
    assert max(len(request) for request in server.requests) <= 4


async def test_after_a_crash_it_goes_on_where_it_was(bench: ConnectionAtWork) -> None:
    """Killed again and again at any point: nobody is left out, and only what was on its way goes twice."""
    answered, kills = list[str](), 0
    await bench.state.resend_everyone(1)
    while bench.state.resending(1) is not None or bench.state.again(1, 1):
        server = Hanging()
        task = asyncio.create_task(bench.worker(server).run())
        over = asyncio.create_task(until_over(bench))
        there = asyncio.create_task(server.hangs.wait())
        await asyncio.wait([over, there], return_when=asyncio.FIRST_COMPLETED)
        for one in (task, over, there):
            one.cancel()
        await asyncio.wait([task, over, there])
        answered += identified(server)
        kills += 1
    assert kills > 2
    assert set(answered) == {f"user {n:02}" for n in range(PEOPLE)}
    assert len(answered) <= PEOPLE + 4 * kills


async def test_it_stops_when_it_is_cancelled(bench: ConnectionAtWork) -> None:
    server = Server()
    await bench.state.resend_everyone(1)
    await bench.state.resend_more(1, 4)
    await bench.state.cancel_resending(1)
    async with bench.running(server):
        await until_over(bench)
    assert identified(server) == [f"user {n:02}" for n in range(4)]


async def test_live_events_go_first_where_many_wait(bench: ConnectionAtWork) -> None:
    lanes = SimpleNamespace(waiting=resender.MOST_WAITING + 1)
    desk: Any = SimpleNamespace(lanes=lanes)
    pulled = asyncio.Event()
    its = resender.Resender(1, desk, state=bench.state, clock=bench.clock, pull=pulled.set)
    await bench.state.resend_everyone(1)
    task = asyncio.create_task(its.run())
    for _ in range(50):
        await asyncio.sleep(0)
    assert bench.state.resending(1) == Resending(people=PEOPLE, asked=0)
    lanes.waiting -= 1
    its.settled()
    async with asyncio.timeout(20):
        await pulled.wait()
    task.cancel()
    assert bench.state.resending(1) == Resending(people=PEOPLE, asked=4)


async def test_a_full_disk_only_delays_it(bench: ConnectionAtWork, monkeypatch: pytest.MonkeyPatch) -> None:
    more, refused = bench.state.resend_more, [Unwritable("full"), Unwritable("full")]

    async def on_a_full_disk(connection: int, most: int) -> int:
        if refused:
            raise refused.pop()
        return await more(connection, most)

    monkeypatch.setattr(bench.state, "resend_more", on_a_full_disk)
    server = Server()
    await bench.state.resend_everyone(1)
    async with bench.running(server):
        await until_over(bench)
    assert len(identified(server)) == PEOPLE
