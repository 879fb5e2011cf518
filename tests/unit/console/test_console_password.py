"""The console's password: made once, set by its user, kept as a hash in a private file."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest
from service_bench import bench_in

from hogline.cli.common import Common
from hogline.cli.password import password as password_command
from hogline.service import Mistake
from hogline.settings import Settings
from hogline.store.access import Access
from hogline.store.base import Unusable


def test_at_first_start_there_is_one_and_it_is_told_once(tmp_path: Path) -> None:
    made = Access(tmp_path).make_password()
    assert made is not None
    assert len(made) >= 20
    assert Access(tmp_path).make_password() is None
    assert Access(tmp_path).is_password(made)
    assert not Access(tmp_path).chosen


def test_two_hoglines_have_two(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert Access(tmp_path / "a").make_password() != Access(tmp_path / "b").make_password()


def test_it_is_kept_as_a_hash_in_a_private_file(tmp_path: Path) -> None:
    Access(tmp_path).set_password("open sesame")
    (file,) = tmp_path.iterdir()
    assert file.name == "console.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "$argon2id$" in file.read_text()
    assert "sesame" not in file.read_text()


def test_a_new_one_takes_the_place_of_the_old(tmp_path: Path) -> None:
    access = Access(tmp_path)
    access.make_password()
    key = access.key
    access.set_password("open sesame")
    assert access.chosen
    assert access.is_password("open sesame")
    assert access.key != key


def test_sessions_that_ended_are_remembered_as_long_as_they_could_be_used(tmp_path: Path) -> None:
    access = Access(tmp_path)
    access.set_password("open sesame")
    access.end("a", now_s=1_000, remember_s=100)
    access.end("b", now_s=1_050, remember_s=100)
    assert access.has_ended("a")
    assert access.has_ended("b")
    assert not access.has_ended("c")
    access.end("c", now_s=1_120, remember_s=100)
    assert not access.has_ended("a")


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"password": 1}'])
def test_a_file_that_cannot_be_read_says_what_to_do_and_can_be_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "console.json").write_bytes(content)
    access = Access(tmp_path)
    with pytest.raises(Unusable, match="`hogline password` writes a new one"):
        access.is_password("x")
    access.set_password("open sesame")
    assert access.is_password("open sesame")


def test_a_place_where_nothing_can_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"console\.json in the data directory cannot be written"):
        Access(tmp_path / "missing").set_password("open sesame")


def test_the_command_takes_it_from_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("open sesame\r\nmore\n"))
    password_command(common=Common(tmp_path / "data"))
    assert Access(tmp_path / "data").is_password("open sesame")
    assert "sesame" not in capsys.readouterr().out


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, *typed: str) -> None:
    answers = iter(typed)
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("hogline.cli.password.getpass", lambda _: next(answers))


def test_at_a_terminal_it_is_asked_for_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_terminal(monkeypatch, "open sesame", "open sesame")
    password_command(common=Common(tmp_path / "data"))
    assert Access(tmp_path / "data").is_password("open sesame")


def test_one_that_was_mistyped_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_terminal(monkeypatch, "open sesame", "open sesam")
    with pytest.raises(Mistake, match="not the same"):
        password_command(common=Common(tmp_path / "data"))
    assert not Access(tmp_path / "data").chosen


@pytest.mark.anyio
@pytest.mark.parametrize("password", ["", "1234567", "x" * 1_001])
async def test_one_that_is_too_short_or_endless_is_not_taken(tmp_path: Path, password: str) -> None:
    async with bench_in(tmp_path) as bench:
        with pytest.raises(Mistake, match="at least 8 characters"):
            await bench.service.set_console_password(password)
    assert not Access(tmp_path).chosen


@pytest.mark.anyio
async def test_where_the_settings_have_it_that_is_where_it_is_changed(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:
        bench.service._settings = Settings(data=tmp_path, console_password="of the settings")  # type: ignore[arg-type]
        with pytest.raises(Mistake, match="HOGLINE_CONSOLE_PASSWORD sets the console's password"):
            await bench.service.set_console_password("open sesame")
