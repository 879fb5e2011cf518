"""What a shipment is made of: items that go into it, and the effect of each operation that comes out."""

from __future__ import annotations

from enum import Enum
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from hogline.core.told import Mark
from hogline.model import Identifier, Operation, Refusal
from hogline.posthog.entry import Entry

TOO_LONG = Refusal(
    "identifier_too_long", "The distinct_id is longer than the destination takes, and there is no email to go by."
)
OVERLOADED = Refusal("internal_error", "Hogline failed over this event.")


class Source(Enum):
    """Why something is on its way."""

    JOURNAL = "journal"
    """It was received and is not settled yet."""
    RETRY = "retry"
    """It was a failure, and somebody asked for another try."""
    REPLAY = "replay"
    """It was settled, and somebody asked to send it again."""
    HELD = "held"
    """It was held, and its user qualifies now: it goes with what says so."""
    DUE = "due"
    """No event: a pause is over."""
    RELEASE = "release"
    """No event: the options changed, and held events may go."""
    AGAIN = "again"
    """No event: somebody asked to have the person sent again."""


ELSEWHERE = "other_connection"
"""Why an older event is not sent that was brought in for another connection."""


class Item(Struct, gc=False):
    """One thing of a shipment, and what came of it."""

    source: Source
    position: int
    """0: no event."""
    who: str
    """The distinct_id of the event; of what is no event, the person."""
    entry: Entry | None
    size_bytes: int = 0
    """What the event took in the journal: a measure for memory."""
    lane: int = -1
    waits: tuple[int, ...] = ()
    """Lanes of which nothing earlier may be left: one of the joined ids comes from there."""
    people: tuple[str, ...] = ()
    """Whom it is about, the person whose it is first: they are in one shipment at a time."""
    again: frozenset[str] = frozenset()
    """Of a failure: attributes that were refused, and may be said once more."""

    # what planning made of it
    person: str = ""
    filtered: str | None = None
    """The rule that kept the event from being sent. Operations may still carry what it taught."""
    held: bool = False
    refusals: tuple[Refusal, ...] = ()
    """What can never be accepted."""
    adjusted: tuple[str, ...] = ()
    """What was cut, left out or renamed, one entry for each place, as a reason to count by."""


class Effect(Struct, gc=False):
    """What is true once an operation is accepted."""

    person: str
    customer: Identifier | None
    """The key of whose it is; None: nobody's."""
    item: Item | None
    """Whose outcome a refusal decides; None: no event's."""
    kind: Literal["identify", "event", "anonymous", "merge", "group", "remove"] = "event"
    names: dict[str, Mark] = {}
    said_s: int = 0
    email: str | None = None
    """Links this email, in small letters, to the customer's id."""
    unlinks: tuple[str, ...] = ()
    """Emails that the customer loses by it, if it had them."""
    anonymous: str | None = None
    merged: Identifier | None = None
    """The key of the customer that becomes part of another."""
    objects: tuple[str, ...] = ()
    suppresses: bool = False
    """Of a customer that is removed: they cannot come back."""
    uncertain: bool = False
    """An earlier request may have done it already: a refusal now proves nothing."""

    def of(self, names: set[str]) -> Effect:
        """What a part of an identify does, which carries only these attributes."""
        email = "email" in names
        return replace(
            self,
            names={name: mark for name, mark in self.names.items() if name in names},
            email=self.email if email else None,
            unlinks=self.unlinks if email else (),
            anonymous=self.anonymous if "anonymous_id" in names else None,
        )


Parts: TypeAlias = tuple[tuple[Operation, Refusal | None], ...]
"""What a refused operation was divided into, and the outcome of each part."""
OperationOutcome: TypeAlias = Refusal | Parts | None
"""None: accepted."""


def without_lessons(entry: Entry) -> Entry:
    """A held event: what it taught was learned when it came."""
    return replace(entry, said=None, repaired=())
