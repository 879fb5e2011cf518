"""Sheets: which lane each event of the journal is in. The process that folds writes them if others may deliver, too, so
that each of those reads only the events of its lanes, and the joins. Pure bookkeeping.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

NOBODYS = 0xFF
"""In the place of the lane of an event whose user is forgotten."""
JOINS = 0x80
"""Added to the lane of an event that asks for a join: everybody reads it."""


class Sheet(Struct, frozen=True):
    """Of events one after the other in the journal."""

    first: int
    """The position of the first one."""
    lanes: bytes
    """A byte for each event."""
    left: Mapping[int, int] = {}
    """By the position of a join that takes a group out of its lane: a position that the group's last event there is
    not after."""

    @property
    def last(self) -> int:
        return self.first + len(self.lanes) - 1


class Portion(NamedTuple):
    """What sheets say about the next events."""

    to: int
    """The position up to which they are looked at."""
    lanes: Mapping[int, int]
    """Those that are to be read, by position, with their lanes."""
    left: Mapping[int, int]
    """As in a sheet."""


def wanted(lanes: Collection[int], *, joins: bool) -> bytes:
    """For `portion`: the events of these lanes, and `joins` of any lane."""
    own = (byte & ~JOINS in lanes or (joins and byte & JOINS and byte != NOBODYS) for byte in range(256))
    return bytes(map(bool, own))


def portion(sheets: Sequence[Sheet], which: bytes, after: int, last: int, limit: int) -> Portion | None:
    """At most `limit` events after a position, none after `last`. None: no sheet has the next one."""
    to, lanes, left = after, dict[int, int](), dict[int, int]()
    for sheet in sheets:
        if sheet.last <= to:
            continue
        if sheet.first > to + 1 or to >= last or len(lanes) >= limit:
            break
        begin, end = to + 1 - sheet.first, min(last, sheet.last) + 1 - sheet.first
        places = [place for place, own in enumerate(sheet.lanes[begin:end].translate(which), begin) if own]
        room = limit - len(lanes)
        to = sheet.first + (end - 1 if len(places) <= room else places[room - 1])
        lanes.update((sheet.first + place, sheet.lanes[place] & ~JOINS) for place in places[:room])
        left.update(sheet.left)
    return Portion(to, lanes, left) if to > after else None
