"""Every metric once: name, kind, labels, help. Import them from here, so that a misspelled name is a type error. Labels
are names of connections, reasons and statuses, never personal data.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Metric(Struct, frozen=True):
    name: str
    """With its unit; a counter without the `_total` that Prometheus adds."""
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """As it is scraped; for a histogram, its family."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


_OF_CONNECTION = ("connection",)
_BY_REASON = ("connection", "reason")

RECEIVED = Metric("hogline_received_events", "counter", "Events received for a connection.", _OF_CONNECTION)
DELIVERED = Metric("hogline_delivered_events", "counter", "Events that the destination fully accepted.", _OF_CONNECTION)
FILTERED = Metric("hogline_filtered_events", "counter", "Events that a rule kept from being sent.", _BY_REASON)
HELD = Metric("hogline_held_events", "gauge", "Events kept until their user qualifies.", _OF_CONNECTION)
FAILURES = Metric(
    "hogline_failures", "gauge", "Events that the destination rejected, not yet retried or discarded.", _BY_REASON
)
PENDING = Metric(
    "hogline_pending_events", "gauge", "Events that are not delivered yet (the lag in events).", _OF_CONNECTION
)
LAG = Metric("hogline_lag_seconds", "gauge", "Age of the oldest pending event; 0 if there is none.", _OF_CONNECTION)
REQUESTS = Metric("hogline_requests", "counter", "Requests sent to the destination.", _OF_CONNECTION)
RETRIES = Metric("hogline_retries", "counter", "Retried requests, by the response.", ("connection", "status"))
ADJUSTED = Metric(
    "hogline_adjusted_values", "counter", "Values in events that were shortened, left out or renamed.", _BY_REASON
)
REPLAYED = Metric(
    "hogline_replayed_events", "counter", "Events sent again by a replay, by result.", ("connection", "outcome")
)
STATE = Metric(
    "hogline_connection_state",
    "gauge",
    "1 for the connection's current state, 0 for the others.",
    ("connection", "state"),
)
REQUEST_TIME = Metric(
    "hogline_request_seconds",
    "histogram",
    "Time from sending a request to its complete answer or failure.",
    _OF_CONNECTION,
)
SOURCE_BEHIND = Metric("hogline_source_behind_records", "gauge", "Records in Kafka that are not read yet.", ("source",))
SOURCE_TROUBLE = Metric(
    "hogline_source_trouble_seconds", "gauge", "How long a source could not be read; 0 if it can.", ("source",)
)
REFUSED = Metric(
    "hogline_refused_events", "counter", "Events rejected on receipt, before any connection got them.", ("reason",)
)
DISK = Metric("hogline_disk_bytes", "gauge", "Size of the data directory's databases on disk.", ("store",))
STATUS_AGE = Metric("hogline_status_age_seconds", "gauge", "Age of the figures above; grows while they cannot be read.")
INFO = Metric("hogline_info", "gauge", "Always 1; the label says which version is running.", ("version",))

METRICS = (
    RECEIVED, DELIVERED, FILTERED, HELD, FAILURES, PENDING, LAG, REQUESTS, RETRIES, ADJUSTED, REPLAYED, STATE,
    REQUEST_TIME, SOURCE_BEHIND, SOURCE_TROUBLE, REFUSED, DISK, STATUS_AGE, INFO,
)  # fmt: skip

STATES = ("delivering", "retrying", "stopped", "paused", "not_running")
"""All states of a connection (`views.ConnectionStatus.state`)."""
