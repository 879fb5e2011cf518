"""What Hogline answers to its users: the shapes of `--json`, of the control socket and of the pages."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from hogline.model import Kind


class ConnectionStatus(Struct, frozen=True, kw_only=True):
    """A connection and what became of its events: received = delivered + filtered + held + dead letters +
    pending, exactly.
    """

    name: str
    destination: str
    enabled: bool
    state: str
    """`delivering`; `waiting` (for the destination or the disk, goes on by itself); `stopped` (somebody has to do
    something); `disabled`; `not_serving` (no `hogline serve` runs).
    """
    reason: str | None
    received: int
    delivered: int
    filtered: dict[str, int]
    held: int
    dead_letters: dict[str, int]
    pending: int
    requests: int
    adjusted: dict[str, int]
    """Places in events that were cut, left out or renamed, by reason."""
    retries: dict[str, int]
    """Requests that had to be sent again, by status."""
    replayed: dict[str, int]
    """What became of replayed events; they were counted above when they came."""
    lag_s: float
    """How long the oldest pending event waits."""
    hints: list[str] = field(default_factory=list)
    """What seems to be set up wrongly, in sentences; nothing is stopped by it."""


class Status(Struct, frozen=True, kw_only=True):
    connections: list[ConnectionStatus]
    refused: dict[str, int]
    """Events that were refused at the door, by reason: no connection ever received them."""


class ConnectionView(Struct, frozen=True, kw_only=True):
    """A connection as it may be shown: secrets are left out."""

    name: str
    destination: str
    enabled: bool
    state: str
    reason: str | None
    options: dict[str, object]


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
    """The project's own keys at PostHog, under which events are taken too."""


class CustomerView(Struct, frozen=True):
    """As whom a destination knows somebody."""

    kind: Kind
    value: str


class PersonView(Struct, frozen=True, kw_only=True):
    connection: str
    distinct_id: str
    email: str | None
    identified: bool
    customer: CustomerView | None
    """As whom the destination knows them; None: not sent."""
    not_sent: str | None
    """Why they are no customer; None if they are one."""
    attributes: dict[str, object]
    unsent: list[str]
    refused: list[str]
    left_out: list[str]
    """Attributes that the connection's options leave out, or that the destination does not take."""
    email_not_sent: str | None = None
    """Why the destination does not have this email: `email_taken`, `email_on_other_customer`, `email_change_not_sent`;
    None if it has, or is told it yet."""
    joined_into: str | None = None
    """The person whom PostHog joined this id into: what comes under it is theirs."""
    became: str | None = None
    """Of somebody who was joined: what became of the customer that they were: `merged`, `merge waits`, `not merged`."""
    to_merge: list[CustomerView] = field(default_factory=list)
    """Customers that are to be merged into theirs."""
    merged: list[CustomerView] = field(default_factory=list)


class PersonEvent(Struct, frozen=True, kw_only=True):
    """One of somebody's last events."""

    position: int
    event: str | None
    """None: it is not kept any more."""
    uuid: str | None
    timestamp_ms: int | None
    outcome: str
    """`delivered`, or why not."""


class PersonDetails(Struct, frozen=True, kw_only=True):
    """Somebody, whole: what PostHog says of them, and what became of it at the destination."""

    person: PersonView
    joined: list[PersonView]
    """Who was joined into them, at most 100."""
    relationships: list[str]
    anonymous_ids: list[str]
    recent: list[PersonEvent]
    """Their last events, newest first."""
    held: int


class SomebodyView(Struct, frozen=True, kw_only=True):
    """A person, by all that identifies them."""

    distinct_id: str
    """One of the ids: the one that others were joined into, if any were."""
    ids: list[str]
    emails: list[str]


class ForgottenAt(Struct, frozen=True, kw_only=True):
    """What was removed of somebody for one connection."""

    connection: str
    destination: str
    customers: int
    """Deleted at the destination, which confirmed each."""
    people: int
    """Ids under which they were remembered here."""
    held: int
    failures: int
    not_reached: str
    """Why the destination may still know them, and what to do; blank: it does not."""


class ForgottenView(Struct, frozen=True, kw_only=True):
    """What was removed of somebody, and what was not."""

    customers: int
    """At all destinations."""
    ids: int
    """That are one person."""
    people: int
    """Ids, counted at each connection."""
    held: int
    failures: int
    events: int
    """In the journal."""
    connections: list[ForgottenAt]
    names_removed: int
    """Events of other people that asked for a join with them: they stay without their id."""
    mentions: int
    """Events of other people that have one of their ids in another property: they stay as they are."""
    suppressed: bool
    cleaned_later: list[str]
    """Files with traces that another program is reading just now: they are overwritten as soon as it has ended."""
    still_named_in: list[str]
    """Other files in the data directory, not made by Hogline, that name them."""


