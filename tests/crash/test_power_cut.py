"""The power fails at any moment: what had returned is there afterwards, and nothing is there by half."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from random import Random

import apsw
import pytest

from bench.soak.journal_cuts import JournalUnderCuts, synchronous_normal
from bench.soak.state_cuts import StateUnderCuts
from hogline.store.datadir.directory import DataDirectory
from hogline.testing.powercut import Disk, Luck, mounted

CUTS = 50


@pytest.fixture
def seed() -> int:
    """Another one each time; a failing test shows it."""
    return secrets.randbits(32)


@pytest.mark.anyio
async def test_what_was_answered_survives_a_power_cut(tmp_path: Path, seed: int) -> None:
    journal = JournalUnderCuts(tmp_path / "journal", Random(seed))
    for _ in range(CUTS):
        await journal.round()

    assert journal.figures.missing == 0, seed
    assert journal.figures.writes > CUTS, "hardly anything was written"


@pytest.mark.anyio
async def test_what_was_settled_survives_a_power_cut_whole(tmp_path: Path, seed: int) -> None:
    state = StateUnderCuts(tmp_path / "state", Random(seed))
    for _ in range(CUTS):
        await state.round()

    assert state.figures.missing == 0, seed
    assert state.figures.writes > CUTS, "hardly anything was written"


@pytest.mark.anyio
async def test_without_a_sync_for_each_commit_answered_events_would_be_lost(tmp_path: Path, seed: int) -> None:
    journal = JournalUnderCuts(tmp_path / "journal", Random(seed), weaken=synchronous_normal)
    for _ in range(20):
        await journal.round()

    assert journal.figures.missing > 0, seed


def test_a_data_directory_that_was_made_is_there_after_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))

    DataDirectory(tmp_path / "var" / "hogline")

    assert {tmp_path.stat().st_ino, (tmp_path / "var").stat().st_ino} <= synced


NOTHING = Luck(sector_bytes=512, first=0, others=0)
ALL = Luck(sector_bytes=512, first=1, others=0)


def _after_cut(disk: Disk, folder: Path, luck: Luck) -> dict[str, bytes]:
    disk.cut()
    disk.survivors(folder, Random(1), luck)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize(("luck", "found"), [(NOTHING, b"old"), (ALL, b"newer")])
def test_the_disk_only_promises_what_was_synced(tmp_path: Path, luck: Luck, found: bytes) -> None:
    (tmp_path / "now").mkdir()
    (tmp_path / "now" / "file").write_bytes(b"older")
    disk = Disk(tmp_path / "now")
    image = disk.image("file")
    disk.truncate(image, 3)
    disk.sync(image, folder=False)
    disk.write(image, 0, b"newer")

    assert _after_cut(disk, tmp_path / "then", luck) == {"file": found}


def test_what_was_not_synced_survives_by_sectors(tmp_path: Path) -> None:
    (tmp_path / "now").mkdir()
    (tmp_path / "now" / "file").write_bytes(b"." * 2_048)
    disk = Disk(tmp_path / "now")
    disk.write(disk.image("file"), 100, b"x" * 1_900)

    (found,) = _after_cut(disk, tmp_path / "then", Luck(sector_bytes=512, first=0, others=0.5)).values()

    sectors = [found[begin : begin + 512] for begin in range(0, 2_048, 512)]
    assert {bytes(set(sector)) for sector in sectors[1:3]} <= {b".", b"x"}
    assert len(set(found)) == 2, "some of it survives, some does not"


def test_with_the_power_goes_everything_that_comes_after(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    disk = Disk(tmp_path, cut_at=2)
    image = disk.image("file")
    disk.write(image, 0, b"one")
    with pytest.raises(apsw.IOError):
        disk.sync(image, folder=False)
    with pytest.raises(apsw.IOError):
        disk.write(image, 3, b"two")


def test_a_log_that_sqlite_made_is_in_the_folder_once_it_was_synced(tmp_path: Path) -> None:
    (tmp_path / "now").mkdir()
    disk = Disk(tmp_path / "now")
    with mounted(disk) as vfs:
        database = apsw.Connection(str(tmp_path / "now" / "x.db"), vfs=vfs)
        database.pragma("journal_mode", "wal")
        database.pragma("synchronous", "full")
        database.execute("CREATE TABLE t (n)")
        found = _after_cut(disk, tmp_path / "then", NOTHING)
        with pytest.raises(apsw.IOError):
            database.close()
    assert found.keys() == {"x.db", "x.db-wal"}


@pytest.mark.anyio
async def test_a_power_cut_while_a_file_is_switched_to_wal_undoes_nothing_that_is_written_later(tmp_path: Path) -> None:
    """The rollback journal of the switch was there again after a later cut. This seed does it in the 18th."""
    journal = JournalUnderCuts(tmp_path / "journal", Random(1004705413))
    for _ in range(20):
        await journal.round()
    assert journal.figures.missing == 0
