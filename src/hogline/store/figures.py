"""The contract for figures over time: small numbers for each connection, for plots.

They are not exact accounting; `State.counts` is. Delivery does not know about them and never waits for them.
`tests/conformance` tests what this promises.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import ceil, log
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

FigureKind: TypeAlias = Literal[
    "received", "delivered", "filtered", "held", "failed", "requests", "request_ms", "took", "pending", "lag_ms"
]
"""`filtered` and `failed` (events that became failures) have a reason. `request_ms`: the total time of all `requests`.
`took`: how many of them took about so long; the reason is the number of a `bucket`.
"""

PEAKS: frozenset[FigureKind] = frozenset({"pending", "lag_ms"})
"""Over a longer time, these are the maximum; all others are added up."""

MINUTE_S = 60
HOUR_S = 3_600
MINUTES_KEPT_S = 25 * HOUR_S
"""A day, and the hour in which it begins."""
HOURS_KEPT_S = 60 * 24 * HOUR_S


_GROWTH = 1.25
"""Of each bucket over the one before it: a percentile is right to about a tenth."""
_LONGEST_BUCKET = 60


def bucket(ms: float) -> int:
    """The bucket of a time: 0 holds up to a millisecond, each later one a quarter more."""
    return 0 if ms <= 1 else min(ceil(log(ms) / log(_GROWTH)), _LONGEST_BUCKET)


def percentile_ms(buckets: Mapping[int, int], share: float) -> float | None:
    """The time that this share of all took no longer than; None: there are none."""
    left = sum(buckets.values()) * share
    for number, n in sorted(buckets.items()):
        if n >= left > 0:
            return round(float(_GROWTH ** (number - 1 + left / n)), 1)
        left -= n
    return None


class Figure(Struct, frozen=True):
    """One figure of one connection."""

    connection: int
    kind: FigureKind
    n: int
    reason: str = ""


class Point(Struct, frozen=True):
    """A figure over a period of time."""

    at_s: int
    """When the period begins, in seconds since 1970; a multiple of its length."""
    kind: FigureKind
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
