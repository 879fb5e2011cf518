"""What is written beside delivery is done once or not at all, whatever breaks."""

from __future__ import annotations

import pytest
from many import breaking

from hogline.store.base import Unwritable
from hogline.store.postgresql.aside import Aside
from hogline.store.postgresql.link import execute
from hogline.testing.postgresql import Server

pytestmark = pytest.mark.anyio


async def add(aside: Aside) -> None:
    await aside.write(lambda link: execute(link, b"UPDATE audit_end SET last = last + 1"))


async def added(aside: Aside) -> int:
    found: int = (await aside.rows(b"SELECT last FROM audit_end"))[0][0]
    return found


async def test_a_commit_without_an_answer_that_was_done_is_not_repeated(
    aside: Aside, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(aside)
    assert aside._link is not None
    monkeypatch.setattr(aside._link, "transaction", breaking(aside._link, "transaction", "after"))
    await add(aside)
    assert await added(aside) == 2


async def test_a_commit_without_an_answer_that_was_not_done_is_said_to_have_failed(
    aside: Aside, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(aside)
    assert aside._link is not None
    monkeypatch.setattr(aside._link, "transaction", breaking(aside._link, "transaction", "before"))
    with pytest.raises(Unwritable):
        await add(aside)
    assert await added(aside) == 1
    await add(aside)
    assert await added(aside) == 2


async def test_what_a_crash_of_postgresql_left_unbegun_was_not_done(aside: Aside) -> None:
    (never,) = (await aside.rows(b"SELECT (pg_current_xact_id()::text::bigint + 1000)::text"))[0]
    assert aside._was_committed(never) is False


async def test_a_connection_that_broke_while_nobody_used_it_is_replaced(aside: Aside, postgresql: Server) -> None:
    await add(aside)
    postgresql.stop("fast")
    with pytest.raises(Unwritable):
        await add(aside)
    postgresql.start()
    await add(aside)
    await add(aside)
    postgresql.stop("fast")
    postgresql.start()
    await add(aside)
    assert await added(aside) == 4