class FailureView(Struct, frozen=True, kw_only=True):
    """A dead letter."""

    connection: str
    id: int
    reason: str
    event: str
    distinct_id: str
    uuid: str
    at_ms: int


class RefusalView(Struct, frozen=True, kw_only=True):
    reason: str
    message: str
    field: str
    operation: object
    """As it was sent; None if there could be none."""


class FailureDetails(Struct, frozen=True, kw_only=True):
    """A dead letter, whole."""

    failure: FailureView
    refusals: list[RefusalView]
    properties: dict[str, object]
    set: dict[str, object]
    timestamp_ms: int


class BadLine(Struct, frozen=True):
    number: int
    sentence: str


class Delivery(Struct, frozen=True, kw_only=True):
    """What became of one `send` at one connection."""

    connection: str
    events: int
    delivered: int
    filtered: dict[str, int]
    held: int
    dead_letters: dict[str, int]
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
    operations: list[OperationView] = field(default_factory=list)
    refused: str | None = None


class JoinedView(Struct, frozen=True):
    """Two ids that are one person from now on."""

    distinct_id: str
    """Who became part of the other."""
    into: str


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
    """An event that was just settled."""

    number: int
    at_ms: int
    uuid: str
    event: str
    distinct_id: str
    timestamp_ms: int
    outcome: str
    """`delivered`, `filtered`, `held` or `dead_letter`."""
    rule: str | None
    """Why it was filtered, held or refused."""
    adjusted: list[str]
    properties: dict[str, object]
    set: dict[str, object]
    operations: list[LiveOperation]


class LiveEvents(Struct, frozen=True, kw_only=True):
    last: int
    """Ask for what comes behind this number."""
    skipped: int
    """Events so far that were not shown, because too many came at once."""
    events: list[LiveEvent]


class PreviewedEvent(Struct, frozen=True, kw_only=True):
    """What one event would come to at one connection."""

    connection: str
    line: int
    event: str
    distinct_id: str
    uuid: str
    person: str = ""
    """The distinct_id of the person whose event it is, after all joins so far."""
    joined: JoinedView | None = None
    released: list[ReleasedEvent] = field(default_factory=list)
    """Held events that it sets free, in their order: they go before it."""
    operations: list[OperationView] = field(default_factory=list)
    filtered: str | None = None
    held: bool = False
    """It is filtered, but kept and sent once its user qualifies."""
    refused: str | None = None
    adjusted: list[str] = field(default_factory=list)
    follows: list[OperationView] = field(default_factory=list)
    """What has to wait for a pause after it: merges, and what they leave to be told."""


class ChoiceForecast(Struct, frozen=True, kw_only=True):
    """What a file of events would come to under one choice of whom to send. Every event is counted once: delivered,
    filtered, held or dead letter.
    """

    choice: str
    title: str
    customers: int
    """That would be created. Customer.io bills the highest number of a period, and merged ones count in it."""
    customers_left: int
    """Of these, after merges."""
    people: int
    """That would be remembered; somebody with several ids is one."""
    delivered: int
    anonymous: int
    """Of the delivered events, those that are sent without making a customer."""
    filtered: dict[str, int]
    held: int
    """That wait in the end for a user who does not qualify yet. A forecast holds at most 100 MB of them."""
    dead_letters: dict[str, int]
    adjusted: dict[str, int]
    requests: int
    """If the events came at once, as from a file; live traffic takes more."""


class ForecastView(Struct, frozen=True, kw_only=True):
    connection: str | None
    """Whose other options it was made with; None: the defaults."""
    now: str | None
    """The choice of that connection."""
    events: int
    choices: list[ChoiceForecast]


class FindingView(Struct, frozen=True):
    """One thing that `hogline doctor` looked at."""

    subject: str
    level: Literal["ok", "warning", "problem"]
    sentence: str
    to_do: str = ""
    """Empty: nothing has to be done."""


class PostHogView(Struct, frozen=True, kw_only=True):
    """The webhook destination in PostHog that sends events here."""

    url: str
    enabled: bool
    state: str
    """healthy, degraded or disabled, by PostHog's own watching; empty: it does not say."""
    arrived: bool = False
    """A test event went through it and arrived."""
    problem: str = ""
    """Why it did not, and what to do."""
    totals: dict[str, int] = {}
    """Events of the last seven days by outcome, in PostHog's words."""
    errors: list[str] = []
