"""The event that PostHog 1.30 and later hands to its apps, and posts as `{event}` from a webhook.

`$set` stands at its top and in its properties. PostHog has corrected the time already.
"""

from __future__ import annotations

from hogline.model import Event
from hogline.posthog.assemble import assemble, object_in, person_properties
from hogline.posthog.identity import id_text
from hogline.posthog.received import Receipt
from hogline.posthog.times import event_time


def read(value: dict[str, object], receipt: Receipt, reasons: list[str]) -> Event:
    """Raises `Unreadable`."""
    return assemble(
        value,
        object_in(value, "properties", reasons),
        receipt,
        reasons,
        name=value.get("event"),
        distinct_id=id_text(value.get("distinct_id"), reasons),
        timestamp_ms=event_time(value, receipt, reasons),
        person_properties=person_properties(value, reasons),
    )
