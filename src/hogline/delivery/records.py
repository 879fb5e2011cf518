"""What a connection has on record, as planning needs it: people, held events, which email identifies whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from hogline.delivery.claims import Claims
from hogline.delivery.people import People
from hogline.model import Person
from hogline.store.base import HeldEvent, Settlement, State


class Records(Protocol):
    holds: bool
    """Whether there may be held events at all."""

    async def people(self, distinct_ids: Sequence[str]) -> Mapping[str, Person | None]:
        """These ids' people as they are on disk; None for those we do not know."""
        ...

    async def held(self, distinct_ids: Sequence[str]) -> Sequence[HeldEvent]:
        """The held events of these people, in order."""
        ...

    async def owner(self, email: str) -> str | None:
        """The distinct_id of whom an email, in small letters, identifies."""
        ...

    def claim(self, email: str, distinct_id: str) -> None:
        """From now on the email identifies this person."""
        ...


class StoredRecords:
    """Implements `Records` on the state. One worker is the only one who changes a connection's records."""

    def __init__(self, state: State, connection: int) -> None:
        self._state = state
        self._connection = connection
        self._people = People(state, connection)
        self._claims = Claims(state, connection)
        self.holds = True

    async def begin(self) -> None:
        self.holds = (await self._state.counts(self._connection)).held > 0

    async def people(self, distinct_ids: Sequence[str]) -> Mapping[str, Person | None]:
        return await self._people.load(distinct_ids)

    async def held(self, distinct_ids: Sequence[str]) -> Sequence[HeldEvent]:
        return await self._state.held(self._connection, distinct_ids)

    async def owner(self, email: str) -> str | None:
        return await self._claims.owner(email)

    def claim(self, email: str, distinct_id: str) -> None:
        self._claims.claim(email, distinct_id)

    def settled(self, settlement: Settlement, people: Mapping[str, Person | None], claims: Sequence[str]) -> None:
        """The settlement is on disk: these people, and what became of these claims."""
        self._people.settled(people)
        self._claims.settled(claims)
        self.holds = self.holds or bool(settlement.held)
