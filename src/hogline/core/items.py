"""What a shipment is made of: the items that go into it, and the effect of each operation that comes out."""

from __future__ import annotations

from enum import Enum
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from hogline.core.share import Wait
from hogline.core.told import Mark
from hogline.model import Identifier, Operation, Refusal
from hogline.posthog.entry import Entry

TOO_LONG = Refusal(
    "identifier_too_long", "The distinct_id is too long for the destination, and the person has no email."
)
DISTINCT_ID_TAKEN = Refusal("distinct_id_taken", "Another person's customer has this distinct_id as its id.")
OVERLOADED = Refusal("internal_error", "Internal error while planning this event.")


class Origin(Enum):
    """Why something is on its way."""

    JOURNAL = "journal"
    """It was received and is not settled."""
    RETRY = "retry"
    """It was a failure, and someone retried it."""
    REPLAY = "replay"
    """It was settled, and someone replayed it."""
    HELD = "held"
    """It was held and its user qualifies now. It goes with the event that shows this."""
    DUE = "due"
    """Not an event: a pause is over."""
    RELEASE = "release"
    """Not an event: options changed, and held events may go."""
    AGAIN = "again"
    """Not an event: someone resent the person."""
    FREED = "freed"
    """Not an event: the email that is known of them may be theirs now."""


ELSEWHERE = "other_connection"
"""Why an older event that was brought in for another connection is not sent."""


class Join(Struct, frozen=True, gc=False):
    """Two people whom an event wants to be one, as they are before it."""

    other: str
    """The event's other id."""
    mine: str
    """Whose its distinct_id is."""
    theirs: str
    """Whose the other id is."""
    refused: bool
    """PostHog keeps them apart."""


class Item(Struct, gc=False):
    """One thing in a shipment, and its result."""

    origin: Origin
    position: int
    """0: not an event."""
    who: str
    """The event's distinct_id; otherwise the person."""
    entry: Entry | None
    size_bytes: int = 0
    """The event's size in the journal, which measures memory."""
    lane: int = -1
    name_checksum: int = 0
    """Of the event's name; 0: not made yet. The event log takes both from here, since later everything about an event
    has left the processor's caches."""
    who_checksum: int = 0
    """Of `who`."""
    waits: tuple[int, ...] = ()
    """Lanes that must have nothing earlier left, because one of the joined ids comes from there."""
    far: tuple[Wait, ...] = ()
    """What other processes' lanes must have reached, for the same reason."""
    people: tuple[str, ...] = ()
    """The people it is about, its owner first. They are in one shipment at a time."""
    join: Join | None = None
    again: frozenset[str] = frozenset()
    """For a failure: attributes that were rejected and may be sent again."""

    # what planning made of it
    person: str = ""
    filtered: str | None = None
    """Why the event is not sent. Operations may still contain what it taught."""
    held: bool = False
    refusals: tuple[Refusal, ...] = ()
    """What can never be accepted."""
    adjusted: tuple[str, ...] = ()
    """What was shortened, left out or renamed, one entry for each place, as reasons to count by."""


class Effect(Struct, gc=False):
    """What is true once an operation is accepted."""

    person: str
    customer: Identifier | None
    """The key of the customer; None: no one's."""
    item: Item | None
    """Whose result a refusal decides; None: no event's."""
    kind: Literal["identify", "event", "anonymous", "merge", "group", "remove"] = "event"
    names: dict[str, Mark] = {}
    said_s: int = 0
    email: str | None = None
    """Links this email, in lowercase, to the customer's id."""
    unlinks: tuple[str, ...] = ()
    """Emails that the customer loses by it, if it had them."""
    anonymous: str | None = None
    merged: Identifier | None = None
    """The key of the customer that is merged into another."""
    objects: tuple[str, ...] = ()
    suppresses: bool = False
    """For a customer that is removed: they cannot come back."""
    uncertain: bool = False
    """An earlier request may already have done it, so a refusal proves nothing."""

    def of(self, names: set[str]) -> Effect:
        """The effect of a part of an identify that only has these attributes."""
        email = "email" in names
        return replace(
            self,
            names={name: mark for name, mark in self.names.items() if name in names},
            email=self.email if email else None,
            unlinks=self.unlinks if email else (),
            anonymous=self.anonymous if "anonymous_id" in names else None,
        )


Parts: TypeAlias = tuple[tuple[Operation, Refusal | None], ...]
"""What a rejected operation was divided into, with the outcome of each part."""
OperationOutcome: TypeAlias = Refusal | Parts | None
"""None: accepted."""


def without_lessons(entry: Entry) -> Entry:
    """A held event: what it taught was learned when it arrived."""
    return replace(entry, said=None, repaired=())
