"""Which customer a person is: the identifier of their main customer, at one connection.

An identifier that two people could have, an email or a person property, has a row in the ledger. The distinct_id that
names a person has none, because it belongs to one person anyway. So nobody else may take it by a property.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from hogline.core.draft import Draft, Roster
from hogline.core.fold import Suppressed
from hogline.core.items import DISTINCT_ID_TAKEN, TOO_LONG
from hogline.core.known import EVER, Known, Person
from hogline.core.ledger import LedgerRow, row_name
from hogline.core.told import Customer
from hogline.destinations.base import ByProperty, People, Rules
from hogline.model import Identifier, Refusal
from hogline.posthog.identity import json_text
from hogline.posthog.joins import may_be_joined

EmailMissing: TypeAlias = Literal["email_taken", "email_on_other_customer"]
"""Why a customer does not have an email: it is someone else's, or that of another customer of the same person, which is
waiting to be merged."""


class Chosen(NamedTuple):
    main: Customer
    others: tuple[Customer, ...]
    """To be merged into it."""
    fresh: bool = False
    """It is surely a new one."""
    unsaid: str | None = None
    """Why their customer does not get the identifier that it should have by now, as a reason to count by."""


def whose(row: LedgerRow, person: str) -> EmailMissing:
    """Why an email with a row cannot be this person's."""
    return "email_on_other_customer" if row.person == person else "email_taken"


def may_change(person: Person, rules: Rules) -> bool:
    """Whether someone may become another customer, into which the present one is merged."""
    known = person.protected or person.identified_at != EVER
    return rules.merges and known and may_be_joined(person.id)


def named_by(person: Person, by: ByProperty) -> Identifier | None:
    """The identifier that a person property gives them."""
    fact = person.facts.get(by.name) or person.properties.get(by.name)
    value = fact.value if fact is not None else None
    if isinstance(value, int) and not isinstance(value, bool):
        value = json_text(value)
    if not isinstance(value, str) or not may_be_joined(value.strip()):
        return None
    return Identifier(by.kind, value.strip())


