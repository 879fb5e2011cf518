"""A process's share of a connection's lanes, when several processes deliver it: which are its own, and how far the
others are. Pure bookkeeping.

A join may bring an id from another process's lane into one of these. Then it waits until that lane is past the last
event of that id, and until nothing is under way there that was begun without knowing of the join.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping

from msgspec import Struct

PLACES = 2**18
"""For the last events of groups. Two that have the same place take the later one, and wait a little longer."""


class Far(Struct, frozen=True, gc=False):
    """How far another process's lane is."""

    settled: int
    """The position up to which all its events are settled."""
    clear: int
    """Whatever is under way in it was begun knowing everything up to this position."""


class Wait(Struct, frozen=True, gc=False):
    """What a lane of another process must have reached before an event goes."""

    lane: int
    settled: int
    clear: int


class Latest:
    """Where the last event of each group is. Groups are named by their checksums."""

    def __init__(self, begun: int) -> None:
        """`begun`: the position from which on all events are heard."""
        self._begun = begun
        self._at = array("q", bytes(8 * PLACES))

    def heard(self, group: int, position: int) -> None:
        self._at[group % PLACES] = position

    def skipped(self, position: int) -> None:
        """Some up to here were not heard."""
        self._begun = max(self._begun, position)

    def of(self, group: int) -> int:
        """A position that it is not after."""
        return max(self._at[group % PLACES], self._begun)


class Share:
    def __init__(self, mine: Collection[int], begun: int) -> None:
        """`begun`: as for `Latest`."""
        self.mine = frozenset(mine)
        self.latest = Latest(begun)
        """Of groups in lanes that are not these."""
        self._far: dict[int, Far] = {}

    def hear(self, far: Mapping[int, Far]) -> None:
        """How far all lanes are, as on disk."""
        self._far.update(far)

    def is_past(self, waits: Collection[Wait]) -> bool:
        for one in waits:
            far = self._far.get(one.lane)
            if far is None or far.settled < one.settled or far.clear < one.clear:
                return False
        return True
