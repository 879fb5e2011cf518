"""`hogline store copy`: a data directory into PostgreSQL and back, with everything in it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import psycopg
import pytest
from everything import MS, content_of
from many import change

from hogline.core.changes import Flush, HeldEvent, Noted, Settlement
from hogline.core.known import Id
from hogline.store import copying
from hogline.store.audit import AuditNote
from hogline.store.backfilled import Taken
from hogline.store.base import Unusable
from hogline.store.copying import Told
from hogline.store.copying.database import NewDatabase
from hogline.store.copying.tables import TABLES
from hogline.store.datadir.accounts import ConsoleAccounts
from hogline.store.datadir.directory import DataDirectory
from hogline.store.datadir.secrets import Vault
from hogline.store.figures import Figure
from hogline.store.opening import opened
from hogline.store.postgresql.aside import Aside
from hogline.store.postgresql.event_log import PostgresqlEventLog
from hogline.store.shared import Shared
from hogline.testing.logs.event_log import noted, shipped
from hogline.testing.processes import hogline
from hogline.testing.stores.words import body, installed, known, letter, told

pytestmark = pytest.mark.anyio

OLD = Path(__file__).parents[1] / "unit" / "store" / "old_data" / "old_data.zip"


def nothing(_: Told) -> None:
    pass


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A data directory of an older version."""
    with ZipFile(OLD) as packed:
        packed.extractall(tmp_path / "old")
    (tmp_path / "old").chmod(0o700)
    for file in (tmp_path / "old").iterdir():
        file.chmod(0o600)
    return tmp_path / "old"


def key_of(folder: Path) -> str:
    return (folder / "secret.key").read_text().strip()


async def test_a_data_directory_of_an_older_version_comes_into_postgresql_and_back(
    old: Path, url: str, tmp_path: Path
) -> None:
    key = key_of(old)
    copied = await asyncio.to_thread(copying.from_directory, old, url, key, nothing)
    assert copied.rows > 5_000
    before = await content_of(old, key)
    assert any(each["before"][0] for name, each in before.items() if name.startswith("connection "))
    assert await content_of(tmp_path / "empty", key, url) == before
    back = await asyncio.to_thread(copying.to_directory, url, key, tmp_path / "back", nothing)
    assert back.rows == copied.rows
    assert await content_of(tmp_path / "back", key) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from hogline.core.changes import Flush, HeldEvent, Noted, Settlement
from hogline.core.known import Id
from hogline.store import copying
from hogline.store.audit import AuditNote
from hogline.store.backfilled import Taken
from hogline.store.copying import database, files
files.MOST_ROWS = database.MOST_ROWS = 300
left = int(sys.argv[1])
def tell(told):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
where, folder, url, key = sys.argv[2:]
if where == "from":
    copying.from_directory(Path(folder), url, key, tell)
else:
    copying.to_directory(url, key, Path(folder), tell)
