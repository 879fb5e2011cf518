"""The data directory: private to its user, and one Hogline's at a time."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hogline.store.base import Unusable
from hogline.store.datadir.directory import DataDirectory, Held
from hogline.store.sqlite.journal import SqliteJournal
from hogline.store.sqlite.state import SqliteState

HOLD = """
import sys
from pathlib import Path
from hogline.store.datadir.directory import DataDirectory
with DataDirectory(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def careless_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("careless_umask")
def test_a_new_directory_is_private(tmp_path: Path) -> None:
    assert mode(DataDirectory(tmp_path / "a" / "b").path) == 0o700


def test_a_directory_that_was_open_to_others_becomes_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    DataDirectory(tmp_path)
    assert mode(tmp_path) == 0o700


@pytest.mark.anyio
@pytest.mark.usefixtures("careless_umask")
async def test_all_its_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    with DataDirectory(tmp_path) as directory:
        journal = SqliteJournal(directory.journal)
        state = SqliteState(directory.state, directory.vault(None))
        await journal.append([b"one"])
        await state.add_token("hog_one")
        files = {file.name: oct(mode(file)) for file in tmp_path.iterdir()}
        await journal.close()
        await state.close()
    assert files.keys() >= {"journal.db", "journal.db-wal", "state.db", "state.db-wal", "secret.key", "lock"}
    assert set(files.values()) == {"0o600"}


@pytest.mark.parametrize("below", ["", "below"])
def test_a_file_in_its_place_is_one_clear_sentence(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(Unusable, match=r"^Cannot use the data directory .* \(.*\)\. Choose another with --data\.$"):
        DataDirectory(tmp_path / "file" / below)


def test_a_lock_that_cannot_be_made_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(Unusable, match="Cannot use"), DataDirectory(tmp_path):
        pass


def test_one_holds_it_at_a_time(tmp_path: Path) -> None:
    with DataDirectory(tmp_path):
        with pytest.raises(Held), DataDirectory(tmp_path):
            pass
        with pytest.raises(Held), DataDirectory(tmp_path):  # the one in vain has not let it go
            pass
    with DataDirectory(tmp_path):
        pass


def test_it_is_let_go_when_the_holder_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), DataDirectory(tmp_path):
        raise ZeroDivisionError
    with DataDirectory(tmp_path):
        pass


def test_another_process_holds_it_until_it_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Held), DataDirectory(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
        with DataDirectory(tmp_path):
            pass


@pytest.mark.anyio
async def test_opening_and_closing_fifty_times_leaves_no_file_and_no_thread(tmp_path: Path) -> None:
    async def open_and_close() -> None:
        with DataDirectory(tmp_path) as directory:
            journal = SqliteJournal(directory.journal)
            state = SqliteState(directory.state, directory.vault(None))
            await journal.append([b"one"])
            await state.tokens()
            await journal.close()
            await state.close()

    def in_use() -> tuple[int, int]:
        writers = [task for task in Path("/proc/self/task").iterdir() if "writer" in (task / "comm").read_text()]
        return len(list(Path("/proc/self/fd").iterdir())), len(writers)

    await open_and_close()
    before = in_use()
    for _ in range(50):
        await open_and_close()
    assert in_use() == before


def test_a_directory_that_cannot_be_held_leaves_no_file_open(tmp_path: Path) -> None:
    with DataDirectory(tmp_path):
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(50):
            with pytest.raises(Held), DataDirectory(tmp_path):
                pass
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_directory_with_other_things_in_it_is_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(Unusable, match="is not a Hogline data directory"):
        DataDirectory(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


OURS = ("secret.key", "state.db", "state.db-wal", "console.json", "api_tokens.json", "lock", "history.db")


@pytest.mark.parametrize("name", OURS)
def test_a_file_that_is_a_link_is_refused(tmp_path: Path, name: str) -> None:
    DataDirectory(tmp_path / "data")
    (tmp_path / "elsewhere").touch(0o600)
    (tmp_path / "data" / "lock").touch(0o600)
    (tmp_path / "data" / name).unlink(missing_ok=True)
    (tmp_path / "data" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unusable, match=rf"^{name} in the data directory .* is a symbolic link, .*\.$"):
        DataDirectory(tmp_path / "data")


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666])
def test_a_file_that_everybody_can_read_or_write_is_refused(tmp_path: Path, name: str, mode: int) -> None:
    (tmp_path / "lock").touch(0o600)
    (tmp_path / name).touch()
    (tmp_path / name).chmod(mode)
    with pytest.raises(Unusable, match=rf"^{name} .* is readable by every user of this machine\. Run `chmod 600"):
        DataDirectory(tmp_path)
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode


@pytest.mark.parametrize("which", [".", "secret.key", "state.db"])
def test_what_belongs_to_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    for name in ("lock", "secret.key", "state.db"):
        (tmp_path / name).touch(0o600)
    real = os.geteuid()
    if real == 0:
        os.chown(tmp_path / which, 12_345, -1)
    else:  # nobody else's files can be made: be somebody else
        monkeypatch.setattr(os, "geteuid", lambda: real + 1)
    with pytest.raises(Unusable, match=r"belongs to another user \(uid \d+\)\. Run Hogline as that user"):
        DataDirectory(tmp_path)


def test_the_directory_itself_may_be_a_link_to_ones_own(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    with DataDirectory(tmp_path / "data"):
        pass


def test_a_backup_that_was_unpacked_carelessly_is_told_how_to_close(tmp_path: Path) -> None:
    with DataDirectory(tmp_path) as directory:
        directory.vault(None)
    for file in tmp_path.iterdir():
        file.chmod(0o644)
    with pytest.raises(Unusable, match="chmod 600"):
        DataDirectory(tmp_path)
    for file in tmp_path.iterdir():
        file.chmod(0o600)
    DataDirectory(tmp_path)


def test_it_says_whether_the_last_process_that_delivered_ended_well(tmp_path: Path) -> None:
    def was_killed(*, delivers: bool, well: bool) -> bool:
        with DataDirectory(tmp_path) as directory:
            if delivers:
                directory.delivers()
            if well:
                directory.ended_well()
            return directory.was_killed

    assert not was_killed(delivers=False, well=False)
    assert not was_killed(delivers=True, well=True)
    assert not was_killed(delivers=True, well=False)
    assert was_killed(delivers=False, well=False)  # a command that sends nothing changes nothing
    assert was_killed(delivers=True, well=True)
    assert not was_killed(delivers=True, well=True)


def test_a_disk_that_takes_no_mark_is_one_clear_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int, _text: bytes, _offset: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with DataDirectory(tmp_path) as directory:
        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(Unusable, match=r"No space left on device"):
            directory.delivers()
