"""A part of a connection: some of its lanes, while other processes deliver the rest."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from hogline.store.shared import SharedState


class Part(NamedTuple):
    """What of a connection this process carries."""

    lanes: Collection[int]
    state: SharedState
    shares: int
    """In how many parts the connection is."""

    def of(self, per_second: int) -> int:
        """The requests per second of this part. All parts together are exactly those of the connection, if that is at
        least one for each part."""
        place = min(self.lanes)
        return max(per_second * (place + 1) // self.shares - per_second * place // self.shares, 1)
