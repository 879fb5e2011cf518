"""What Hogline answers about files of events: rows, deliveries, previews and forecasts."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field


class BadLine(Struct, frozen=True):
    number: int
    sentence: str


class Row(Struct, frozen=True, array_like=True):
    """An event of a file, and where it stands."""

    file: str
    """As it is shown; empty for standard input."""
    number: int
    """Of its line, or of the event or row in its file, counted from 1."""
    body: bytes
    """The event as the journal keeps it."""


class BadRow(Struct, frozen=True, kw_only=True):
    """What holds no event, or none that can be kept."""

    file: str
    unit: Literal["line", "event", "row"]
    """What the number counts."""
    number: int
    sentence: str


class Delivery(Struct, frozen=True, kw_only=True):
    """The result of one `send` at one connection."""

    connection: str
    events: int
    delivered: int
    filtered: dict[str, int]
    held: int
    failures: dict[str, int]
    adjusted: dict[str, int]
    """Places in these events that were changed to be read or sent, by reason."""
    pending: int
    state: str
    reason: str | None


class OperationView(Struct, frozen=True):
    action: str
    route: str
    body: object


class ReleasedEvent(Struct, frozen=True, kw_only=True):
    """An event that was held and would go now, with its own time."""

    event: str
    distinct_id: str
    uuid: str
    line: int | None
    """None: it was held before the preview began."""
    file: str = ""
    operations: list[OperationView] = field(default_factory=list)
    refused: str | None = None


class JoinedView(Struct, frozen=True):
    """Two ids that are now one person."""

    distinct_id: str
    """The id merged into the other."""
    into: str


class PreviewedEvent(Struct, frozen=True, kw_only=True):
    """What one connection would send for an event."""

    connection: str
    line: int
    event: str
    distinct_id: str
    uuid: str
    file: str = ""
    """In which the line stands; empty for standard input, and for what is not from a file."""
    person: str = ""
    """The distinct_id of the person, after all merges so far."""
    joined: JoinedView | None = None
    released: list[ReleasedEvent] = field(default_factory=list)
    """Held events that it releases, in order; they are sent first."""
    operations: list[OperationView] = field(default_factory=list)
    filtered: str | None = None
    held: bool = False
    """Filtered for now, but kept and sent once the person qualifies."""
    refused: str | None = None
    adjusted: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Properties of an event that is sent, and attributes that it set, which the options leave out."""
    follows: list[OperationView] = field(default_factory=list)
    """Operations sent later: merges, and updates that follow them."""


class ChoiceForecast(Struct, frozen=True, kw_only=True):
    """The totals of a file under one choice of who is sent. Every event is counted once: delivered, filtered, held or
    failure.
    """

    choice: str
    title: str
    customers: int
    """Profiles that would be created. Customer.io bills the highest number in a period, including merged ones."""
    customers_left: int
    """Of these, after merges."""
    people: int
    """People who would be stored; several ids of one person count once."""
    delivered: int
    anonymous: int
    """Delivered events that do not create a profile."""
    filtered: dict[str, int]
    held: int
    """Events still held at the end, for people who do not qualify. A forecast holds at most 100 MB."""
    failures: dict[str, int]
    adjusted: dict[str, int]
    requests: int
    """If the events are sent in one go, as from a file; live traffic takes more."""


class ForecastView(Struct, frozen=True, kw_only=True):
    connection: str | None
    """The connection whose other options were used; None: the defaults."""
    now: str | None
    """The choice of that connection."""
    events: int
    choices: list[ChoiceForecast]


class RunView(Struct, frozen=True, kw_only=True):
    """A run of older events."""

    number: int
    connection: str
    """Empty: every connection that runs."""
    sources: list[str]
    share: int
    """Percent of the connection's requests a second."""
    state: Literal["reading", "interrupted", "sending", "paused", "finished", "cancelled"]
    """Interrupted: the process that read the files is gone, and nothing was sent; or it cannot go on, as `reason`
    says."""
    reason: str | None
    """Why nothing is sent just now."""
    created_ms: int
    finished_ms: int
    """0: it is not."""
    read: int
    rows: int
    """0: they are still being read."""
    people: int
    """Of these rows, what an export of people says."""
    taken: int
    requests: int
    """Of its connections, since the process that delivers it began to."""
    left_out: dict[str, int]
    bad: int
    first_bad: list[BadRow]
    connections: list[Delivery]


class DayCount(Struct, frozen=True, array_like=True):
    day: str
    """UTC, such as 2026-01-31."""
    event: str
    count: int


class DryRunView(Struct, frozen=True, kw_only=True):
    """What a run of older events would lead to. Every event is counted once: delivered, filtered, held or failure."""

    connection: str
    events: int
    by_day: list[DayCount]
    younger_than_72_hours: int
    """Events that can start campaigns."""
    delivered: int
    filtered: dict[str, int]
    held: int
    failures: dict[str, int]
    adjusted: dict[str, int]
    customers: int
    """Profiles that would be created, beside those that there are."""
    customers_left: int
    """Of these, after merges."""
    attributes: dict[str, int]
    """How often each would be sent."""
    requests: int
    seconds: float
    """How long it takes at least, with the connection's share of requests."""
