"""Why an event can never be sent to Customer.io, known in advance, and what is changed to keep within its limits."""

from __future__ import annotations

from collections.abc import Mapping

from hogline.destinations.base import Reason

REASONS: Mapping[str, Reason] = {
    "event_name_cut": Reason("The event's name was over 100 bytes and was cut."),
    "attribute_cut": Reason("A text attribute was over 1,000 bytes and was cut."),
    "attribute_too_large": Reason("A nested attribute was over 1,000 bytes and was left out."),
    "attribute_name_too_long": Reason("An attribute with a name over 150 bytes was left out."),
    "attribute_name_blank": Reason("An attribute with a blank name was left out."),
    "property_renamed": Reason(
        "A property that could redirect mail was sent under another name, which begins with `posthog_`."
    ),
    "event_too_large": Reason(
        "The event is too large for Customer.io: the limit is 100,000 bytes of data, or 32,000 for an identifier that"
        " can only be sent in a batch.",
        "Send less data with this event. A retry will not help, so discard it.",
        retry_helps=False,
    ),
    "identifier_too_long": Reason(
        "An identifier is longer than Customer.io's limit of 150 bytes.",
        "Use a shorter id for this person or group. A retry will not help, so discard it.",
        retry_helps=False,
    ),
    "distinct_id_taken": Reason(
        "Another person's customer has this distinct_id as its id, because of a person property.",
        "Merge the two people in PostHog, or correct the property and forget the other person. Then retry.",
    ),
    "event_name_blank": Reason(
        "The event has no name.",
        "Fix the code that sends it. A retry will not help, so discard it.",
        retry_helps=False,
    ),
}
