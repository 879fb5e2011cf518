"""A part of a connection: some of its lanes, while other processes deliver the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import NamedTuple

from hogline.core.share import Far


class Part(NamedTuple):
    """What of a connection this process carries."""

    lanes: Collection[int]
    far: Callable[[int], Awaitable[Mapping[int, Far]]]
    """How far all lanes of a connection are, as on disk."""
    shares: int
    """In how many parts the connection is."""

    def of(self, per_second: int) -> int:
        """The requests per second of this part. All parts together are exactly those of the connection, if that is at
        least one for each part."""
        place = min(self.lanes)
        return max(per_second * (place + 1) // self.shares - per_second * place // self.shares, 1)
