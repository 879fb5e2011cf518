"""The ledger: whose an identifier is, at one connection: an email, or the value of a person property. It reaches one
customer, so it is one person's at a time.

| state | another person may | it becomes |
|---|---|---|
| no row | take it | `wanted`, by an intent |
| `wanted` | nothing | `accepted`; rejected: no row, or as it was if an earlier try may have worked |
| `accepted` | nothing | `leaving`, by an intent: an identify replaces or clears it, or its customer is merged |
| `leaving` | nothing | `left` once that is accepted; rejected: back |
| `left` | link it to their id, but never go by it | `wanted` |

That is how emails wander. Any other identifier stays with whom it was given to until their customer is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from hogline.core.room import MB, Room
from hogline.model import Identifier

RowState: TypeAlias = Literal["wanted", "accepted", "leaving", "left"]

ROWS_BYTES = 8 * MB
"""What is kept in memory of them, for one connection."""


def row_name(key: Identifier) -> str:
    """The name of an identifier's row: an email in lowercase, or anything else behind its kind and a blank, which no
    email contains."""
    return key.value if key.kind == "email" else f"{key.kind} {key.value}"


def is_email(name: str) -> bool:
    """Whether a row's name is an email."""
    return " " not in name


def identifier_of(name: str) -> Identifier:
    """The identifier of a row that is no email's."""
    kind, _, value = name.partition(" ")
    return Identifier("cio_id" if kind == "cio_id" else "id", value)


class LedgerRow(Struct, frozen=True, array_like=True, gc=False):
    """One identifier at one connection."""

    person: str
    state: RowState
    customer: Identifier
    """The key of its customer."""
    others: int
    """How many other people ever had it. 0: it may identify the customer by itself."""


def is_free(row: LedgerRow | None) -> bool:
    """Whether another person may have it."""
    return row is None or row.state == "left"


class Ledger:
    """The rows on disk, and on top of them what shipments on their way have claimed."""

    def __init__(self, read: Callable[[Sequence[str]], Mapping[str, LedgerRow]]) -> None:
        self._read = read
        self._rows: dict[str, LedgerRow | None] = {}
        self._room = Room(ROWS_BYTES)

    def load(self, names: Iterable[str]) -> None:
        """Read these in one step. Anything else is read one by one."""
        missing = [one for one in names if one not in self._rows]
        if missing:
            found = self._read(missing)
            self._rows.update((one, found.get(one)) for one in missing)

    def row(self, name: str) -> LedgerRow | None:
        if name not in self._rows:
            self.load((name,))
        return self._rows[name]

    def put(self, name: str, row: LedgerRow | None) -> None:
        self._rows[name] = row

    def lose(self, names: Iterable[str]) -> None:
        """They may be different on disk."""
        for one in names:
            self._rows.pop(one, None)

    def make_room(self, promised: Container[str]) -> None:
        """Drop what was read first, but nothing that a shipment on its way changes."""
        for name in self._room.surplus(self._rows):
            if name not in promised:
                del self._rows[name]
