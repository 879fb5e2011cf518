"""What a backup file is, and what is restored from one: only what is whole, only with its key, only into nothing."""

from __future__ import annotations

import io
import tarfile
from contextlib import AbstractContextManager, closing
from pathlib import Path

import apsw
import pyrage
import pytest

from hogline.model import Event
from hogline.posthog.entry import encode_event
from hogline.store.backup import Keys, make, restore
from hogline.store.base import Unusable
from hogline.store.datadir.secrets import Vault
from hogline.store.sqlite import snapshot
from hogline.store.sqlite.journal import SqliteJournal
from hogline.store.sqlite.state import SqliteState

NOW_MS = 1_793_600_000_000
PASSPHRASE = Keys("correct horse battery")
PLAIN = Keys()


async def filled(folder: Path, events: int = 3) -> Path:
    """A data directory with events of Ada's."""
    folder.mkdir()
    (folder / "secret.key").write_text(Vault.new_key())
    journal = SqliteJournal(folder / "journal.db", lambda: NOW_MS)
    state = SqliteState(folder / "state.db", Vault(Vault.new_key()))
    await journal.append([body(number) for number in range(events)])
    await state.add_token("hog_abc")
    await journal.close()
    await state.close()
    return folder


def body(number: int) -> bytes:
    return encode_event(Event(f"uuid-{number}", "order", "ada@example.com", NOW_MS, NOW_MS, {}, {}))


def packed(data: Path, keys: Keys, scratch: Path) -> bytes:
    out = io.BytesIO()
    make(data, out, keys, version="1", now_ms=NOW_MS, scratch=scratch)
    return out.getvalue()


def refused(backup: bytes, directory: Path, keys: Keys) -> str:
    with pytest.raises(Unusable) as caught:
        restore(io.BytesIO(backup), directory, keys)
    assert not [path for path in directory.parent.iterdir() if path.name.startswith(".")]
    return str(caught.value)


@pytest.mark.anyio
async def test_a_backup_is_taken_while_others_write(tmp_path: Path) -> None:
    data = await filled(tmp_path / "data")
    journal = SqliteJournal(data / "journal.db", lambda: NOW_MS)
    await journal.append([body(3)])
    backup = packed(data, PLAIN, tmp_path)
    await journal.append([body(4)])
    await journal.close()
    manifest = restore(io.BytesIO(backup), tmp_path / "new", PLAIN)
    assert sorted(manifest.files) == ["journal.db", "secret.key", "state.db"]
    assert {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()} == dict.fromkeys(
        manifest.files, 0o600
    )
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    restored = SqliteJournal(tmp_path / "new" / "journal.db", lambda: NOW_MS)
    assert restored.end == 4
    await restored.close()


@pytest.mark.anyio
async def test_nothing_of_an_encrypted_backup_can_be_read_without_its_passphrase(tmp_path: Path) -> None:
    data = await filled(tmp_path / "data")
    assert b"journal.db" in packed(data, PLAIN, tmp_path)
    backup = packed(data, PASSPHRASE, tmp_path)
    for secret in (b"ada@example.com", (data / "secret.key").read_bytes(), b"hog_abc"):
        assert secret not in backup
    with tarfile.open(fileobj=io.BytesIO(backup)) as tar:
        assert tar.getnames() == ["manifest.json", "key.age", "data.age"]
    assert "wrong passphrase" in refused(backup, tmp_path / "new", Keys("something else"))
    assert "HOGLINE_BACKUP_PASSPHRASE" in refused(backup, tmp_path / "new", PLAIN)
    assert not (tmp_path / "new").exists()
    restore(io.BytesIO(backup), tmp_path / "new", PASSPHRASE)
    assert (tmp_path / "new" / "secret.key").read_text() == (data / "secret.key").read_text()


@pytest.mark.anyio
async def test_a_backup_for_public_keys_is_restored_with_any_of_their_secret_keys(tmp_path: Path) -> None:
    data = await filled(tmp_path / "data")
    one, other, stranger = (pyrage.x25519.Identity.generate() for _ in range(3))
    backup = packed(data, Keys(recipients=(str(one.to_public()), str(other.to_public()))), tmp_path)
    assert "--identity" in refused(backup, tmp_path / "new", PLAIN)
    assert "wrong passphrase or key" in refused(backup, tmp_path / "new", Keys(identity=str(stranger)))
    assert "AGE-SECRET-KEY" in refused(backup, tmp_path / "new", Keys(identity="nonsense"))
    restore(io.BytesIO(backup), tmp_path / "new", Keys(identity=f"# made today\n{other}\n"))
    with pytest.raises(Unusable, match="public key"):
        packed(data, Keys(recipients=("age1nonsense",)), tmp_path)


@pytest.mark.anyio
async def test_what_is_damaged_is_not_restored(tmp_path: Path) -> None:
    whole = packed(await filled(tmp_path / "data", 300), PLAIN, tmp_path)
    middle = whole.rindex(b"data.tar.gz") + 1_024
    for broken in (
        b"",
        b"nonsense",
        whole[:1_000],
        whole[: len(whole) // 3],
        whole[:middle] + b"\xff" * 8 + whole[middle + 8 :],
    ):
        assert "damaged" in refused(broken, tmp_path / "new", PLAIN)
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/b", "..", "."])
@pytest.mark.parametrize("sort", [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_file_that_is_no_backup_writes_nowhere(name: str, sort: bytes, tmp_path: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = sort, "/"
        tar.addfile(member)
    assert "damaged" in refused(made.getvalue(), tmp_path / "in" / "new", PLAIN)
    assert list(tmp_path.iterdir()) == [tmp_path / "in"]
    assert list((tmp_path / "in").iterdir()) == []


@pytest.mark.anyio
async def test_only_an_empty_directory_takes_one(tmp_path: Path) -> None:
    data = await filled(tmp_path / "data")
    backup = packed(data, PLAIN, tmp_path)
    assert "not empty" in refused(backup, data, PLAIN)
    (tmp_path / "new").mkdir()
    with pytest.raises(Unusable, match="nothing to back up"):
        packed(tmp_path / "new", PLAIN, tmp_path)
    restore(io.BytesIO(backup), tmp_path / "new", PLAIN)
    assert (tmp_path / "new" / "journal.db").exists()


@pytest.mark.anyio
async def test_the_state_knows_of_nothing_that_the_journal_lacks_even_while_it_is_trimmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trimmed between the two looks: both are taken again."""
    data = await filled(tmp_path / "data", 5)
    looked = snapshot._seen
    looks: list[str] = []

    def trimmed_before_the_first_look(path: Path) -> AbstractContextManager[apsw.Connection]:
        if path.name == "state.db" and path.name not in looks:
            with closing(apsw.Connection(str(data / "journal.db"))) as other:
                other.execute("DELETE FROM events WHERE position <= 3")
        looks.append(path.name)
        return looked(path)

    monkeypatch.setattr(snapshot, "_seen", trimmed_before_the_first_look)
    backup = packed(data, PLAIN, tmp_path)
    assert looks.count("state.db") == 2
    restore(io.BytesIO(backup), tmp_path / "new", PLAIN)
    restored = SqliteJournal(tmp_path / "new" / "journal.db", lambda: NOW_MS)
    assert restored.first == 4
    await restored.close()
