"""What Hogline answers to its users: the shapes of `--json`, of the control socket and of the pages."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct, field

from hogline.model import Kind


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


SourceState: TypeAlias = Literal["fetching", "waiting", "retrying", "paused", "not_running"]


class SourceView(Struct, frozen=True, kw_only=True):
    """A source that Hogline fetches from, without its key."""

    name: str
    address: str
    """Such as posthog://eu.posthog.com/12345."""
    every_s: int
    state: SourceState
    """`waiting`: for a connection that runs, or for one to settle what it has. `retrying`: the source has trouble;
    Hogline tries again by itself. `not_running`: `hogline serve` is not running.
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
    """Events that came from it and are settled by a connection."""
    by: Literal["exports", "queries", ""]
    """How it is asked; empty: it was not yet."""


class Status(Struct, frozen=True, kw_only=True):
    connections: list[ConnectionStatus]
    refused: dict[str, int]
    """Events rejected on receipt, by reason; no connection received them."""
    sources: list[SourceView] = field(default_factory=list)


class RejectionView(Struct, frozen=True, kw_only=True):
    """Requests from senders that were rejected, with the same reason on the same route."""

    route: str
    """Empty: unknown."""
    status: int
    sentence: str
    """What was wrong, and what to do."""
    times: int
    first_ms: int
    last_ms: int


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


class CustomerView(Struct, frozen=True):
    """Under which identifier a destination knows somebody."""

    kind: Kind
    value: str


class PersonView(Struct, frozen=True, kw_only=True):
    connection: str
    distinct_id: str
    email: str | None
    identified: bool
    customer: CustomerView | None
    """Their profile at the destination; None: not sent."""
    not_sent: str | None
    """Why they are not a customer; None if they are."""
    attributes: dict[str, object]
    unsent: list[str]
    refused: list[str]
    left_out: list[str]
    """Attributes that the connection's options leave out, or that the destination does not take."""
    email_not_sent: str | None = None
    """Why the destination does not have this email: `email_taken`, `email_on_other_customer`, `email_change_not_sent`;
    None if it has, or is told it yet."""
    joined_into: str | None = None
    """The person PostHog merged this id into; its events are theirs."""
    became: str | None = None
    """For a merged id: what happened to its own profile: `merged`, `merge waits` (pending) or `not merged`."""
    to_merge: list[CustomerView] = field(default_factory=list)
    """Profiles that will be merged into theirs."""
    merged: list[CustomerView] = field(default_factory=list)


class ListedPerson(Struct, frozen=True, kw_only=True):
    """A person in a list: one line, whatever was merged into them."""

    person: PersonView
    name: str
    """As their attributes say; empty: they do not."""
    merged_ids: int
    seen_ms: int | None
    """When their last event was received; None: longer ago than was looked at."""


class PeoplePage(Struct, frozen=True, kw_only=True):
    """Part of the list of people, those seen last first."""

    people: list[ListedPerson]
    next: str
    """Where the next page begins; empty: there is none."""
    previous: str
    customers: int | None
    """People this connection has a customer for; None: still counting."""
    known: int | None
    """People about whom something is known."""
    cut: bool = False
    """There are more matches than were looked at."""
    stopped: bool = False
    """The search stopped before everyone was looked at."""


class PersonEvent(Struct, frozen=True, kw_only=True):
    """One of a person's recent events."""

    position: int
    event: str | None
    """None: no longer stored."""
    uuid: str | None
    timestamp_ms: int | None
    outcome: str
    """`delivered`, or why not."""


class PersonDetails(Struct, frozen=True, kw_only=True):
    """One person in full: what PostHog says, and what the destination has of it."""

    person: PersonView
    joined: list[PersonView]
    """Ids merged into them, at most 100."""
    relationships: list[str]
    anonymous_ids: list[str]
    recent: list[PersonEvent]
    """Their recent events, newest first."""
    held: int


class SomebodyView(Struct, frozen=True, kw_only=True):
    """A person, by all their ids."""

    distinct_id: str
    """One of the ids; the one others were merged into, if any."""
    ids: list[str]
    emails: list[str]


class ForgottenAt(Struct, frozen=True, kw_only=True):
    """What was deleted for one connection."""

    connection: str
    destination: str
    customers: int
    """Deleted at the destination, which confirmed each."""
    people: int
    """Their ids stored here."""
    held: int
    failures: int
    not_reached: str
    """Why the destination may still have data, and what to do; blank: it does not."""


