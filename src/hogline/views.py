"""What Hogline answers to its users: the shapes of `--json`, of the control socket and of the pages."""

from __future__ import annotations

from msgspec import Struct, field

from hogline.model import Identifier


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
    webhook_url: str
    older: list[str] = field(default_factory=list)
    """Tokens that are still valid until they are revoked."""


class PersonView(Struct, frozen=True, kw_only=True):
    connection: str
    distinct_id: str
    email: str | None
    identified: bool
    customer: Identifier | None
    """As whom the destination knows them; None: not sent."""
    not_sent: str | None
    """Why they are no customer; None if they are one."""
    attributes: dict[str, object]
    unsent: list[str]
    refused: list[str]
    first_seen_ms: int
    last_seen_ms: int


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
    dead_letters: dict[str, int]
    pending: int
    state: str
    reason: str | None


class OperationView(Struct, frozen=True):
    action: str
    route: str
    body: object


class PreviewedEvent(Struct, frozen=True, kw_only=True):
    """What one event would come to at one connection."""

    connection: str
    line: int
    event: str
    distinct_id: str
    uuid: str
    operations: list[OperationView] = field(default_factory=list)
    filtered: str | None = None
    refused: str | None = None
    adjusted: list[str] = field(default_factory=list)
