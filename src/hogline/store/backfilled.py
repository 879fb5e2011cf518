"""Which positions of the journal have older events of a run, and which connection they are for."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct

from hogline.core.items import Item, Origin
from hogline.core.settle import Outcome


class Taken(Struct, frozen=True):
    """How far a run was taken into the journal."""

    run: int
    rows: int
    """How many of its rows, from the first; some of them may not have been kept."""
    connection: int
    """The connection they are for; 0: all."""


class Stretch(NamedTuple):
    """Positions of one run, without gaps."""

    first: int
    last: int
    run: int
    connection: int


class Backfilled:
    """Live events are in no stretch."""

    def __init__(self, stretches: Iterable[Stretch], taken: Mapping[int, int]) -> None:
        self.stretches: list[Stretch] = []
        for one in sorted(stretches):
            self._append(one)
        self.taken = dict(taken)
        """Rows by run, and how far other logs are read, by the numbers of `Journal.append`."""

    def add(self, first: int, last: int, taken: Taken) -> None:
        """These positions now have rows of a run."""
        self.taken[taken.run] = taken.rows
        if first <= last:
            self._append(Stretch(first, last, taken.run, taken.connection))

    def _append(self, new: Stretch) -> None:
        # Always a new list, because another thread reads the old one.
        before = self.stretches[-1:]
        if before and before[0][1:] == (new.first - 1, new.run, new.connection):
            self.stretches = [*self.stretches[:-1], new._replace(first=before[0].first)]
        else:
            self.stretches = [*self.stretches, new]

    def note(self, positions: Mapping[int, int]) -> None:
        """So far other logs are read."""
        self.taken |= positions

    def trim(self, last: int) -> None:
        """Everything up to here is gone."""
        self.stretches = [one for one in self.stretches if one.last > last]

    def drop(self, runs: Collection[int]) -> None:
        """How far these are no longer matters."""
        self.taken = {run: rows for run, rows in self.taken.items() if run not in runs}

    def of(self, run: int) -> list[Stretch]:
        return [one for one in self.stretches if one.run == run]

    def elsewhere(self, connection: int, first: int, last: int) -> tuple[range, ...]:
        """Positions between these two with older events for another connection."""
        if not self.stretches or self.stretches[-1].last < first:
            return ()
        begin = max(0, bisect_right(self.stretches, first, key=lambda one: one.first) - 1)
        found = []
        for one in self.stretches[begin:]:
            if one.first > last:
                break
            if one.last >= first and one.connection not in {0, connection}:
                found.append(range(one.first, one.last + 1))
        return tuple(found)

    def count(self, outcomes: Collection[Outcome], items: Collection[Item]) -> dict[int, Counter[str]]:
        """The results of a shipment's older events, by run. Retries were counted before, and released events were
        counted as held.
        """
        if not self.stretches or not items:
            return {}
        retried = {item.position for item in items if item.origin is Origin.RETRY}
        counts: dict[int, Counter[str]] = {}
        first, last, run = 1, 0, 0  # most have the run of the one before
        for outcome in outcomes:
            if not first <= outcome.position <= last:
                first, last, run = self._around(outcome.position)
            if run and outcome.position not in retried:
                counter = counts.setdefault(run, Counter())
                counter[_counted(outcome.kind, outcome.reason)] += 1
                for reason in outcome.adjusted:
                    counter[f"adjusted {reason}"] += 1
        seen = {outcome.position for outcome in outcomes}
        for item in items:
            if item.origin is not Origin.HELD or item.position in seen or item.held:
                continue
            if run := self._run_at(item.position):
                counter = counts.setdefault(run, Counter())
                counter["held"] -= 1
                counter[_what_became(item)] += 1
        return counts

    def begins(self, position: int) -> int:
        """The first of the older events that this one is among; itself, if it is none."""
        return self._around(position)[0]

    def _run_at(self, position: int) -> int:
        """0: not an older event."""
        return self._around(position)[2]

    def _around(self, position: int) -> tuple[int, int, int]:
        """Positions with this one among them that have the same run (0: none): the first, the last, and the run."""
        stretches = self.stretches
        place = bisect_right(stretches, position, key=lambda one: one.first)
        if place and position <= stretches[place - 1].last:
            found = stretches[place - 1]
            return found.first, found.last, found.run
        return position, position, 0


def _counted(kind: str, reason: str) -> str:
    return kind if kind in {"delivered", "held"} else f"{kind} {reason}"


def _what_became(item: Item) -> str:
    if item.refusals:
        return f"failed {item.refusals[0].reason}"
    return f"filtered {item.filtered}" if item.filtered is not None else "delivered"
