"""Overwrites deleted data, file by file: immediately if possible, later if another program is reading a file.

The state records that this has to be done, so it is done, whatever happens in between.
"""

from __future__ import annotations

import asyncio

import structlog

from hogline.store.base import Journal, State, Unwritable
from hogline.store.event_log import EventLog
from hogline.store.forgetting import File

log = structlog.get_logger("hogline.journal")


class Cleaning:
    def __init__(self, journal: Journal, state: State, events: EventLog | None = None) -> None:
        """`events`: what goes along with the journal."""
        self._stores: dict[File, list[Journal | State | EventLog]] = {
            "journal": [journal, *([] if events is None else [events])],
            "state": [state],
        }
        self._state = state
        self._one_at_a_time = asyncio.Lock()
        self._blocked: set[File] = set()

    async def finish(self) -> list[File]:
        """Clean every file that needs it. Returns the files that another program is reading, or that the disk does not
        let us write; a later call cleans those.
        """
        async with self._one_at_a_time:
            to_clean = await self._state.to_clean()
            files: list[File] = sorted({one.file for one in to_clean})
            # The state comes last: until then, it knows what has to be done.
            blocked = [file for file in files if not await self._clean(file)]
            if to_clean and not blocked:
                await self._state.cleaned(to_clean[-1].number)
            self._report(set(blocked))
            return blocked

    async def _clean(self, file: File) -> bool:
        try:
            return all([await store.clean() for store in self._stores[file]])
        except Unwritable:
            return False

    def _report(self, blocked: set[File]) -> None:
        """Once for each file, not at every attempt."""
        for file in sorted(blocked - self._blocked):
            log.warning(
                "deleted data will be overwritten later: another program is reading the file", file=f"{file}.db"
            )
        for file in sorted(self._blocked - blocked):
            log.info("deleted data is overwritten", file=f"{file}.db")
        self._blocked = blocked
