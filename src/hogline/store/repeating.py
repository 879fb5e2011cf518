"""The contract for what is sent once more because someone asked for it: failures that are retried or discarded, and
replays; part of `store.base.State`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hogline.core.changes import Failure
from hogline.store.values import ALWAYS, READ_BYTES, Replay, Span


class Repeats(Protocol):
    async def failures(
        self,
        connection: int,
        *,
        after: int = 0,
        limit: int = 100,
        reason: str = "",
        retrying: bool = False,
        before: int | None = None,
        within: Span = ALWAYS,
        most_bytes: int = READ_BYTES,
    ) -> list[Failure]:
        """Failures after a position, in order: all, those with a reason, those that are being retried, those that
        failed within a time. `before`: instead, those before that position, newest first. At most `limit`, and
        `most_bytes` of events, but always at least one if there is any.
        """
        ...

    async def failure(self, connection: int, position: int) -> Failure | None:
        """The failure at a position; None if there is none."""
        ...

    async def failure_counts(self, connection: int, within: Span = ALWAYS) -> dict[str, int]:
        """How many failures there are, by reason: those that failed within a time."""
        ...

    async def retry_failures(
        self,
        connection: int,
        *,
        reason: str = "",
        positions: Sequence[int] | None = None,
        within: Span = ALWAYS,
    ) -> list[int]:
        """Mark failures to be sent again: all, those with a reason, those at these positions, those that failed within
        a time; what is given has to fit. Returns their positions. They stay failures until a settlement resolves them.
        """
        ...

    async def discard_failures(
        self,
        connection: int,
        *,
        reason: str = "",
        positions: Sequence[int] | None = None,
        within: Span = ALWAYS,
    ) -> int:
        """Remove failures, chosen as for `retry_failures`, and count their events as filtered (`discarded`). Returns
        how many. One that is being retried stays: a settlement will count it.
        """
        ...

    async def replay(self, connection: int) -> Replay | None:
        """The connection's replay; None if there is none."""
        ...

    async def begin_replay(self, connection: int, replay: Replay) -> None:
        """Start a replay; it replaces one that is not over."""
        ...
