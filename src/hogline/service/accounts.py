"""Accounts of the console, with a name, a password and a role."""

from __future__ import annotations

import asyncio
import re

import structlog
from msgspec import Struct

from hogline.clock import Clock
from hogline.service.actor import actor
from hogline.service.core import CannotDo
from hogline.service.trail import Trail
from hogline.settings import Settings
from hogline.store.base import NameTaken
from hogline.store.datadir import passwords
from hogline.store.datadir.accounts import FIRST, Account, ConsoleAccounts
from hogline.store.datadir.roles import Role

log = structlog.get_logger("hogline.service")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+@-]{0,99}")


class AccountView(Struct, frozen=True, kw_only=True):
    name: str
    role: Role
    has_password: bool
    """Without one, only a trusted proxy can sign this account in."""
    made_ms: int
    """0: made before Hogline stored this."""
    signed_in_ms: int
    """The last time; 0: never."""


class Accounts:
    def __init__(self, settings: Settings, clock: Clock, trail: Trail) -> None:
        self._settings = settings
        self._clock = clock
        self._trail = trail

    async def all(self) -> list[AccountView]:
        """All accounts, oldest first."""
        return [_view(account) for account in self._access.accounts()]

    async def add(self, name: str, role: Role, password: str | None = None) -> AccountView:
        """Add an account. Without a password, only a trusted proxy can sign it in."""
        name = name.strip().lower()
        if not _NAME.fullmatch(name):
            raise CannotDo(
                "A name may have up to 100 letters, digits and . _ % + @ -, and must start with a letter or digit."
            )
        if password is not None:
            _good(password, name)
        try:
            made = await asyncio.to_thread(self._access.add, name, role, password, self._clock.time_ms())
        except NameTaken:
            raise CannotDo(f"The account {name} already exists. Choose another name.") from None
        log.info("account added", role=role)
        await self._trail.note("account_added", {"account": name, "role": role, "password": password is not None})
        return _view(made)

    async def remove(self, name: str) -> list[AccountView]:
        """Remove an account and end its sessions. Returns the remaining ones."""
        account = self._account(name)
        self._keeps_an_admin(account)
        await asyncio.to_thread(self._access.remove, account.name)
        log.info("account removed")
        await self._trail.note("account_removed", {"account": account.name, "role": account.role})
        return await self.all()

    async def set_role(self, name: str, role: Role) -> AccountView:
        """Change an account's role. Takes effect with its next request."""
        account = self._account(name)
        if role != "admin":
            self._keeps_an_admin(account)
        await asyncio.to_thread(self._access.set_role, account.name, role)
        log.info("account's role changed", role=role)
        await self._trail.note("account_role_changed", {"account": account.name, "change": [account.role, role]})
        return _view(self._account(name))

    async def set_password(self, password: str, name: str = FIRST) -> None:
        """Set an account's password. Sessions with the old one end."""
        name = name.strip().lower()
        self._not_of_the_settings(name)
        if name != FIRST:
            self._account(name)
        _good(password, name)
        await asyncio.to_thread(self._access.set_password, password, name, self._clock.time_ms())
        log.info("password changed")
        await self._trail.note("account_password_set", {"account": name})

    async def change_own_password(self, old: str, new: str) -> None:
        """The account that is asking."""
        who = actor()
        if who.kind != "account":
            raise CannotDo("Only accounts have a password.")
        self._not_of_the_settings(who.name)
        if not await asyncio.to_thread(self._access.is_password, old, who.name):
            raise CannotDo("Wrong password. Nothing was changed.")
        await self.set_password(new, who.name)

    @property
    def _access(self) -> ConsoleAccounts:
        return ConsoleAccounts(self._settings.data)

    def _account(self, name: str) -> Account:
        found = self._access.find(name)
        if found is None:
            raise CannotDo("Account not found. `hogline accounts` lists all accounts.")
        return found

    def _keeps_an_admin(self, account: Account) -> None:
        others = [one for one in self._access.accounts() if one.name != account.name and one.role == "admin"]
        if account.role == "admin" and not others:
            raise CannotDo(f"{account.name} is the only admin. Make another account an admin first.")

    def _not_of_the_settings(self, name: str) -> None:
        if name == FIRST and self._settings.console_password is not None:
            raise CannotDo(
                f"HOGLINE_CONSOLE_PASSWORD sets the password of {FIRST}. Change it there, or remove it first."
            )


def _good(password: str, name: str) -> None:
    problem = passwords.problem_of(password, name)
    if problem is not None:
        raise CannotDo(f"The password {problem}. Nothing was changed.")


def _view(account: Account) -> AccountView:
    return AccountView(
        name=account.name,
        role=account.role,
        has_password=bool(account.password),
        made_ms=account.made_ms,
        signed_in_ms=account.signed_in_ms,
    )
