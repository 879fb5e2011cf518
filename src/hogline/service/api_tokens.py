"""The tokens of the HTTP API: made, listed, revoked."""

from __future__ import annotations

import structlog
from msgspec import Struct

from hogline.service.core import Core, Mistake
from hogline.store.api_tokens import ApiTokens
from hogline.store.base import NameTaken

log = structlog.get_logger("hogline.service")

LONGEST_NAME = 60


class ApiTokenView(Struct, frozen=True, kw_only=True):
    """A token as it may be shown: without itself."""

    name: str
    made_ms: int


class NewApiTokenView(Struct, frozen=True, kw_only=True):
    name: str
    token: str
    """Shown this once: it is kept as a hash only."""


class ApiAccess(Core):
    async def api_tokens(self) -> list[ApiTokenView]:
        """Those that are valid, in the order in which they were made."""
        return [ApiTokenView(name=token.name, made_ms=token.made_ms) for token in self._api_tokens().all()]

    async def make_api_token(self, name: str) -> NewApiTokenView:
        """Make a token for the HTTP API. Whoever has it can do all that the API can."""
        name = name.strip()
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
            raise Mistake(f"Name the token after what uses it, with up to {LONGEST_NAME} characters.")
        try:
            token = self._api_tokens().make(name, self._clock.time_ms())
        except NameTaken:
            raise Mistake(f"There is an API token {name!r} already. Choose another name, or revoke it first.") from None
        log.info("API token made")
        return NewApiTokenView(name=name, token=token)

    async def revoke_api_token(self, name: str) -> list[ApiTokenView]:
        """Take a token's validity away, at once; returns those that are left."""
        if not self._api_tokens().remove(name):
            raise Mistake(f"There is no API token {name!r}.")
        log.info("API token revoked")
        return await self.api_tokens()

    def api_token_name(self, token: str) -> str | None:
        """Whose token this is; None if it is not valid. No question of a user's: it is not offered at the socket."""
        return self._api_tokens().name_of(token)

    def _api_tokens(self) -> ApiTokens:
        return ApiTokens(self._settings.data)
