"""What a history must do: keep small figures of every connection over time, for looking at.

It is a picture, not the books: `State.counts` says what became of events. Nothing that delivers an event knows
or waits for it. `tests/conformance` says in tests what this promises.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

Kind: TypeAlias = Literal[
    "received", "delivered", "filtered", "held", "failed", "requests", "request_ms", "pending", "lag_ms"
]
"""`filtered` is the one with a reason. `failed`: events that became failures. `request_ms`: the time of all
`requests` together.
"""

PEAKS: frozenset[Kind] = frozenset({"pending", "lag_ms"})
"""Of these a longer time shows the most that there was; all others are added up."""

MINUTE_S = 60
HOUR_S = 3_600
MINUTES_KEPT_S = 25 * HOUR_S
"""For a day, and the hour that it begins in."""
HOURS_KEPT_S = 60 * 24 * HOUR_S


class Figure(Struct, frozen=True):
    """One figure of one connection."""

    connection: int
    kind: Kind
    n: int
    reason: str = ""


class Point(Struct, frozen=True):
    """A figure over a length of time."""

    at_s: int
    """When that time begins, seconds since 1970; a multiple of its length."""
    kind: Kind
    reason: str
    n: int


class Figures(Protocol):
    async def add(self, figures: Sequence[Figure], at_s: int) -> None:
        """Add figures to the minute and the hour in which `at_s` lies (seconds since 1970), and let go what is too
        old by then: whole or not at all. Figures of 0 need no room. Raises `Unwritable`.
        """
        ...

    async def read(self, connection: int, *, since_s: int, until_s: int, step_s: int) -> list[Point]:
        """What there is from `since_s` on and before `until_s`, in times of `step_s`: minutes (of the last day) if
        that is less than an hour, hours (of the last 60 days) otherwise. All three are multiples of one or the other.
        """
        ...

    async def keep_only(self, connections: Collection[int]) -> None:
        """Forget all other connections. Raises `Unwritable`."""
        ...

    async def close(self) -> None: ...
