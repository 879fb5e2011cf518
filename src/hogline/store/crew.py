"""Several processes that deliver one store: what they say to each other, and where. `delivery.crew` says how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct


class Given(Struct, frozen=True):
    """A part of a connection, as given to one process."""

    since: int
    """The order that gave it. A later one means: put it down, and take it up again."""
    lanes: Sequence[int]
    shares: int
    """In how many parts the connection is."""


class Order(Struct, frozen=True, kw_only=True):
    """What a process is to carry."""

    number: int = 0
    given: Mapping[int, Given] = {}
    """By connection."""


def most_lanes(ordered: str) -> int:
    """How many lanes an order, as JSON, gives of the connection of which it gives most."""
    return max((len(one.lanes) for one in msgspec.json.decode(ordered, type=Order).given.values()), default=0)


class Report(Struct, frozen=True, kw_only=True):
    """How a connection does in one process."""

    trouble: str | None = None
    since_ms: int = 0
    next_try_ms: int | None = None
    stopped: str | None = None
    """It stopped by itself, for this reason."""


class Mate(Struct, frozen=True, kw_only=True):
    """Another process that delivers."""

    id: str
    heard: int = 0
    """The last order whose first step it has done."""
    reports: Mapping[int, Report] = {}


class Board(Protocol):
    """Where the leader writes orders, and finds answers. Raises `Unwritable`."""

    async def mates(self) -> list[Mate]:
        """All others that live. The dead are fenced off."""
        ...

    async def put(self, number: int, given: Mapping[str, Mapping[int, Given]]) -> None:
        """The next order, by process; all others get an empty one."""
        ...

    async def go(self, number: int) -> None:
        """What this order gives may be taken up."""
        ...

    async def numbers(self) -> tuple[int, int]:
        """Of the last order that was ever put, and of the last that may be taken up."""
        ...

    async def bury(self, mates: Sequence[str]) -> None:
        """These may write nothing more. They begin no request later than a lease from now."""
        ...


class Seat(Protocol):
    """A hand's place at the board. Raises `Unwritable`."""

    async def order(self, heard: int, reports: Mapping[int, Report]) -> tuple[Order, int]:
        """Says how this process does. Returns what it is to carry, and up to which order that may be taken up."""
        ...
