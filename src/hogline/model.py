"""Hogline's basic values, all frozen: event, operation, request, answer.

What PostHog said comes in as an `Event`; what a destination is asked to do goes out as `Operation`s. Every other room
imports this module. It knows no clock, network or disk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct


class Event(Struct, frozen=True, array_like=True):
    """What PostHog said: one event of one user, in any of the five shapes.

    Reading creates it. The journal keeps it as an `entry.Entry`.
    """

    uuid: str
    """A canonical lowercase UUID. It identifies the event for good, and its ULID is made from it."""
    name: str
    distinct_id: str
    timestamp_ms: int
    """When it happened, in milliseconds since 1970 UTC, corrected for the client's clock. May be negative."""
    received_ms: int
    """When we received it."""
    properties: dict[str, object]
    """Without `$set`, `$set_once` and `$unset`."""
    set: dict[str, object] = {}
    set_once: dict[str, object] = {}
    unset: tuple[str, ...] = ()
    person_properties: dict[str, object] = {}
    """PostHog's person at that time, if the shape contains it (webhook, Kafka, exports)."""
    personless: bool = False
    """PostHog keeps no person for this event, so it teaches nothing about its user."""
    elements_chain: str = ""
    url: str = ""
    """Where PostHog shows the event (only in webhooks)."""
    repaired: tuple[str, ...] = ()
    """What had to be changed to store the event: one reason for each kind of change."""
    public: bool = False
    """It came with the public token, which is in every page and app, so anyone could have made it up."""


IdentifierKind: TypeAlias = Literal["id", "email", "cio_id"]


class Identifier(Struct, frozen=True, order=True, array_like=True, gc=False):
    """An identifier by which a destination knows someone."""

    kind: IdentifierKind
    value: str

    @property
    def key(self) -> Identifier:
        """Equal for everything that a destination treats as the same: emails differ only by more than case."""
        return Identifier("email", self.value.lower()) if self.kind == "email" else self


class _Unknown:
    """Neither a value nor its absence."""


UNKNOWN = _Unknown()


def same_value(one: object, other: object) -> bool:
    """Whether two attribute values are the same JSON: 1 is not true, and 1 is not 1.0. NaN equals NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, dict, float)):
        return msgspec.json.encode(one) == msgspec.json.encode(other)
    return one == other


class Operation(Struct, frozen=True, gc=False):
    """One thing that we ask a destination to do."""

    action: str
    """As the destination calls it: `identify`, `event`, `page`, …"""
    body: bytes
    """The JSON text, exactly as it is sent."""
    path: str | None = None
    """None: it is sent in a batch. Otherwise it is a separate request, to this path."""
    data_at: int = 0
    """Where the event's data begins, if the body ends with a colon, the data exactly as the entry has it, and `}`. The
    event log does not keep it twice. 0: the log keeps the whole body."""


class Refusal(Struct, frozen=True):
    """Why something was rejected: a short reason to count by, and a sentence for people."""

    reason: str
    message: str = ""
    field: str = ""
    operation: bytes = b""
    """The operation's JSON text; empty if none could be made."""


class Request(Struct, frozen=True):
    """Operations packed into one HTTP request, as data."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


class Response(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    """Names are in lowercase."""
    body: bytes


class Settled(Struct, frozen=True):
    """Every operation of the request has its outcome; None is accepted."""

    outcomes: Sequence[Refusal | None]


class Refused(Struct, frozen=True):
    """The request as a whole was rejected. If it has several operations, any of them may be the cause."""

    refusal: Refusal


class Retry(Struct, frozen=True):
    """Nothing was accepted, but it may be later: try again."""

    reason: str
    after_s: float | None = None
    """The shortest time to wait, if the destination named one."""
    throttled: bool = False
    """The destination says that we are too fast."""


class Stop(Struct, frozen=True):
    """The connection itself is wrong. Nothing more is sent until someone changes it."""

    reason: str
    """A sentence: what is wrong and what to do."""


Answer: TypeAlias = Settled | Refused | Retry | Stop
