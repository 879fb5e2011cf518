"""Known and Told as the bytes that a store keeps: MessagePack arrays without trailing defaults. There is little about
most people, so most rows take a few bytes.

New fields go at the end. None is ever removed or moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct

from hogline.core.known import EVER, Fact, Id, Person
from hogline.core.ledger import LedgerRow
from hogline.core.told import Customer, Mark, Moment, Recent, Told
from hogline.model import Identifier, IdentifierKind

T = TypeVar("T")

_pack = msgspec.msgpack.Encoder().encode
_KINDS: tuple[IdentifierKind, ...] = ("id", "email", "cio_id")
_STATES = ("accepted", "wanted", "leaving", "kept")
_ROWS = ("accepted", "wanted", "leaving", "left")


class _Known(Struct, array_like=True):
    facts: dict[str, Fact] = {}
    identified: int = 0
    """The position after `identified_at`; 0: never."""
    emailed: int = 0
    """The same for `emailed_at`."""
    protected: bool = False
    version: int = 0
    properties: dict[str, Fact] = {}


class _Customer(Struct, array_like=True):
    kind: int = 0
    value: str = ""
    """Empty: the person's own id."""
    state: int = 0
    said_s: int = 0
    names: dict[str, Mark] = {}
    email: str | None = None
    refused: dict[str, Mark] = {}
    objects: tuple[str, ...] = ()
    elsewhere: bool = False


class _Told(Struct, array_like=True):
    main: _Customer | None = None
    seen: tuple[int, int] | None = None
    recent: tuple[int | tuple[int, str], ...] = ()
    emails: tuple[str, ...] = ()
    others: tuple[_Customer, ...] = ()
    gone: tuple[tuple[int, str], ...] = ()
    anonymous: tuple[str, ...] = ()
    has_held: bool = False
    not_given: tuple[str, ...] = ()
    suppressed: bool = False
    removed: Moment | None = None
    claims: tuple[str, ...] = ()


_unpack_known = msgspec.msgpack.Decoder(_Known).decode
_unpack_told = msgspec.msgpack.Decoder(_Told).decode
_unpack_people = msgspec.msgpack.Decoder(tuple[tuple[int, str], ...]).decode


def _short(values: list[object]) -> list[object]:
    """Without trailing defaults: none, zero, false."""
    while values and not values[-1]:
        values.pop()
    return values


def pack_person(person: Person) -> bytes:
    return _pack(
        _short(
            [
                person.facts,
                0 if person.identified_at == EVER else person.identified_at + 1,
                0 if person.emailed_at == EVER else person.emailed_at + 1,
                person.protected,
                person.version,
                person.properties,
            ]
        )
    )


def packed_starts(attribute: str, value: object) -> list[bytes]:
    """Bytes of which one is in what `pack_person` makes of a person who has this value for an attribute."""
    return [_pack(attribute) + b"\x93" + _pack(value)]  # a fact is an array of three: the value comes first


def unpack_person(id_: str, body: bytes) -> Person:
    known = _unpack_known(body)
    return Person(
        id_,
        known.facts,
        known.identified - 1 if known.identified else EVER,
        known.emailed - 1 if known.emailed else EVER,
        known.protected,
        known.version,
        known.properties,
    )


def pack_people(people: Sequence[tuple[int, str]]) -> bytes:
    return _pack(people)


def unpack_id(parent: str | None, since: int, depth: int, people: bytes) -> Id:
    return Id(parent, since, depth, _unpack_people(people))


def pack_told(person: str, told: Told) -> bytes:
    """Without `due_ms`, which has its own column."""
    return _pack(
        _short(
            [
                None if told.main is None else _customer(person, told.main),
                told.seen,
                told.recent,
                told.emails,
                [_customer(person, one) for one in told.others],
                [(_KINDS.index(one.kind), one.value) for one in told.gone],
                told.anonymous,
                told.has_held,
                told.not_given,
                told.suppressed,
                told.removed,
                told.claims,
            ]
        )
    )


def _customer(person: str, customer: Customer) -> list[object]:
    own = customer.kind == "id" and customer.value == person
    packed = _short(
        [
            _KINDS.index(customer.kind),
            "" if own else customer.value,
            _STATES.index(customer.state),
            customer.said_s,
            customer.names,
            customer.email,
            customer.refused,
            customer.objects,
            customer.elsewhere,
        ]
    )
    return packed or [0]  # an empty row would mean no customer


def unpack_told(person: str, body: bytes, due_ms: int) -> Told:
    told = _unpack_told(body)
    recent: tuple[Recent, ...] = told.recent
    return Told(
        None if told.main is None else _customer_of(person, told.main),
        tuple(_customer_of(person, one) for one in told.others),
        tuple(Identifier(_KINDS[kind], value) for kind, value in told.gone),
        told.emails,
        told.anonymous,
        told.has_held,
        told.seen,
        due_ms,
        told.not_given,
        recent,
        told.suppressed,
        told.removed,
        told.claims,
    )


def _customer_of(person: str, packed: _Customer) -> Customer:
    kind = _KINDS[packed.kind]
    return Customer(
        kind,
        packed.value or (person if kind == "id" else ""),
        _STATES[packed.state],  # type: ignore[arg-type]  # one of the states above
        packed.email,
        packed.names,
        packed.refused,
        packed.said_s,
        packed.objects,
        packed.elsewhere,
    )


LEFT = _ROWS.index("left")
"""The column of a row that another person may have."""


def pack_row(row: LedgerRow) -> tuple[str, int, int, str, int]:
    """A row of the ledger as columns: person, state, customer's kind, customer's value, others."""
    return row.person, _ROWS.index(row.state), _KINDS.index(row.customer.kind), row.customer.value, row.others


def unpack_row(person: str, state: int, kind: int, value: str, others: int) -> LedgerRow:
    return LedgerRow(
        person,
        _ROWS[state],  # type: ignore[arg-type]  # one of the states above
        Identifier(_KINDS[kind], value),
        others,
    )
