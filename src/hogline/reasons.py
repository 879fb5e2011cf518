"""Words for pages and commands: what each state means, why an event is filtered, held or a failure, and what to do.
`docs/behaviour.md` has the same reasons in its tables. A destination declares its own reasons (`Destination.reasons`).
"""

from __future__ import annotations

from collections.abc import Mapping

from hogline.destinations.base import Reason
from hogline.destinations.catalogue import DESTINATIONS

FILTERED: Mapping[str, Reason] = {
    "not_identified": Reason(
        "This connection only sends identified people, and this person is not identified yet.",
        "Hogline keeps what it learned and sends it once they are.",
    ),
    "no_email": Reason(
        "This connection only sends people with an email, and this person has none yet.",
        "Hogline keeps what it learned and sends it once there is one.",
    ),
    "not_in_allowlist": Reason(
        "The option Events leaves this event out.", "Attributes it set may still have been sent."
    ),
    "ignored": Reason("This event meets a condition of the option Ignore events when."),
    "nothing_to_send": Reason("This kind of event only updates the person, and nothing changed."),
    "cookieless": Reason("Cookieless visitors get a new id every day, so they never become customers."),
    "snapshot": Reason("This is a session recording, not an event."),
    "posthog_internal": Reason("PostHog uses this event internally and does not count it."),
    "anonymous": Reason("This person is not identified. Their events are sent as anonymous events, without a profile."),
    "other_connection": Reason("This is an older event from a backfill for another connection."),
    "suppressed": Reason("This person was forgotten and suppressed. Nothing is sent."),
    "deleted": Reason(
        "A later event deleted this customer (option Delete on). An older event does not bring them back."
    ),
    "skipped": Reason("You resumed this connection without the events that were waiting."),
    "backlog_dropped": Reason(
        "It waited for this connection while that was paused or stopped, until too many events did"
        " (HOGLINE_PAUSED_MAX_BYTES)."
    ),
    "forgotten": Reason("The person was forgotten."),
    "failure_expired": Reason("The failure expired before it was retried."),
    "discarded": Reason("The failure was discarded."),
    "hold_expired": Reason("The event was held, but the person did not qualify in time."),
    "hold_full": Reason("The event was held, but dropped because held events took too much space."),
    "hold_too_many": Reason("The event was held, but dropped in favor of newer events of the same person."),
}

REFUSED: Mapping[str, Reason] = {
    "internal_error": Reason(
        "Internal error. The log has the event's uuid.",
        "Please report this bug. Retry after upgrading to a version that fixes it.",
    ),
}

