"""The people of one connection as they are on disk, the lately seen ones in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hogline.model import Person
from hogline.store.base import State

MOST_IN_MEMORY = 20_000


class People:
    """One worker is the only one who changes a connection's people, so what was read stays true."""

    def __init__(self, state: State, connection: int) -> None:
        self._state = state
        self._connection = connection
        self._known: dict[str, Person | None] = {}

    async def load(self, distinct_ids: Sequence[str]) -> Mapping[str, Person | None]:
        """These people; None for those of whom we know nothing."""
        known = self._known
        missing = [distinct_id for distinct_id in distinct_ids if distinct_id not in known]
        found = await self._state.people(self._connection, missing) if missing else {}
        return {
            distinct_id: known[distinct_id] if distinct_id in known else found.get(distinct_id)
            for distinct_id in distinct_ids
        }

    def settled(self, people: Mapping[str, Person | None]) -> None:
        """These are on disk now."""
        known = self._known
        known.update(people)
        if len(known) > MOST_IN_MEMORY:
            # Whoever came first goes first, a quarter at once: reading some of them again costs less than keeping
            # them in the order in which they were seen.
            for distinct_id in list(known)[: MOST_IN_MEMORY // 4]:
                del known[distinct_id]
