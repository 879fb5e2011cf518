"""The follower: reads what the folder of another process knows, as far as that is on disk, with the events that taught
it.
"""

from __future__ import annotations

import asyncio

from hogline.clock import Clock
from hogline.core.known import Known
from hogline.delivery.window import Received, Window, received_after
from hogline.store.base import Journal, State

READ = 1_000
LOOK_EVERY_S = 0.05


class Follower:
    """For the connections of this process what `Folder` is for those of the process that folds."""

    trouble: str | None = None

    def __init__(self, journal: Journal, state: State, clock: Clock) -> None:
        self._journal = journal
        self._state = state
        self._clock = clock
        folded = state.folded()
        self.known = Known(state, folded)
        """`folded` is how far this process has read."""
        self._must = journal.end
        self._window = Window(journal, folded + 1)
        self._reading = asyncio.Lock()

    async def wait(self, after: int) -> None:
        """See `Folder.wait`."""
        while self.known.folded < self._must or self.known.folded <= after:
            async with self._reading:
                if not await self._step():
                    await self._clock.sleep(LOOK_EVERY_S)

    async def read(self, after: int, limit: int) -> list[Received]:
        """See `Folder.read`."""
        return await self._window.read(after, limit, self.known.folded)

    async def _step(self) -> bool:
        """Read the next events that another process has folded; False if there are none."""
        known, end = self.known, self._state.folded()
        if end <= known.folded:
            return False
        received = [one for one in await received_after(self._journal, known.folded, READ) if one[0] <= end]
        if not received:
            known.folded = end  # trimmed, so nobody needs it
            return True
        spoke = set[str]()
        for _, entry, _ in received:
            if entry.said is not None:
                spoke.update((entry.distinct_id, *((entry.said.other,) if entry.said.other is not None else ())))
            elif entry.name.strip() == "$identify":
                spoke.add(entry.distinct_id)
        known.outdated(spoke)
        known.make_room()
        self._window.add(received, known.folded + 1)
        known.folded = received[-1][0]
        return True