ADJUSTED: Mapping[str, Reason] = {
    "integer_as_text": Reason("An integer beyond 64 bits was sent as text."),
    "lone_surrogate_replaced": Reason("A character that is not valid was replaced by U+FFFD."),
    "nul_removed": Reason("A NUL character was removed."),
    "not_a_number": Reason("NaN or infinity became null in event data, and was left out of attributes."),
    "timestamp_unreadable": Reason("The timestamp could not be read. The time of receipt was used."),
    "timestamp_ahead": Reason("The timestamp was more than 23 hours in the future. The time of receipt was used."),
    "uuid_derived": Reason("The uuid was not a UUID. One was derived from it, always the same."),
    "uuid_reused": Reason("The uuid came before with another event name or distinct_id. A different one was derived."),
    "uuid_missing": Reason("The uuid was blank or nil. The event got a new one."),
    "repeated": Reason("The event came before. It was sent again under the same id, which the destination ignores."),
    "distinct_id_as_text": Reason("An id that was not text was converted to text, as PostHog does."),
    "distinct_id_cut": Reason("A distinct_id over 200 characters was cut, as PostHog does."),
    "set_not_an_object": Reason("$set was not an object and was treated as missing."),
    "set_once_not_an_object": Reason("$set_once was not an object and was treated as missing."),
    "unset_not_a_list": Reason("$unset was neither a list nor an object of names and was treated as missing."),
    "unset_name_not_text": Reason("A name in $unset was not text and was treated as missing."),
    "properties_not_an_object": Reason("`properties` was not an object and was treated as missing."),
    "person_not_an_object": Reason("`person` was not an object and was treated as missing."),
    "person_properties_not_an_object": Reason("`person_properties` was not an object and was treated as missing."),
    "options_not_an_object": Reason("`options` was not an object and was treated as missing."),
    "event_not_an_object": Reason("`event` was not an object and was treated as missing."),
    "reserved_attribute": Reason("An attribute with a reserved name was left out."),
    "invalid_email": Reason("An email that is not an email address was left out."),
    "email_protected": Reason("Another email, or none, came with the public token. The known email stays."),
    "merge_from_public_token": Reason("A merge of two identified people came with the public token. It was ignored."),
    "removal_from_public_token": Reason("A removal came with the public token. It was ignored."),
    "set_missing": Reason("An event that should change a person came without $set. Only the person's email was used."),
    "join_refused": Reason("PostHog does not merge these two people, so Hogline does not either."),
    "merged_dangerously": Reason("Two identified people were merged by $merge_dangerously."),
    "merge_refused": Reason("The destination rejected a merge. Hogline does not try it again."),
    "identify_refused": Reason("The destination rejected an identify that followed a merge."),
    "email_change_not_sent": Reason("The customer is only known by another email, which cannot be changed."),
    "id_change_not_sent": Reason("The customer already has another id, which stays."),
    "id_taken": Reason("Another person's customer has this id, so the customer keeps their distinct_id as the id."),
    "email_taken": Reason("Another person's customer has this email, so it was not sent."),
    "email_on_other_customer": Reason("Another customer of the same person has this email until the two are merged."),
    "too_many_attributes": Reason("The person has more than 300 attributes. The rest was left out."),
}
"""What was changed, left out or noticed while the event was still sent."""

REJECTED: Mapping[str, Reason] = {
    "empty": Reason("There was nothing to read."),
    "not_json": Reason("It was not JSON, and not an encoding that could contain JSON."),
    "not_gzip": Reason("The compressed data was damaged or truncated."),
    "not_lz64": Reason("The compressed data was damaged or truncated."),
    "too_deep": Reason("The JSON was nested over 100 levels."),
    "too_large": Reason("The body was too large once decompressed."),
    "too_many_values": Reason("The JSON had too many values."),
    "event_over_1_mb": Reason("One event was over 1,000,000 bytes, or had more than 50,000 values."),
    "unknown_token": Reason("The token was missing or unknown."),
    "too_many_events": Reason("The request had over 10,000 events."),
    "empty_batch": Reason("The batch had no events."),
    "not_an_event": Reason("It was not a JSON object, or a batch inside a batch."),
    "template_not_filled": Reason("A webhook's body still had {event} in it, because PostHog had not filled it in."),
    "event_without_name": Reason("`event` was missing, blank or not text."),
    "distinct_id_missing": Reason("`distinct_id` was missing or blank."),
    "timestamp_missing": Reason("An event in a file had no timestamp."),
    "timestamp_unreadable": Reason("An event in a file had a timestamp that could not be read."),
    "properties_unreadable": Reason("The column `properties` did not hold JSON text."),
    "person_properties_unreadable": Reason("The column `person_properties` did not hold JSON text."),
    "unreadable": Reason("It could not be read, such as events of several projects in one request."),
    "suppressed": Reason("The person is suppressed. The sender does not learn about it."),
}
"""Why something was rejected on receipt. No connection ever gets it."""

_BY_STATUS = Reason(
    "The destination rejected the event without giving a reason.",
    "Open a failure to see the response. Fix the cause, then retry.",
)
_THE_DESTINATIONS = Reason(
    "The destination gave this reason.", "Open a failure to see the response. Fix the cause, then retry."
)


EMAIL_UNDER = "email_under:"
"""Before the name of a person property that holds what looks like an email."""


