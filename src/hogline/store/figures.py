"""The contract for figures over time: small numbers for each connection, for plots.

They are not exact accounting; `State.counts` is. Delivery does not know about them and never waits for them.
`tests/conformance` tests what this promises.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

Kind: TypeAlias = Literal[
    "received", "delivered", "filtered", "held", "failed", "requests", "request_ms", "pending", "lag_ms"
]
"""Only `filtered` has a reason. `failed`: events that became failures. `request_ms`: the total time of all `requests`.
"""

PEAKS: frozenset[Kind] = frozenset({"pending", "lag_ms"})
"""Over a longer time, these are the maximum; all others are added up."""

MINUTE_S = 60
HOUR_S = 3_600
MINUTES_KEPT_S = 25 * HOUR_S
"""A day, and the hour in which it begins."""
HOURS_KEPT_S = 60 * 24 * HOUR_S


class Figure(Struct, frozen=True):
    """One figure of one connection."""

    connection: int
    kind: Kind
    n: int
    reason: str = ""


class Point(Struct, frozen=True):
    """A figure over a period of time."""

    at_s: int
    """When the period begins, in seconds since 1970; a multiple of its length."""
    kind: Kind
    reason: str
    n: int


class Figures(Protocol):
    async def add(self, figures: Sequence[Figure], at_s: int) -> None:
        """Add figures to the minute and the hour that contain `at_s` (seconds since 1970), and delete what is too old
        by then. Atomic. Figures of 0 take no space. Raises `Unwritable`.
        """
        ...

    async def read(self, connection: int, *, since_s: int, until_s: int, step_s: int) -> list[Point]:
        """Figures from `since_s` until before `until_s`, in periods of `step_s`. If that is less than an hour, they
        come from minutes (of the last day), otherwise from hours (of the last 60 days). All three are multiples of a
        minute or of an hour.
        """
        ...

    async def keep_only(self, connections: Collection[int]) -> None:
        """Delete the figures of all other connections. Raises `Unwritable`."""
        ...

    async def close(self) -> None: ...