"""


def killed_after(steps: int, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(steps), *arguments], check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("steps", [[0], [4, 8, 16], [30, 40, 60]], ids=["first", "copying", "comparing"])
async def test_a_copy_that_is_killed_goes_on_where_it_was(
    old: Path, url: str, tmp_path: Path, steps: list[int]
) -> None:
    key = key_of(old)
    before = await content_of(old, key)
    for number in steps:
        killed_after(number, "from", str(old), url, key)
        with psycopg.connect(url) as link:
            assert link.execute("SELECT to_regclass('hogline.schema')").fetchone() == (None,)  # nobody can use it yet
    told: list[Told] = []
    copied = await asyncio.to_thread(copying.from_directory, old, url, key, told.append)
    assert copied.went_on
    assert (steps == [0]) == any(one.step == "copying" and one.table == "journal" for one in told)
    assert await content_of(tmp_path / "empty", key, url) == before
    for number in steps:
        killed_after(number, "to", str(tmp_path / "back"), url, key)
        assert not (tmp_path / "back").exists()
    assert (await asyncio.to_thread(copying.to_directory, url, key, tmp_path / "back", nothing)).went_on
    assert await content_of(tmp_path / "back", key) == before
    assert not (tmp_path / "back.copying").exists()


async def test_an_original_that_went_on_meanwhile_is_copied_anew(old: Path, url: str, tmp_path: Path) -> None:
    key = key_of(old)
    killed_after(20, "from", str(old), url, key)
    with DataDirectory(old) as directory:
        async with opened(directory, key, lambda: MS) as stores:
            await stores.journal.append([b"x"])
    copied = await asyncio.to_thread(copying.from_directory, old, url, key, nothing)
    assert not copied.went_on
    after = await content_of(old, key)
    assert await content_of(tmp_path / "empty", key, url) == after
    killed_after(20, "to", str(tmp_path / "back"), url, key)
    with DataDirectory(tmp_path / "empty") as directory:
        async with opened(directory, key, lambda: MS, Shared(url=url, lease_s=30)) as stores:
            await stores.journal.append([b"y"])
    assert not (await asyncio.to_thread(copying.to_directory, url, key, tmp_path / "back", nothing)).went_on


async def test_what_is_not_empty_is_refused(old: Path, url: str, tmp_path: Path) -> None:
    key = key_of(old)
    copying.create(url)
    copying.from_directory(old, url, key, nothing)
    with pytest.raises(Unusable, match="is not empty"):
        copying.from_directory(old, url, key, nothing)
    with pytest.raises(Unusable, match="is not empty"):
        copying.to_directory(url, key, old, nothing)
    with pytest.raises(Unusable, match="nothing to copy"):
        copying.from_directory(tmp_path / "none", url, key, nothing)


async def test_a_store_that_was_used_during_the_copy_is_refused(old: Path, url: str, tmp_path: Path) -> None:
    key, told = key_of(old), list[Told]()

    def use(now: Told) -> None:
        if not told:
            told.append(now)
            with pytest.raises(Unusable, match="Another copy"):
                copying.from_directory(old.with_name("second"), url, key, nothing)
            asyncio.run(content_of(tmp_path / "used", key, url))
            with psycopg.connect(url) as link:
                link.execute("UPDATE hogline.journal_end SET last = 1")

    shutil.copytree(old, old.with_name("second"))
    with pytest.raises(Unusable, match="not empty"):
        await asyncio.to_thread(copying.from_directory, old, url, key, use)


async def test_another_key_is_refused(old: Path, url: str, tmp_path: Path) -> None:
    other = Vault.new_key()
    with pytest.raises(Unusable, match=r"what is in .*secret\.key"):
        copying.from_directory(old, url, other, nothing)
    key = key_of(old)
    (old / "secret.key").unlink()
    with pytest.raises(Unusable, match="different key"):
        copying.from_directory(old, url, other, nothing)
    copying.from_directory(old, url, key, nothing)
    with pytest.raises(Unusable, match="another HOGLINE_SECRET_KEY"):
        copying.to_directory(url, other, tmp_path / "back", nothing)


async def test_what_is_in_use_is_refused(old: Path, url: str, tmp_path: Path) -> None:
    key = key_of(old)
    with DataDirectory(old), pytest.raises(Unusable, match="Stop it first"):
        copying.from_directory(old, url, key, nothing)
    with pytest.raises(Unusable, match="no Hogline store"):
        copying.to_directory(url, key, tmp_path / "back", nothing)
    copying.from_directory(old, url, key, nothing)
    with DataDirectory(tmp_path / "empty") as directory:
        async with opened(directory, key, lambda: MS, Shared(url=url, lease_s=30)):
            with pytest.raises(Unusable, match="Stop all of them"):
                await asyncio.to_thread(copying.to_directory, url, key, tmp_path / "back", nothing)


async def test_a_copy_that_is_not_equal_is_not_put_in_place(
    old: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = NewDatabase.write

    def wrong(self: Any, table: Any, rows: list[Any]) -> None:
        real(self, table, [(*row[:-1], row[-1] + 1) for row in rows] if table.name == "counters" else rows)

    monkeypatch.setattr(NewDatabase, "write", wrong)
    with pytest.raises(Unusable, match="not equal to the original: counters"):
        copying.from_directory(old, url, key_of(old), nothing)
    with psycopg.connect(url) as link:
        assert link.execute("SELECT to_regclass('hogline.schema')").fetchone() == (None,)


def test_every_table_is_copied(url: str) -> None:
    copying.create(url)
    with psycopg.connect(url) as link:
        found = {
            name for (name,) in link.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'hogline'").fetchall()
        }
    beside = {
        "schema",
        "store",
        "writer",
        "process",
        "task",
        "changed",
        "journal_end",
        "folded",
        "audit_end",
        "hand",
        "orders",
        "lane_sheet",
    }
    assert found - beside - {"event_progress", "event_parts", "files"} == {table.name for table in TABLES}


def test_the_command_says_what_is_missing(old: Path, url: str, tmp_path: Path) -> None:
    assert "Set HOGLINE_STORE" in hogline(old, "store", "create", code=1).stderr
    both: Any = {"HOGLINE_STORE": url, "HOGLINE_SECRET_KEY": key_of(old)}
    assert "either --from or --to" in hogline(old, "store", "copy", code=1, **both).stderr
    hogline(old, "store", "create", **both)
    (old / "backfills").mkdir()
    (old / "backfills" / "1").mkdir()
    said = hogline(old, "store", "copy", "--from", old, **both).stderr
    assert "they are equal" in said
    assert "Files of backfills" in said
    assert "Keep HOGLINE_SECRET_KEY" in hogline(old, "store", "copy", "--to", tmp_path / "back", **both).stderr


def test_a_process_uses_the_store_as_long_as_its_own_lease_lasts(old: Path, url: str, tmp_path: Path) -> None:
    key = key_of(old)
    copying.create(url)
    change(
        url,
        "INSERT INTO process (id, role, host, pid, version, began, lease_s, seen)"
        " VALUES (gen_random_uuid(), 'receive', 'far', 1, '0', now(), 300, now() - interval '60 s')",
    )
    with pytest.raises(Unusable, match="is in use"):
        copying.from_directory(old, url, key, nothing)
    with pytest.raises(Unusable, match=r"on far is using the store \(receive\).* counts for 300 s\.$"):
        copying.to_directory(url, key, tmp_path / "back", nothing)
    change(url, "UPDATE process SET lease_s = 59")
    copying.from_directory(old, url, key, nothing)


async def test_any_text_and_every_kind_of_row_is_copied(tmp_path: Path, url: str) -> None:
    key = Vault.new_key()
    odd = ["a\0b", "back\\slash \\0", "Ärger", "", "İ"]
    with DataDirectory(tmp_path / "data") as directory:
        async with opened(directory, key, lambda: MS) as stores:
            state, connection = stores.state, (await installed(stores.state)).id
            await installed(stores.state, "another", paused=True)
            await stores.journal.append([body(n) for n in range(1, 6)], {"no_id": 2}, Taken(3, 5, connection))
            people = {one: known(one, "ÄDA@Example.org") for one in odd}
            await state.flush(Flush({one: Id(None, 1) for one in odd}, people, 5, dict.fromkeys(odd, 20_000)))
            await state.add_token("hog_x", "public")
            held = [HeldEvent(position=3, distinct_id=odd[0], received_ms=MS, event=b"x")]
            said = {one: told(one, due_ms=n) for n, one in enumerate(odd)}
            made = Noted(positions=[1, 2], names=[1, 2], people=[3, 4], others={2: ("failed", "invalid")})
            await state.settle(
                Settlement(connection=connection, lanes={3: 5}, failures=[letter(2)], held=held, told=said, noted=made)
            )
            await state.options_changed(connection, MS)
            await stores.events.take(await state.unlogged(0, 10), MS)
            far = [shipped(noted(position, who="")) for position in (1_000, 5_000, 9_000)]
            await stores.events.take([one._replace(number=9_000 + n) for n, one in enumerate(far)], MS)
            await stores.figures.add([Figure(connection, "received", 3), Figure(connection, "lag_ms", 9)], MS // 1_000)
            note = AuditNote(at_ms=MS, who="a\0b \\", kind="account", address="", action="sign_in")
            await stores.audit.add(note, keep_since_ms=0)
            ConsoleAccounts(directory.path).make_first(MS)
    before = await content_of(tmp_path / "data", key)
    await asyncio.to_thread(copying.from_directory, tmp_path / "data", url, key, nothing)
    assert await content_of(tmp_path / "other", key, url) == before
    aside = Aside(url, "test")
    await PostgresqlEventLog(aside).forget([5_000])
    await aside.close()
    before = await content_of(tmp_path / "other", key, url)
    assert ConsoleAccounts(tmp_path / "other").accounts() == ConsoleAccounts(tmp_path / "data").accounts()
    await asyncio.to_thread(copying.to_directory, url, key, tmp_path / "back", nothing)
    assert await content_of(tmp_path / "back", key) == before
    assert ConsoleAccounts(tmp_path / "back").accounts() == ConsoleAccounts(tmp_path / "data").accounts()
