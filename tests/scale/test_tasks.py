"""What other processes ask the owner of the store: each task is begun once, and its asker knows what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from many import change

from hogline.store.base import Unwritable
from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql import tasks
from hogline.store.postgresql.claim import Claim, claimed
from hogline.store.postgresql.link import Row, Values
from hogline.store.postgresql.presence import Myself
from hogline.store.postgresql.tasks import PostgresqlAnswers, PostgresqlAsks
from hogline.store.postgresql.trouble import AWAY
from hogline.store.shared import NoAnswer, NobodyOwns

pytestmark = pytest.mark.anyio

VAULT = Vault(Vault.new_key())
WITHIN_S = 10


@pytest.fixture
async def claim(url: str) -> AsyncIterator[Claim]:
    made = await claimed(url, VAULT, Myself(role="deliver"))
    yield made
    await made.release()


@pytest.fixture
async def answers(claim: Claim) -> AsyncIterator[PostgresqlAnswers]:
    made = PostgresqlAnswers(claim, VAULT)
    yield made
    await made.close()


@pytest.fixture
async def asks(url: str) -> AsyncIterator[PostgresqlAsks]:
    made = PostgresqlAsks(url, VAULT)
    yield made
    await made.close()


class Deaf:
    """As the real one, but the answers of PostgreSQL to some queries do not arrive."""

    def __init__(self, asks: PostgresqlAsks, *queries: str) -> None:
        self._real, self._queries = asks._rows, queries
        asks._rows = self  # type: ignore[assignment]  # as good as one

    async def __call__(self, name: str, values: Values) -> list[Row]:
        found = await self._real(name, values)
        if name in self._queries:
            raise Unwritable(AWAY)
        return found

    async def close(self) -> None:
        await self._real.close()


async def test_a_task_is_begun_once_and_answered(
    answers: PostgresqlAnswers, asks: PostgresqlAsks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "LOOK_EVERY_S", 0.0)
    asked = [asyncio.create_task(asks.ask(b"%d" % number)) for number in range(20)]
    begun: list[bytes] = []

    async def work() -> None:
        while True:
            for task, request in await answers.next():
                begun.append(request)
                await answers.answer(task, request + b" done")

    working = asyncio.create_task(work())
    async with asyncio.timeout(WITHIN_S):
        assert await asyncio.gather(*asked) == [b"%d done" % number for number in range(20)]
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert sorted(begun, key=int) == [b"%d" % number for number in range(20)]


async def test_what_takes_long_is_not_begun_again(
    answers: PostgresqlAnswers, asks: PostgresqlAsks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "LOOK_EVERY_S", 0.0)
    asked = asyncio.create_task(asks.ask(b"long"))
    async with asyncio.timeout(WITHIN_S):
        [(task, request)] = await answers.next()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await answers.next()
    await answers.answer(task, request)
    assert await asked == b"long"


async def test_what_was_begun_and_never_heard_of_is_begun_again(
    claim: Claim, answers: PostgresqlAnswers, asks: PostgresqlAsks
) -> None:
    asked = asyncio.create_task(asks.ask(b"lost on its way"))
    async with asyncio.timeout(WITHIN_S):
        while not await answers._rows("begin", {**claim.identity, "fresh_s": 60, "most": 1}):
            await asyncio.sleep(0.01)
        [(task, request)] = await answers.next()
        await answers.answer(task, request)
        assert await asked == b"lost on its way"


async def test_a_request_that_cannot_be_decrypted_holds_up_no_other(
    url: str, answers: PostgresqlAnswers, asks: PostgresqlAsks
) -> None:
    change(url, "INSERT INTO task (id, request) VALUES (gen_random_uuid(), 'of another key')")
    asked = asyncio.create_task(asks.ask(b"ours"))
    found: list[bytes] = []
    async with asyncio.timeout(WITHIN_S):
        while b"ours" not in found:
            for task, request in await answers.next():
                found.append(request)
                await answers.answer(task, request)
        assert await asked == b"ours"
    assert sorted(found) == [b"", b"ours"]
    with psycopg.connect(url) as link:
        assert link.execute("SELECT count(*) FROM hogline.task WHERE answer IS NULL").fetchone() == (0,)


async def test_what_nobody_has_begun_was_not_done(
    url: str, claim: Claim, asks: PostgresqlAsks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "WAIT_FOR_OWNER_S", 0.1)
    monkeypatch.setattr(tasks, "BEGUN_WITHIN_S", 0.1)
    with pytest.raises(NobodyOwns):  # the owner does not answer
        await asks.ask(b"x")
    change(url, "UPDATE store SET lease = now() - interval '1 second'")
    with pytest.raises(NobodyOwns):
        await asks.ask(b"x")
    for query in ("ask", "answered"):
        Deaf(asks, query)
        with pytest.raises(Unwritable, match=AWAY):
            await asks.ask(b"x")
    with psycopg.connect(url) as link:
        assert link.execute("SELECT count(*) FROM hogline.task").fetchone() == (0,)


async def begin(answers: PostgresqlAnswers) -> None:
    async with asyncio.timeout(WITHIN_S):
        await answers.next()


@pytest.mark.parametrize("query", ["ask", "answered", "done"])
async def test_what_was_begun_may_have_been_done_even_if_postgresql_is_away(
    answers: PostgresqlAnswers, asks: PostgresqlAsks, query: str
) -> None:
    begun = asyncio.create_task(begin(answers))

    class Begun(Deaf):
        async def __call__(self, name: str, values: Values) -> list[Row]:
            try:
                return await super().__call__(name, values)
            finally:
                if name == "ask":
                    await begun

    Begun(asks, *{query, "answered"} - ({"answered"} if query == "ask" else set()))
    with pytest.raises(NoAnswer):
        await asks.ask(b"x")


async def test_without_its_owner_what_was_begun_may_have_been_done(
    url: str, answers: PostgresqlAnswers, asks: PostgresqlAsks
) -> None:
    asked = asyncio.create_task(asks.ask(b"x"))
    await begin(answers)
    change(url, "UPDATE store SET epoch = epoch + 1")
    with pytest.raises(NoAnswer):
        await asked
