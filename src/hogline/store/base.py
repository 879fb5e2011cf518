"""What a store must do: keep received events in order (the journal), and keep what became of them (the state).

The journal is only appended to, by what receives; the state is only written by what delivers. Each has one
writer, so that receiving and delivering can run in one process or in several. `tests/conformance` says in
tests what these protocols promise.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct, field

from hogline.model import Person, Refusal
from hogline.store.forgetting import Forgets

READ_BYTES = 4_000_000
"""Of what is read from a store at once: memory does not depend on how large events are."""
HELD_BYTES_FOR_ONE = 3_000_000
"""The newest held events of one person, together, are kept up to here."""


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
        """Keep events (as `model.encode_event` makes them) and count what was refused at the door.

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
    enabled: bool
    stopped: str | None
    """The sentence why it stopped itself; None: it did not."""
    start: int
    """The journal's end when it was installed: it gets every event behind it."""
    created_ms: int
    workspace: str | None = None
    """The destination's name for where everything goes; None: not known yet. What was accepted is true there only."""

    def __repr__(self) -> str:
        return f"Connection(id={self.id}, name={self.name!r}, destination={self.destination!r})"


class DeadLetter(Struct, frozen=True, kw_only=True):
    """An event of which something was refused, with all that is needed to look at it and try again."""

    position: int
    uuid: str
    event: bytes
    refusals: tuple[Refusal, ...]
    at_ms: int

    @property
    def reason(self) -> str:
        return self.refusals[0].reason


class Replay(Struct, frozen=True, kw_only=True):
    """Events of the journal that are sent once more."""

    settled: int
    """Everything up to here was sent again, or did not have to be."""
    last: int
    events: tuple[str, ...] = ()
    """Only events of these names; empty: all."""


class Route(Struct, frozen=True, kw_only=False):
    """Since a position, the events of an id travel with a group of ids."""

    distinct_id: str
    since: int
    group: str | None
    """The id that names the group; None: this one does."""
    depth: int
    """How far away from the name the group's ids are at most, where this id is the name."""


class HeldEvent(Struct, frozen=True, kw_only=True):
    """An event that is kept until its user qualifies."""

    position: int
    distinct_id: str
    """The person's whose it is: events come under other ids too."""
    received_ms: int
    event: bytes
    """As `model.encode_event` makes it, without what it taught: that was learned when it came."""


HELD_FOR_ONE = 200
"""The newest so many events of one person are held."""


class Settlement(Struct, frozen=True, kw_only=True):
    """What became of events, to be written in one transaction with the new positions."""

    connection: int
    lanes: Mapping[int, int]
    """For some lanes the position up to which all their events are settled."""
    people: Sequence[Person] = ()
    delivered: int = 0
    filtered: Mapping[str, int] = field(default_factory=dict)
    adjusted: Mapping[str, int] = field(default_factory=dict)
    dead_letters: Sequence[DeadLetter] = ()
    """New ones, and retried ones that were refused again."""
    resolved: Sequence[int] = ()
    """Positions of dead letters that were retried and are none any more."""
    requests: int = 0
    retries: Mapping[str, int] = field(default_factory=dict)
    replayed: Mapping[str, int] = field(default_factory=dict)
    replay_settled: int | None = None
    """How far the replay has come; at its last position it is over."""
    routes: Sequence[Route] = ()
    held: Sequence[HeldEvent] = ()
    released: Sequence[int] = ()
    """Positions of held events of which the counts above say what became."""
    absorbed: Mapping[str, str] = field(default_factory=dict)
    """Whose held events are whose now."""
    claimed: Mapping[str, str] = field(default_factory=dict)
    """Emails, in small letters, and whom each identifies."""
    freed: Mapping[str, str] = field(default_factory=dict)
    """Emails that identify these people no longer."""
    due: Mapping[str, int] = field(default_factory=dict)
    """For whom something is to be done, and when (milliseconds since 1970)."""
    done: Mapping[str, int] = field(default_factory=dict)
    """For whom it was done that was due by this time."""


