"""What is sent again or due: failures to retry, a replay from the journal, people to resend or whose held events may
go, and merges after their pause. Bookkeeping only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TypeAlias

from hogline.core.items import Item, Origin
from hogline.core.known import Known
from hogline.core.lanes import Lanes, lane_of

MOST_AT_ONCE = 4_000

_Key: TypeAlias = tuple[Origin, int, str]


class Resends:
    def __init__(self, known: Known, lanes: Lanes) -> None:
        self._known = known
        self._lanes = lanes
        self._waiting: dict[_Key, Item] = {}
        self._out: set[_Key] = set()
        self._replayed: dict[int, None] = {}
        """Positions that are on their way again."""
        self._replay_read: int | None = None
        self._replay_last = 0

    def add(self, item: Item) -> bool:
        """False: it is already waiting or on its way."""
        key = _key(item)
        if key in self._waiting or key in self._out:
            return False
        self._waiting[key] = item
        return True

    @property
    def is_waiting(self) -> bool:
        return bool(self._waiting)

    def waiting(self) -> list[Item]:
        return list(islice(self._waiting.values(), MOST_AT_ONCE))

    def took(self, item: Item) -> None:
        key = _key(item)
        del self._waiting[key]
        self._out.add(key)

    def leave(self, item: Item) -> None:
        """It is not this process's. It stays on disk."""
        del self._waiting[_key(item)]

    def give_back(self, item: Item) -> None:
        """It was taken, and goes later."""
        key = _key(item)
        self._out.discard(key)
        self._waiting[key] = item

    def settled(self, items: Iterable[Item], replay_settled: int | None) -> None:
        """Their settlement is on disk. Only from now on does the store no longer return them; anyone who reads it
        earlier must not take them for new ones."""
        if self._out:
            for item in items:
                self._out.discard(_key(item))
        if replay_settled is not None and replay_settled >= self._replay_last:
            self._replay_read = None

    def passed(self, who: str) -> tuple[str, int]:
        """Whose an id is, as far as this connection has settled the joins, and as of which position. A person who goes
        into another process's lane is not this one's anymore."""
        known, at = self._known, 0
        for since in known.changes(who):
            person_lane = self._lanes.all[lane_of(known.group(who, since))]
            if person_lane.mine and person_lane.settled < since:
                break
            at = since
        return known.who(who, at), at

    # a replay

    @property
    def replay_read(self) -> int | None:
        """How far the replay was read; None: there is none."""
        return self._replay_read

    def begin_replay(self, settled: int, last: int) -> None:
        self._replay_read, self._replay_last = settled, last

    def replaying(self, items: Sequence[Item], read: int) -> None:
        """These will be sent again. Everything up to `read` was looked at."""
        for item in items:
            if self.add(item):
                self._replayed[item.position] = None
        self._replay_read = read

    def ended(self, items: Iterable[Item]) -> int | None:
        """These are about to be settled; returns how far the replay will be then."""
        if self._replay_read is None:
            return None
        for item in items:
            if item.origin is Origin.REPLAY:
                self._replayed.pop(item.position, None)
        return next(iter(self._replayed), self._replay_read + 1) - 1


def _key(item: Item) -> _Key:
    return item.origin, item.position, item.who if item.position == 0 else ""
