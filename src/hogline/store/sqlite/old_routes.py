"""For data from before the current core: in which lane an event travelled. That was the lane of all ids that were ever
to be merged with its own, including those that PostHog keeps apart. A group was named after one of its ids, and the
state has since when, for settled events. For the others, this finds it out again, as it was then."""

from __future__ import annotations

from typing import NamedTuple

import apsw

from hogline.core.fold import other_of
from hogline.posthog.entry import Entry
from hogline.store.sqlite.database import rows


class _Route(NamedTuple):
    since: int
    group: str | None
    """None: from here on, it names a group."""
    depth: int


class OldRoutes:
    """For one connection. Call it with one event after the other, in the journal's order."""

    def __init__(self, database: apsw.Connection, connection: int) -> None:
        self._database = database
        self._connection = connection
        self._known: dict[str, list[_Route]] = {}

    def group_of(self, position: int, entry: Entry) -> str:
        """The name of the group that the event at this position travelled with."""
        who, other = entry.distinct_id, other_of(entry)
        if other is not None:
            self._join(who, other, position)
        return self._group(who, position)[0]

    def _routes(self, one: str) -> list[_Route]:
        if one not in self._known:
            sql = 'SELECT since, "group", depth FROM routes WHERE connection = ? AND distinct_id = ? ORDER BY since'
            found = rows(self._database, sql, (self._connection, one))
            self._known[one] = [_Route(*row) for row in found]
        return self._known[one]

    def _group(self, one: str, position: int) -> tuple[str, int]:
        """After that position: its name, and the distance to the farthest id."""
        while route := next((each for each in reversed(self._routes(one)) if each.since <= position), None):
            if route.group is None:
                return one, route.depth
            one = route.group
        return one, 0

    def _join(self, one: str, other: str, position: int) -> None:
        (large, depth), (small, less) = self._group(one, position - 1), self._group(other, position - 1)
        if large == small:
            return
        if less > depth:
            large, depth, small, less = small, less, large, depth
        self._put(small, _Route(position, large, 0))
        if less == depth:
            self._put(large, _Route(position, None, depth + 1))

    def _put(self, one: str, route: _Route) -> None:
        known = self._routes(one)
        if all(each.since != route.since for each in known):
            known.append(route)
            known.sort(key=lambda each: each.since)
