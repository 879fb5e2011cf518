"""Who may use the console: `console.json` in the data directory, with the password as an Argon2 hash and the key that
sessions are signed with. Knows nothing of HTTP, of cookies, or of how long a session lasts.

Everything is read anew each time: a few hundred bytes, which `hogline password` may have changed meanwhile.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from msgspec import Struct

from hogline.store.base import Unusable

_HASHER = PasswordHasher()


class _Kept(Struct, frozen=True, kw_only=True):
    password: str
    """Its Argon2 hash."""
    chosen: bool
    """By the user; else it is the one that was made at first start."""
    key: str
    """What sessions are signed with; a new one with every new password, which ends all of them."""
    ended: dict[str, int] = {}
    """Sessions that were signed out, and until when (seconds since 1970) that has to be remembered."""


class Access:
    """The console's password and its sessions' key. Every method raises `Unusable` if the file cannot be read or
    written.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "console.json"

    def make_password(self) -> str | None:
        """At first start: a password, told this once. None if there is one already."""
        if self._file.exists():
            return None
        password = "-".join(secrets.token_hex(2) for _ in range(5))
        self._set(password, chosen=False)
        return password

    def set_password(self, password: str) -> None:
        """The user's own. Ends all sessions."""
        self._set(password, chosen=True)

    @property
    def chosen(self) -> bool:
        """Whether there is a password that the user has set."""
        return self._file.exists() and self._read().chosen

    def is_password(self, password: str) -> bool:
        """Takes a tenth of a second and 64 MB: for a thread, and one at a time."""
        try:
            return _HASHER.verify(self._read().password, password)
        except (VerificationError, InvalidHashError):
            return False

    @property
    def key(self) -> str:
        return self._read().key

    def end(self, session: str, *, now_s: int, remember_s: int) -> None:
        """From now on `has_ended` is true of that session."""
        kept = self._read()
        ended = {name: until_s for name, until_s in kept.ended.items() if until_s > now_s}
        self._write(msgspec.structs.replace(kept, ended=ended | {session: now_s + remember_s}))

    def has_ended(self, session: str) -> bool:
        return session in self._read().ended

    def _set(self, password: str, *, chosen: bool) -> None:
        self._write(_Kept(password=_HASHER.hash(password), chosen=chosen, key=secrets.token_hex(32)))

    def _read(self) -> _Kept:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Kept)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            raise Unusable(
                "console.json in the data directory cannot be read. `hogline password` writes a new one."
            ) from None

    def _write(self, kept: _Kept) -> None:
        """So that it is there whole, or as it was."""
        draft = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                out.write(msgspec.json.format(msgspec.json.encode(kept)))
                out.flush()
                os.fsync(out.fileno())
            draft.replace(self._file)
        except OSError as error:
            raise Unusable(f"console.json in the data directory cannot be written ({error.strerror}).") from None
