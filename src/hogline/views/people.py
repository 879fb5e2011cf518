"""What Hogline answers about people: who they are, where they were forgotten, and how they compare."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from hogline.model import IdentifierKind


class CustomerView(Struct, frozen=True):
    """Under which identifier a destination knows somebody."""

    kind: IdentifierKind
    value: str


class PersonView(Struct, frozen=True, kw_only=True):
    connection: str
    distinct_id: str
    email: str | None
    identified: bool
    customer: CustomerView | None
    """Their profile at the destination; None: not sent."""
    not_sent: str | None
    """Why they are not a customer; None if they are."""
    attributes: dict[str, object]
    unsent: list[str]
    refused: list[str]
    left_out: list[str]
    """Attributes that the connection's options leave out, or that the destination does not take."""
    email_not_sent: str | None = None
    """Why the destination does not have this email: `email_taken`, `email_on_other_customer`, `email_change_not_sent`;
    None if it has, or is told it yet."""
    joined_into: str | None = None
    """The person PostHog merged this id into; its events are theirs."""
    became: str | None = None
    """For a merged id: what happened to its own profile: `merged`, `merge waits` (pending) or `not merged`."""
    to_merge: list[CustomerView] = field(default_factory=list)
    """Profiles that will be merged into theirs."""
    merged: list[CustomerView] = field(default_factory=list)


class ListedPerson(Struct, frozen=True, kw_only=True):
    """A person in a list: one line, whatever was merged into them."""

    person: PersonView
    name: str
    """As their attributes say; empty: they do not."""
    merged_ids: int
    seen_ms: int | None
    """When their last event was received; None: longer ago than was looked at."""


class PeoplePage(Struct, frozen=True, kw_only=True):
    """Part of the list of people, those seen last first."""

    people: list[ListedPerson]
    next: str
    """Where the next page begins; empty: there is none."""
    previous: str
    customers: int | None
    """People this connection has a customer for; None: still counting."""
    known: int | None
    """People about whom something is known."""
    cut: bool = False
    """There are more matches than were looked at."""
    stopped: bool = False
    """The search stopped before everyone was looked at."""


class PersonEvent(Struct, frozen=True, kw_only=True):
    """One of a person's recent events."""

    position: int
    event: str | None
    """None: no longer stored."""
    uuid: str | None
    timestamp_ms: int | None
    outcome: str
    """`delivered`, or why not."""


class PersonDetails(Struct, frozen=True, kw_only=True):
    """One person in full: what PostHog says, and what the destination has of it."""

    person: PersonView
    joined: list[PersonView]
    """Ids merged into them, at most 100."""
    relationships: list[str]
    anonymous_ids: list[str]
    recent: list[PersonEvent]
    """Their recent events, newest first."""
    held: int


class SomebodyView(Struct, frozen=True, kw_only=True):
    """A person, by all their ids."""

    distinct_id: str
    """One of the ids; the one others were merged into, if any."""
    ids: list[str]
    emails: list[str]


class ForgottenAt(Struct, frozen=True, kw_only=True):
    """What was deleted for one connection."""

    connection: str
    destination: str
    customers: int
    """Deleted at the destination, which confirmed each."""
    people: int
    """Their ids stored here."""
    held: int
    failures: int
    not_reached: str
    """Why the destination may still have data, and what to do; blank: it does not."""


class ForgottenView(Struct, frozen=True, kw_only=True):
    """What was deleted, and what was not."""

    customers: int
    """At all destinations."""
    ids: int
    """That are one person."""
    people: int
    """Ids, counted per connection."""
    held: int
    failures: int
    events: int
    """In the journal."""
    connections: list[ForgottenAt]
    names_removed: int
    """Other people's events that asked for a merge with them; they stay, without that id."""
    mentions: int
    """Other people's events with one of these ids in another property; they stay unchanged."""
    suppressed: bool
    cleaned_later: list[str]
    """Files with traces that another program is reading; they are overwritten once it ends."""
    still_named_in: list[str]
    """Other files in the data directory, not made by Hogline, that name them."""


class Difference(Struct, frozen=True):
    """Something that a destination does not have as Hogline believes it has."""

    person: str
    """The distinct_id that names them."""
    kind: Literal["missing", "email", "attribute"]
    """Missing: the customer does not exist."""
    name: str = ""
    """Of the attribute. Values are not shown."""


class Verified(Struct, frozen=True, kw_only=True):
    people: int
    """Compared."""
    unsettled: int
    """Not compared: changes are on their way, or they are not customers."""
    differences: list[Difference]
