"""The body of PostHog's HTTP Webhook destination: `{"event": {...}, "person": {...}}`.

PostHog has corrected the time already.
"""

from __future__ import annotations

from hogline.model import Event
from hogline.posthog.assemble import assemble, object_in
from hogline.posthog.identity import id_text
from hogline.posthog.received import Receipt
from hogline.posthog.times import event_time


def read(value: dict[str, object], receipt: Receipt, reasons: list[str]) -> Event:
    """Raises `Unreadable`. `groups`, `project` and `source`, if the user added them, are not read."""
    outer = object_in(value, "event", reasons)
    person = object_in(value, "person", reasons)
    return assemble(
        outer,
        object_in(outer, "properties", reasons),
        receipt,
        reasons,
        name=outer.get("event"),
        distinct_id=id_text(outer.get("distinct_id"), reasons),
        timestamp_ms=event_time(outer.get("timestamp"), receipt.received_ms, reasons),
        person_properties=object_in(person, "properties", reasons),
    )
