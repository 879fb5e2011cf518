"""Passwords of the console: the first one, the rules, how they are kept."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest
from service_bench import bench_in

from hogline.cli.common import Common
from hogline.cli.password import password as password_command
from hogline.environment import InvalidSettings
from hogline.service import CannotDo
from hogline.service.actor import Actor, acting
from hogline.settings import read_settings
from hogline.store.base import Unusable
from hogline.store.datadir import passwords
from hogline.store.datadir.accounts import ConsoleAccounts


def test_at_first_start_there_is_one_in_a_private_file_until_another_is_set(tmp_path: Path) -> None:
    access = ConsoleAccounts(tmp_path)
    made = access.make_first()
    assert made is not None
    assert len(made) >= 20
    assert access.first_password_file == tmp_path / "first-password"
    assert (tmp_path / "first-password").read_text() == made + "\n"
    assert stat.S_IMODE((tmp_path / "first-password").stat().st_mode) == 0o600
    assert access.make_first() is None
    assert access.is_password(made)
    assert not access.chosen
    access.set_password("open sesame")
    assert access.chosen
    assert access.first_password_file is None


def test_two_hoglines_have_two(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert ConsoleAccounts(tmp_path / "a").make_first() != ConsoleAccounts(tmp_path / "b").make_first()


def test_the_one_password_of_earlier_versions_is_the_first_accounts(tmp_path: Path) -> None:
    before = {"password": passwords.hashed("open sesame"), "chosen": True, "key": "k" * 64, "ended": {"x": 1}}
    (tmp_path / "console.json").write_text(json.dumps(before))
    access = ConsoleAccounts(tmp_path)
    (account,) = access.accounts()
    assert (account.name, account.role, account.chosen, access.key) == ("admin", "admin", True, "k" * 64)
    assert access.is_password("open sesame")
    access.add("ada", "viewer", "a password of Ada's", 1)
    assert [one.name for one in access.accounts()] == ["admin", "ada"]
    assert access.is_password("open sesame")
    assert access.find("admin") == account


def test_it_is_kept_as_a_hash_in_a_private_file(tmp_path: Path) -> None:
    ConsoleAccounts(tmp_path).set_password("open sesame")
    (file,) = tmp_path.iterdir()
    assert file.name == "console.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "$argon2id$" in file.read_text()
    assert "sesame" not in file.read_text()


def test_a_new_one_takes_the_place_of_the_old_and_ends_the_accounts_sessions_alone(tmp_path: Path) -> None:
    access = ConsoleAccounts(tmp_path)
    access.make_first()
    access.add("ada", "viewer", None, 1)
    before = {account.name: account.stamp for account in access.accounts()}
    access.set_password("open sesame")
    assert access.is_password("open sesame")
    after = {account.name: account.stamp for account in access.accounts()}
    assert after["admin"] != before["admin"]
    assert after["ada"] == before["ada"]


def test_an_account_without_a_password_opens_with_none(tmp_path: Path) -> None:
    access = ConsoleAccounts(tmp_path)
    access.add("ada", "viewer", None, 1)
    assert not access.is_password("", "ada")
    assert not access.is_password("", "nobody")


def test_sessions_that_ended_are_remembered_as_long_as_they_could_be_used(tmp_path: Path) -> None:
    access = ConsoleAccounts(tmp_path)
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
    access = ConsoleAccounts(tmp_path)
    with pytest.raises(Unusable, match="`hogline password` writes a new one"):
        access.is_password("x")
    access.set_password("open sesame")
    assert access.is_password("open sesame")


def test_a_place_where_nothing_can_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"console\.json in the data directory cannot be written"):
        ConsoleAccounts(tmp_path / "missing").set_password("open sesame")


def test_the_command_takes_it_from_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("open sesame\r\nmore\n"))
    password_command(common=Common(tmp_path / "data"))
    assert ConsoleAccounts(tmp_path / "data").is_password("open sesame")
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
    assert ConsoleAccounts(tmp_path / "data").is_password("open sesame")


def test_one_that_was_mistyped_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_terminal(monkeypatch, "open sesame", "open sesamo")
    with pytest.raises(CannotDo, match="do not match"):
        password_command(common=Common(tmp_path / "data"))
    assert not ConsoleAccounts(tmp_path / "data").chosen


BAD = {
    "empty": "",
    "one character": "a",
    "short": "123456789",
    "endless": "x7" * 501,
    "one character, often": "a" * 20,
    "two characters": "ab" * 10,
    "digits in order": "1234567890",
    "digits": "8361947205",
    "the alphabet": "abcdefghijkl",
    "the keyboard": "qwertyuiop",
    "a common word": "Password2026!",
    "ours": "hogline-2026",
    "the account's name": "Admin12345",
}


@pytest.mark.anyio
@pytest.mark.parametrize("password", BAD.values(), ids=BAD.keys())
async def test_the_same_rules_hold_for_every_way_to_set_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    async with bench_in(tmp_path) as bench:
        service = bench.service
        sentence = r"^The password (must have 10 to 1,000 characters|is too easy to guess: .*)\. Nothing was changed\.$"
        await service.accounts.add("ada", "viewer", "a password of Ada's")
        with pytest.raises(CannotDo, match=sentence):
            await service.accounts.set_password(password)
        with pytest.raises(CannotDo, match=sentence):
            await service.accounts.add("admin2", "viewer", password if password != "Admin12345" else "Admin2-345")
        with acting(Actor(name="ada", kind="account", role="viewer")), pytest.raises(CannotDo, match=sentence):
            await service.accounts.change_own_password(
                "a password of Ada's", password if "dmin" not in password else "ada-123456"
            )
        assert [one.name for one in await service.accounts.all()] == ["ada"]
    # An empty variable counts as none.
    monkeypatch.setenv("HOGLINE_CONSOLE_PASSWORD", password or "x")
    with pytest.raises(InvalidSettings, match=r"^HOGLINE_CONSOLE_PASSWORD (must have 10|is too easy).*\.$") as raised:
        read_settings(data=tmp_path)
    assert len(password) < 5 or password not in str(raised.value)


@pytest.mark.parametrize(
    "password", ["open sesame", "correct horse", "Tr0ub4dor&3x", "ключ-от-дома", "x" * 3 + "a7Kq-9fWe"]
)
def test_ordinary_good_ones_are_taken(password: str) -> None:
    assert passwords.problem_of(password, "admin") is None


@pytest.mark.anyio
async def test_where_the_settings_have_it_that_is_where_it_is_changed(tmp_path: Path) -> None:
    async with bench_in(tmp_path, console_password="of the settings") as bench:
        with pytest.raises(CannotDo, match="HOGLINE_CONSOLE_PASSWORD sets the password of admin"):
            await bench.service.accounts.set_password("open sesame")
        await bench.service.accounts.add("ada", "viewer", "a password of Ada's")
        await bench.service.accounts.set_password("another of Ada's", "ada")
