"""What is sent again: dead letters that somebody wants retried, and a replay from the journal. Bookkeeping only;
the events travel through the lanes like all others.
"""

from __future__ import annotations

from collections.abc import Iterable

from hogline.delivery.lanes import Item, Source
from hogline.store.base import Replay


class Again:
    """Which dead letters are on their way, and how far the replay has come."""

    def __init__(self) -> None:
        self._retrying: set[int] = set()
        self._replayed: dict[int, None] = {}
        self.replay: Replay | None = None
        self._read = 0

    def new_retries(self, positions: Iterable[int]) -> set[int]:
        """Those that are not on their way yet; from now on they are."""
        new = set(positions) - self._retrying
        self._retrying |= new
        return new

    def begin(self, replay: Replay) -> None:
        self.replay = replay
        self._read = replay.settled

    def replaying(self, positions: Iterable[int], read: int) -> None:
        """These are on their way; everything up to `read` was looked at."""
        self._replayed.update(dict.fromkeys(positions))
        self._read = read

    @property
    def read(self) -> int:
        return self._read

    def ended(self, items: Iterable[Item]) -> int | None:
        """These were sent again and are about to be settled; returns how far the replay is then."""
        for item in items:
            if item.source is Source.RETRY:
                self._retrying.discard(item.position)
            elif item.source is Source.REPLAY:
                self._replayed.pop(item.position, None)
        if self.replay is None:
            return None
        settled = next(iter(self._replayed), self._read + 1) - 1
        if settled >= self.replay.last:
            self.replay = None
        return settled
