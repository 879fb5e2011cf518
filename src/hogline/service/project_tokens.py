"""The project's tokens: what senders identify themselves with."""

from __future__ import annotations

import structlog

from hogline.service.core import Addresses, CannotDo
from hogline.service.trail import Trail
from hogline.sources.tokens import TokenCheck
from hogline.store.base import State, TokenKind
from hogline.store.tokens import BadKey, Token, made_here, new_token, read_key
from hogline.views.connections import TokenView

log = structlog.get_logger("hogline.service")


KINDS: tuple[TokenKind, ...] = ("private", "public")


class ProjectTokens:
    def __init__(self, state: State, addresses: Addresses, check: TokenCheck, trail: Trail) -> None:
        """`check`: what receives events asks it; it always has the current tokens."""
        self._state = state
        self._addresses = addresses
        self._check = check
        self._trail = trail

    async def start(self) -> None:
        """Create the project's tokens if there are none."""
        for kind in KINDS:
            if not made_here(await self._state.tokens(kind)):
                await self._state.add_token(new_token(kind).text, kind)
        await self._accept()

    async def show(self) -> TokenView:
        """The project's tokens, and the URL for PostHog's HTTP Webhook destination."""
        private, public = await self._state.tokens(), await self._state.tokens("public")
        *older, newest = made_here(private)
        *older_public, newest_public = made_here(public)
        return TokenView(
            token=newest,
            webhook_url=f"{self._addresses.receives}/webhook/{newest}",
            older=older,
            public_token=newest_public,
            older_public=older_public,
            added=[token for token in (*private, *public) if not Token(token).made_here],
        )

    async def add(self, token: str) -> TokenView:
        """Also accept events with the project's own PostHog key. It is public, because your pages contain it. Raises
        `CannotDo`.
        """
        try:
            key = read_key(token)
        except BadKey as wrong:
            raise CannotDo(str(wrong)) from None
        if self._check.kind(key.text) is not None:
            raise CannotDo("This key is already accepted. `hogline token` lists all tokens.")
        await self._state.add_token(key.text, "public")
        changed = await self._tokens_changed()
        log.info("token added", valid=_valid(changed))
        await self._trail.note("token_added")
        return changed

    async def rotate(self, *, public: bool = False) -> TokenView:
        """Create a new private or public token. Older ones stay valid until you revoke them."""
        kind: TokenKind = "public" if public else "private"
        await self._state.add_token(new_token(kind).text, kind)
        changed = await self._tokens_changed()
        log.info("token rotated", kind=kind, valid=_valid(changed))
        await self._trail.note("token_rotated")
        return changed

    async def revoke(self, token: str) -> TokenView:
        """Revoke an older token or an added key. The newest token of each kind stays."""
        for kind in KINDS:
            tokens = await self._state.tokens(kind)
            if token == made_here(tokens)[-1]:
                raise CannotDo("This is the newest token. Rotate first, then revoke this one when nothing uses it.")
            if token in tokens:
                await self._state.remove_token(token)
                changed = await self._tokens_changed()
                log.info("token revoked", kind=kind, valid=_valid(changed))
                await self._trail.note("token_revoked")
                return changed
        raise CannotDo("Token not found. `hogline token` lists all valid tokens.")

    async def _tokens_changed(self) -> TokenView:
        await self._accept()
        return await self.show()

    async def _accept(self) -> None:
        """From now on, receive events with the current tokens only."""
        self._check.replace(await self._state.tokens(), await self._state.tokens("public"))


def _valid(tokens: TokenView) -> int:
    return 2 + len(tokens.older) + len(tokens.older_public) + len(tokens.added)
