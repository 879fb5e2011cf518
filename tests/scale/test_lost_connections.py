"""Connections that are lost without a word, as behind a frozen proxy. Nobody may wait for them forever."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from way import Way, way

from hogline.store.base import Unwritable
from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql import aside as aside_module
from hogline.store.postgresql import pen as pen_module
from hogline.store.postgresql import presence as presence_module
from hogline.store.postgresql.aside import Aside
from hogline.store.postgresql.claim import claimed
from hogline.store.postgresql.journal import PostgresqlJournal
from hogline.store.postgresql.link import Link, as_long_as_it_takes, close, connect, execute, value
from hogline.store.postgresql.pen import Pen
from hogline.store.postgresql.presence import Myself
from hogline.store.postgresql.trouble import Late
from hogline.testing.postgresql import Server

pytestmark = pytest.mark.anyio

VAULT = Vault(Vault.new_key())
COUNT = b"UPDATE audit_end SET last = last + 1"
COUNTED = b"SELECT last FROM audit_end"


@pytest.fixture
def to(postgresql: Server) -> Iterator[Way]:
    with tempfile.TemporaryDirectory(prefix="way-") as folder, way(Path(folder), postgresql.folder) as made:
        yield made


@pytest.fixture
def there(url: str, postgresql: Server, to: Way) -> str:
    return url.replace(str(postgresql.folder), str(to.folder))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for an answer."""
    for module in (aside_module, pen_module, presence_module):
        monkeypatch.setattr(module, "connect", partial(connect, within_s=0.5))


def losing(to: Way) -> Callable[[Link], int]:
    """Counts up by two, and loses its connection in between, the first time."""
    lose = [to.lose]

    def work(link: Link) -> int:
        execute(link, COUNT)
        counted: int = value(link, COUNTED)
        if lose:
            lose.pop()()
        execute(link, COUNT)
        return counted

    return work


def counted(url: str) -> int:
    link = connect(url, "test")
    found: int = value(link, COUNTED)
    close(link)
    return found


async def test_the_owner_goes_on_once_it_knows_that_its_connections_were_lost(
    there: str, url: str, to: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pen_module, "connect", partial(connect, within_s=3_600))
    claim = await claimed(there, VAULT, Myself(role="deliver", lease_s=1.2))
    pen = Pen(claim, "state")
    async with asyncio.timeout(20):
        assert await asyncio.to_thread(pen.write, losing(to)) == 1
    assert counted(url) == 2
    pen.close()
    await claim.release()


async def test_a_process_can_stop_although_its_connections_are_lost(there: str, to: Way) -> None:
    claim = await claimed(there, VAULT, Myself(role="deliver", lease_s=1.2))
    journal = PostgresqlJournal(claim)
    to.lose()
    to.block()
    appending = asyncio.create_task(journal.append([b"x"]))
    async with asyncio.timeout(20):
        while claim.trouble is None:
            await asyncio.sleep(0.01)
        await journal.close()
        with pytest.raises(Unwritable):
            await appending
    to.heal()
    await claim.release()


@pytest.mark.usefixtures("impatient")
async def test_a_writer_whose_connection_alone_was_lost_goes_on(there: str, url: str, to: Way) -> None:
    claim = await claimed(url, VAULT)
    claim.url = there
    pen, aside = Pen(claim, "state"), Aside(there, "aside")
    assert await asyncio.to_thread(pen.write, losing(to)) == 1
    work = losing(to)
    with pytest.raises(Unwritable):
        await aside.write(work)
    assert await aside.write(work) == 3  # what was lost holds nothing up
    assert counted(url) == 4
    pen.close()
    await aside.close()
    await claim.release()


@pytest.mark.usefixtures("impatient")
async def test_a_process_that_waits_for_its_turn_notices_that_its_connection_was_lost(
    there: str, url: str, to: Way
) -> None:
    first = await claimed(url, VAULT)
    waits = asyncio.Event()
    second = asyncio.create_task(claimed(there, VAULT, wait_s=None, waits=waits.set))
    await waits.wait()
    to.lose()
    with pytest.raises(Late):
        await second
    await first.release()


def test_what_takes_long_is_waited_for(there: str) -> None:
    link = connect(there, "test", within_s=0.01)
    with as_long_as_it_takes(link):
        link.execute(b"SELECT pg_sleep(0.3)")
    with pytest.raises(Late):
        link.execute(b"SELECT pg_sleep(0.3)")
    assert link.closed
