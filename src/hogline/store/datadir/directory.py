"""The data directory: private to its user, and one Hogline's at a time."""

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
    """Another process works on this data directory."""


_OURS = {"lock", "secret.key", "journal.db", "state.db"}
_PRIVATE = re.compile(
    r"lock|secret\.key|control\.sock|console\.json|api_tokens\.json|first-password|\w+\.db(-wal|-shm|-journal)?"
)
"""Every file that Hogline keeps there."""


class DataDirectory:
    """A directory with `journal.db`, `state.db`, `history.db`, `audit.db`, `secret.key` and, while somebody serves,
    `control.sock`.

    As a context manager it holds the directory: entering raises `Held` if another process does. The lock is
    the kernel's and ends with the process, however it ends.
    """

    def __init__(self, path: Path) -> None:
        """Makes the directory if it is missing. Raises `Unusable`, also for one that is somebody else's (it would be
        made private to its user), and for files in it that others own, can read, or chose the place of.
        """
        self.path = path
        try:
            if path.exists() and (found := {file.name for file in path.iterdir()}) and not found & _OURS:
                raise Unusable(
                    f"{path} has other things in it and is no data directory of Hogline's. Choose a new or an "
                    "empty one with --data."
                )
            _check_private(path)
            missing = [folder for folder in (path, *path.parents) if not folder.exists()]
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(0o700)
            # SQLite sees to what is in it. That it exists at all must outlast a power cut too.
            for made in missing:
                sync(made.parent)
        except OSError as error:
            raise self._unusable(error) from error
        self._lock: int | None = None

    def _unusable(self, error: OSError) -> Unusable:
        return Unusable(
            f"The data directory {self.path} cannot be used ({error.strerror}). Choose another with --data."
        )

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
    def audit(self) -> Path:
        return self.path / "audit.db"

    @property
    def control(self) -> Path:
        return self.path / "control.sock"

    def vault(self, key: str | None) -> Vault:
        """The vault with the given key, or with the directory's own, which is made on first use."""
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
            raise Unusable("secret.key in the data directory cannot be read.") from error

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
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _check_private(path: Path) -> None:
    """Raises `Unusable` if the directory or a file of ours in it is in somebody else's hands. Raises OSError."""
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
                f"{name} is open to every user of this machine. Close it with `chmod 600 {file}`; if others may have "
                "read it, change the credentials too."
            )


def _check_owner(found: os.stat_result, name: str) -> None:
    if found.st_uid != os.geteuid():
        raise Unusable(
            f"{name} belongs to another user (uid {found.st_uid}). Run Hogline as that user, or choose another "
            "directory with --data."
        )
