"""The console's accounts, in `console.json` in the data directory: names, roles, Argon2 hashes of passwords, and the
key that signs sessions. Knows nothing about HTTP, cookies, or how long a session lasts.

The file is read each time. It has a few hundred bytes, and a command may have changed it.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from hogline.store.base import NameTaken, Unusable
from hogline.store.datadir import passwords
from hogline.store.datadir.private_files import write_whole, writing
from hogline.store.datadir.roles import Role

FIRST = "admin"
"""The account that always exists at first."""
FIRST_PASSWORD = "first-password"  # noqa: S105  # a file's name


class Account(Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    """In lowercase."""
    role: Role
    password: str = ""
    """Its Argon2 hash; empty: it has none, and only a proxy can sign it in."""
    chosen: bool = True
    """Someone chose the password; otherwise it was generated at the first start."""
    stamp: str = ""
    """Changes with the password. Sessions with an older one have ended."""
    made_ms: int = 0
    signed_in_ms: int = 0
    """The last time; 0: never."""

    def __repr__(self) -> str:
        return f"Account(name={self.name!r}, role={self.role!r})"


class _Kept(Struct, frozen=True, kw_only=True):
    accounts: list[Account]
    key: str
    """The key that signs sessions."""
    ended: dict[str, int] = {}
    """Sessions that were signed out, and until when (seconds since 1970) to remember that."""


class _OnePassword(Struct, frozen=True, kw_only=True):
    """The file's format before there were accounts."""

    password: str
    chosen: bool
    key: str


class ConsoleAccounts:
    """The accounts, and the key for sessions. Every method raises `Unusable` if the file cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "console.json"
        self._first_password = folder / FIRST_PASSWORD

    def make_first(self, now_ms: int = 0) -> str | None:
        """At the first start: create the first account, and write its password to a private file until you set another.
        Returns the password; None if there are accounts already.
        """
        with writing:
            if self._file.exists():
                return None
            password = passwords.make()
            try:
                write_whole(self._first_password, password.encode() + b"\n")
            except OSError as error:
                raise _unwritable(error) from None
            first = _first(passwords.hashed(password), now_ms, chosen=False)
            self._write(_Kept(accounts=[first], key=secrets.token_hex(32)))
            return password

    @property
    def first_password_file(self) -> Path | None:
        """Where the generated password is; None once you have set another."""
        return self._first_password if self._first_password.exists() else None

    @property
    def chosen(self) -> bool:
        """Whether there are accounts, and someone chose the password of each."""
        return self._file.exists() and all(account.chosen for account in self._read().accounts)

    def accounts(self) -> list[Account]:
        """Oldest first; empty if there is no file yet."""
        return self._read().accounts if self._file.exists() else []

    def find(self, name: str) -> Account | None:
        return next((account for account in self.accounts() if account.name == name.lower()), None)

    def add(self, name: str, role: Role, password: str | None, now_ms: int) -> Account:
        """Add an account; without a password, only a proxy can sign it in. Raises `NameTaken`."""
        kept_password = passwords.hashed(password) if password is not None else ""
        with writing:
            kept = self._read() if self._file.exists() else _Kept(accounts=[], key=secrets.token_hex(32))
            if any(account.name == name.lower() for account in kept.accounts):
                raise NameTaken(name)
            made = Account(name=name.lower(), role=role, password=kept_password, stamp=_stamp(), made_ms=now_ms)
            self._write(structs.replace(kept, accounts=[*kept.accounts, made]))
            return made

    def remove(self, name: str) -> None:
        """Ends its sessions."""
        with writing:
            kept = self._read()
            self._write(structs.replace(kept, accounts=[each for each in kept.accounts if each.name != name.lower()]))

    def set_password(self, password: str, name: str = FIRST, now_ms: int = 0) -> None:
        """Set an account's password, and end its sessions. The first account is created if it is missing. A file that
        cannot be read is replaced by a new one with this account only.
        """
        hashed = passwords.hashed(password)
        with writing:
            try:
                kept = self._read()
            except Unusable:
                kept = _Kept(accounts=[], key=secrets.token_hex(32))
            if name.lower() == FIRST and not any(account.name == FIRST for account in kept.accounts):
                kept = structs.replace(kept, accounts=[*kept.accounts, _first(hashed, now_ms, chosen=True)])
            self._write(_changed(kept, name, password=hashed, chosen=True, stamp=_stamp()))
            if name.lower() == FIRST:
                self._first_password.unlink(missing_ok=True)

    def set_role(self, name: str, role: Role) -> None:
        with writing:
            self._write(_changed(self._read(), name, role=role))

    def signed_in(self, name: str, now_ms: int) -> None:
        """Note that it signed in now."""
        with writing:
            self._write(_changed(self._read(), name, signed_in_ms=now_ms))

    def is_password(self, password: str, name: str = FIRST) -> bool:
        """Takes 0.1 s and 64 MB, whether or not the account exists. Call it in a thread, one at a time."""
        account = self.find(name)
        return passwords.matches(account.password if account else "", password)

    @property
    def key(self) -> str:
        return self._read().key

    def end(self, session: str, *, now_s: int, remember_s: int) -> None:
        """From now on, `has_ended` is true for this session."""
        with writing:
            kept = self._read()
            ended = {name: until_s for name, until_s in kept.ended.items() if until_s > now_s}
            self._write(structs.replace(kept, ended=ended | {session: now_s + remember_s}))

    def has_ended(self, session: str) -> bool:
        return session in self._read().ended

    def _read(self) -> _Kept:
        try:
            content = self._file.read_bytes()
            try:
                return msgspec.json.decode(content, type=_Kept)
            except msgspec.ValidationError:
                before = msgspec.json.decode(content, type=_OnePassword)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            raise Unusable(
                "console.json in the data directory cannot be read. `hogline password` writes a new one."
            ) from None
        # The stamp is derived from the hash, so it stays the same until the file is written.
        first = Account(
            name=FIRST, role="admin", password=before.password, chosen=before.chosen, stamp=before.password[-12:]
        )
        return _Kept(accounts=[first], key=before.key)

    def _write(self, kept: _Kept) -> None:
        try:
            write_whole(self._file, msgspec.json.format(msgspec.json.encode(kept)))
        except OSError as error:
            raise _unwritable(error) from None


def _first(hashed: str, now_ms: int, *, chosen: bool) -> Account:
    return Account(name=FIRST, role="admin", password=hashed, chosen=chosen, stamp=_stamp(), made_ms=now_ms)


def _changed(kept: _Kept, name: str, **changes: object) -> _Kept:
    return structs.replace(
        kept,
        accounts=[structs.replace(each, **changes) if each.name == name.lower() else each for each in kept.accounts],
    )


def _stamp() -> str:
    return secrets.token_hex(8)


def _unwritable(error: OSError) -> Unusable:
    return Unusable(f"console.json in the data directory cannot be written ({error.strerror}).")
