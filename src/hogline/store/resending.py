"""The contract for sending people again, one by one or everyone; part of `store.base.State`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


class Resending(Struct, frozen=True):
    """Everyone a connection told something is sent again, in the order of their ids."""

    people: int
    """How many there were at the start."""
    asked: int
    """How many of them were added to `again` so far."""

    @property
    def left(self) -> int:
        return max(self.people - self.asked, 0)


class Resends(Protocol):
    async def told_people(self, connection: int, *, sample: int = 0, after: str = "", limit: int = 1_000) -> list[str]:
        """People this connection told something about: `sample` of them at random, or, if that is 0, at most `limit`
        behind `after`, in order."""
        ...

    async def send_again(self, connection: int, kind: str, people: Sequence[str]) -> None:
        """Add these people to `again`. Kinds: `again` (say everything once more), `release` (look at held events)."""
        ...

    def resending(self, connection: int) -> Resending | None:
        """How far sending everyone again is; None: nobody asked for it, or all were added to `again`. It blocks, so it
        must take well under a millisecond."""
        ...

    async def resend_everyone(self, connection: int) -> None:
        """Everyone this connection told something is to be sent again. Nothing changes if that is not over yet."""
        ...

    async def resend_more(self, connection: int, most: int) -> int:
        """Add the next `most` of them to `again` (kind `again`) and to `Resending.asked`, in one transaction. Returns
        how many there were; at 0 it is over."""
        ...

    async def cancel_resending(self, connection: int) -> None:
        """Add no more of them. Those already in `again` stay there."""
        ...
