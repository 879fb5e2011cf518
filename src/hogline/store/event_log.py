"""What an event log must do: say what happened to every event at every connection, as long as the journal has it.

Whatever decides about events writes it down in the state, in the same transaction (`Unlogged`). The log takes it from
there later, in large batches, and remembers how far it is: so it misses nothing and says nothing twice, whenever the
process ends. It keeps no text of an event but the operations as they were sent, without what the journal has; names and
ids are checksums, so readers compare with the journal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec
from msgspec import Struct

from hogline.core.changes import Noted, Sent

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

OutcomeKind: TypeAlias = Literal["delivered", "filtered", "held", "failed"]


EventOutcome: TypeAlias = tuple[OutcomeKind, str]
"""With the reason, if it was not delivered."""

SentOperation: TypeAlias = tuple[str, str, bytes, str]
"""An operation as it was sent: action, path (empty: in a batch), body (see `whole_body`), and why it was
rejected (empty: accepted)."""


class Unlogged(NamedTuple):
    """What the state has for the event log. A store keeps `noted` and `sent` as `packed` made them."""

    number: int
    """Rises, and is never used again."""
    connection: int
    noted: bytes
    sent: bytes
    """Compressed."""


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
    adjusted: Sequence[str] = ()
    retries: Sequence[tuple[int, str]] = ()
    """Failed tries before: when (milliseconds since 1970), and what came back: a status, or `unreachable`."""


class EventLog(Protocol):
    @property
    def taken(self) -> int:
        """The number of what it took last; 0 at first."""
        ...

    async def take(self, news: Sequence[Unlogged], now_ms: int) -> None:
        """All of it, in one transaction; what it took before is left out. `now_ms`: for what has no time. In the file
        when it returns: it outlasts the process, and most likely a power cut. Raises `Unwritable`.
        """
        ...

    async def go_back(self, taken: int) -> None:
        """The state comes from an older backup and gives numbers behind this one again. Raises `Unwritable`."""
        ...

    async def find(self, query: Query, limit: int) -> list[Found]:
        """The newest outcome of each event, newest event first. A checksum may fit another text too. Others need not
        wait for it. Raises `Unwritable`.
        """
        ...

    async def attempts(self, connection: int, positions: Sequence[int]) -> dict[int, list[Attempt]]:
        """All that happened to these events, by position, oldest first; without those that nothing is known of. Raises
        `Unwritable`.
        """
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


_noted = msgspec.msgpack.Decoder(Noted)
_sent = msgspec.msgpack.Decoder(Sent)
_pack = msgspec.msgpack.Encoder().encode
_NOTHING = Sent()


def packed(noted: Noted) -> tuple[bytes, bytes]:
    """As `Unlogged` has it."""
    return _pack(msgspec.structs.replace(noted, sent=_NOTHING)), packed_sent(noted.sent)


def packed_sent(sent: Sent) -> bytes:
    packed: bytes = zstd.compress(_pack(sent), 1) if sent.positions or sent.adjusted else b""
    return packed


def whole_body(body: bytes, data: bytes) -> bytes:
    """An operation's body as it was sent: the log leaves out the event's data if it ended with it (`data_at`), and no
    other JSON text ends with a colon."""
    return b"%b%b}" % (body, data) if body.endswith(b":") else body


def only(sent: Sent, wanted: Callable[[int], bool]) -> Sent:
    """Only the operations of these positions."""
    kept = [place for place, position in enumerate(sent.positions) if wanted(position)]
    return Sent(
        positions=[sent.positions[place] for place in kept],
        actions=[sent.actions[place] for place in kept],
        bodies=[sent.bodies[place] for place in kept],
        paths={n: sent.paths[place] for n, place in enumerate(kept) if place in sent.paths},
        rejected={n: sent.rejected[place] for n, place in enumerate(kept) if place in sent.rejected},
        adjusted={position: reasons for position, reasons in sent.adjusted.items() if wanted(position)},
        retries=[
            (at_ms, answer, left)
            for at_ms, answer, positions in sent.retries
            if (left := [position for position in positions if wanted(position)])
        ],
    )


def changed(positions: Iterable[int], outcome: EventOutcome) -> tuple[bytes, bytes]:
    """Packed: something else was decided about events that were logged before."""
    found = list(positions)
    return packed(Noted(positions=found, others=dict.fromkeys(found, outcome)))


def read_noted(noted: bytes) -> Noted:
    return _noted.decode(noted)


def read_sent(sent: bytes) -> Sent:
    return _sent.decode(zstd.decompress(sent)) if sent else _NOTHING


def attempt_of(position: int, outcome: tuple[str, str], *, began_ms: int, at_ms: int, sent: Sent) -> Attempt:
    """What one shipment, of which `sent` is everything, was for one of its events."""
    return Attempt(
        began_ms,
        at_ms,
        *outcome,
        sent=_sent_for(position, sent),
        adjusted=sent.adjusted.get(position, ()),
        retries=[(at_ms, answer) for at_ms, answer, some in sent.retries if position in some],
    )


def _sent_for(position: int, sent: Sent) -> list[SentOperation]:
    found = only(sent, position.__eq__)
    return [
        (action, found.paths.get(place, ""), body, found.rejected.get(place, ""))
        for place, (action, body) in enumerate(zip(found.actions, found.bodies, strict=True))
    ]
