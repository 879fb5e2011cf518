"""What Hogline answers about events: failures and the event log."""

from __future__ import annotations

from msgspec import Struct


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


class SentOperation(Struct, frozen=True):
    """An operation as it was sent."""

    action: str
    route: str
    body: object
    refused: str | None
    """The destination's reason; None: accepted."""


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
    trouble: str = ""
    """Why results of the newest events are missing, in a sentence; empty: none are."""


class EventRetry(Struct, frozen=True):
    """One failed try to send an event."""

    at_ms: int
    answer: str
    """The status, or `unreachable`."""


class EventAttempt(Struct, frozen=True, kw_only=True):
    """One time that an event was sent, or decided upon."""

    began_ms: int
    at_ms: int
    outcome: str
    reason: str
    adjusted: list[str]
    """What was changed of it before it was sent."""
    operations: list[SentOperation]
    retries: list[EventRetry]
    """Failed tries before that, at most the last 20."""


class LoggedEventDetails(Struct, frozen=True, kw_only=True):
    """One event: as it was received, and all that became of it."""

    event: LoggedEvent
    properties: dict[str, object]
    set: dict[str, object]
    attempts: list[EventAttempt]
    """Oldest first."""
    waits_for: str
    """Why nothing became of it yet; empty: something did."""
    retries: list[EventRetry] = []
    """While it is pending: its failed tries so far."""
    next_try_ms: int | None = None
    """While it is pending: when it is sent again; None: that is not known, or nothing keeps it from being sent."""


class NewestEvents(Struct, frozen=True, kw_only=True):
    events: list[LoggedEventDetails]
    """Newest first."""
    trouble: str
    """As in `LoggedEvents`."""
