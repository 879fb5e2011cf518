"""Which inactive people are removed: those who are not a customer of any connection. The rule of every store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from hogline.core.known import EVER, Known, KnownReads
from hogline.core.records import RecordReads
from hogline.core.told import Told


class Reads(KnownReads, RecordReads, Protocol):
    """What is stored about people."""


class Chosen(NamedTuple):
    gone: list[str]
    """Everyone to remove, with all their ids."""
    new: list[str]
    """Those who are seen for the first time."""


def choose(
    ids: Sequence[str],
    days: Mapping[str, int],
    before_day: int,
    *,
    reads: Reads,
    connections: Sequence[int],
    not_seen_since: Callable[[Sequence[str]], bool],
    holds: Callable[[Sequence[str]], bool],
) -> Chosen:
    """Of these ids. `days`: when each was last seen (days since 1970). `not_seen_since`: whether all of some ids were
    last seen before that day. `holds`: whether there are held events of theirs."""
    known = Known(reads, EVER)
    gone: dict[str, None] = {}
    new: list[str] = []
    for one in ids:
        if one in gone:
            continue
        if one not in days:
            if _are_nobodys(reads, connections, [known.who(one)]):
                new.append(one)
        elif days[one] < before_day:
            everybody = sorted(known.members(one))
            if not_seen_since(everybody) and _are_nobodys(reads, connections, everybody) and not holds(everybody):
                gone.update(dict.fromkeys(everybody))
    return Chosen(list(gone), new)


def _are_nobodys(reads: Reads, connections: Iterable[int], people: Sequence[str]) -> bool:
    """Whether these are nobody's customer and have no email."""
    return not any(_is_somebody(told) for one in connections for told in reads.told(one, people).values())


def _is_somebody(told: Told) -> bool:
    return bool(told.main or any(not one.elsewhere for one in told.others) or told.gone or told.emails)
