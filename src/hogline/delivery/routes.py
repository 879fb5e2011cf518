"""Routes: which lane an event belongs to, since ids may be joined. Knows nothing of who becomes part of whom.

From the position of an event that joins two ids, both travel in one lane. So the groups of ids are kept as they
grew: who is in whose group, since which position. A group is named by one of its ids; the smaller group becomes
part of the larger one, which keeps the way from an id to its group's name short.

The journal alone decides it: read again after a crash, the same events make the same routes. They are on disk with
the settlement of the event that made them, and so before anything that follows it in its lane.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hogline.store.base import Route, State

MOST_IN_MEMORY = 50_000


class Group(NamedTuple):
    name: str
    depth: int
    """No id of the group is further away from its name."""


class Move(NamedTuple):
    """Until `since`, an id travelled with the group of that name."""

    name: str
    since: int


class Routes:
    def __init__(self, state: State, connection: int) -> None:
        self._state = state
        self._connection = connection
        self._known: dict[str, tuple[Route, ...]] = {}
        """All routes of these ids, in order. Where these lead to is known too."""
        self._loading = asyncio.Lock()
        self._unsettled: dict[str, int] = {}
        """Ids with routes that are not on disk yet, and up to which position."""

    async def load(self, distinct_ids: Iterable[str]) -> None:
        """From now on `group`, `moves` and `join` know about these."""
        async with self._loading:  # what one has loaded the other must not forget
            await self._load(distinct_ids)

    async def _load(self, distinct_ids: Iterable[str]) -> None:
        if len(self._known) > MOST_IN_MEMORY:
            self._forget_settled()
        missing = {one for one in distinct_ids if one not in self._known}
        while missing:
            found = await self._state.routes(self._connection, list(missing))
            self._known.update((one, found.get(one, ())) for one in missing)
            missing = {
                route.group for routes in found.values() for route in routes if route.group is not None
            } - self._known.keys()

    def _forget_settled(self) -> None:
        kept: dict[str, tuple[Route, ...]] = {}
        names = list(self._unsettled)
        while names:
            name = names.pop()
            if name not in kept:
                kept[name] = self._known[name]
                names += [route.group for route in kept[name] if route.group is not None]
        self._known = kept

    def name(self, distinct_id: str, position: int) -> str:
        """The name of an id's group behind that position."""
        return self.group(distinct_id, position).name if self._known[distinct_id] else distinct_id

    def group(self, distinct_id: str, position: int) -> Group:
        """The group of an id behind that position."""
        while routes := self._known[distinct_id]:
            route = next((one for one in reversed(routes) if one.since <= position), None)
            if route is None:
                break
            if route.group is None:
                return Group(distinct_id, route.depth)
            distinct_id = route.group
        return Group(distinct_id, 0)

    def moves(self, distinct_id: str) -> list[Move]:
        """The groups that an id travelled with before the one of today."""
        moves: list[Move] = []
        while (routes := self._known[distinct_id]) and (newest := routes[-1]).group is not None:
            moves.append(Move(distinct_id, newest.since))
            distinct_id = newest.group
        return moves

    def join(self, one: str, other: str, position: int) -> tuple[Route, ...]:
        """The event at that position joins two ids: the new routes; none if they were in one group already."""
        large, small = self.group(one, position - 1), self.group(other, position - 1)
        if large.name == small.name:
            return ()
        if small.depth > large.depth:
            large, small = small, large
        routes = [Route(small.name, position, large.name, 0)]
        if small.depth == large.depth:
            routes.append(Route(large.name, position, None, large.depth + 1))
        for route in routes:
            known = self._known[route.distinct_id]
            if not any(there.since == position for there in known):
                # What another lane settled before a crash may lie behind.
                self._known[route.distinct_id] = tuple(sorted((*known, route), key=lambda there: there.since))
            self._unsettled[route.distinct_id] = position
        return tuple(routes)

    def settled(self, routes: Sequence[Route]) -> None:
        """These are on disk."""
        for route in routes:
            if self._unsettled.get(route.distinct_id) == route.since:
                del self._unsettled[route.distinct_id]
