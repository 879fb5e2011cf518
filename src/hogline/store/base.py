"""What a store must do: keep received events in order (the journal), and keep what became of them (the state).

The journal is only appended to, by what receives; the state is only written by what delivers. Each has one
writer, so that receiving and delivering can run in one process or in several. `tests/conformance` says in
tests what these protocols promise.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct, field

from hogline.core.changes import Failure, Flush, HeldEvent, Intent, Settlement
from hogline.core.known import Id, Person
from hogline.core.ledger import Row
from hogline.core.told import Told
from hogline.store.forgetting import Forgets

READ_BYTES = 4_000_000
"""Of what is read from a store at once: memory does not depend on how large events are."""


class Unwritable(Exception):
    """The store cannot keep anything now, or not even read; the text says why and is safe to show."""

    def __init__(self, sentence: str, retry_after_s: int = 5) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class Unusable(Exception):
    """The store cannot be opened; the text says why and what to do."""


class NameTaken(Exception):
    """A connection of that name exists already."""


class Inlet(Protocol):
    """Where received events are kept."""

    async def append(self, events: Sequence[bytes], refused: Mapping[str, int] | None = None) -> int:
        """Keep events (as `entry.encode_event` makes them) and count what was refused at the door.

        Returns the position of the last event once all of them are on disk, or the end as it is if there
        were none. Raises `Unwritable`.
        """
        ...


class Journal(Inlet, Protocol):
    """The durable, ordered log of received events. Positions are 1, 2, 3, …, without gaps; the oldest are trimmed
    when every connection has settled them and they are no longer needed for a replay.
    """

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written now, in one sentence that is safe to show; None while all is well. It is told for
        at least as long as `Unwritable` asks to wait.
        """
        ...

    @property
    def first(self) -> int:
        """The position of the oldest event that is still there; `end + 1` if none is."""
        ...

    @property
    def end(self) -> int:
        """The position of the newest event on disk; 0 when nothing was ever received."""
        ...

    async def read(self, after: int, limit: int, most_bytes: int = READ_BYTES) -> list[tuple[int, bytes]]:
        """At most `limit` events behind a position, in order, and no more than `most_bytes` of them; but one, however
        large it is, if there is any.
        """
        ...

    async def wait(self, after: int) -> None:
        """Returns as soon as there is an event behind that position."""
        ...

    async def received_at(self, position: int) -> int | None:
        """When that event was received, milliseconds since 1970; None if it is not there."""
        ...

    async def position_at(self, received_ms: int) -> int:
        """The position of the oldest event received at that time or later; `end + 1` if there is none."""
        ...

    async def trim(self, settled: int, *, received_before_ms: int, most_bytes: int) -> int:
        """Remove the oldest events up to a position, if they were received before that time or if all events
        together take more than so many bytes. Returns how many were removed.
        """
        ...

    async def size_bytes(self) -> int:
        """What the events take on disk."""
        ...

    async def refused(self) -> dict[str, int]:
        """How many events were refused at the door, by reason."""
        ...

    def naming(self, texts: Collection[str], *, after: int = 0) -> AsyncIterator[tuple[int, bytes]]:
        """All events behind a position in which one of these texts stands, wherever that is, in capital letters or
        small ones; in order. Read in pieces of some megabytes beside everything else. Raises `Unwritable`.
        """
        ...

    async def rewrite(self, bodies: Mapping[int, bytes]) -> None:
        """Put others in the place of the events at these positions."""
        ...

    async def clean(self) -> bool:
        """Overwrite what was deleted in the journal's own files so far, in small steps between other writes. False:
        another program that reads them stands in the way, and has to be waited for. Raises `Unwritable`.
        """
        ...

    async def close(self) -> None: ...


TokenKind: TypeAlias = Literal["private", "public"]
"""Private: opens everything. Public: stands in pages and apps, and opens the capture routes."""


class Connection(Struct, frozen=True, kw_only=True):
    """An installed destination with its options."""

    id: int
    name: str
    destination: str
    options: dict[str, object]
    """As the user gave them, secrets included: nothing prints this."""
    paused: bool
    stopped: str | None
    """The sentence why it stopped itself; None: it did not."""
    start: int
    """The journal's end when it was installed: it gets every event behind it."""
    created_ms: int
    workspace: str | None = None
    """The destination's name for where everything goes; None: not known yet. What was accepted is true there only."""

    def __repr__(self) -> str:
        return f"Connection(id={self.id}, name={self.name!r}, destination={self.destination!r})"


class Replay(Struct, frozen=True, kw_only=True):
    """Events of the journal that are sent once more."""

    settled: int
    """Everything up to here was sent again, or did not have to be."""
    last: int
    events: tuple[str, ...] = ()
    """Only events of these names; empty: all."""


class Counts(Struct, frozen=True, kw_only=True):
    """What became of a connection's events so far. The first four count events and never overlap."""

    delivered: int = 0
    filtered: dict[str, int] = field(default_factory=dict)
    held: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    adjusted: dict[str, int] = field(default_factory=dict)
    requests: int = 0
    retries: dict[str, int] = field(default_factory=dict)
    replayed: dict[str, int] = field(default_factory=dict)
    """What became of replayed events, which were counted when they came."""

    @property
    def settled(self) -> int:
        return self.delivered + sum(self.filtered.values()) + self.held + sum(self.failures.values())


