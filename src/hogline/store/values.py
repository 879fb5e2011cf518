"""What journal and state are asked with and return, and the errors they raise. `store.base` says how they are used."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct, field

READ_BYTES = 4_000_000
"""The most that one call reads, so that memory use does not depend on how large events are."""


class Unwritable(Exception):
    """The store cannot write now, or cannot even read. The text says why and is safe to show."""

    def __init__(self, sentence: str, retry_after_s: int = 5) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class Unusable(Exception):
    """The store cannot be opened. The text says why and what to do."""


class NameTaken(Exception):
    """A connection with this name already exists."""


TokenKind: TypeAlias = Literal["private", "public"]
"""Private: for webhooks and servers. Public: for pages and apps; only works on the capture routes."""


class Connection(Struct, frozen=True, kw_only=True):
    """An installed destination with its options."""

    id: int
    name: str
    destination: str
    options: dict[str, object]
    """As the user gave them, including secrets, which a store must encrypt. Nothing prints this."""
    paused: bool
    stopped: str | None
    """Why it stopped, as a sentence; None: it did not."""
    start: int
    """The journal's end when it was created: it gets every event after that."""
    created_ms: int
    since_ms: int = 0
    """Since when it runs, is paused or is stopped; 0: since before that was kept."""
    workspace: str | None = None
    """The destination's name for the workspace of these credentials; None: not known yet. What was accepted is only
    true there."""

    def __repr__(self) -> str:
        return f"Connection(id={self.id}, name={self.name!r}, destination={self.destination!r})"


class Span(Struct, frozen=True):
    """A time: from `since_ms` until before `until_ms`."""

    since_ms: int = 0
    until_ms: int = 2**63 - 1


ALWAYS = Span()


class Replay(Struct, frozen=True, kw_only=True):
    """A replay: events of the journal that are sent again."""

    settled: int
    """Everything up to here is done."""
    last: int
    events: tuple[str, ...] = ()
    """Only events with these names; empty: all."""


class Counts(Struct, frozen=True, kw_only=True):
    """What happened to a connection's events. The first four count events, and no event is counted twice."""

    delivered: int = 0
    filtered: dict[str, int] = field(default_factory=dict)
    held: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    adjusted: dict[str, int] = field(default_factory=dict)
    requests: int = 0
    retries: dict[str, int] = field(default_factory=dict)
    replayed: dict[str, int] = field(default_factory=dict)
    """Results of replayed events. They were already counted above when they arrived."""

    @property
    def settled(self) -> int:
        return self.delivered + sum(self.filtered.values()) + self.held + sum(self.failures.values())
