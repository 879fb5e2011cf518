"""Commands on other machines: what they ask through the store is what the process that delivers would do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from service_bench import GOOD, ServiceBench, bench_in
from structlog.testing import capture_logs
from test_control_socket import tour

from hogline.runtime import calls
from hogline.runtime.calls import ENDED, NOBODY, answering, owner_of
from hogline.runtime.remote import MAY_BE_DONE, is_remote
from hogline.service import CannotDo, Service
from hogline.service.actor import Actor, system_user
from hogline.store.base import Unwritable
from hogline.store.shared import NoAnswer, NobodyOwns

pytestmark = pytest.mark.anyio


class Tasks:
    """As the store keeps them, in memory."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[tuple[UUID, bytes]] = asyncio.Queue()
        self.answers: dict[UUID, asyncio.Future[bytes]] = {}
        self.trouble: Exception | None = None

    async def next(self) -> list[tuple[UUID, bytes]]:
        return [await self.waiting.get()]

    async def answer(self, task: UUID, answer: bytes) -> None:
        self.answers[task].set_result(answer)

    async def owned(self) -> bool:
        return True

    async def ask(self, request: bytes) -> bytes:
        if self.trouble is not None:
            raise self.trouble
        task = uuid4()
        self.answers[task] = asyncio.get_running_loop().create_future()
        self.waiting.put_nowait((task, request))
        return await self.answers[task]


@asynccontextmanager
async def asked(bench: ServiceBench, who: Actor | None = None) -> AsyncIterator[tuple[Service, Tasks]]:
    tasks = Tasks()
    async with answering(bench.service, tasks):
        yield owner_of(tasks, lambda: who or system_user()), tasks


async def test_every_function_gives_through_the_store_what_it_gives_directly(tmp_path: Path) -> None:
    async with (
        bench_in(tmp_path / "one") as one,
        bench_in(tmp_path / "other") as other,
        asked(other) as (remote, _),
    ):
        directly, by_store = await tour(one.service), await tour(remote)
    assert by_store == directly
    assert repr(by_store) == repr(directly)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with bench_in(tmp_path) as made:
        yield made


async def test_calls_do_not_wait_for_each_other_and_end_with_their_owner(
    bench: ServiceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never() -> list[str]:
        await asyncio.Event().wait()
        return []

    async with asked(bench) as (remote, _):
        assert is_remote(remote)
        await remote.connections.add("customerio", GOOD, name="shop")
        monkeypatch.setattr(bench.service.status, "problems", never)
        long = asyncio.create_task(remote.status.problems())
        assert [one.name for one in await remote.connections.all()] == ["shop"]
        assert not long.done()
    long.cancel()


async def test_the_role_of_who_asks_is_looked_at_by_the_owner(bench: ServiceBench) -> None:
    viewer = Actor(name="grace", kind="account", role="viewer")
    async with asked(bench, viewer) as (remote, _):
        assert await remote.connections.all() == []
        with pytest.raises(CannotDo, match="grace has the role viewer"):
            await remote.connections.add("customerio", GOOD, name="shop")


@pytest.mark.parametrize(("trouble", "sentence"), [(NobodyOwns(), NOBODY), (NoAnswer(), ENDED)])
async def test_without_an_answer_it_is_told_why(bench: ServiceBench, trouble: Exception, sentence: str) -> None:
    async with asked(bench) as (remote, tasks):
        tasks.trouble = trouble
        with pytest.raises(Unwritable) as raised:
            await remote.connections.all()
        assert str(raised.value) == sentence


async def test_what_cannot_be_understood_and_what_is_too_large_are_told(
    bench: ServiceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asked(bench) as (remote, tasks):
        assert b"did not understand" in await tasks.ask(b"canary")
        monkeypatch.setattr(calls, "LONGEST_BYTES", 10)
        with pytest.raises(CannotDo, match="too large"):
            await remote.connections.all()


async def test_trouble_with_reading_calls_does_not_end_it(bench: ServiceBench, monkeypatch: pytest.MonkeyPatch) -> None:
    real, troubles = Tasks.next, [KeyError("canary")]

    async def in_trouble(tasks: Tasks) -> list[tuple[UUID, bytes]]:
        if troubles:
            raise troubles.pop()
        return await real(tasks)

    monkeypatch.setattr(calls, "AGAIN_S", 0.0)
    monkeypatch.setattr(Tasks, "next", in_trouble)
    with capture_logs() as said:
        async with asked(bench) as (remote, _):
            assert await remote.connections.all() == []
    assert [line["error"].split(" at ")[0] for line in said] == ["KeyError"]


async def test_an_answer_that_cannot_be_given_is_an_internal_error(
    bench: ServiceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, troubles = Tasks.answer, [KeyError("canary")]

    async def in_trouble(tasks: Tasks, task: UUID, answer: bytes) -> None:
        if troubles:
            raise troubles.pop()
        await real(tasks, task, answer)

    monkeypatch.setattr(Tasks, "answer", in_trouble)
    with capture_logs() as said:
        async with asked(bench) as (remote, _):
            with pytest.raises(CannotDo, match=rf"Internal error .*\(KeyError\)\. {MAY_BE_DONE}"):
                await remote.connections.all()
            assert await remote.connections.all() == []
    assert "canary" not in str(said)
