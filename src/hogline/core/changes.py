"""What the core asks to be written, as data: each of these is one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from hogline.core.known import Flush
from hogline.core.ledger import Row
from hogline.core.told import Told
from hogline.model import Refusal

__all__ = ["Failure", "Flush", "HeldEvent", "Intent", "Settlement"]


class Intent(Struct, frozen=True):
    """What requests are about to claim: on disk before they leave. Whatever comes of them, nobody else gets it."""

    connection: int
    told: Mapping[str, Told]
    ledger: Mapping[str, Row | None]


class Failure(Struct, frozen=True, kw_only=True):
    """An event of which something was refused, with all that is needed to look at it and try again."""

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
    """The person's whose it is: events come under other ids too."""
    received_ms: int
    event: bytes
    """As the journal keeps it, without what it taught: that was learned when it came."""


class Settlement(Struct, frozen=True, kw_only=True):
    """What became of events, to be written in one transaction with the new positions."""

    connection: int
    lanes: Mapping[int, int]
    """For some lanes the position up to which all their events are settled."""
    told: Mapping[str, Told | None] = field(default_factory=dict)
    """What was made true of people; None: they are part of somebody else now."""
    ledger: Mapping[str, Row | None] = field(default_factory=dict)
    delivered: int = 0
    filtered: Mapping[str, int] = field(default_factory=dict)
    adjusted: Mapping[str, int] = field(default_factory=dict)
    failures: Sequence[Failure] = ()
    """New ones, and retried ones that were refused again."""
    resolved: Sequence[int] = ()
    """Positions of failures that were retried and are none any more."""
    requests: int = 0
    retries: Mapping[str, int] = field(default_factory=dict)
    replayed: Mapping[str, int] = field(default_factory=dict)
    replay_settled: int | None = None
    """How far the replay has come; at its last position it is over."""
    held: Sequence[HeldEvent] = ()
    released: Sequence[int] = ()
    """Positions of held events of which the counts above say what became."""
    absorbed: Mapping[str, str] = field(default_factory=dict)
    """Whose held events are whose now."""
    runs: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    """What became of older events, by run: `delivered`, `filtered REASON`, `held`, `failed REASON`,
    `adjusted REASON`."""
    again_done: Sequence[tuple[str, str]] = ()
    """By kind and person: what was asked for, and is done."""
