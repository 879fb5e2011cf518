"""What every route that brings events shares: whose token it is, keeping, and the answers to both.

Knows no route and no shape of a body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import ParamSpec, Protocol, TypeVar

from msgspec import Struct

from hogline.posthog import Batch
from hogline.sources.asgi import Answer, answer_json, problem
from hogline.sources.limits import Limits
from hogline.sources.routing import Request
from hogline.sources.suppression import let_in
from hogline.store.forgetting import NOBODY, Suppressed

P = ParamSpec("P")
T = TypeVar("T")

_GZIP = b"\x1f\x8b"
_LARGE_BYTES = 256 * 1024
"""Bodies beyond it, and compressed ones, are read in a thread: others do not wait for them."""

BEARER = ((b"www-authenticate", b"Bearer"),)
KEPT = answer_json(200, {"status": 1})
WRONG_TOKEN = problem(401, "This token is not known here: `hogline token` prints the right one.", BEARER)


class Keeps(Protocol):
    """What receiving asks of the journal (`store.base.Journal`): to keep, and no more."""

    async def append(self, events: Sequence[bytes], refused: Mapping[str, int] | None = None) -> int: ...


class Intake(Struct, frozen=True):
    journal: Keeps
    knows: Callable[[str], bool]
    """Whether a token is one of ours (see `TokenCheck`)."""
    clock: Callable[[], int]
    """Milliseconds since 1970."""
    limits: Limits
    suppressed: Suppressed = NOBODY

    async def append(self, request: Request, batch: Batch) -> None:
        """On disk when it returns. Raises `Unwritable`."""
        request.received, refused = let_in(batch, self.suppressed)
        await self.journal.append([each.body for each in request.received], refused or None)

    async def keep(self, request: Request, batch: Batch) -> Answer:
        """On disk first, then the answer. Only a batch without a single good event is an error. Nobody is told who is
        suppressed: of their events the answer says what it says of others'.
        """
        await self.append(request, batch)
        if batch.problem is None:
            return KEPT
        if batch.received:
            return answer_json(200, {"status": 1, "refused": batch.refused})
        return problem(batch.problem.status, batch.problem.sentence)


async def aside(body: bytes, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The work's result; done in a thread if the body may keep everybody waiting."""
    if len(body) > _LARGE_BYTES or body.startswith(_GZIP):
        return await asyncio.to_thread(work, *args, **kwargs)
    return work(*args, **kwargs)


def encoding(request: Request) -> str:
    return request.header(b"content-encoding").strip().lower()
