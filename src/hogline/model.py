"""The words of Hogline as frozen values: event, operation, request, answer.

What PostHog said comes in as an `Event`; what a destination is asked comes out as `Operation`s. This module knows no
clock, no network, no disk and none of the other rooms; it is imported by all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct


class Event(Struct, frozen=True, array_like=True):
    """What PostHog said: one event of one user, in whichever of the five shapes it arrived.

    Reading makes it; what the journal keeps of it is an `entry.Entry`.
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


Kind: TypeAlias = Literal["id", "email"]


class Identifier(NamedTuple):
    """Whom a destination knows somebody as."""

    kind: Kind
    value: str

    @property
    def key(self) -> Identifier:
        """The same for what is the same to a destination: it does not tell capitals in an email."""
        return Identifier("email", self.value.lower()) if self.kind == "email" else self


class _Unknown:
    """Neither a value nor its absence."""


UNKNOWN = _Unknown()


def same_value(one: object, other: object) -> bool:
    """Whether two attribute values are the same JSON: 1 is not true, and 1 is not 1.0. NaN is one value."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, dict, float)):
        return msgspec.json.encode(one) == msgspec.json.encode(other)
    return one == other


class Operation(Struct, frozen=True, gc=False):
    """One thing that we ask of a destination."""

    action: str
    """In the destination's words: `identify`, `event`, `page`, …"""
    body: bytes
    """The JSON text, exactly as it goes out."""
    path: str | None = None
    """None: travels in a batch. Otherwise it is a request of its own, to this path."""


class Refusal(Struct, frozen=True):
    """Why something was not accepted: a short reason to count by, and a sentence for people."""

    reason: str
    message: str = ""
    field: str = ""
    operation: bytes = b""
    """The operation's JSON text; empty where none could be made."""


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
