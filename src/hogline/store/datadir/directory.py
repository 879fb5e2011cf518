"""The data directory: private to its user, and used by one Hogline at a time."""

from __future__ import annotations

import fcntl
import os
import re
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from hogline.store.base import Unusable
from hogline.store.datadir.private_files import sync, write_whole
from hogline.store.datadir.secrets import Vault


class Held(Exception):
    """Another process is using this data directory."""


_BOOT = Path("/proc/sys/kernel/random/boot_id")
_OURS = {"lock", "secret.key", "journal.db", "state.db"}
_PRIVATE = re.compile(
    r"lock|secret\.key|control\.sock|(console|alerts|api_tokens|sources|synced)\.json|first-password|\w+\.db(-wal|-shm|-journal)?"
)
"""Every file that Hogline keeps there."""


class DataDirectory:
    """A directory with `journal.db`, `state.db`, `events.db`, `history.db`, `audit.db`, `secret.key` and, while
    Hogline is serving, `control.sock`.

    As a context manager it holds the directory: entering raises `Held` if another process does. The lock is the
    kernel's, so it ends with the process, however that ends.
    """

    def __init__(self, path: Path) -> None:
        """Creates the directory if it is missing. Raises `Unusable`, also if it belongs to someone else (it would
        become private to its user), or for files in it that others own, can read, or placed there as links.
        """
        self.path = path
        try:
            if path.exists() and (found := {file.name for file in path.iterdir()}) and not found & _OURS:
                raise Unusable(
                    f"{path} is not a Hogline data directory, but contains other files. Choose a new or an "
                    "empty one with --data."
                )
            _check_private(path)
            missing = [folder for folder in (path, *path.parents) if not folder.exists()]
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(0o700)
            # SQLite takes care of its files. That the directory exists at all must survive a power cut too.
            for made in missing:
                sync(made.parent)
        except OSError as error:
            raise self._unusable(error) from error
        self._lock: int | None = None
        self.was_killed = False
        """The last process that delivered did not end well. Known once the directory is held."""

    def delivers(self) -> None:
        """From now on, requests may be on their way. Raises `Unusable`."""
        self._mark(b"1")

    def ended_well(self) -> None:
        """No request is on its way. Raises `Unusable`."""
        self._mark(b"")

    def _mark(self, text: bytes) -> None:
        assert self._lock is not None  # the directory is held
        try:
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, text, 0)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> Unusable:
        return Unusable(f"Cannot use the data directory {self.path} ({error.strerror}). Choose another with --data.")

    @property
    def journal(self) -> Path:
        return self.path / "journal.db"

    @property
    def state(self) -> Path:
        return self.path / "state.db"

    @property
    def history(self) -> Path:
        return self.path / "history.db"

    @property
    def events(self) -> Path:
        return self.path / "events.db"

    @property
    def audit(self) -> Path:
        return self.path / "audit.db"

    @property
    def place(self) -> str | None:
        """Names the lock of this directory on this machine, until the machine restarts. The process that holds it
        knows that a former holder is dead. None: the system does not say. The directory must be held.
        """
        try:
            lock, boot = (self.path / "lock").stat(), _BOOT.read_text("ascii").strip()
        except OSError:
            return None
        return f"{boot} {lock.st_dev} {lock.st_ino}"

    @property
    def control(self) -> Path:
        return self.path / "control.sock"

    def vault(self, key: str | None) -> Vault:
        """The vault with this key, or with the directory's key, which is created on first use."""
        return Vault(key or self._own_key())

    def _own_key(self) -> str:
        file = self.path / "secret.key"
        try:
            return file.read_text("ascii").strip()
        except FileNotFoundError:
            key = Vault.new_key()
            try:
                write_whole(file, key.encode() + b"\n")
            except OSError as error:
                raise self._unusable(error) from error
            return key
        except (OSError, ValueError) as error:
            raise Unusable("Cannot read secret.key in the data directory.") from error

    def __enter__(self) -> Self:
        try:
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise Held from None
        except OSError as error:  # a network drive without locks
            os.close(lock)
            raise self._unusable(error) from error
        self._lock = lock
        self.was_killed = os.fstat(lock).st_size > 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _check_private(path: Path) -> None:
    """Raises `Unusable` if the directory, or one of our files in it, is in someone else's hands. Raises OSError."""
    if not path.exists():
        return
    _check_owner(path.stat(), f"The data directory {path}")
    for file in path.iterdir():
        if not _PRIVATE.fullmatch(file.name):
            continue
        try:
            found = file.lstat()
        except FileNotFoundError:  # a running Hogline removed it just now
            continue
        name = f"{file.name} in the data directory {path}"
        if stat.S_ISLNK(found.st_mode):
            raise Unusable(f"{name} is a symbolic link, which Hogline does not follow. Put the file itself there.")
        _check_owner(found, name)
        if stat.S_ISREG(found.st_mode) and found.st_mode & stat.S_IRWXO:
            raise Unusable(
                f"{name} is readable by every user of this machine. Run `chmod 600 {file}`. If others may have "
                "read it, change the credentials too."
            )


def _check_owner(found: os.stat_result, name: str) -> None:
    if found.st_uid != os.geteuid():
        raise Unusable(
            f"{name} belongs to another user (uid {found.st_uid}). Run Hogline as that user, or choose another "
            "directory with --data."
        )
