"""Accounts and other small files: several processes see the same, and none overwrites what it has not seen."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from many import change
from structlog.testing import capture_logs

from hogline.store.base import Unwritable
from hogline.store.datadir.accounts import ConsoleAccounts
from hogline.store.datadir.api_tokens import ApiTokens
from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql import small_files
from hogline.store.postgresql.aside import Aside
from hogline.store.postgresql.small_files import LOST, NOT_YET, SmallFiles
from hogline.store.postgresql.trouble import AWAY

pytestmark = pytest.mark.anyio

VAULT = Vault(Vault.new_key())
NAME = "console.json"


@pytest.fixture
def host(aside: Aside, tmp_path: Path) -> Callable[[str], tuple[Path, SmallFiles]]:
    def made(name: str) -> tuple[Path, SmallFiles]:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        return folder / NAME, SmallFiles(folder, VAULT, aside)

    return made


Host = Callable[[str], tuple[Path, SmallFiles]]


async def test_a_change_on_one_host_comes_to_the_others(host: Host) -> None:
    (file, one), (other_file, other) = host("one"), host("other")
    file.write_bytes(b"first")
    await one.sync()
    await other.fetch()
    assert other_file.read_bytes() == b"first"
    other_file.write_bytes(b"second")
    await other.sync()
    await one.sync()
    assert file.read_bytes() == b"second"
    file.unlink()
    await one.sync()
    await other.sync()
    assert not other_file.exists()


async def test_of_two_changes_of_what_only_the_owner_changes_the_first_one_stays(host: Host) -> None:
    (one_file, one), (other_file, other) = host("one"), host("other")
    file, other_file = one_file.with_name("alerts.json"), other_file.with_name("alerts.json")
    file.write_bytes(b"{}")
    await one.sync()
    await other.fetch()
    file.write_bytes(b'{"first": 1}')
    other_file.write_bytes(b'{"second": 2}')
    await one.sync()
    with capture_logs() as said:
        await other.sync()
    assert [line["file"] for line in said] == ["alerts.json"]
    assert file.read_bytes() == other_file.read_bytes() == b'{"first": 1}'
    with capture_logs() as said:
        await one.sync()
        await other.sync()
    assert said == []


@pytest.fixture
async def consoles(host: Host) -> list[tuple[Path, SmallFiles]]:
    """Two, with the accounts ada and bob and the API token t."""
    found = [(file.parent, files) for file, files in (host("one"), host("other"))]
    folder, files = found[0]
    for name in ("ada", "bob"):
        ConsoleAccounts(folder).add(name, "admin", None, 1)
    ApiTokens(folder).make("t", "viewer", 1)
    await files.sync()
    await found[1][1].fetch()
    return found


Consoles = list[tuple[Path, SmallFiles]]


@pytest.mark.parametrize("first", [0, 1])
async def test_a_change_survives_what_another_console_notes(consoles: Consoles, first: int) -> None:
    (here, _), (there, _) = consoles
    ConsoleAccounts(here).set_role("bob", "viewer")
    ConsoleAccounts(here).remove("ada")
    ApiTokens(here).remove("t")
    ConsoleAccounts(there).signed_in("bob", 7)
    ConsoleAccounts(there).signed_in("ada", 7)
    ConsoleAccounts(there).end("session", now_s=0, remember_s=9)
    ApiTokens(there).used("t", 7)
    for _, some in (consoles[first], consoles[1 - first], *consoles):
        await some.sync()
    for folder in (here, there):
        assert [(one.name, one.role, one.signed_in_ms) for one in ConsoleAccounts(folder).accounts()] == [
            ("bob", "viewer", 7)
        ]
        assert ConsoleAccounts(folder).has_ended("session")
        assert ApiTokens(folder).all() == []


async def test_a_change_is_in_the_store_before_it_returns_and_starts_from_what_is_there(consoles: Consoles) -> None:
    (here, files), (there, others) = consoles
    async with files.changing():
        ConsoleAccounts(here).add("eve", "viewer", None, 2)
    async with others.changing():
        assert ConsoleAccounts(there).find("eve") is not None
        ConsoleAccounts(there).remove("ada")
    async with files.changing():
        assert [one.name for one in ConsoleAccounts(here).accounts()] == ["bob", "eve"]


def role_of_bob(folder: Path) -> str:
    found = ConsoleAccounts(folder).find("bob")
    assert found is not None
    return found.role


async def test_a_change_that_is_lost_is_said(consoles: Consoles) -> None:
    (here, files), (there, others) = consoles

    async def change_both() -> None:
        async with files.changing():
            ConsoleAccounts(here).set_role("bob", "viewer")
            ConsoleAccounts(there).set_role("bob", "operator")
            await others.sync()

    with pytest.raises(Unwritable, match=re.escape(LOST)):
        await change_both()
    assert role_of_bob(here) == role_of_bob(there) == "operator"


async def test_while_postgresql_is_away_nothing_is_changed_or_it_is_said(
    consoles: Consoles, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here, files), (there, others) = consoles

    async def away(_: object) -> object:
        raise Unwritable(AWAY)

    async def change_bob() -> None:
        async with files.changing():
            ConsoleAccounts(here).set_role("bob", "viewer")
            monkeypatch.setattr(files._aside, "rows", away)

    with pytest.raises(Unwritable) as raised:
        await change_bob()
    assert str(raised.value) == f"{NOT_YET} {AWAY}"
    ConsoleAccounts(here).set_role("bob", "operator")
    with pytest.raises(Unwritable) as raised:
        await change_bob()
    assert str(raised.value) == AWAY
    assert role_of_bob(here) == "operator"
    monkeypatch.undo()
    await files.sync()
    await others.sync()
    assert role_of_bob(there) == "operator"


async def test_two_changes_within_a_tick_of_the_clock_are_both_seen(host: Host) -> None:
    (file, one), (other_file, other) = host("one"), host("other")
    file.write_bytes(b"first")
    await one.sync()
    changed_ns = file.stat().st_mtime_ns
    file.write_bytes(b"second")
    os.utime(file, ns=(changed_ns, changed_ns))
    await one.sync()
    await other.fetch()
    assert other_file.read_bytes() == b"second"


async def test_what_others_removed_while_nothing_ran_does_not_come_back(host: Host) -> None:
    (file, one), (other_file, other) = host("one"), host("other")
    password, there = file.with_name("first-password"), other_file.with_name("first-password")
    file.write_bytes(b"accounts")
    password.write_bytes(b"x")
    await one.sync()
    await other.fetch()
    there.unlink()
    await other.sync()
    _, again = host("one")
    await again.fetch()
    assert not password.exists()
    await again.sync()
    await other.sync()
    assert not there.exists()


async def test_a_new_store_takes_what_a_directory_has(host: Host, url: str) -> None:
    file, one = host("one")
    file.write_bytes(b"accounts")
    await one.sync()
    change(url, "DELETE FROM files")
    _, again = host("one")
    await again.fetch()
    assert file.read_bytes() == b"accounts"


async def test_trouble_does_not_end_it(host: Host, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_files, "EVERY_S", 0.0)
    file, one = host("one")
    change(url, "INSERT INTO files VALUES ('console.json', 1, 'of another key')")
    running = asyncio.create_task(one.run())
    with capture_logs() as said:
        async with asyncio.timeout(10):
            while not said:
                await asyncio.sleep(0.01)
            change(url, "DELETE FROM files")
            file.write_bytes(b"accounts")
            while not one._synced:
                await asyncio.sleep(0.01)
    running.cancel()


async def test_what_was_changed_while_nothing_ran_wins_if_the_store_has_not_changed(host: Host) -> None:
    file, one = host("one")
    file.write_bytes(b"before")
    await one.sync()
    file.write_bytes(b"changed by a command")
    _, again = host("one")
    await again.fetch()
    await again.sync()
    other_file, other = host("other")
    await other.fetch()
    assert other_file.read_bytes() == file.read_bytes() == b"changed by a command"


async def test_what_was_changed_on_a_host_that_had_only_fetched_wins(host: Host) -> None:
    file, one = host("one")
    file.write_bytes(b"before")
    await one.sync()
    other_file, other = host("other")
    await other.fetch()
    other_file.write_bytes(b"changed by a command")
    _, again = host("other")
    await again.fetch()
    assert other_file.read_bytes() == b"changed by a command"


async def test_a_directory_from_elsewhere_gets_the_store_s_version(host: Host) -> None:
    file, one = host("one")
    file.write_bytes(b"kept")
    await one.sync()
    other_file, other = host("other")
    other_file.write_bytes(b"from elsewhere")
    await other.fetch()
    assert other_file.read_bytes() == b"kept"
