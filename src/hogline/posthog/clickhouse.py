"""A row of the Kafka topic `clickhouse_events_json`, as a self-hosted PostHog writes it.

`properties` and `person_properties` are JSON text; times are UTC, as ClickHouse writes them.
"""

from __future__ import annotations

from hogline.model import Event
from hogline.posthog import exports
from hogline.posthog.received import Receipt


def read(value: dict[str, object], receipt: Receipt, reasons: list[str]) -> Event:
    """Raises `Unreadable`. `person_mode` `propertyless`: PostHog keeps no person for the event."""
    return exports.read_row(value, receipt, reasons, personless=value.get("person_mode") == "propertyless")