class State(Forgets, Protocol):
    """What is known of people, and connections with what each told them, positions, counters, failures. Every
    write is durable when the call returns, and is done whole or not at all. Writes raise `Unwritable`.
    """

    @property
    def trouble(self) -> str | None:
        """As `Journal.trouble`."""
        ...

    async def tokens(self, kind: TokenKind = "private") -> list[str]:
        """The project's tokens of a kind, newest last."""
        ...

    async def add_token(self, token: str, kind: TokenKind = "private") -> None: ...

    async def remove_token(self, token: str) -> None: ...

    async def connections(self) -> list[Connection]:
        """All connections, in the order in which they were installed."""
        ...

    async def add_connection(
        self,
        *,
        name: str,
        destination: str,
        options: Mapping[str, object],
        paused: bool,
        start: int,
        now_ms: int,
        workspace: str | None = None,
    ) -> Connection:
        """Raises `NameTaken`."""
        ...

    async def change_connection(self, changed: Connection) -> None:
        """Write a connection's options, whether it is paused and why it stopped."""
        ...

    async def remove_connection(self, connection: int) -> None:
        """Forget a connection with all its people, counters and failures. The state is `to_clean` then."""
        ...

    # what the core reads: in the caller's thread, each in well under a millisecond

    def ids(self, ids: Sequence[str]) -> dict[str, Id]: ...

    def people(self, ids: Sequence[str]) -> dict[str, Person]: ...

    def members(self, id_: str) -> list[str]: ...

    def told(self, connection: int, people: Sequence[str]) -> dict[str, Told]: ...

    def ledger(self, connection: int, emails: Sequence[str]) -> dict[str, Row]: ...

    def held(self, connection: int, people: Sequence[str]) -> list[HeldEvent]:
        """The held events of these people, in order; no more than `READ_BYTES` of them, the newest."""
        ...

    def folded(self) -> int:
        """The position up to which the journal is part of what is known."""
        ...

    def due(self, connection: int, limit: int) -> list[tuple[str, int]]:
        """For whom something is to be done, and when (milliseconds since 1970), the next ones first."""
        ...

    def again(self, connection: int, limit: int) -> list[tuple[str, str]]:
        """What was asked for: `again` or `release`, and the person."""
        ...

    def settled_before(self, connection: int) -> tuple[int, frozenset[int]]:
        """Up to which position an older Hogline may have settled events out of today's order, and which it did."""
        ...

    # what it asks to be written: one transaction each

    async def flush(self, flush: Flush) -> None: ...

    async def intend(self, intent: Intent) -> None: ...

    async def settle(self, settlement: Settlement) -> None: ...

    async def lanes(self, connection: int) -> dict[int, int]:
        """The position up to which all events of a lane are settled, for the lanes that ever settled any."""
        ...

    async def counts(self, connection: int) -> Counts: ...

    # people

    async def find_people(self, connection: int, text: str, *, after: str = "", limit: int = 100) -> list[str]:
        """Ids of whom something is known, whom this connection told something of, or who were joined with somebody,
        that contain the text (in any case) or whose email does; in order."""
        ...

    async def send_again(self, connection: int, kind: str, people: Sequence[str]) -> None:
        """Ask for `again` or `release` of these people."""
        ...

    async def options_changed(self, connection: int, now_ms: int) -> None:
        """Everybody's held events may go now, and customers that wait to be merged are due."""
        ...

    async def expire_held(self, connection: int, *, received_before_ms: int, most_bytes: int) -> int:
        """Give up held events: those received before that time (filtered as `hold_expired`), and the oldest if all
        of them together take more than so many bytes (`hold_full`). Returns how many.
        """
        ...

    async def failures(
        self,
        connection: int,
        *,
        after: int = 0,
        limit: int = 100,
        reason: str = "",
        retrying: bool = False,
        most_bytes: int = READ_BYTES,
    ) -> list[Failure]:
        """Failures behind a position, in order: all, those of a reason, those that wait to be retried. No more than
        `limit`, and than `most_bytes` of events; but one, if there is any.
        """
        ...

    async def failure(self, connection: int, position: int) -> Failure | None: ...

    async def retry_failures(self, connection: int, *, reason: str = "", positions: Sequence[int] | None = None) -> int:
        """Mark failures (all, those of a reason, those at these positions) to be sent again; returns how
        many. They stay failures until a settlement resolves them.
        """
        ...

    async def discard_failures(
        self, connection: int, *, reason: str = "", positions: Sequence[int] | None = None
    ) -> int:
        """Remove failures and count their events as filtered (`discarded`); returns how many. One that is on
        its way once more is not touched: what becomes of it is counted when it is settled.
        """
        ...

    async def replay(self, connection: int) -> Replay | None:
        """The replay that is under way."""
        ...

    async def begin_replay(self, connection: int, replay: Replay) -> None:
        """Takes the place of one that is under way."""
        ...

    async def close(self) -> None: ...
