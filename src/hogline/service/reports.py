"""What goes on: status, the project's tokens."""

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
        """The project's tokens, and the URL to give PostHog's HTTP Webhook destination."""
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
        """Take events under the project's own key at PostHog, too. It stands in pages, so it is public. Raises
        `CannotDo`.
        """
        try:
            key = read_key(token)
        except BadKey as wrong:
            raise CannotDo(str(wrong)) from None
        if self.token_check.kind(key.text) is not None:
            raise CannotDo("This token is taken already: `hogline token` lists all.")
        await self._state.add_token(key.text, "public")
        changed = await self._tokens_changed()
        log.info("token added", valid=_valid(changed))
        await self.trail.note("token_added")
        return changed

    async def rotate_token(self, *, public: bool = False) -> TokenView:
        """Make a new token, private or public. The old ones stay valid until they are revoked."""
        kind: TokenKind = "public" if public else "private"
        await self._state.add_token(new_token(kind).text, kind)
        changed = await self._tokens_changed()
        log.info("token rotated", kind=kind, valid=_valid(changed))
        await self.trail.note("token_rotated")
        return changed

    async def revoke_token(self, token: str) -> TokenView:
        """Stop taking an old token or an added one; the newest of each kind that was made here stays."""
        for kind in KINDS:
            tokens = await self._state.tokens(kind)
            if token == made_here(tokens)[-1]:
                raise CannotDo("This is the newest token: rotate first, and revoke it when nothing uses it any more.")
            if token in tokens:
                await self._state.remove_token(token)
                changed = await self._tokens_changed()
                log.info("token revoked", kind=kind, valid=_valid(changed))
                await self.trail.note("token_revoked")
                return changed
        raise CannotDo("There is no such token. `hogline token` lists those that are valid.")

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
        """Why the service is not ready; empty if it is: the disk takes nothing, events cannot be read for what they say
        of people, or a connection has stopped. Raises `Unwritable` if the disk cannot even be read.
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
