"""Which email identifies whom. One email reaches one customer, so it may identify only one person: the first."""

from __future__ import annotations

from collections.abc import Sequence

from hogline.store.base import State


class Claims:
    """What is on disk, and what shipments on their way have claimed since. Emails are in small letters."""

    def __init__(self, state: State, connection: int) -> None:
        self._state = state
        self._connection = connection
        self._unsettled: dict[str, str] = {}

    async def owner(self, email: str) -> str | None:
        """The distinct_id of whom it identifies."""
        return self._unsettled.get(email) or await self._state.claimed(self._connection, email)

    def claim(self, email: str, distinct_id: str) -> None:
        self._unsettled[email] = distinct_id

    def settled(self, emails: Sequence[str]) -> None:
        """What became of these claims is on disk."""
        for email in emails:
            self._unsettled.pop(email, None)
