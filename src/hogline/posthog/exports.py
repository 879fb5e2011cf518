"""A row of PostHog's batch exports: JSON lines with nested objects, or Parquet's columns of JSON text.

New columns may come: what is not known is not read.
"""

from __future__ import annotations

from hogline.model import Event
from hogline.posthog.assemble import assemble, object_or_text_in
from hogline.posthog.identity import id_text
from hogline.posthog.received import Receipt
from hogline.posthog.times import event_time


def read(value: dict[str, object], receipt: Receipt, reasons: list[str]) -> Event:
    """Raises `Unreadable`."""
    return read_row(value, receipt, reasons, personless=False)


def read_row(value: dict[str, object], receipt: Receipt, reasons: list[str], *, personless: bool) -> Event:
    """An event whose columns stand side by side, in an export or in Kafka."""
    return assemble(
        value,
        object_or_text_in(value, "properties", reasons),
        receipt,
        reasons,
        name=value.get("event"),
        distinct_id=id_text(value.get("distinct_id"), reasons),
        timestamp_ms=event_time(value, receipt, reasons),
        person_properties=object_or_text_in(value, "person_properties", reasons),
        personless=personless,
    )
