"""What the core wants written, as data. Each of these is one transaction; `store.base.State` says how it is applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from hogline.core.known import Flush
from hogline.core.ledger import LedgerRow
from hogline.core.told import Told
from hogline.model import Refusal

__all__ = ["Failure", "Flush", "HeldEvent", "Intent", "Noted", "Sent", "Settlement"]


MOST_FREED = 100
"""How many of the people who are known by one email are looked at again when it is free, at most."""


class Intent(Struct, frozen=True):
    """What requests are about to claim. It is on disk before they leave, so whatever happens to them, nobody else gets
    it."""

    connection: int
    told: Mapping[str, Told]
    ledger: Mapping[str, LedgerRow | None]
    expected: Mapping[str, LedgerRow | None] | None = None
    """If others deliver this connection, too: the rows as this process has them. Nothing is written if one is
    different."""


class Failure(Struct, frozen=True, kw_only=True):
    """An event that was rejected at least in part, with everything needed to look at it and try again."""

    position: int
    uuid: str
    event: bytes
    refusals: tuple[Refusal, ...]
    at_ms: int

    @property
    def reason(self) -> str:
        return self.refusals[0].reason


class HeldEvent(Struct, frozen=True, kw_only=True):
    """An event that is kept until its user qualifies."""

    position: int
    distinct_id: str
    """The person whose event it is. It may have another id."""
    received_ms: int
    event: bytes
    """As in the journal, but without what it taught, which was learned when it arrived."""


class Sent(Struct, frozen=True, kw_only=True, array_like=True):
    """Operations as they were sent. One value in each list for each operation."""

    positions: Sequence[int] = ()
    """Of their events."""
    actions: Sequence[str] = ()
    bodies: Sequence[bytes] = ()
    """JSON texts. Those that end with their event's data stop in front of it: the journal has it."""
    paths: Mapping[int, str] = {}
    """By place in the lists, those that were not in a batch."""
    rejected: Mapping[int, str] = {}
    """By place in the lists, why the destination rejected them."""
    adjusted: Mapping[int, Sequence[str]] = {}
    """By position, what was changed of events before they were sent."""
    retries: Sequence[tuple[int, str, Sequence[int]]] = ()
    """Requests that had to be sent again: when (milliseconds since 1970), what came back (a status, or `unreachable`),
    and the positions of the events in them."""


class Noted(Struct, frozen=True, kw_only=True):
    """What happened to some events, for the event log. One number in each list for each event."""

    began_ms: int = 0
    """When they were planned."""
    at_ms: int = 0
    """When it was decided; 0: about now."""
    positions: Sequence[int]
    names: Sequence[int] = ()
    """Checksums of the events' names, and of their distinct_ids. Empty: the event log has them already."""
    people: Sequence[int] = ()
    others: Mapping[int, tuple[str, str]] = {}
    """By position, the outcome and its reason of those that were not delivered."""
    sent: Sent = Sent()


class Settlement(Struct, frozen=True, kw_only=True):
    """The results of a shipment, written in one transaction with the new positions."""

    connection: int
    lanes: Mapping[int, int]
    """For some lanes: up to which position all their events are settled."""
    told: Mapping[str, Told | None] = field(default_factory=dict)
    """What people were told; None: they are part of someone else now."""
    ledger: Mapping[str, LedgerRow | None] = field(default_factory=dict)
    delivered: int = 0
    filtered: Mapping[str, int] = field(default_factory=dict)
    adjusted: Mapping[str, int] = field(default_factory=dict)
    failures: Sequence[Failure] = ()
    """New ones, and retried ones that were rejected again."""
    resolved: Sequence[int] = ()
    """Positions of failures that were retried and are settled now."""
    requests: int = 0
    retries: Mapping[str, int] = field(default_factory=dict)
    replayed: Mapping[str, int] = field(default_factory=dict)
    replay_settled: int | None = None
    """How far the replay is. At its last position it is over."""
    held: Sequence[HeldEvent] = ()
    released: Sequence[int] = ()
    """Positions of held events whose results are in the counts above."""
    absorbed: Mapping[str, str] = field(default_factory=dict)
    """Whose held events are whose now."""
    runs: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    """Results of older events, by run: `delivered`, `filtered REASON`, `held`, `failed REASON`, `adjusted REASON`."""
    again_done: Sequence[tuple[str, str]] = ()
    """What was asked for and is done: the kind and the person."""
    freed: Sequence[str] = ()
    """Emails, in lowercase, that another person may have from now on. Everyone who is known by one of them is looked
    at again (`Origin.FREED`)."""
    unwritten: Sequence[str] = ()
    """People who are known by one, but that is not on disk yet."""
    denied: Mapping[str, str] = field(default_factory=dict)
    """People without an email, in lowercase, that was someone else's. If it is free by now, they are looked at
    again."""
    expected: Mapping[str, LedgerRow | None] | None = None
    """If others deliver this connection, too: the rows of `ledger` as this process has them. One that is different is
    someone else's now, and stays."""
    clear: Mapping[int, int] = field(default_factory=dict)
    """Of lanes: up to which position everything was known when what is under way in them was begun."""
    noted: Noted | None = None
    """What the event log is to learn of it."""

    @property
    def counted(self) -> list[tuple[str, str, int]]:
        """What it adds to the counters: kind, reason, how many."""
        counts = (
            ("delivered", {"": self.delivered}),
            ("filtered", self.filtered),
            ("adjusted", self.adjusted),
            ("requests", {"": self.requests}),
            ("retries", self.retries),
            ("replayed", self.replayed),
            *((f"run {run}", found) for run, found in self.runs.items()),
        )
        return [(kind, reason, n) for kind, found in counts for reason, n in found.items()]
