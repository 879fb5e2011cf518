"""API tokens: creating, listing and revoking them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import structlog
from msgspec import Struct

from hogline.clock import Clock
from hogline.service.core import CannotDo
from hogline.service.trail import Trail
from hogline.store.base import NameTaken, Unusable
from hogline.store.datadir.api_tokens import ApiToken
from hogline.store.datadir.api_tokens import ApiTokens as Stored
from hogline.store.datadir.roles import Role

log = structlog.get_logger("hogline.service")

LONGEST_NAME = 60
MOST_DAYS = 3_650
USED_EVERY_MS = 600_000
"""How exact the time of a token's last use is."""
_DAY_MS = 86_400_000


class ApiTokenView(Struct, frozen=True, kw_only=True):
    """A token without its secret."""

    name: str
    role: Role
    made_ms: int
    expires_ms: int
    """0: never."""
    used_ms: int
    """The last time, to within ten minutes; 0: never."""


class NewApiTokenView(Struct, frozen=True, kw_only=True):
    name: str
    role: Role
    expires_ms: int
    token: str
    """Shown only once: Hogline stores a hash."""

    def __repr__(self) -> str:
        return f"NewApiTokenView(name={self.name!r})"


class ApiTokens:
    def __init__(self, data: Path, clock: Clock, trail: Trail) -> None:
        """`data`: the data directory."""
        self._data = data
        self._clock = clock
        self._trail = trail

    async def all(self) -> list[ApiTokenView]:
        """All tokens that were not revoked, oldest first."""
        return [
            ApiTokenView(
                name=one.name, role=one.role, made_ms=one.made_ms, expires_ms=one.expires_ms, used_ms=one.used_ms
            )
            for one in self._stored().all()
        ]

    async def make(self, name: str, role: Role = "viewer", days: int | None = None) -> NewApiTokenView:
        """Create a token for the HTTP API; its role says what it may do. `days`: how long it is valid; None: until you
        revoke it.
        """
        name = name.strip()
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
            raise CannotDo(f"Name the token after what uses it, with up to {LONGEST_NAME} characters.")
        if days is not None and not 1 <= days <= MOST_DAYS:
            raise CannotDo(f"Give 1 to {MOST_DAYS:,} days. Without days, the token is valid until you revoke it.")
        now_ms = self._clock.time_ms()
        expires_ms = 0 if days is None else now_ms + days * _DAY_MS
        try:
            token = await asyncio.to_thread(self._stored().make, name, role, now_ms, expires_ms)
        except NameTaken:
            raise CannotDo(f"The API token {name!r} already exists. Choose another name, or revoke it first.") from None
        log.info("API token made", role=role)
        await self._trail.note("api_token_made", {"token": name, "role": role, "days": days})
        return NewApiTokenView(name=name, role=role, expires_ms=expires_ms, token=token)

    async def revoke(self, name: str) -> list[ApiTokenView]:
        """Revoke a token immediately. Returns the remaining ones."""
        if not await asyncio.to_thread(self._stored().remove, name):
            raise CannotDo(f"API token {name!r} not found.")
        log.info("API token revoked")
        await self._trail.note("api_token_revoked", {"token": name})
        return await self.all()

    def find(self, token: str) -> ApiToken | None:
        """What is known about a token; None: it is not valid. Only the API calls this; the socket does not offer it."""
        found = self._stored().find(token)
        return None if found is None or 0 < found.expires_ms <= self._clock.time_ms() else found

    async def note_use(self, token: ApiToken) -> None:
        """Not every time: a client that sends many requests should not wait for the disk each time."""
        now_ms = self._clock.time_ms()
        if now_ms - token.used_ms >= USED_EVERY_MS:
            with suppress(Unusable):  # a full disk does not keep anyone from using the API
                await asyncio.to_thread(self._stored().used, token.name, now_ms)

    def _stored(self) -> Stored:
        return Stored(self._data)
