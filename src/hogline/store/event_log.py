"""What an event log must do: say what happened to every event at every connection, as long as the journal has it.

It is written before a settlement is: after a crash it may say that something was sent which is sent again then, never
the other way round. It keeps no text of an event but the operations as they were sent; names and ids are checksums, so
readers compare with the journal.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias
from zlib import crc32

from msgspec import Struct

OutcomeKind: TypeAlias = Literal["delivered", "filtered", "held", "failed"]


Outcome: TypeAlias = tuple[OutcomeKind, str]
"""With the reason, if it was not delivered."""
DELIVERED: Outcome = ("delivered", "")

SentOperation: TypeAlias = tuple[int, str, str, bytes, str]
"""An operation as it was sent: the event's position, action, path (empty: in a batch), body, and why the destination
rejected it (empty: accepted)."""

Noted: TypeAlias = tuple[int, int, int, Outcome]
"""What happened to one event: its position, the checksums of its name and its distinct_id, the outcome."""


class NotedShipment(NamedTuple):
    connection: int
    began_ms: int
    """When it was planned."""
    at_ms: int
    """When every answer was there."""
    events: Sequence[Noted]
    sent: Sequence[SentOperation]


class Query(Struct, frozen=True, kw_only=True):
    """Which events are looked for: all that is given has to fit."""

    connections: Sequence[int]
    names: Collection[str] = ()
    people: Collection[str] = ()
    """distinct_ids."""
    kind: str = ""
    reason: str = ""
    after: int = 0
    """Only behind that position."""
    before: int = 2**62
    """Only in front of that position."""


class Found(NamedTuple):
    connection: int
    position: int
    at_ms: int
    kind: str
    reason: str


class Attempt(NamedTuple):
    """One time that an event was sent, or decided upon."""

    began_ms: int
    at_ms: int
    kind: str
    reason: str
    sent: Sequence[SentOperation]


class EventLog(Protocol):
    async def add(self, shipment: NotedShipment) -> None:
        """In the file when it returns: it outlasts the process, and most likely a power cut. Raises `Unwritable`."""
        ...

    def find(self, query: Query, limit: int) -> list[Found]:
        """The newest outcome of each event, newest event first. A checksum may fit another text too. Raises
        `Unwritable`.
        """
        ...

    def attempts(self, connection: int, position: int) -> list[Attempt]:
        """All that happened to an event, oldest first. Raises `Unwritable`."""
        ...

    async def trim(self, first: int) -> None:
        """Let go some of what is in front of that position. Raises `Unwritable`."""
        ...

    async def forget(self, positions: Collection[int]) -> None:
        """Remove these events everywhere. Raises `Unwritable`."""
        ...

    async def keep_only(self, connections: Collection[int]) -> None:
        """Forget all other connections. Raises `Unwritable`."""
        ...

    async def clean(self) -> bool:
        """As `Journal.clean`."""
        ...

    async def close(self) -> None: ...


def checksum(text: str) -> int:
    return crc32(text.encode("utf-8", "surrogatepass"))
