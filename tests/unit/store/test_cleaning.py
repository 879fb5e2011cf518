"""What was deleted is overwritten at once, or as soon as whoever reads the file has ended, also after a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest

from hogline.core.changes import Settlement
from hogline.core.told import Told
from hogline.store.base import Unwritable
from hogline.store.cleaning import Cleaning
from hogline.store.datadir.secrets import Vault
from hogline.store.sqlite.journal import SqliteJournal
from hogline.store.sqlite.state import SqliteState

pytestmark = pytest.mark.anyio

ADA = "ada-4711-lovelace"
VAULT = Vault(Vault.new_key())


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[SqliteState, Cleaning]]:
    journal, state = SqliteJournal(folder / "journal.db"), SqliteState(folder / "state.db", VAULT)
    try:
        yield state, Cleaning(journal, state)
    finally:
        await journal.close()
        await state.close()


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[tuple[SqliteState, Cleaning]]:
    async with opened(tmp_path) as made:
        yield made


async def forget_ada(state: SqliteState) -> None:
    connection = await state.add_connection(
        name="shop", destination="customerio", options={}, paused=True, start=0, now_ms=0
    )
    await state.settle(Settlement(connection=connection.id, lanes={}, told={ADA: Told(anonymous=(ADA,))}))
    await state.forget([ADA], {connection.id: 0}, emails={})


def is_there(folder: Path) -> bool:
    return any(ADA.encode() in file.read_bytes() for file in folder.glob("*.db*"))


class Backup:
    """Another program that reads the state for a while."""

    def __init__(self, folder: Path) -> None:
        self._database = apsw.Connection(str(folder / "state.db"))
        self._database.execute("BEGIN; SELECT count(*) FROM told").fetchall()

    def end(self) -> None:
        self._database.execute("COMMIT")
        self._database.close()


async def test_it_is_done_at_once_if_nobody_reads(stores: tuple[SqliteState, Cleaning], tmp_path: Path) -> None:
    state, cleaning = stores
    await forget_ada(state)
    assert await cleaning.finish() == []
    assert await state.to_clean() == []
    assert not is_there(tmp_path)


async def test_whoever_reads_is_reported_once_and_it_is_done_when_they_end(
    stores: tuple[SqliteState, Cleaning], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, cleaning = stores
    backup = Backup(tmp_path)
    await forget_ada(state)
    assert await cleaning.finish() == ["state"]
    assert await cleaning.finish() == ["state"]
    assert is_there(tmp_path)
    backup.end()
    assert await cleaning.finish() == []
    assert not is_there(tmp_path)
    said = capsys.readouterr().out
    assert said.count("deleted data will be overwritten later") == said.count("deleted data is overwritten") == 1
    assert ADA not in said


async def test_it_is_done_after_a_restart_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as (state, cleaning):
        backup = Backup(tmp_path)
        await forget_ada(state)
        assert await cleaning.finish() == ["state"]
    assert is_there(tmp_path)
    async with opened(tmp_path) as (state, cleaning):
        assert await cleaning.finish() == ["state"]
        backup.end()
        assert await cleaning.finish() == []
    assert not is_there(tmp_path)


async def test_a_disk_in_trouble_is_tried_again_later(
    stores: tuple[SqliteState, Cleaning], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, cleaning = stores
    await forget_ada(state)

    async def in_trouble() -> bool:
        raise Unwritable("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(state, "clean", in_trouble)
        assert await cleaning.finish() == ["state"]
    assert await cleaning.finish() == []
    assert not is_there(tmp_path)


async def test_what_is_deleted_while_it_is_done_is_done_once_more(
    stores: tuple[SqliteState, Cleaning], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, cleaning = stores
    await forget_ada(state)
    clean = state.clean

    async def meanwhile() -> bool:
        await state.forget(["bob"], {1: 0}, emails={})
        return await clean()

    with monkeypatch.context() as patched:
        patched.setattr(state, "clean", meanwhile)
        assert await cleaning.finish() == []
    assert [one.file for one in await state.to_clean()] == ["journal", "state"]
