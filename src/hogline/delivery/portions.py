"""What a process reads that delivers a part of a connection: the events of its lanes. Sheets say which those are. Where
there is no sheet, an older Hogline was the owner: there it reads all events.
"""

from __future__ import annotations

from hogline.clock import Clock
from hogline.core.known import Known
from hogline.core.sheets import Portion, portion, wanted
from hogline.delivery.folder import Folder
from hogline.delivery.part import Part
from hogline.delivery.window import Received, received_after, weighed
from hogline.store.base import READ_BYTES, Journal, State

LOOK_EVERY_S = 0.05


class _Portions:
    def __init__(self, part: Part, *, joins: bool) -> None:
        """`joins`: also those of other lanes."""
        self._state = part.state
        self._which = wanted(part.lanes, joins=joins)
        self._most = part.shares + 1
        """So many sheets have enough events of this part for one step."""

    async def read(self, after: int, limit: int, last: int) -> tuple[list[Received], Portion] | None:
        """See `portion`."""
        found = portion(await self._state.sheets(after, self._most), self._which, after, last, limit)
        if found is None:
            return None
        rows = await self._state.events_at(list(found.lanes), READ_BYTES) if found.lanes else []
        if rows and len(rows) < len(found.lanes):  # too large, or trimmed; those are older
            found = found._replace(to=rows[-1][0])
        return [(position, *weighed(body)) for position, body in rows], found


class OfFolder:
    """Beside the folder, whose `Known` is up to date by itself. Implements `puller.Folded`."""

    def __init__(self, folder: Folder, part: Part) -> None:
        self._folder = folder
        self._portions = _Portions(part, joins=False)
        self.known = folder.known

    async def wait(self, after: int) -> None:
        await self._folder.wait(after)

    async def read(self, after: int, limit: int) -> tuple[list[Received], Portion | None]:
        return await self._portions.read(after, limit, self._folder.ready) or await self._folder.read(after, limit)


class Follower:
    """Reads what the folder of another process knows, as far as that is on disk, with the events that taught it.
    Implements `puller.Folded`."""

    def __init__(self, journal: Journal, state: State, part: Part, clock: Clock) -> None:
        self._journal = journal
        self._state = state
        self._clock = clock
        self._portions = _Portions(part, joins=True)
        self._end = state.folded()
        self._must = journal.end
        self.known = Known(state, self._end)
        """`folded` is how far this process has read."""

    async def wait(self, after: int) -> None:
        while self._end < self._must or self._end <= after:
            self._end = self._state.folded()
            if self._end < self._must or self._end <= after:
                await self._clock.sleep(LOOK_EVERY_S)

    async def read(self, after: int, limit: int) -> tuple[list[Received], Portion | None]:
        received: list[Received]
        found: Portion | None = None
        if (read := await self._portions.read(after, limit, self._end)) is not None:
            received, found = read
        else:
            received = [one for one in await received_after(self._journal, after, limit) if one[0] <= self._end]
        self._learn(received)
        return received, found

    def _learn(self, received: list[Received]) -> None:
        """What is in memory is older than these, if this process has not read them before."""
        known, spoke = self.known, set[str]()
        for position, entry, _ in received:
            if position <= known.folded:
                continue
            if entry.said is not None:
                spoke.update((entry.distinct_id, *((entry.said.other,) if entry.said.other is not None else ())))
            elif entry.name.strip() == "$identify":
                spoke.add(entry.distinct_id)
        if received and received[-1][0] > known.folded:
            known.outdated(spoke)
            known.make_room()
            known.folded = received[-1][0]
