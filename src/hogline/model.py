"""The words of Hogline as frozen values: event, person, operation, request, answer.

What PostHog said comes in as an `Event`; what a destination is asked comes out as `Operation`s; what we
remember of somebody in between is a `Person`. This module knows no clock, no network, no disk and none of
the other rooms; it is imported by all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct


class Event(Struct, frozen=True, array_like=True):
    """What PostHog said: one event of one user, in whichever of the five shapes it arrived.

    The journal keeps events in this form, as MessagePack arrays: new fields are added at the end, with a
    default, and no field is ever removed or moved.
    """

    uuid: str
    """Canonical lower-case UUID: the event's identity for ever, and the source of its ULID."""
    name: str
    distinct_id: str
    timestamp_ms: int
    """When it happened, milliseconds since 1970 UTC, corrected for the client's clock; may be negative."""
    received_ms: int
    """When we received it."""
    properties: dict[str, object]
    """Without `$set`, `$set_once` and `$unset`."""
    set: dict[str, object] = {}
    set_once: dict[str, object] = {}
    unset: tuple[str, ...] = ()
    person_properties: dict[str, object] = {}
    """PostHog's person at that time, where the shape carries it (webhook, Kafka, exports)."""
    personless: bool = False
    """PostHog keeps no person for this event: it teaches nothing about its user."""
    elements_chain: str = ""
    url: str = ""
    """Where PostHog shows the event (webhooks carry it)."""
    repaired: tuple[str, ...] = ()
    """What had to be changed to make the event storable, one reason for each kind of change."""
    public: bool = False
    """It came with the public token, which stands in every page and app: anybody can have made it up."""


_event_encoder = msgspec.msgpack.Encoder()
_event_decoder = msgspec.msgpack.Decoder(Event)


def encode_event(event: Event) -> bytes:
    """The event as the journal keeps it.

    Raises OverflowError for an integer beyond 64 bits and UnicodeEncodeError for a lone surrogate: reading
    repairs both before an event gets here.
    """
    return _event_encoder.encode(event)


def decode_event(body: bytes) -> Event:
    return _event_decoder.decode(body)


class EventIdentity(Struct, frozen=True, array_like=True):
    """Which event it is, and whose: the first fields of an `Event`."""

    uuid: str
    name: str
    distinct_id: str


_identity_decoder = msgspec.msgpack.Decoder(EventIdentity)


def decode_identity(body: bytes) -> EventIdentity:
    """Of an event as the journal keeps it; this costs much less than all of it."""
    return _identity_decoder.decode(body)


FORGOTTEN = bytes.fromhex("9ea0a0a000008080809080c2a0a090")
"""What stands in the place of an event whose user is forgotten: `Event("", "", "", 0, 0, {})`, in bytes that stay as
they are when an event gets more fields. No other event has a blank `distinct_id`: the door refuses it."""


class Identifier(Struct, frozen=True):
    """Whom a destination knows somebody as."""

    kind: Literal["id", "email"]
    value: str


MOST_MERGED = 100
MOST_RELATIONSHIPS = 100
MOST_REMOVED = 300
MOST_RECENT = 10


