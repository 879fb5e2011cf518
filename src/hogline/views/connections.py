"""What Hogline answers about connections, sources and itself."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct, field


class ConnectionStatus(Struct, frozen=True, kw_only=True):
    """A connection and what happened to its events: received = delivered + filtered + held + failures + pending,
    exactly.
    """

    name: str
    destination: str
    paused: bool
    state: str
    """`delivering`; `retrying` (waits for the destination or the disk; continues by itself); `stopped` (you have to do
    something); `paused`; `not_running` (`hogline serve` is not running).
    """
    reason: str | None
    received: int
    delivered: int
    filtered: dict[str, int]
    held: int
    failures: dict[str, int]
    pending: int
    requests: int
    adjusted: dict[str, int]
    """Places in events that were cut, left out or renamed, by reason."""
    retries: dict[str, int]
    """Retried requests, by status."""
    replayed: dict[str, int]
    """Results of replayed events; they were already counted above when they arrived."""
    lag_s: float
    """How long the oldest pending event waits."""
    resending: int = 0
    """How many people are still to be sent again because someone asked for everyone."""
    since_ms: int | None = None
    """Since when it is in this state; None: not known."""
    next_try_ms: int | None = None
    """When the destination is tried again, if it is `retrying`."""
    hints: list[str] = field(default_factory=list)
    """Likely mistakes in the setup, in sentences; they stop nothing."""


class GapView(Struct, frozen=True, kw_only=True):
    """Records of Kafka that were gone before they were read."""

    partition: int
    records: int
    """0: unknown."""
    from_ms: int
    to_ms: int
    """They were written between these times."""
    filled_by: str
    """The source that fetches them; empty: nobody does."""


SourceState: TypeAlias = Literal[
    "fetching", "reading", "standby", "waiting", "retrying", "stopped", "paused", "not_running"
]


class SourceView(Struct, frozen=True, kw_only=True):
    """A source that Hogline reads by itself, without its key."""

    name: str
    address: str
    """Such as posthog://eu.posthog.com/12345, or kafka://kafka:9092/clickhouse_events_json."""
    kind: Literal["posthog", "kafka"] = "posthog"
    ours: bool = False
    """Hogline's own receivers put events there (`HOGLINE_JOURNAL`)."""
    required: bool = False
    """It cannot be removed: `HOGLINE_JOURNAL` names it."""
    every_s: int
    """0: it is read all the time."""
    state: SourceState
    """`fetching`: from PostHog. `reading`: from Kafka. `standby`: it has nothing to fetch until Kafka misses something.
    `waiting`: for a connection, or until it has settled what it has. `retrying`: the source has trouble; Hogline tries
    again by itself. `stopped`: somebody has to do something. `not_running`: `hogline serve` is not running.
    """
    reason: str | None
    """Why nothing is fetched just now."""
    trouble_s: float
    """How long that is so; 0: there is no trouble."""
    up_to_ms: int
    """Everything that reached the source before is here."""
    fetched_ms: int
    """When something was fetched last; 0: never."""
    settled: int
    """Events that came from it and are settled by a connection; of Kafka, that were received."""
    only_gaps: bool = False
    """It fetches only what a source that reads from Kafka missed."""
    by: Literal["exports", "queries", ""]
    """How PostHog is asked; empty: it was not yet."""
    behind: int = 0
    """Records in Kafka that are not read yet."""
    lag_s: float = 0.0
    """How old the oldest of them is, about."""
    unreadable: int = 0
    """Records that hold no event, since `hogline serve` started."""
    other_projects: int = 0
    """Records of other projects, since `hogline serve` started."""
    gaps: list[GapView] = field(default_factory=list)
    """What was gone before it was read, until it is fetched or dismissed."""
    missed: str = ""
    """A sentence about the gaps that nobody fills."""
    refetched: str = ""
    """A sentence about those that another source fills."""


class Status(Struct, frozen=True, kw_only=True):
    connections: list[ConnectionStatus]
    refused: dict[str, int]
    """Events rejected on receipt, by reason; no connection received them."""
    sources: list[SourceView] = field(default_factory=list)


class ConnectionView(Struct, frozen=True, kw_only=True):
    """A connection without its secrets."""

    name: str
    destination: str
    paused: bool
    state: str
    reason: str | None
    options: dict[str, object]
    notes: list[str] = field(default_factory=list)
    """Of changed options: what the change does to what is at the destination already."""


class BacklogView(Struct, frozen=True, kw_only=True):
    """What waits for a connection."""

    connection: str
    events: int
    customers: int
    """How many new customers they would make; not all yet, unless `counted`."""
    counted: bool


class CheckView(Struct, frozen=True, kw_only=True):
    name: str
    ok: bool
    outcome: str
    sentence: str


class TokenView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    token: str
    """The private one: for webhooks and servers."""
    webhook_url: str
    older: list[str] = field(default_factory=list)
    """Private tokens that are still valid until they are revoked."""
    public_token: str = ""
    """For SDKs in browsers and apps."""
    older_public: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    """Project API keys from PostHog that Hogline also accepts."""


class AlertView(Struct, frozen=True, kw_only=True):
    key: str
    """The same for the same trouble."""
    state: Literal["raised", "recovered", "test"]
    sentence: str


class FindingView(Struct, frozen=True):
    """One thing that `hogline doctor` looked at."""

    subject: str
    level: Literal["ok", "warning", "problem"]
    sentence: str
    to_do: str = ""
    """Empty: nothing to do."""


class PostHogView(Struct, frozen=True, kw_only=True):
    """The webhook destination in PostHog that sends events here."""

    url: str
    enabled: bool
    state: str
    """healthy, degraded or disabled, as PostHog reports; empty: unknown."""
    arrived: bool = False
    """A test event went through it and arrived."""
    problem: str = ""
    """Why it did not, and what to do."""
    totals: dict[str, int] = {}
    """Events of the last seven days by outcome, in PostHog's words."""
    errors: list[str] = []


class SentRequest(Struct, frozen=True, kw_only=True):
    """A request that was sent, without secrets, and the response."""

    method: str
    url: str
    headers: dict[str, str]
    body: object
    accepted: bool
    """Everything in it was."""
    sentence: str
    """What the response means."""
    status: int | None = None
    """None: there was no response."""
    response: object = ""
    took_ms: int = 0


class TrialView(Struct, frozen=True, kw_only=True):
    """One event that was sent to see what happens."""

    event: str
    distinct_id: str
    uuid: str
    not_sent: str
    """Why the event is not sent, in a sentence; empty: it is."""
    requests: list[SentRequest] = field(default_factory=list)
