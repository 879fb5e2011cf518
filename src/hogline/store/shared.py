"""A store that several processes use: what each of them is given."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias
from uuid import UUID

from msgspec import Struct

from hogline.core.ledger import LedgerRow
from hogline.core.share import Far
from hogline.core.sheets import Sheet
from hogline.store.base import Journal, State, Unusable
from hogline.store.crew import Seat
from hogline.store.forgetting import Suppressed


class Hold(Protocol):
    """A store that another process may take over, if this one cannot say in time that it lives."""

    @property
    def was_killed(self) -> bool:
        """The process that had it before did not end well."""
        ...

    @property
    def lost(self) -> asyncio.Event:
        """Another process has taken over: this one writes nothing more, and has to end."""
        ...

    is_full: bool
    """Too many events wait, so other processes must not receive more either."""

    topics: Sequence[str]
    """Addresses of topics into which processes put events, as they said at their last sign of life."""

    async def holding(self) -> None:
        """Returns as soon as it is certain that no other process has taken over."""
        ...


async def _nothing() -> None:
    """There is nothing to do."""


class Joining(Struct, frozen=True, kw_only=True):
    """How a process wants to own a store."""

    role: str = "command"
    """What it calls itself."""
    wait_s: float | None = 10.0
    """For so long it waits for the owner to end; None: forever."""
    waits: Callable[[], None] = lambda: None
    """Called while it waits."""
    taken: Callable[[], Awaitable[None]] = _nothing
    """Called once this process owns the store."""


class Worker(Struct, frozen=True, kw_only=True):
    """A process that uses the store."""

    role: str
    host: str
    pid: int
    version: str
    address: str
    """Where it listens, if it does."""
    began_ms: int
    seen_s: float
    """So long ago it gave its last sign of life."""
    alive: bool
    """That is less than half of its lease."""
    owns: bool
    """It leads all that deliver, and answers what others ask."""
    lanes: int = 0
    """Of the 32 lanes of a connection, so many are this one's."""


class Behind(Struct, frozen=True, kw_only=True):
    """How far a connection is behind."""

    connection: str
    pending: int
    """Events."""
    lag_s: float
    """The age of the oldest of them."""


class Workers(Struct, frozen=True, kw_only=True):
    workers: list[Worker]
    connections: list[Behind]


class Receiver(Protocol):
    """What a process needs that only receives, beside the process that owns the store."""

    journal: Journal
    """To append to, and to read."""
    suppressed: Suppressed
    is_full: bool
    """As the owner says."""
    bytes: int
    """What all events of the journal take."""
    lost: asyncio.Event
    """This process was taken for dead: it writes nothing more, and has to end."""

    def listens(self, address: str) -> None:
        """What others are told."""
        ...

    async def look(self, tokens: Callable[[Sequence[str], Sequence[str]], None]) -> None:
        """Know what has changed since the last time. `tokens` is given the private and the public ones if they did.
        Raises `Unwritable`.
        """
        ...

    async def follow(self, tokens: Callable[[Sequence[str], Sequence[str]], None]) -> None:
        """Look every second, until it is cancelled."""
        ...


class SharedState(State, Protocol):
    """A state that several processes write. `intend` may also raise `Contended`."""

    async def far(self, connection: int) -> Mapping[int, Far]:
        """How far all lanes of a connection are, its own and those of others."""
        ...

    async def sheets(self, after: int, most: int) -> Sequence[Sheet]:
        """At most so many sheets, in order, from the one with the event after this position, if there is one."""
        ...

    async def events_at(self, positions: Sequence[int], most_bytes: int) -> list[tuple[int, bytes]]:
        """The events at these positions that are in the journal, in order: at most `most_bytes`, but always at least
        one if there is any.
        """
        ...


class HandStores(Protocol):
    """What a process is given that delivers for the owner of a store."""

    @property
    def journal(self) -> Journal: ...

    @property
    def state(self) -> SharedState: ...

    @property
    def seat(self) -> Seat: ...

    @property
    def hold(self) -> Hold: ...


class Contended(Exception):
    """Another process was first with an identifier, so nothing was written. `rows`: whose they are."""

    def __init__(self, rows: Mapping[str, LedgerRow | None]) -> None:
        super().__init__()
        self.rows = rows


class OwnedByOther(Unusable):
    """Another process owns the store."""


class NobodyOwns(Exception):
    """No process owns the store and answers."""


class NoAnswer(Exception):
    """The owner of the store has begun what it was asked, and did not answer: it ended, or cannot be reached."""


class Answers(Protocol):
    """What others ask this process, which owns the store."""

    async def next(self) -> list[tuple[UUID, bytes]]:
        """Waits for what to do next. Each of these is this process's to do, and is never given again."""
        ...

    async def answer(self, task: UUID, answer: bytes) -> None: ...


class Asks(Protocol):
    """The way to the owner of the store."""

    async def owned(self) -> bool:
        """Whether somebody owns it who answers. Raises `Unwritable`."""
        ...

    async def ask(self, request: bytes) -> bytes:
        """The answer. Raises `Unwritable` and `NobodyOwns`: it was not done, and will not be; and `NoAnswer`: it may
        have been done.
        """
        ...


Changing: TypeAlias = Callable[[], AbstractAsyncContextManager[None]]
"""Within it, accounts and API tokens can be changed: at its end, other processes know of it. Raises `Unwritable` and
`Unusable`, also at its end.
"""


class Shared(Struct, frozen=True, kw_only=True):
    """A store that several processes use."""

    url: str
    """PostgreSQL's."""
    lease_s: float
    """Without a sign of life for this long, its owner has lost it."""

    def __repr__(self) -> str:
        return "Shared()"
