"""What this process does with each source just now: one task for each, and what is in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog
from msgspec import Struct

from hogline.clock import Clock
from hogline.store.base import Unwritable
from hogline.telemetry.internal_errors import kind_and_place

log = structlog.get_logger("hogline.service")

LOOK_EVERY_S = 1.0


class Standing(Struct):
    task: asyncio.Task[None] | None = None
    due_s: float = 0.0
    """When it is tried again."""
    trouble: str | None = None
    trouble_ms: int = 0
    """Since when there is trouble."""

    @property
    def is_busy(self) -> bool:
        return self.task is not None and not self.task.done()


StandingT = TypeVar("StandingT", bound=Standing)


class Standings(Generic[StandingT]):
    def __init__(self, new: Callable[[], StandingT]) -> None:
        self._new = new
        self._all: dict[str, StandingT] = {}

    def of(self, name: str) -> StandingT:
        """Of a source by its name."""
        return self._all.setdefault(name, self._new())

    async def look_after(self, look: Callable[[], Awaitable[None]], clock: Clock) -> None:
        """Call `look`, which begins tasks, every second, until cancelled; then end all tasks. If it fails, because the
        store is in trouble, it is called again.
        """
        trouble = ""
        try:
            while True:
                before, trouble = trouble, ""
                try:
                    await look()
                except Unwritable as unwritable:
                    trouble = str(unwritable)
                except Exception as error:  # whatever it is, it is tried again
                    trouble = f"Internal error ({kind_and_place(error)})."
                if trouble not in {"", before}:
                    log.warning("sources are not looked after", reason=trouble)
                await clock.sleep(LOOK_EVERY_S)
        finally:
            await self.end_all()

    def all(self) -> list[StandingT]:
        return list(self._all.values())

    async def end(self, name: str) -> None:
        """Its task is over when this returns; a thread of it may go on. The task is cancelled once, because it may have
        to wait for what it writes.
        """
        task = self.of(name).task
        if task is not None:
            if not task.cancelling():
                task.cancel()
            await asyncio.shield(asyncio.gather(task, return_exceptions=True))

    async def end_all(self) -> None:
        for name in list(self._all):
            await self.end(name)

    def drop(self, name: str) -> StandingT:
        """After the source was removed. Returns how it was."""
        return self._all.pop(name, None) or self._new()
