"""Fills sheets while events are folded. Pure bookkeeping."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hogline.core.fold import other_of
from hogline.core.known import Known
from hogline.core.lanes import LANES, checksum
from hogline.core.share import Latest
from hogline.core.sheets import JOINS, NOBODYS, Sheet
from hogline.posthog.entry import Entry

EVENTS = 1_000
"""In a full sheet."""


class SheetWriter:
    """Fills sheets while events are folded."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._latest = Latest(known.folded)
        self._full: list[Sheet] = []
        self._first = 0
        self._lanes = bytearray()
        self._left: dict[int, int] = {}

    def add(self, entries: Sequence[tuple[int, Entry, int]]) -> None:
        """The next events, which were just folded."""
        known, heard = self._known, self._latest.heard
        for position, entry, _ in entries:
            if len(self._lanes) >= EVENTS or position != self._first + len(self._lanes):
                self._full += self._begun
                self._first, self._lanes, self._left = position, bytearray(), {}
            who = entry.distinct_id
            if not who:
                self._lanes.append(NOBODYS)
                continue
            group = checksum(who if known.id(who) is None else known.group(who, position))
            if entry.said is None or (other := other_of(entry)) is None:
                self._lanes.append(group % LANES)
            else:
                self._lanes.append(group % LANES | JOINS)
                self._leave(position, (who, other), group % LANES)
            heard(group, position)

    def _leave(self, position: int, joined: Sequence[str], lane: int) -> None:
        """From this position on, all of these are in one lane."""
        before = (checksum(self._known.group(one, position - 1)) for one in joined)
        leaves = [self._latest.of(group) for group in before if group % LANES != lane]
        if leaves:
            self._left[position] = max(leaves)

    @property
    def _begun(self) -> list[Sheet]:
        return [Sheet(self._first, bytes(self._lanes), self._left.copy())] if self._lanes else []

    def to_write(self) -> Sequence[Sheet]:
        """All that are not on disk. The last one may grow, and is written again then."""
        return (*self._full, *self._begun)

    def written(self, sheets: Collection[Sheet]) -> None:
        """These are on disk."""
        self._full = [one for one in self._full if one not in sheets]
