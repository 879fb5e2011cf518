"""What this process does with each source just now: one task for each, and what is in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from msgspec import Struct


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