def email_hint(connection: str, adjusted: Mapping[str, int], email_property: str) -> str | None:
    """A hint if emails seem to be in another property than the option says; None if not."""
    found = {
        reason.removeprefix(EMAIL_UNDER): events
        for reason, events in adjusted.items()
        if reason.startswith(EMAIL_UNDER) and reason != EMAIL_UNDER + email_property
    }
    if not found:
        return None
    names = sorted(found, key=lambda name: -found[name])
    listed = ", ".join(f"{name} ({found[name]:,} event{'s' * (found[name] != 1)})" for name in names)
    return (
        f"Some people have no email, but another property looks like one: {listed}. If that is their email, run "
        f"`hogline configure {connection} --email-property '{names[0]}'`."
    )


def person_hint(connection: str, adjusted: Mapping[str, int]) -> str | None:
    """A hint if events that are to change people carry no `$set`."""
    events = adjusted.get("set_missing", 0)
    if not events:
        return None
    return (
        f"{events:,} event{'s' * (events != 1)} that should change a person came without $set, but with the person."
        f" To send the person's properties, run `hogline configure {connection} --attributes-from person`."
    )


NO_PERSON = "no_person:"
"""Before an id that stands for nobody in particular."""

NAMING = (EMAIL_UNDER, NO_PERSON)
"""Adjustments that end with the name of what was found."""


def nobody_hint(adjusted: Mapping[str, int]) -> str | None:
    """A hint if events come under an id that is a constant, not a user's."""
    found = {
        reason.removeprefix(NO_PERSON): events for reason, events in adjusted.items() if reason.startswith(NO_PERSON)
    }
    if not found:
        return None
    listed = ", ".join(f"{name} ({found[name]:,} event{'s' * (found[name] != 1)})" for name in sorted(found))
    return (
        f"Events come under an id that stands for no person: {listed}. Such an id becomes one customer for all. Choose"
        " --anonymous-users identified or emails, or add `or distinct_id exact …` to --ignore-when."
    )


def _of_destinations(reason: str) -> Reason | None:
    """What a destination's reason means. Two destinations of one word mean the same by it."""
    return next((each.reasons[reason] for each in DESTINATIONS.values() if reason in each.reasons), None)


def why_not_sent(reason: str) -> str:
    """Why an event or a person is not sent, in a sentence; the reason itself if it is not known."""
    known = FILTERED.get(reason) or REFUSED.get(reason) or _of_destinations(reason)
    return known.means if known else reason


_WHEN_IT_CAME: Mapping[str, str] = {
    "not_identified": "This connection only sends identified people, and this person was not identified when the event"
    " came.",
    "no_email": "This connection only sends people with an email, and this person had none when the event came.",
    "anonymous": "This person was not identified when the event came. It was sent as an anonymous event.",
}


def why_event_not_sent(reason: str) -> str:
    """Why an event was not sent, in a sentence: as it was when it came. The person may qualify by now."""
    return _WHEN_IT_CAME.get(reason) or why_not_sent(reason)


def why_sent_again(answer: str) -> str:
    """Why an event had to be sent again, in a sentence. `answer`: a status, or `unreachable`."""
    return "No response." if answer == "unreachable" else f"The response was {answer}."


def why_adjusted(reason: str) -> str:
    """What was changed, in a sentence; empty if it is not known."""
    known = ADJUSTED.get(reason) or _of_destinations(reason)
    return known.means if known else ""


def why_refused(reason: str) -> Reason:
    """What a failure's reason means."""
    declared = REFUSED.get(reason) or _of_destinations(reason)
    return declared or (_BY_STATUS if reason.startswith("refused_") else _THE_DESTINATIONS)


PRIVATE_MEANS = (
    "Keep it secret. Anyone who has it can send events as any person, merge people and change every attribute."
)
PUBLIC_MEANS = (
    "Anyone can read it there. With it, a stranger can send events and set attributes for any person, but cannot call"
    " the webhook or merge two identified people."
)
"""What you can do with a token; shown wherever tokens are.
"""

STATES: Mapping[str, str] = {
    "delivering": "Delivering",
    "retrying": "Retrying",
    "stopped": "Stopped",
    "paused": "Paused",
    "not_running": "Not running",
}
"""A connection's states, as people read them."""

SENDING_STATES = frozenset({"delivering", "retrying"})
"""In these, what is pending goes on without you."""


def state_word(state: str) -> str:
    """The word for a state within a sentence or a table."""
    return STATES[state].lower()
