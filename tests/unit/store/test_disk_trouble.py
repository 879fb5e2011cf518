"""A disk that is full, read-only or broken: everybody is told so in one sentence, and it goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import apsw
import pytest
from troubled_disk import Disk, troubled_disk

from hogline.core.changes import Flush, Settlement
from hogline.core.known import Fact, Person
from hogline.store.base import Unusable, Unwritable
from hogline.store.datadir.secrets import Vault
from hogline.store.sqlite.journal import SqliteJournal
from hogline.store.sqlite.state import SqliteState

pytestmark = pytest.mark.anyio

TROUBLES = [
    (apsw.FullError, "The disk of the data directory is full."),
    (apsw.ReadOnlyError, "Cannot write to the data directory."),
    (apsw.IOError, "The disk of the data directory is failing."),
]
each_trouble = pytest.mark.parametrize(("trouble", "sentence"), TROUBLES, ids=[kind.__name__ for kind, _ in TROUBLES])


@pytest.fixture
def disk() -> Iterator[Disk]:
    with troubled_disk() as made:
        yield made


@pytest.fixture
async def journal(tmp_path: Path, disk: Disk) -> AsyncIterator[SqliteJournal]:
    made = SqliteJournal(tmp_path / "journal.db", vfs=disk.name)
    yield made
    disk.trouble = None
    await made.close()


@pytest.fixture
async def state(tmp_path: Path, disk: Disk) -> AsyncIterator[SqliteState]:
    made = SqliteState(tmp_path / "state.db", Vault(Vault.new_key()), vfs=disk.name)
    yield made
    disk.trouble = None
    await made.close()


async def test_an_append_returns_only_after_the_disk_was_told_to_keep_it(journal: SqliteJournal, disk: Disk) -> None:
    disk.calls.clear()
    await journal.append([b"one"], {"no_name": 1})
    await journal.append([b"two"])
    assert [call for call, file in disk.calls if file == "journal.db-wal"][-1] == "sync"
    assert disk.calls.count(("sync", "journal.db-wal")) >= 2


async def test_senders_that_wait_together_share_one_sync(journal: SqliteJournal, disk: Disk) -> None:
    await journal.append([b"first"])
    disk.calls.clear()
    await asyncio.gather(*(journal.append([b"x"]) for _ in range(200)))
    assert disk.calls.count(("sync", "journal.db-wal")) < 50


@each_trouble
@pytest.mark.parametrize("refused", [{}, {"no_name": 1}], ids=["events", "events and refusals"])
async def test_an_event_that_cannot_be_kept_is_never_said_to_be(
    journal: SqliteJournal, disk: Disk, trouble: type[apsw.Error], sentence: str, refused: dict[str, int]
) -> None:
    await journal.append([b"before"], {"no_name": 5})

    disk.trouble = trouble
    results = await asyncio.gather(*(journal.append([b"lost"], refused) for _ in range(10)), return_exceptions=True)

    assert {type(result) for result in results} == {Unwritable}
    assert {str(result)[: len(sentence)] for result in results} == {sentence}
    assert "canary" not in str(results)
    assert journal.end == 1
    assert await journal.refused() == {"no_name": 5}

    disk.trouble = None
    assert await journal.append([b"after"]) == 2
    assert await journal.read(0, 10) == [(1, b"before"), (2, b"after")]


@each_trouble
async def test_a_settlement_that_cannot_be_kept_can_be_given_again(
    state: SqliteState, disk: Disk, trouble: type[apsw.Error], sentence: str
) -> None:
    settlement = Settlement(connection=1, lanes={0: 4}, delivered=4)

    disk.trouble = trouble
    with pytest.raises(Unwritable, match=sentence) as raised:
        await state.settle(settlement)
    assert raised.value.retry_after_s > 0
    assert await state.lanes(1) == {}

    disk.trouble = None
    await state.settle(settlement)
    assert (await state.counts(1)).delivered == 4


@each_trouble
async def test_each_store_tells_its_trouble_and_sees_its_end(
    journal: SqliteJournal, state: SqliteState, disk: Disk, trouble: type[apsw.Error], sentence: str
) -> None:
    assert (journal.trouble, state.trouble) == (None, None)
    for store, write in ((journal, journal.append([b"one"])), (state, state.add_token("hog_one"))):
        store._writer._hold_s = 0.05
        disk.trouble = trouble
        with pytest.raises(Unwritable):
            await write
        assert (store.trouble or "").startswith(sentence)
        disk.trouble = None
        async with asyncio.timeout(10):
            while store.trouble is not None:
                await asyncio.sleep(0.005)


async def test_a_write_larger_than_what_is_left_says_that_the_disk_is_full(state: SqliteState) -> None:
    # So large that SQLite undoes the transaction by itself, in the middle of it.
    state._written.pragma("max_page_count", 40)
    many = {one: Person(one, {"text": Fact("x" * 500, 0, 1)}) for one in (f"user {n:04}" for n in range(2_000))}

    with pytest.raises(Unwritable, match="is full"):
        await state.flush(Flush({}, many, 1))
    await state.flush(Flush({}, {"user 0000": many["user 0000"]}, 2))
    assert await state.find_people(1, "") == ["user 0000"]

    state._written.pragma("max_page_count", 1_000_000)
    await state.flush(Flush({}, many, 3))
    assert state.folded() == 3


async def test_what_was_read_before_can_be_read_while_the_disk_is_full(state: SqliteState, disk: Disk) -> None:
    await state.add_token("hog_one")
    disk.trouble = apsw.FullError
    assert await state.tokens() == ["hog_one"]


@each_trouble
async def test_a_store_that_cannot_be_made_says_why(
    tmp_path: Path, disk: Disk, trouble: type[apsw.Error], sentence: str
) -> None:
    disk.trouble = trouble
    with pytest.raises(Unusable, match=f"^journal.db in the data directory cannot be opened: {sentence}"):
        SqliteJournal(tmp_path / "journal.db", vfs=disk.name)

    disk.trouble = None
    journal = SqliteJournal(tmp_path / "journal.db", vfs=disk.name)
    assert await journal.append([b"one"]) == 1
    await journal.close()
