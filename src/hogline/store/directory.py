"""The contract for listing people; part of `store.base.State`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


class PeopleCounts(Struct, frozen=True):
    customers: int
    """People this connection has a customer for, or will in a moment."""
    known: int
    """People about whom something is known."""


class PeopleFound(Struct, frozen=True):
    ids: list[str]
    is_whole: bool
    """False: the time was up before everyone was looked at."""


class Lists(Protocol):
    async def people_in_order(
        self, connection: int, *, told: bool, after: str = "", before: str | None = None, limit: int = 100
    ) -> list[str]:
        """Ids in order, behind `after`; or, with `before`, in front of that one and the last first. `told`: only of
        people this connection told something; otherwise all ids that `State.find_people` finds.
        """
        ...

    async def find_people(self, connection: int, text: str, *, after: str = "", limit: int = 100) -> list[str]:
        """Ids that contain a text, or whose email does, ignoring case; in order, the first `limit` after `after`. All
        ids count that have a `Person`, an `Id`, or a `Told` of this connection. It reads all ids and emails."""
        ...

    async def search_people(
        self,
        connection: int,
        text: str,
        attribute: str = "",
        values: Sequence[object] = (),
        *,
        limit: int = 100,
        within_s: float | None = None,
    ) -> PeopleFound:
        """As `find_people`; with an attribute, only people who have one of these values for it. `within_s`: how long
        to look. People with exactly this id or email come first, even when the time is up."""
        ...

    async def count_people(self, connection: int) -> PeopleCounts:
        """It reads all of what a connection told: about 0.3 s for a million people, beside everything else."""
        ...
