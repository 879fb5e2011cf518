"""The contract for listing people; part of `store.base.State`."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class PeopleCounts(Struct, frozen=True):
    customers: int
    """People this connection has a customer for, or will in a moment."""
    known: int
    """People about whom something is known."""


class Lists(Protocol):
    async def people_in_order(
        self, connection: int, *, told: bool, after: str = "", before: str | None = None, limit: int = 100
    ) -> list[str]:
        """Ids in order, behind `after`; or, with `before`, in front of that one and the last first. `told`: only of
        people this connection told something; otherwise all ids that `State.find_people` finds.
        """
        ...

    async def people_with(self, attribute: str, values: list[object], *, limit: int = 100) -> list[str]:
        """People with one of these values for an attribute, in the order of their ids. It reads everything that is
        known, up to the last of them.
        """
        ...

    async def count_people(self, connection: int) -> PeopleCounts:
        """It reads all of what a connection told: about 0.3 s for a million people, beside everything else."""
        ...
