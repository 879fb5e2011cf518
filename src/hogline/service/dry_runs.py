"""Dry runs: what older events would come to at a connection."""

from __future__ import annotations

from collections.abc import Sequence

from hogline.backfill.dry_run import DryRun
from hogline.backfill.views import DryRunView
from hogline.clock import Clock
from hogline.service.core import connection_named, opened
from hogline.service.handles import Handles
from hogline.store.base import State


class DryRuns:
    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._handles = Handles[DryRun](clock, "This dry run has ended. Start the command again.")

    async def begin(self, connection: str) -> str:
        """Begin to count what older events would come to at a connection; returns a handle."""
        one = opened(await connection_named(self._state, connection))
        return self._handles.begin(DryRun(one, self._state, self._clock))

    async def rows(self, handle: str, rows: Sequence[bytes]) -> None:
        """Count what these events, as the journal keeps them, would come to after those before."""
        await self._handles.work(handle).rows(rows)

    async def end(self, handle: str, share: int = 100) -> DryRunView:
        """What the events so far would come to. Ends it."""
        found = await self._handles.work(handle).view(share)
        self._handles.end(handle)
        return found
