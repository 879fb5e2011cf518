"""Handles: each stands for work that a client began here and comes back to, such as a file that it sends in parts."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Generic, TypeVar

from hogline.clock import Clock
from hogline.service.core import CannotDo

ABANDONED_AFTER_S = 600.0
"""A client that was killed never ends what it began."""

WorkT = TypeVar("WorkT")


class Handles(Generic[WorkT]):
    def __init__(self, clock: Clock, over: str, *, ended: Callable[[WorkT], None] = lambda _: None) -> None:
        """`over`: what to say about a handle that nobody has. `ended` gets all work that has ended or was abandoned."""
        self._clock = clock
        self._over = over
        self._ended = ended
        self._work: dict[str, WorkT] = {}
        self._used_s: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._work)

    def begin(self, work: WorkT) -> str:
        """Its handle. Ends what was abandoned."""
        now_s = self._clock.now_s()
        for handle in [handle for handle, used_s in self._used_s.items() if used_s < now_s - ABANDONED_AFTER_S]:
            self.end(handle)
        handle = secrets.token_hex(8)
        self._work[handle], self._used_s[handle] = work, now_s
        return handle

    def work(self, handle: str) -> WorkT:
        """Raises `CannotDo` if it has ended."""
        if handle not in self._work:
            raise CannotDo(self._over)
        self._used_s[handle] = self._clock.now_s()
        return self._work[handle]

    def end(self, handle: str) -> None:
        """Harmless if it has ended."""
        if handle in self._work:
            del self._used_s[handle]
            self._ended(self._work.pop(handle))
