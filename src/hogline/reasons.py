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
