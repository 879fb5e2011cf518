"""What every route that brings events shares: reading without keeping others waiting, keeping, and the answers.

Knows no route and no shape of a body.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

from msgspec import Struct, field

from hogline.posthog import Batch, Unreadable
from hogline.sources.asgi import Reply, crowded, problem, reply_json
from hogline.sources.budget import Budget, Spent
from hogline.sources.limits import ReceivingLimits
from hogline.sources.routing import Request
from hogline.sources.seen import SeenUuids
from hogline.sources.suppression import let_in
from hogline.sources.tokens import TokenCheck
from hogline.sources.turns import Crowded, Turns
from hogline.store.base import Appender
from hogline.store.forgetting import Suppressed

T = TypeVar("T")

LIGHT_BYTES = 256 * 1024
"""Bodies up to here, compressed or not, are read directly, which takes a few milliseconds. Larger ones take turns."""

BEARER = ((b"www-authenticate", b"Bearer"),)
KEPT = reply_json(200, {"status": 1})
WRONG_TOKEN = problem(401, "Unknown token. Run `hogline token` to see the right one.", BEARER)


class Intake(Struct, frozen=True):
    journal: Appender
    tokens: TokenCheck
    clock: Callable[[], int]
    """Milliseconds since 1970."""
    limits: ReceivingLimits
    suppressed: Suppressed
    """Whose events are not kept."""
    budget: Budget
    """For what was read and is not on disk yet."""
    seen: SeenUuids
    turns: Turns = field(default_factory=Turns)
    reader: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 1, "reading"))
    """One thread, which reads large bodies."""

    @asynccontextmanager
    async def reading(
        self, request: Request, body: bytes, read: Callable[[int], T], unpacked_bytes: int
    ) -> AsyncIterator[T]:
        """What `read` makes of a body that may unpack to `unpacked_bytes`. It is called with the allowed length, maybe
        twice: first with what can be read directly; if that is too little, in a thread. Large bodies are read, and kept
        within the block, one after the other. Raises `Unreadable` and `RequestRejected` (503).
        """
        if len(body) <= LIGHT_BYTES:
            try:
                found = read(min(unpacked_bytes, LIGHT_BYTES))
            except Unreadable as wrong:
                if wrong.reason != "too_large" or unpacked_bytes <= LIGHT_BYTES:
                    raise
            else:
                yield found
                return
        try:
            async with self.turns.turn(request.client):
                yield await asyncio.get_running_loop().run_in_executor(self.reader, read, unpacked_bytes)
        except Crowded:
            raise crowded() from None

    async def append(self, request: Request, batch: Batch) -> None:
        """On disk when it returns. Raises `Unwritable`, and `RequestRejected` (503)."""
        received, refused = let_in(batch, self.suppressed)
        try:
            with self.budget.holding(sum(len(each.body) for each in received)):
                _, request.received = await self.seen.append(self.journal, received, refused or None)
        except Spent:
            raise crowded() from None

    async def keep(self, request: Request, batch: Batch) -> Reply:
        """On disk first, then the answer. Only a batch without a single good event is an error. Nobody is told who is
        suppressed: of their events the answer says what it says of others'.
        """
        await self.append(request, batch)
        if batch.problem is None:
            return KEPT
        if batch.received:
            return reply_json(200, {"status": 1, "refused": batch.refused})
        return problem(batch.problem.status, batch.problem.sentence)


def encoding(request: Request) -> str:
    return request.header(b"content-encoding").strip().lower()


def bearer_token(request: Request) -> str:
    scheme, _, token = request.header(b"authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
