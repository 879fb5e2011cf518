"""Credentials and tokens lie encrypted; the key lies beside the database, not inside."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from hogline.store.base import Unusable
from hogline.store.datadir.directory import DataDirectory
from hogline.store.datadir.secrets import Vault
from hogline.store.sqlite.state import SqliteState

CANARY = "canary-4711"


def files_with_canary(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if CANARY.encode() in file.read_bytes()]


@pytest.mark.anyio
async def test_no_file_of_the_data_directory_contains_a_credential_or_a_token(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    state = SqliteState(directory.state, directory.vault(None))
    await state.add_token(f"hog_{CANARY}")
    connection = await state.add_connection(
        name="shop",
        destination="customerio",
        options={"site_id": CANARY, "api_key": CANARY},
        paused=False,
        start=0,
        now_ms=0,
    )
    await state.change_connection(connection)
    assert (tmp_path / "state.db-wal").stat().st_size > 0
    assert files_with_canary(tmp_path) == []
    await state.close()
    assert files_with_canary(tmp_path) == []

    again = SqliteState(directory.state, directory.vault(None))
    assert await again.tokens() == [f"hog_{CANARY}"]
    assert await again.connections() == [connection]
    await again.close()


@pytest.mark.anyio
async def test_a_database_with_another_key_says_what_to_restore(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    state = SqliteState(directory.state, directory.vault(None))
    await state.add_token(f"hog_{CANARY}")
    await state.add_connection(
        name="shop", destination="customerio", options={"api_key": CANARY}, paused=False, start=0, now_ms=0
    )
    await state.close()
    (tmp_path / "secret.key").unlink()

    state = SqliteState(directory.state, directory.vault(None))
    for reading in (state.tokens(), state.connections()):
        with pytest.raises(Unusable, match=r"encrypted with a different key\. Restore secret\.key"):
            await reading
    await state.close()


def test_the_key_is_made_once(tmp_path: Path) -> None:
    secret = DataDirectory(tmp_path).vault(None).encrypt(b"secret")
    made = (tmp_path / "secret.key").read_bytes()
    assert DataDirectory(tmp_path).vault(None).decrypt(secret) == b"secret"
    assert (tmp_path / "secret.key").read_bytes() == made
    assert [file.name for file in tmp_path.iterdir()] == ["secret.key"]


def test_a_key_from_the_settings_is_used_instead_and_none_is_written(tmp_path: Path) -> None:
    key = Vault.new_key()
    secret = DataDirectory(tmp_path).vault(key).encrypt(b"secret")
    assert Vault(key).decrypt(secret) == b"secret"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "key",
    ["", "x", "é" * 44, Vault.new_key()[:-2], f"{CANARY}!"],
    ids=["empty", "too short", "not ASCII", "cut off", "no base64"],
)
def test_a_damaged_key_file_is_one_clear_sentence(tmp_path: Path, key: str) -> None:
    (tmp_path / "secret.key").write_text(key, "utf-8")
    (tmp_path / "secret.key").chmod(0o600)
    with pytest.raises(Unusable, match=r"secret\.key") as raised:
        DataDirectory(tmp_path).vault(None)
    assert CANARY not in str(raised.value)
    assert (tmp_path / "secret.key").read_text("utf-8") == key  # it may be what is left to repair


def test_a_key_file_that_cannot_be_read_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "secret.key").mkdir()
    with pytest.raises(Unusable, match=r"^Cannot read secret\.key in the data directory\.$"):
        DataDirectory(tmp_path).vault(None)


def test_a_wrong_key_in_the_settings_is_one_clear_sentence_that_does_not_repeat_it(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="HOGLINE_SECRET_KEY") as raised:
        DataDirectory(tmp_path).vault(CANARY)
    assert CANARY not in str(raised.value)


def test_a_key_file_may_end_with_or_without_a_line_end(tmp_path: Path) -> None:
    key = Fernet.generate_key().decode()
    secret = Vault(key).encrypt(b"secret")
    for text in (key, f"{key}\n", f"{key}\r\n"):
        (tmp_path / "secret.key").write_text(text)
        (tmp_path / "secret.key").chmod(0o600)
        assert DataDirectory(tmp_path).vault(None).decrypt(secret) == b"secret"


def test_the_same_secret_never_looks_the_same() -> None:
    vault = Vault(Vault.new_key())
    assert vault.encrypt(b"secret") != vault.encrypt(b"secret")


@pytest.mark.parametrize("damaged", [b"", b"secret", b"\xff\xfe"])
def test_a_secret_that_is_damaged_is_not_taken_for_one(damaged: bytes) -> None:
    with pytest.raises(Unusable):
        Vault(Vault.new_key()).decrypt(damaged)
