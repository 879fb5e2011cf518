"""Who was seen last: the order of people, kept in memory, from the most recent events. Nothing is written for it.

It reads the journal backwards as far as somebody looks, and forwards for what came since. Knows distinct_ids only:
whose they are is asked when they are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from hogline.posthog.entry import decode_identity
from hogline.store.base import Journal

MOST = 20_000
"""Ids that are kept. Who was not seen for that long comes after them, in the order of ids."""
READ_AT_ONCE = 1_000


class Seen(NamedTuple):
    distinct_id: str
    position: int


class LastSeen:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._begin()

    def _begin(self) -> None:
        self._since: dict[str, int] = {}
        """Ids of events that came after the first look, by their last position: the newest at the end."""
        self._before: dict[str, int] = {}
        """Ids of events before it: the newest first."""
        self._end = self._start = self._journal.end

    async def catch_up(self) -> None:
        """Read what came since."""
        if self._journal.end - self._end > MOST or len(self._since) > MOST:
            self._begin()
        while self._end < self._journal.end and (rows := await self._journal.read(self._end, READ_AT_ONCE)):
            for position, body in rows:
                if who := decode_identity(body).distinct_id:
                    self._since.pop(who, None)
                    self._since[who] = position
                self._end = position

    @property
    def is_whole(self) -> bool:
        """Nothing is left to be read further back."""
        return self._start < self._journal.first or len(self._before) >= MOST

    async def further(self) -> None:
        """Read further back."""
        after = max(self._start - READ_AT_ONCE, self._journal.first - 1)
        rows = await self._journal.read(after, self._start - after)
        while rows and rows[-1][0] < self._start:  # large ones come in parts
            more = await self._journal.read(rows[-1][0], self._start - rows[-1][0])
            if not more:
                break
            rows += more
        for position, body in reversed(rows):
            who = decode_identity(body).distinct_id
            if who and who not in self._since:
                self._before.setdefault(who, position)
        self._start = after

    def position(self, distinct_id: str) -> int:
        """Of their last event; 0: it is further back."""
        return self._since.get(distinct_id) or self._before.get(distinct_id, 0)

    def newest_first(self, before: int) -> Iterator[Seen]:
        """Ids by their last events, those in front of that position."""
        older = ((one, position) for one, position in self._before.items() if one not in self._since)
        for one, position in chain(reversed(self._since.items()), older):
            if position < before:
                yield Seen(one, position)

    def oldest_first(self, after: int) -> Iterator[Seen]:
        return reversed([one for one in self.newest_first(2**62) if one.position > after])
