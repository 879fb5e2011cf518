"""The body of PostHog's HTTP Webhook destination: `{"event": {...}, "person": {...}}`.

PostHog has corrected the time already. The user may edit the body there; what they put into quotes arrives as JSON
text.
"""

from __future__ import annotations

from hogline.model import Event
from hogline.posthog.assemble import assemble, object_in, object_or_text_in, person_properties
from hogline.posthog.identity import id_text
from hogline.posthog.received import Receipt
from hogline.posthog.times import event_time


def read(value: dict[str, object], receipt: Receipt, reasons: list[str]) -> Event:
    """Raises `Unreadable`. `groups`, `project` and `source`, if the user added them, are not read."""
    outer = object_in(value, "event", reasons)
    return assemble(
        outer,
        object_or_text_in(outer, "properties", reasons),
        receipt,
        reasons,
        name=outer.get("event"),
        distinct_id=id_text(outer.get("distinct_id"), reasons),
        timestamp_ms=event_time(outer, receipt, reasons),
        person_properties=person_properties(value, reasons),
    )
