"""Backups: a data directory as it is at one moment, in one file; and restoring it.

A backup is a tar file for standard tools: `manifest.json`, and `data.tar.gz` or, encrypted with age
(https://age-encryption.org), `data.age`. With a passphrase, `data.age` is encrypted for a key made for this backup, and
`key.age` contains that key, encrypted with the passphrase.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec
import pyrage
from msgspec import Struct

from hogline.store.base import Unusable
from hogline.store.sqlite.snapshot import check, copy, snapshots

FORMAT = 1
_MANIFEST, _PLAIN, _ENCRYPTED, _KEY = "manifest.json", "data.tar.gz", "data.age", "key.age"
_LAST = "last-backup"
_BESIDE = ("-wal", "-shm", "-journal")
_LARGEST_OTHER_BYTES = 1_000_000
"""Everything that is not a database is a key, a hash or a token."""


class Manifest(Struct, frozen=True):
    """What a backup says about itself, unencrypted. Nothing personal."""

    format: int
    hogline: str
    """Hogline's version that made it."""
    created_ms: int
    files: dict[str, int]
    """Name → size in bytes."""
    data_sha256: str


class Keys(Struct, frozen=True):
    """How a backup is encrypted; with no fields set, it is not."""

    passphrase: str | None = None
    recipients: tuple[str, ...] = ()
    """Public keys of age (`age1…`) or SSH."""
    identity: str | None = None
    """For restoring: the secret key of one of them."""

    def __repr__(self) -> str:
        return "Keys(…)"


def make(directory: Path, out: IO[bytes], keys: Keys, *, version: str, now_ms: int, scratch: Path) -> Manifest:
    """Back up a data directory, whether or not Hogline is running.

    `scratch` takes the copies in the meantime; it needs as much space as the data directory and the backup together.
    Raises `Unusable` and `Unwritable`.
    """
    if not (directory / "journal.db").exists() or not (directory / "state.db").exists():
        raise Unusable(f"{directory} is not a Hogline data directory, so there is nothing to back up.")
    with tempfile.TemporaryDirectory(prefix=".hogline-backup-", dir=scratch) as made:
        folder = Path(made)
        copies = _copied(directory, folder)
        data = folder / _PLAIN
        with data.open("wb") as file, gzip.GzipFile("", "wb", 1, file, mtime=0) as packed:
            _pack(copies, packed)
        parts = []
        if keys.passphrase is not None:
            own = pyrage.x25519.Identity.generate()
            parts.append(folder / _KEY)
            parts[0].write_bytes(pyrage.passphrase.encrypt(str(own).encode(), keys.passphrase))
            data = _encrypted(data, [own.to_public()])
        elif keys.recipients:
            data = _encrypted(data, [_recipient(text) for text in keys.recipients])
        sizes = {path.name: path.stat().st_size for path in copies}
        manifest = Manifest(FORMAT, version, now_ms, sizes, _sha256(data))
        said = folder / _MANIFEST
        said.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
        _pack([said, *parts, data], out)
    _note(directory, now_ms)
    return manifest


def restore(backup: IO[bytes], directory: Path, keys: Keys) -> Manifest:
    """Restore a backup into a data directory that is missing or empty: completely, or not at all.

    Raises `Unusable` if the directory is not empty, or if the backup is damaged or cannot be decrypted.
    """
    if directory.exists() and any(directory.iterdir()):
        raise Unusable(f"{directory} is not empty. Restore into a new directory with --data.")
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".hogline-restore-", dir=directory.parent) as made:
        folder = Path(made)
        try:
            with tarfile.open(fileobj=backup, mode="r|") as tar:
                _extract(tar, folder)
            manifest = msgspec.json.decode((folder / _MANIFEST).read_bytes(), type=Manifest)
        except (tarfile.TarError, EOFError, FileNotFoundError, msgspec.MsgspecError):
            raise Unusable("This is not a Hogline backup, or it is damaged.") from None
        if manifest.format > FORMAT:
            raise Unusable(
                f"This backup was made by Hogline {manifest.hogline}. Restore it with that version or a newer one."
            )
        data = next((folder / name for name in (_ENCRYPTED, _PLAIN) if (folder / name).exists()), None)
        if data is None or _sha256(data) != manifest.data_sha256:
            raise Unusable("The backup is damaged: its content does not match its checksum.")
        files = folder / "files"
        files.mkdir(mode=0o700)
        _unpack(_decrypted(data, folder, keys), files)
        found = {path.name: path.stat().st_size for path in files.iterdir()}
        if found != manifest.files:
            raise Unusable("The backup is damaged: files are missing.")
        for path in files.iterdir():
            path.chmod(0o600)
            if path.suffix == ".db":
                check(path)
            _sync(path)
        _sync(files)
        if directory.exists():
            directory.rmdir()
        files.rename(directory)
        _sync(directory.parent)
        return manifest


