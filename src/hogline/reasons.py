"""What the reasons mean that events are filtered, held or refused by, and what to do about them: sentences for pages
and commands. `docs/behaviour.md` has the same in its tables. Knows only words.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class Reason(Struct, frozen=True):
    """A reason in words."""

    means: str
    to_do: str = ""
    """Empty: nothing has to be done."""


FILTERED: Mapping[str, Reason] = {
    "not_identified": Reason(
        "This connection only sends users that have been identified, and this one is not yet.",
        "What is known of them is kept and sent once they are.",
    ),
    "no_email": Reason(
        "This connection only sends users with emails, and none is known of this one.",
        "What is known of them is kept and sent once there is one.",
    ),
    "not_in_allowlist": Reason(
        "The event allowlist does not name this event.", "What it taught about its user may still have been sent."
    ),
    "not_for_engage": Reason("Engage takes your own events and those that say something about people, not this one."),
    "nothing_to_send": Reason("Such an event is only applied, not sent, and it changed nothing."),
    "cookieless": Reason("A cookieless visitor is somebody new every day and never becomes a customer."),
    "snapshot": Reason("It is a session recording, not an event."),
    "posthog_internal": Reason("PostHog uses it for its own features and does not count it as an event."),
    "anonymous": Reason("They are not identified: their events are sent as anonymous events, without a customer."),
    "suppressed": Reason("They were forgotten and suppressed: nothing of theirs is sent any more."),
    "forgotten": Reason("Its user was forgotten."),
    "failure_expired": Reason("It was a failure, and nobody retried it in time."),
    "discarded": Reason("It was a failure, and somebody discarded it."),
    "hold_expired": Reason("It was held, and its user did not qualify in time."),
    "hold_full": Reason("It was held, and given up because held events took too much room."),
    "hold_too_many": Reason("It was held, and given up for newer events of the same user."),
}

REFUSED: Mapping[str, Reason] = {
    "event_too_large": Reason(
        "The event is larger than Customer.io takes: more than 100,000 bytes of data, or more than 32,000 under an"
        " identifier that only a batch can carry.",
        "Send less with this event. Trying again changes nothing: discard it.",
    ),
    "identifier_too_long": Reason(
        "An identifier is over 150 bytes, more than Customer.io takes.",
        "Identify this user, or this group, by something shorter. Trying again changes nothing: discard it.",
    ),
    "event_name_blank": Reason(
        "The event has no name.", "Correct its sender. Trying again changes nothing: discard it."
    ),
    "internal_error": Reason(
        "Hogline failed over this event; the log names its uuid.",
        "Please report it. Retry it with a version in which this is mended.",
    ),
}

_BY_STATUS = Reason(
    "The destination refused it and gave no reason of its own.",
    "Look at one: the answer stands there. Correct the cause, then retry.",
)
_THE_DESTINATIONS = Reason(
    "This reason is the destination's own.", "Look at one: the answer stands there. Correct the cause, then retry."
)


EMAIL_UNDER = "email_under:"
"""Before the name of a person property that holds what looks like an email."""


def email_hint(connection: str, adjusted: Mapping[str, int], email_property: str) -> str | None:
    """That the email seems to stand under another name than the option says; None if it does not."""
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
        f"People without an email have what looks like one under another name: {listed}. If that is their email, run "
        f"`hogline configure {connection} --email-property '{names[0]}'`."
    )


def why_not_sent(reason: str) -> str:
    """Why an event or a person is not sent, in a sentence; the reason itself, if it has none."""
    known = FILTERED.get(reason) or REFUSED.get(reason)
    return known.means if known else reason


def why_refused(reason: str) -> Reason:
    """What a failure's reason means."""
    return REFUSED.get(reason) or (_BY_STATUS if reason.startswith("refused_") else _THE_DESTINATIONS)


PRIVATE_MEANS = "Keep it secret: whoever has it can send events as anybody, merge people and change every attribute."
PUBLIC_MEANS = (
    "Anyone can read it there. A stranger can use it to send events as any user and to set their attributes, but not to"
    " call the webhook or to merge two identified people."
)
"""What a token lets its holder do, wherever tokens are shown."""
