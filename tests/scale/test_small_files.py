"""Accounts and other small files: several processes see the same, and none overwrites what it has not seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql.aside import Aside
from hogline.store.postgresql.small_files import SmallFiles

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


async def test_of_two_changes_at_the_same_time_the_first_one_stays(host: Host) -> None:
    (file, one), (other_file, other) = host("one"), host("other")
    file.write_bytes(b"both know it")
    await one.sync()
    await other.fetch()
    file.write_bytes(b"first")
    other_file.write_bytes(b"second")
    await one.sync()
    with capture_logs() as said:
        await other.sync()
    assert [line["file"] for line in said] == [NAME]
    assert (file.read_bytes(), other_file.read_bytes()) == (b"first", b"first")
    with capture_logs() as said:
        await one.sync()
        await other.sync()
    assert said == []


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


async def test_a_directory_from_elsewhere_gets_the_store_s_version(host: Host) -> None:
    file, one = host("one")
    file.write_bytes(b"kept")
    await one.sync()
    other_file, other = host("other")
    other_file.write_bytes(b"from elsewhere")
    await other.fetch()
    assert other_file.read_bytes() == b"kept"
