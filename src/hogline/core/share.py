"""A process's share of a connection's lanes, when several processes deliver it: which are its own, and how far the
others are. Pure bookkeeping.

A join may bring an id from another process's lane into one of these. Then it waits until that lane is past the last
event of that id, and until nothing is under way there that was begun without knowing of the join.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct

MOST_GROUPS = 200_000
"""Of so many groups the last event is remembered. Any other may have one anywhere."""


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


class Share:
    def __init__(self, mine: Collection[int], begun: int) -> None:
        """`begun`: the position from which on all events are heard."""
        self.mine = frozenset(mine)
        self._begun = begun
        self._far: dict[int, Far] = {}
        self._last: dict[str, int] = {}

    def heard(self, group: str, position: int) -> None:
        """An event of a group in a lane that is not one of these."""
        self._last.pop(group, None)
        self._last[group] = position
        if len(self._last) > MOST_GROUPS:
            oldest = next(iter(self._last))
            self._begun = max(self._begun, self._last.pop(oldest))

    def wait(self, lane: int, group: str, position: int) -> Wait:
        """What an event must wait for that takes this group out of its lane."""
        return Wait(lane, max(self._last.get(group, 0), self._begun), position)

    def hear(self, far: Mapping[int, Far]) -> None:
        """How far all lanes are, as on disk."""
        self._far.update(far)

    def is_past(self, waits: Collection[Wait]) -> bool:
        for one in waits:
            far = self._far.get(one.lane)
            if far is None or far.settled < one.settled or far.clear < one.clear:
                return False
        return True
