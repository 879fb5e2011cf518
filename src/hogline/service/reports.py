"""The status, and the project's tokens."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from hogline.posthog.email_names import USUAL
from hogline.reasons import email_hint, nobody_hint, person_hint
from hogline.service.core import KINDS, CannotDo, Core
from hogline.store.base import Connection, TokenKind
from hogline.store.positions import lag_ms
from hogline.store.tokens import BadKey, Token, made_here, new_token, read_key
from hogline.views import ConnectionStatus, RejectionView, Status, TokenView

log = structlog.get_logger("hogline.service")


class Reports(Core):
    async def token(self) -> TokenView:
        """The project's tokens, and the URL for PostHog's HTTP Webhook destination."""
        private, public = await self._state.tokens(), await self._state.tokens("public")
        *older, newest = made_here(private)
        *older_public, newest_public = made_here(public)
        return TokenView(
            token=newest,
            webhook_url=f"{self.receives_at}/webhook/{newest}",
            older=older,
            public_token=newest_public,
            older_public=older_public,
            added=[token for token in (*private, *public) if not Token(token).made_here],
        )

    async def add_token(self, token: str) -> TokenView:
        """Also accept events with the project's own PostHog key. It is public, because your pages contain it. Raises
        `CannotDo`.
        """
        try:
            key = read_key(token)
        except BadKey as wrong:
            raise CannotDo(str(wrong)) from None
        if self.token_check.kind(key.text) is not None:
            raise CannotDo("This key is already accepted. `hogline token` lists all tokens.")
        await self._state.add_token(key.text, "public")
        changed = await self._tokens_changed()
        log.info("token added", valid=_valid(changed))
        await self.trail.note("token_added")
        return changed

    async def rotate_token(self, *, public: bool = False) -> TokenView:
        """Create a new private or public token. Older ones stay valid until you revoke them."""
        kind: TokenKind = "public" if public else "private"
        await self._state.add_token(new_token(kind).text, kind)
        changed = await self._tokens_changed()
        log.info("token rotated", kind=kind, valid=_valid(changed))
        await self.trail.note("token_rotated")
        return changed

    async def revoke_token(self, token: str) -> TokenView:
        """Revoke an older token or an added key. The newest token of each kind stays."""
        for kind in KINDS:
            tokens = await self._state.tokens(kind)
            if token == made_here(tokens)[-1]:
                raise CannotDo("This is the newest token. Rotate first, then revoke this one when nothing uses it.")
            if token in tokens:
                await self._state.remove_token(token)
                changed = await self._tokens_changed()
                log.info("token revoked", kind=kind, valid=_valid(changed))
                await self.trail.note("token_revoked")
                return changed
        raise CannotDo("Token not found. `hogline token` lists all valid tokens.")

    async def _tokens_changed(self) -> TokenView:
        await self._check_tokens()
        return await self.token()

    async def status(self) -> Status:
        return Status(
            connections=[await self._status(connection) for connection in await self._state.connections()],
            refused=await self._journal.refused(),
        )

    async def _status(self, connection: Connection) -> ConnectionStatus:
        counts = await self._state.counts(connection.id)
        state, reason = self._standing(connection)
        received = self._journal.end - connection.start
        return ConnectionStatus(
            name=connection.name,
            destination=connection.destination,
            paused=connection.paused,
            state=state,
            reason=reason,
            received=received,
            delivered=counts.delivered,
            filtered=counts.filtered,
            held=counts.held,
            failures=counts.failures,
            pending=received - counts.settled,
            requests=counts.requests + self._workers.unsaved_requests(connection.id),
            adjusted=counts.adjusted,
            retries=counts.retries,
            replayed=counts.replayed,
            lag_s=await self._lag_s(connection) if received > counts.settled else 0.0,
            hints=_hints(connection, counts.adjusted),
        )

    async def _lag_s(self, connection: Connection) -> float:
        return await lag_ms(connection, self._journal, self._state, self._clock.time_ms()) / 1_000

    async def rejected(self) -> list[RejectionView]:
        """The last requests that were refused, newest first: since the start, grouped by route and reason."""
        return [
            RejectionView(
                route=one.route,
                status=one.status,
                sentence=one.sentence,
                times=one.times,
                first_ms=one.first_ms,
                last_ms=one.last_ms,
            )
            for one in self.rejections.newest()
        ]

    async def problems(self) -> list[str]:
        """Why Hogline is not ready; empty if it is: the disk is full, events cannot be processed, or a connection has
        stopped. Raises `Unwritable` if the disk cannot even be read.
        """
        troubles = (self._journal.trouble, self._state.trouble, self._workers.folding_trouble)
        return [*dict.fromkeys(one for one in troubles if one is not None)] + [
            f"{connection.name}: {connection.stopped}"
            for connection in await self._state.connections()
            if not connection.paused and connection.stopped is not None
        ]


def _valid(tokens: TokenView) -> int:
    return 2 + len(tokens.older) + len(tokens.older_public) + len(tokens.added)


def _hints(connection: Connection, adjusted: Mapping[str, int]) -> list[str]:
    email_property = str(connection.options.get("email_property") or USUAL)
    hints = (
        email_hint(connection.name, adjusted, email_property),
        person_hint(connection.name, adjusted),
        nobody_hint(adjusted),
    )
    return [hint for hint in hints if hint is not None]