class Counts(Struct, frozen=True, kw_only=True):
    """What became of a connection's events so far. The first four count events and never overlap."""

    delivered: int = 0
    filtered: dict[str, int] = field(default_factory=dict)
    held: int = 0
    dead_letters: dict[str, int] = field(default_factory=dict)
    adjusted: dict[str, int] = field(default_factory=dict)
    requests: int = 0
    retries: dict[str, int] = field(default_factory=dict)
    replayed: dict[str, int] = field(default_factory=dict)
    """What became of replayed events, which were counted when they came."""

    @property
    def settled(self) -> int:
        return self.delivered + sum(self.filtered.values()) + self.held + sum(self.dead_letters.values())


class State(Forgets, Protocol):
    """Connections, and for each: people, positions, counters, dead letters. Every write is durable when the
    call returns, and is done whole or not at all. Writes raise `Unwritable`.
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
        enabled: bool,
        start: int,
        now_ms: int,
        workspace: str | None = None,
    ) -> Connection:
        """Raises `NameTaken`."""
        ...

    async def change_connection(self, changed: Connection) -> None:
        """Write a connection's options, whether it is enabled and why it stopped."""
        ...

    async def remove_connection(self, connection: int) -> None:
        """Forget a connection with all its people, counters and dead letters. The state is `to_clean` then."""
        ...

    async def lanes(self, connection: int) -> dict[int, int]:
        """The position up to which all events of a lane are settled, for the lanes that ever settled any."""
        ...

    async def settle(self, settlement: Settlement) -> None: ...

    async def counts(self, connection: int) -> Counts: ...

    async def people(self, connection: int, distinct_ids: Sequence[str]) -> dict[str, Person]:
        """Those of them that are known."""
        ...

    async def find_people(self, connection: int, text: str, *, after: str = "", limit: int = 100) -> list[Person]:
        """People whose distinct_id or email contains the text (in any case), by distinct_id."""
        ...

    async def joined(self, connection: int, distinct_id: str, *, after: str = "", limit: int = 100) -> list[Person]:
        """Who was joined into this person, by distinct_id."""
        ...

    async def routes(self, connection: int, distinct_ids: Sequence[str]) -> dict[str, tuple[Route, ...]]:
        """All routes of those of them that have any, in order."""
        ...

    async def claimed(self, connection: int, email: str) -> str | None:
        """Whom an email, in small letters, identifies."""
        ...

    async def held(self, connection: int, distinct_ids: Sequence[str]) -> list[HeldEvent]:
        """The held events of these people, in order; no more than `READ_BYTES` of them, the newest."""
        ...

    async def expire_held(self, connection: int, *, received_before_ms: int, most_bytes: int) -> int:
        """Give up held events: those received before that time (filtered as `hold_expired`), and the oldest if all
        of them together take more than so many bytes (`hold_full`). Returns how many.
        """
        ...

    async def due(self, connection: int, limit: int) -> list[tuple[str, int]]:
        """For whom something is to be done, and when (milliseconds since 1970), the next ones first."""
        ...

    async def dead_letters(
        self,
        connection: int,
        *,
        after: int = 0,
        limit: int = 100,
        reason: str = "",
        retrying: bool = False,
        most_bytes: int = READ_BYTES,
    ) -> list[DeadLetter]:
        """Dead letters behind a position, in order: all, those of a reason, those that wait to be retried. No more than
        `limit`, and than `most_bytes` of events; but one, if there is any.
        """
        ...

    async def dead_letter(self, connection: int, position: int) -> DeadLetter | None: ...

    async def retry_dead_letters(
        self, connection: int, *, reason: str = "", positions: Sequence[int] | None = None
    ) -> int:
        """Mark dead letters (all, those of a reason, those at these positions) to be sent again; returns how
        many. They stay dead letters until a settlement resolves them.
        """
        ...

    async def discard_dead_letters(
        self, connection: int, *, reason: str = "", positions: Sequence[int] | None = None
    ) -> int:
        """Remove dead letters and count their events as filtered (`discarded`); returns how many. One that is on
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