class Person(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one connection remembers of one distinct_id.

    Attributes stand in three places. `unsent`: learned, and not yet accepted by the destination. `accepted`:
    the value that the destination last accepted. `refused`: the value was refused; it is not sent again until
    it changes. A name may stand in `accepted` with its old value and in one of the others with its new one.
    """

    distinct_id: str
    joined_into: str | None = None
    """The distinct_id of the person whom PostHog joined this one into: what comes under this id is theirs, and
    nothing else here changes any more."""
    identified: bool = False
    email: str | None = None
    customer: Identifier | None = None
    """The identifier under which the destination first accepted them; None: no customer yet."""
    linked_email: str | None = None
    """The email that reaches the same customer, accepted under its id; None: not usable as an identifier."""
    claimed_email: str | None = None
    """In small letters: the email that identifies this person and nobody else at this connection."""
    taken_email: str | None = None
    """In small letters: the email that this person has and somebody else claimed before."""
    to_merge: tuple[Identifier, ...] = ()
    """Other customers that are this same person, waiting to be merged into theirs."""
    merged: tuple[Identifier, ...] = ()
    """Customers that were merged into theirs, the last `MOST_MERGED` of them."""
    not_merged: tuple[Identifier, ...] = ()
    """Customers whose merge into theirs was refused, likewise."""
    anonymous_ids: tuple[str, ...] = ()
    """Ids under which anonymous events were accepted that no customer has yet."""
    relationships: tuple[str, ...] = ()
    """The last `MOST_RELATIONSHIPS` objects that the destination was told they belong to, in its own terms."""
    due_ms: int = 0
    """Not before this time is anything done for them that waits for a pause."""
    has_held: bool = False
    """There may be held events of theirs, although they are known."""
    recent: tuple[int | tuple[int, str], ...] = ()
    """The last `MOST_RECENT` events by their positions in the journal: delivered ones by that alone, others with why
    not."""
    accepted: dict[str, object] = {}
    unsent: dict[str, object] = {}
    refused: dict[str, object] = {}
    attributes_ms: int | None = None
    """Time of the newest event whose attributes were applied."""
    first_seen_ms: int = 0
    last_seen_ms: int = 0

    def attribute(self, name: str) -> object:
        """The newest value we know of an attribute; `UNKNOWN` if there is none."""
        for place in (self.unsent, self.refused, self.accepted):
            if name in place:
                return place[name]
        return UNKNOWN

    def attributes(self) -> dict[str, object]:
        return {**self.accepted, **self.refused, **self.unsent}


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()


def same_value(one: object, other: object) -> bool:
    """Whether two attribute values are the same JSON: 1 is not true, and 1 is not 1.0."""
    return (
        type(one) is type(other)
        and one == other
        and (not isinstance(one, (list, dict)) or msgspec.json.encode(one) == msgspec.json.encode(other))
    )


class Promise(Struct, frozen=True):
    """What becomes true of a person when the destination accepts an operation."""

    customer: Identifier | None = None
    """The customer exists, under this identifier. If they were another one before, that one is to be merged."""
    attributes: dict[str, object] = {}
    """These values were accepted."""
    linked_email: str | None = None
    """From then on this email reaches the same customer as the id."""
    anonymous_id: str | None = None
    """There are anonymous events under this id."""
    known_anonymous_id: str | None = None
    """The anonymous events under this id are the customer's now."""
    merged: Identifier | None = None
    """This customer is part of theirs now."""
    relationships: tuple[str, ...] = ()
    """The destination knows that they belong to these objects."""

    @property
    def says_only_that(self) -> bool:
        """Nothing but customer and attributes."""
        return (
            self.linked_email is None
            and self.anonymous_id is None
            and self.known_anonymous_id is None
            and self.merged is None
            and not self.relationships
        )


class Operation(Struct, frozen=True):
    """One thing that we ask of a destination."""

    action: str
    """In the destination's words: `identify`, `event`, `page`, …"""
    body: bytes
    """The JSON text, exactly as it goes out."""
    promise: Promise = Promise()
    path: str | None = None
    """None: travels in a batch. Otherwise it is a request of its own, to this path."""


class Refusal(Struct, frozen=True):
    """Why something was not accepted: a short reason to count by, and a sentence for people."""

    reason: str
    message: str = ""
    field: str = ""
    operation: bytes = b""
    """The operation's JSON text; empty where none could be made."""


class Plan(Struct, frozen=True):
    """What one event comes to, for one connection."""

    person: Person | None
    """What is known after this event, before any of its operations is accepted. None: nothing is kept."""
    operations: tuple[Operation, ...] = ()
    filtered: str | None = None
    """The rule that kept the event from being sent. Operations may still carry what it taught."""
    held: bool = False
    """A filtered event that is kept, to be sent once its user qualifies."""
    releases: bool = False
    """Its user qualifies: held events of theirs go before it."""
    absorbed: Person | None = None
    """Whoever was joined into `person` by this event, as they are from now on."""
    frees: bool = False
    """The customer loses an identifier. If a request with this is sent again, what went before it under that identifier
    would be for somebody new: nothing of this person goes in the same shipment before it."""
    claims: str | None = None
    """In small letters: an email that the operations make identify this person, and nobody else may have."""
    refusals: tuple[Refusal, ...] = ()
    """Operations that can never be accepted: the event is a dead letter."""
    adjusted: tuple[str, ...] = ()
    """What was cut, left out or renamed, one entry for each place, as a reason to count by."""


class Request(Struct, frozen=True):
    """Operations packed into one HTTP call, as data."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


class Response(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class Settled(Struct, frozen=True):
    """Every operation of the request has its outcome: None is accepted."""

    outcomes: Sequence[Refusal | None]


class Refused(Struct, frozen=True):
    """The request as a whole was refused. With several operations, any of them may be the culprit."""

    refusal: Refusal


class Retry(Struct, frozen=True):
    """Nothing was accepted, and it is nobody's fault that lasts: try again."""

    reason: str
    after_s: float | None = None
    """The least time to wait, if the destination named one."""
    throttled: bool = False
    """The destination says that we are too fast."""


class Stop(Struct, frozen=True):
    """The connection itself is wrong: nothing more is sent until somebody changes it."""

    reason: str
    """A sentence: what is wrong and what to do."""


Answer: TypeAlias = Settled | Refused | Retry | Stop


def accept(person: Person, promise: Promise, *, only_expected: bool = False) -> Person:
    """The person after the destination accepted an operation that promised this.

    `only_expected`: it has not answered yet. What follows in the same request may count on it, except on the
    email as an identifier: the order of processing within a request is not documented.
    """
    if promise.customer is person.customer and not promise.attributes and promise.says_only_that:
        return person  # as after nearly every event
    changes: dict[str, object] = {}
    if promise.customer is not None and promise.customer != person.customer:
        before = (person.customer,) if person.customer is not None else ()
        changes["customer"] = promise.customer
        changes["to_merge"] = _others((*person.to_merge, *before), promise.customer)
    if promise.linked_email is not None and not only_expected:
        changes |= _linked(person, promise.linked_email)
    if promise.attributes:
        changes["accepted"] = _bounded({**person.accepted, **promise.attributes})
        changes["unsent"] = _without(person.unsent, promise.attributes)
        changes["refused"] = _without(person.refused, promise.attributes)
    if not promise.says_only_that:
        changes |= _rarely(person, promise)
    return msgspec.structs.replace(person, **changes) if changes else person


def _linked(person: Person, email: str) -> dict[str, object]:
    """What changes when an email reaches the same customer as the id: whoever was known by that email alone is them."""
    to_merge = _others(person.to_merge, Identifier("email", email))
    changes: dict[str, object] = {"linked_email": email} if email != person.linked_email else {}
    return changes | ({"to_merge": to_merge} if to_merge != person.to_merge else {})


def _rarely(person: Person, promise: Promise) -> dict[str, object]:
    """What changes by promises that few operations make."""
    changes: dict[str, object] = {}
    if promise.anonymous_id is not None and promise.anonymous_id not in person.anonymous_ids:
        changes["anonymous_ids"] = (*person.anonymous_ids, promise.anonymous_id)
    if promise.known_anonymous_id is not None:
        changes["anonymous_ids"] = tuple(one for one in person.anonymous_ids if one != promise.known_anonymous_id)
    if promise.merged is not None:
        changes |= _merged(person, promise.merged)
    if promise.relationships:
        changes["relationships"] = (*person.relationships, *promise.relationships)[-MOST_RELATIONSHIPS:]
    return changes


def _others(customers: tuple[Identifier, ...], customer: Identifier) -> tuple[Identifier, ...]:
    """Those that are not this one. Emails are the same in capitals."""
    if customer.kind == "id":
        return tuple(one for one in customers if one != customer)
    return tuple(one for one in customers if one.kind != "email" or one.value.lower() != customer.value.lower())


def _bounded(accepted: dict[str, object]) -> dict[str, object]:
    """Of values that were taken away only the last are remembered; the email's always is."""
    gone = [name for name, value in accepted.items() if value is None and name != "email"]
    if len(gone) <= MOST_REMOVED:
        return accepted
    forgotten = set(gone[:-MOST_REMOVED])
    return {name: value for name, value in accepted.items() if name not in forgotten}


def _merged(person: Person, customer: Identifier) -> dict[str, object]:
    """What changes with a merge. The merged customer took its email along, and brought values that were taken away
    here meanwhile: both are to be said once more."""
    again = {name: value for name, value in person.accepted.items() if value is None or name == "email"}
    return {
        "to_merge": _others(person.to_merge, customer),
        "merged": (*person.merged, customer)[-MOST_MERGED:],
        "linked_email": None if "email" in again else person.linked_email,
        "accepted": {name: value for name, value in person.accepted.items() if name not in again},
        "unsent": {**again, **person.unsent},
    }


def refuse(person: Person, promise: Promise) -> Person:
    """The person after the destination refused an operation that promised this: its values are not sent
    again until they change, nor is it asked again for what else it promised."""
    changes: dict[str, object] = {}
    if promise.merged is not None:
        changes["to_merge"] = _others(person.to_merge, promise.merged)
        changes["not_merged"] = (*person.not_merged, promise.merged)[-MOST_MERGED:]
    if promise.relationships or promise.known_anonymous_id is not None:
        changes |= _rarely(person, promise)
    refused = {
        name: value
        for name, value in promise.attributes.items()
        if name in person.unsent and same_value(person.unsent[name], value)
    }
    if refused:
        changes["unsent"] = _without(person.unsent, refused)
        changes["refused"] = {**person.refused, **refused}
    if "email" in refused and (person.customer is None or person.customer.kind == "id"):
        changes["claimed_email"] = None  # whoever else has it may have it
    return msgspec.structs.replace(person, **changes) if changes else person


def _without(values: dict[str, object], promised: Mapping[str, object]) -> dict[str, object]:
    """Those values that the promise does not cover: a newer value of the same name stays."""
    if not values:
        return values
    return {
        name: value for name, value in values.items() if name not in promised or not same_value(value, promised[name])
    }
