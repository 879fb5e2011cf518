"""The ledger: whose an email is, at one connection. An email reaches one customer, so it is one person's at a time.

| state | another person may | it becomes |
|---|---|---|
| no row | take it | `wanted`, by an intent |
| `wanted` | nothing | `accepted`; rejected: no row, or as it was if an earlier try may have worked |
| `accepted` | nothing | `leaving`, by an intent: an identify replaces or clears it, or its customer is merged |
| `leaving` | nothing | `left` once that is accepted; rejected: back |
| `left` | link it to their id, but never go by it | `wanted` |
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from hogline.model import Identifier

RowState: TypeAlias = Literal["wanted", "accepted", "leaving", "left"]


MOST_IN_MEMORY = 50_000


class Row(NamedTuple):
    """One email, in lowercase, at one connection."""

    person: str
    state: RowState
    customer: Identifier
    """The key of its customer."""
    others: int
    """How many other people ever had it. 0: it may identify the customer by itself."""


class Ledger:
    """The rows on disk, and on top of them what shipments on their way have claimed."""

    def __init__(self, read: Callable[[Sequence[str]], Mapping[str, Row]]) -> None:
        self._read = read
        self._rows: dict[str, Row | None] = {}

    def load(self, emails: Iterable[str]) -> None:
        """Read these in one step. Anything else is read one by one."""
        missing = [one for one in emails if one not in self._rows]
        if missing:
            found = self._read(missing)
            self._rows.update((one, found.get(one)) for one in missing)

    def row(self, email: str) -> Row | None:
        if email not in self._rows:
            self.load((email,))
        return self._rows[email]

    def put(self, email: str, row: Row | None) -> None:
        self._rows[email] = row

    def make_room(self, promised: Container[str]) -> None:
        """Drop what was read first, but nothing that a shipment on its way changes."""
        if len(self._rows) > MOST_IN_MEMORY:
            for email in list(self._rows)[: MOST_IN_MEMORY // 4]:
                if email not in promised:
                    del self._rows[email]
