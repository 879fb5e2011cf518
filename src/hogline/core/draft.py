"""A person in a shipment: what they were told, and what that will be if everything is accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from hogline.core.items import TOO_LONG
from hogline.core.ledger import LedgerRow, row_name
from hogline.core.records import Records
from hogline.core.told import MOST_EMAILS, NOBODY, Told
from hogline.destinations.base import Rules
from hogline.model import Identifier, Refusal


class Draft(Struct, gc=False):
    person: str
    told: Told
    was: Told | None = None
    """What they were told; None: nothing."""
    synced: bool = False
    """Known was compared with Told: once in each shipment."""
    address: Identifier | None = None
    """The identifier for all operations of this shipment; None: they have none that the destination accepts."""
    nobody: Refusal = TOO_LONG
    """Why they have none."""
    head: bytes = b""
    """How their events start."""
    key: Identifier | None = None
    """The key of their customer."""
    email: str | None = None
    taken: bool = False
    """Their main customer belongs to someone who was joined here, so it is only theirs once that is settled."""
    objects: tuple[str, ...] = ()
    """Groups that this shipment relates them to."""
    recent: list[int | tuple[int, str]] = []


class Roster:
    """The people of one shipment, and the joins within it."""

    def __init__(self, records: Records, rules: Rules) -> None:
        self.records = records
        self.rules = rules
        self.drafts: dict[str, Draft] = {}
        self.joins: list[tuple[str, str]] = []
        """Who stays, and who is part of them from here on."""
        self._into: dict[str, str] = {}
        self._joined: dict[str, list[str]] = {}
        """Everyone who is part of somebody from here on, in the order of the joins."""
        self.rows: set[str] = set()
        """Names of the ledger's rows that change."""
        self.were: dict[str, LedgerRow | None] = {}
        """Those rows before this shipment."""
        self.denied: dict[str, str] = {}
        """People without an email, in lowercase, that is someone else's."""

    def draft(self, person: str) -> Draft:
        found = self.drafts.get(person)
        if found is None:
            was = self.records.stored(person)
            found = self.drafts[person] = Draft(person, was or NOBODY, was)
        return found

    def join(self, stays: str, goes: str) -> None:
        self.joins.append((stays, goes))
        self._into[goes] = stays
        into = self._joined.setdefault(self.root(stays), [])
        into += (*self._joined.pop(goes, ()), goes)

    def root(self, person: str) -> str:
        """The person that someone is part of, after the joins of this shipment."""
        while person in self._into:
            person = self._into[person]
        return person

    def parts(self, draft: Draft) -> list[Told]:
        """What the draft's person was told, and those who joined them here."""
        return [draft.told, *(self.drafts[goes].told for goes in self._joined.get(draft.person, ()))]

    def names(self, draft: Draft) -> list[str]:
        """The person, and those who joined them here."""
        return [draft.person, *self._joined.get(draft.person, ())]

    def row(self, name: str) -> LedgerRow | None:
        """Whose an identifier is. People who were joined in this shipment are one."""
        row = self.records.ledger.row(name)
        return replace(row, person=self.root(row.person)) if row is not None and self._into else row

    def keep(self, draft: Draft, email: str, row: LedgerRow) -> None:
        self._put(email, row)
        if email not in draft.told.emails:
            draft.told = replace(draft.told, emails=(*draft.told.emails, email))

    def _put(self, name: str, row: LedgerRow) -> None:
        ledger = self.records.ledger
        if name not in self.rows:
            self.rows.add(name)
            self.were[name] = ledger.row(name)
        ledger.put(name, row)

    def claim(self, draft: Draft, identifier: Identifier) -> None:
        """An identifier that is no email is this person's."""
        name = row_name(identifier)
        self._put(name, LedgerRow(draft.person, "accepted", identifier, others=0))
        draft.told = replace(draft.told, claims=tuple(dict.fromkeys((*draft.told.claims, name))))


def bounded(emails: Sequence[str], ledger_rows: Mapping[str, LedgerRow | None]) -> tuple[str, ...]:
    """The most recent emails. One with a row always stays."""
    if len(emails) <= MOST_EMAILS:
        return tuple(emails)
    old = [one for one in emails[:-MOST_EMAILS] if ledger_rows.get(one) is not None]
    return (*old, *emails[-MOST_EMAILS:])