class ForgottenView(Struct, frozen=True, kw_only=True):
    """What was deleted, and what was not."""

    customers: int
    """At all destinations."""
    ids: int
    """That are one person."""
    people: int
    """Ids, counted per connection."""
    held: int
    failures: int
    events: int
    """In the journal."""
    connections: list[ForgottenAt]
    names_removed: int
    """Other people's events that asked for a merge with them; they stay, without that id."""
    mentions: int
    """Other people's events with one of these ids in another property; they stay unchanged."""
    suppressed: bool
    cleaned_later: list[str]
    """Files with traces that another program is reading; they are overwritten once it ends."""
    still_named_in: list[str]
    """Other files in the data directory, not made by Hogline, that name them."""


class FailureView(Struct, frozen=True, kw_only=True):
    """A failure."""

    connection: str
    id: int
    reason: str
    event: str
    distinct_id: str
    uuid: str
    at_ms: int
    answer: str = ""
    """What the destination, or Hogline, said first."""


class RetriedView(Struct, frozen=True, kw_only=True):
    """What happened to retried failures."""

    begun_ms: int
    total: int
    delivered: int
    failed: int
    """Failures again."""
    filtered: int
    """Left out or held by now, by the connection's options."""
    left: int
    """Still to be sent."""


class RefusalView(Struct, frozen=True, kw_only=True):
    reason: str
    message: str
    field: str
    operation: object
    """The operation as sent; None if there was none."""


class FailureDetails(Struct, frozen=True, kw_only=True):
    """A failure in full."""

    failure: FailureView
    refusals: list[RefusalView]
    properties: dict[str, object]
    set: dict[str, object]
    timestamp_ms: int


class ReceivedEvent(Struct, frozen=True, kw_only=True):
    """An event as it was received."""

    position: int
    uuid: str
    event: str
    distinct_id: str
    timestamp_ms: int
    properties: dict[str, object]
    set: dict[str, object]


class LiveOperation(Struct, frozen=True):
    """An operation as it was sent."""

    action: str
    route: str
    body: object
    refused: str | None
    """The destination's reason; None: accepted."""


class LiveEvent(Struct, frozen=True, kw_only=True):
    """An event that was just processed."""

    number: int
    at_ms: int
    uuid: str
    event: str
    distinct_id: str
    timestamp_ms: int
    outcome: str
    """`delivered`, `filtered`, `held` or `failed`."""
    rule: str | None
    """Why it was filtered, held or rejected."""
    adjusted: list[str]
    properties: dict[str, object]
    set: dict[str, object]
    operations: list[LiveOperation]


class LiveEvents(Struct, frozen=True, kw_only=True):
    last: int
    """Pass it as `after` to get newer events."""
    skipped: int
    """Events not shown, because there were too many at the same time."""
    events: list[LiveEvent]


class LoggedEvent(Struct, frozen=True, kw_only=True):
    """What happened to one event at one connection."""

    connection: str
    position: int
    """Its number among all received events."""
    at_ms: int
    """When that was decided; 0: not yet."""
    outcome: str
    """`delivered`, `filtered`, `held`, `failed` or `pending`."""
    reason: str
    """Why it was filtered, held or failed."""
    event: str
    distinct_id: str
    uuid: str
    timestamp_ms: int
    received_ms: int


class LoggedEvents(Struct, frozen=True, kw_only=True):
    events: list[LoggedEvent]
    """Newest first."""
    before: int | None
    """Pass it as `before` to get older ones; None: these were the last."""


class EventAttempt(Struct, frozen=True, kw_only=True):
    """One time that an event was sent, or decided upon."""

    began_ms: int
    at_ms: int
    outcome: str
    reason: str
    operations: list[LiveOperation]


class LoggedEventDetails(Struct, frozen=True, kw_only=True):
    """One event: as it was received, and all that became of it."""

    event: LoggedEvent
    properties: dict[str, object]
    set: dict[str, object]
    attempts: list[EventAttempt]
    """Oldest first."""
    waits_for: str
    """Why nothing became of it yet, or of its next attempt; empty: it is done."""


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


class Difference(Struct, frozen=True):
    """Something that a destination does not have as Hogline believes it has."""

    person: str
    """The distinct_id that names them."""
    kind: Literal["missing", "email", "attribute"]
    """Missing: the customer does not exist."""
    name: str = ""
    """Of the attribute. Values are not shown."""


class Verified(Struct, frozen=True, kw_only=True):
    people: int
    """Compared."""
    unsettled: int
    """Not compared: changes are on their way, or they are not customers."""
    differences: list[Difference]