def _note(directory: Path, now_ms: int) -> None:
    with open(directory / _LAST, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:  # a mode
        file.write(f"{now_ms}\n")


def last_backup_ms(directory: Path) -> int | None:
    """When the newest backup of this data directory was made (milliseconds since 1970); None: never."""
    try:
        return int((directory / _LAST).read_text("ascii"))
    except (OSError, ValueError):
        return None


def _copied(directory: Path, folder: Path) -> list[Path]:
    """Everything in the data directory; the databases as they are at one moment.

    The other files come first: how far a source is must never be ahead of the events in the journal.
    """
    copied = []
    for path in sorted(directory.iterdir()):
        kept = path.suffix != ".db" and not path.name.endswith(_BESIDE) and path.name != "lock"
        if kept and stat.S_ISREG(path.lstat().st_mode) and path.stat().st_size <= _LARGEST_OTHER_BYTES:
            copied.append(folder / path.name)
            shutil.copyfile(path, copied[-1])
    state, journal = directory / "state.db", directory / "journal.db"
    others = sorted(path for path in directory.glob("*.db") if path not in {state, journal})
    with snapshots(state, journal, others) as seen:
        for path, database in seen.items():
            copied.append(folder / path.name)
            copy(database, copied[-1])
    return copied


def _pack(files: Sequence[Path], out: IO[bytes] | gzip.GzipFile) -> None:
    with tarfile.open(fileobj=out, mode="w|") as tar:
        for path in files:
            tar.add(path, path.name, filter=_anonymous)


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leaves out the user who made the backup."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o600
    return entry


def _encrypted(data: Path, recipients: Sequence[pyrage.x25519.Recipient | pyrage.ssh.Recipient]) -> Path:
    encrypted = data.with_name(_ENCRYPTED)
    pyrage.encrypt_file(str(data), str(encrypted), recipients)
    data.unlink()
    return encrypted


def _recipient(text: str) -> pyrage.x25519.Recipient | pyrage.ssh.Recipient:
    for kind in (pyrage.x25519.Recipient, pyrage.ssh.Recipient):
        with suppress(pyrage.RecipientError):
            return kind.from_str(text)
    raise Unusable("A recipient must be a public key of age (age1…) or SSH (ssh-ed25519 …).")


def _identity(text: str) -> pyrage.x25519.Identity | pyrage.ssh.Identity:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    with suppress(pyrage.IdentityError):
        return pyrage.x25519.Identity.from_str("".join(lines).strip())
    with suppress(pyrage.IdentityError):
        return pyrage.ssh.Identity.from_buffer(text.encode())
    raise Unusable("This is neither a secret key of age (AGE-SECRET-KEY-1…) nor an SSH key without a passphrase.")


def _decrypted(data: Path, folder: Path, keys: Keys) -> Path:
    """The packed files. Raises `Unusable`."""
    if data.name == _PLAIN:
        return data
    locked = folder / _KEY
    try:
        if locked.exists():
            if keys.passphrase is None:
                raise Unusable("This backup is encrypted with a passphrase. Give it in HOGLINE_BACKUP_PASSPHRASE.")
            identity = _identity(pyrage.passphrase.decrypt(locked.read_bytes(), keys.passphrase).decode())
        elif keys.identity is None:
            raise Unusable("This backup is encrypted for a key. Give the secret key's file with --identity.")
        else:
            identity = _identity(keys.identity)
        plain = folder / _PLAIN
        pyrage.decrypt_file(str(data), str(plain), [identity])
    except pyrage.DecryptError:
        raise Unusable("Cannot decrypt the backup: wrong passphrase or key.") from None
    return plain


def _unpack(packed: Path, folder: Path) -> None:
    try:
        with tarfile.open(packed, mode="r:gz") as tar:
            _extract(tar, folder)
    except (tarfile.TarError, EOFError, OSError):
        raise Unusable("The backup is damaged: it is incomplete.") from None


def _extract(tar: tarfile.TarFile, folder: Path) -> None:
    """Only files, and only into this folder; Python before 3.11.4 has no filter for this.

    Raises `tarfile.TarError` for anything else.
    """
    for member in tar:
        plain = member.isreg() and member.name == Path(member.name).name != ".."
        content = tar.extractfile(member) if plain else None
        if content is None:
            raise tarfile.TarError("not a file of a backup")
        with content, (folder / member.name).open("wb") as file:
            shutil.copyfileobj(content, file)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