class Chooser:
    """Chooses, for one shipment."""

    def __init__(self, roster: Roster, known: Known, people: People[object], suppressed: Suppressed) -> None:
        self._roster = roster
        self._known = known
        self._people = people
        self._suppressed = suppressed
        self._rules = roster.rules

    def choose(self, draft: Draft, person: Person) -> Chosen | Refusal:
        """Their customer; a refusal if nothing can identify one."""
        main = draft.told.main
        if main is None:
            return self._new(draft, person)
        if main.kind == "email":
            return self._with_email(draft, person, main)
        return self._with_id(draft, person, main)

    def _theirs(self, draft: Draft) -> dict[Identifier, Customer]:
        return {one.key: one for part in reversed(self._roster.parts(draft)) for one in part.customers}

    def _new(self, draft: Draft, person: Person) -> Chosen | Refusal:
        others = draft.told.others
        if (by_email := self._new_by_email(draft, person)) is not None:
            return by_email
        wanted, taken = self._by_property(draft, person)
        if (claimed := self._claimed(draft)) is not None:  # by someone who was joined to them
            others = tuple(one for one in others if one.key != claimed.key)
            return Chosen(claimed, others, unsaid="id_change_not_sent" if wanted not in {None, claimed.key} else None)
        if wanted is not None and (found := self._take(draft, wanted)) is not None:
            return Chosen(found[0], tuple(one for one in others if one.key != wanted), fresh=found[1])
        own = Identifier("id", person.id)
        if not self._people.takes(own):
            return TOO_LONG
        row = self._roster.row(row_name(own))
        if row is not None and row.person != draft.person:
            return DISTINCT_ID_TAKEN
        return Chosen(Customer(own.kind, own.value), others, fresh=True, unsaid="id_taken" if taken else None)

    # by email

    def _new_by_email(self, draft: Draft, person: Person) -> Chosen | None:
        email = self._usable_email(person)
        if email is None or not self._rules.by_email:
            return None
        key = Identifier("email", email.lower())
        row = self._roster.row(key.value)
        if row is not None and not self._is_address(draft, row, key):
            return None
        theirs = self._theirs(draft)
        main = theirs.get(key) or Customer("email", email)
        if main.state != "accepted":
            self._roster.keep(draft, key.value, LedgerRow(draft.person, "wanted", key, others=0))
        others = tuple(one for one in draft.told.others if one.key != key)
        return Chosen(main, others, fresh=key not in theirs and row is None)

    def _with_email(self, draft: Draft, person: Person, main: Customer) -> Chosen:
        others, email = draft.told.others, self._usable_email(person)
        key = Identifier("email", email.lower()) if email is not None else None
        if key == main.key:
            return Chosen(main, others)
        # Their customer is identified by an email that is no longer theirs.
        row = self._roster.row(key.value) if key is not None else None
        is_free = row is None or self._is_address(draft, row, key)
        moves = is_free and self._rules.by_email and may_change(person, self._rules)
        if email is not None and key is not None and moves:
            back = self._theirs(draft).get(key)
            others = (*(one for one in others if one.key != key), main)
            if back is None:
                self._roster.keep(draft, key.value, LedgerRow(draft.person, "wanted", key, others=0))
            return Chosen(back or Customer("email", email), others, fresh=back is None and row is None)
        if row is None or is_free or row.state == "left":
            return Chosen(main, others, unsaid="email_change_not_sent")
        return Chosen(main, others, unsaid=whose(row, draft.person))

    def _usable_email(self, person: Person) -> str | None:
        """The email, if it can identify a customer by itself."""
        email = person.email
        return email if email is not None and self._people.takes(Identifier("email", email)) else None

    def _is_address(self, draft: Draft, row: LedgerRow, key: Identifier | None) -> bool:
        """Whether this person may be identified by an email with a row."""
        if row.person != draft.person or row.others:
            return False
        return row.state == "left" or (row.state in {"wanted", "accepted"} and row.customer == key)

    # by a person property

    def _with_id(self, draft: Draft, person: Person, main: Customer) -> Chosen:
        others = draft.told.others
        wanted, taken = self._by_property(draft, person)
        gone = {one for part in self._roster.parts(draft) for one in part.gone}
        if taken or wanted is None or wanted == main.key or wanted in gone:
            return Chosen(main, others, unsaid="id_taken" if taken else None)
        # Only someone known by their distinct_id so far becomes another customer. Of two values of the property, each
        # may be somebody. A cio_id may be that of the same customer, which cannot be merged into itself.
        by_distinct_id = main.kind == "id" and row_name(main.key) not in draft.told.claims
        if by_distinct_id and wanted.kind == "id" and may_change(person, self._rules):
            found = self._take(draft, wanted)
            if found is not None:
                others = (*(one for one in others if one.key != wanted), main)
                return Chosen(found[0], others, fresh=found[1])
        return Chosen(main, others, unsaid="id_change_not_sent")

    def _claimed(self, draft: Draft) -> Customer | None:
        """A customer of theirs that a property identifies already."""
        claims = {one for part in self._roster.parts(draft) for one in part.claims}
        usable = (one for one in self._theirs(draft).values() if one.state in {"wanted", "accepted"})
        return next((one for one in usable if row_name(one.key) in claims), None)

    def _by_property(self, draft: Draft, person: Person) -> tuple[Identifier | None, bool]:
        """The identifier that the property gives them, and whether it is someone else's, or suppressed."""
        by = self._rules.by_property
        wanted = named_by(person, by) if by is not None else None
        if wanted is None or not self._people.takes(wanted):
            return None, False
        row = self._roster.row(row_name(wanted))
        if row is not None:
            taken = row.person != draft.person
        else:
            taken = self._suppressed(wanted.value) or self._names_another(draft, wanted.value)
        return (None, True) if taken else (wanted, False)

    def _names_another(self, draft: Draft, distinct_id: str) -> bool:
        """Whether an id is the distinct_id of someone else, about whom something is known or was said here."""
        known, root = self._known, self._roster.root
        now = root(known.who(distinct_id))
        if now != draft.person and known.is_known(now):
            return True
        ever = {root(known.who(distinct_id, at)) for at in (0, *known.changes(distinct_id))} - {draft.person}
        return any(one in self._roster.drafts or self._roster.records.stored(one) is not None for one in ever)

    def _take(self, draft: Draft, wanted: Identifier) -> tuple[Customer, bool] | None:
        """The customer with an identifier, claimed for this person, and whether it is surely a new one. None if it is
        about to be merged, or could not be."""
        found = self._theirs(draft).get(wanted)
        if found is not None and (found.state in {"leaving", "kept"} or found.elsewhere):
            return None
        self._roster.claim(draft, wanted)
        return (Customer(wanted.kind, wanted.value), True) if found is None else (found, False)
