"""Told: what one connection made true of one person at its destination. It changes by intents and settlements, never by
what is known.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from hogline.model import Identifier, Kind

MOST_GONE = 100
MOST_EMAILS = 20
MOST_RECENT = 10
MOST_OBJECTS = 100
WAITS_MS = 2**61
"""A time that never comes: customers are to be merged once the options say so."""


class Mark(NamedTuple):
    """What was said of an attribute: by which fact, and what."""

    at: int
    """The position that taught the value."""
    print: int
    """A fingerprint of what was sent."""


Recent: TypeAlias = "int | tuple[int, str]"
"""An event by its position: delivered ones by that alone, others with why not."""


class Customer(Struct, frozen=True, gc=False):
    """One customer at the destination."""

    kind: Kind
    value: str
    state: Literal["wanted", "accepted", "leaving", "kept"] = "wanted"
    """`wanted`: on disk before the first request. `accepted`: an identify was. `leaving`: being merged into the main
    one. `kept`: that was refused."""
    email: str | None = None
    """The email, in small letters, that is linked to their id."""
    names: dict[str, Mark] = {}
    """What was accepted of each attribute."""
    refused: dict[str, Mark] = {}
    said_s: int = 0
    """The newest time that an identify of theirs carried."""
    objects: tuple[str, ...] = ()
    """The last `MOST_OBJECTS` groups that they were told to belong to, in the destination's terms."""

    @property
    def identifier(self) -> Identifier:
        return Identifier(self.kind, self.value)

    @property
    def key(self) -> Identifier:
        return Identifier(self.kind, self.value if self.kind == "id" else self.value.lower())


class Told(Struct, frozen=True, gc=False):
    main: Customer | None = None
    others: tuple[Customer, ...] = ()
    """To be merged into the main one."""
    gone: tuple[Identifier, ...] = ()
    """The last `MOST_GONE` that were merged into it."""
    emails: tuple[str, ...] = ()
    """Emails, in small letters, whose rows of the ledger are or were theirs; the last `MOST_EMAILS`."""
    anonymous: tuple[str, ...] = ()
    """Ids under which there are anonymous events that no customer has yet."""
    has_held: bool = False
    """There may be held events of theirs."""
    seen: tuple[int, int] | None = None
    """The version of what is known, and the options' view of it, of which nothing is left to be said."""
    due_ms: int = 0
    """When to do what waits for a pause; 0: nothing does."""
    not_given: tuple[str, ...] = ()
    """Such ids that the destination did not take: they are said again when somebody asks for it."""
    recent: tuple[Recent, ...] = ()
    """Some of their last events, as far as they were written along with something else."""
    suppressed: bool = False
    """An event asked for it: nothing is sent of them any more."""

    @property
    def is_customer(self) -> bool:
        main = self.main
        if main is not None and main.state == "accepted":
            return True
        return any(one.state == "accepted" for one in self.others)

    @property
    def customers(self) -> tuple[Customer, ...]:
        return self.others if self.main is None else (self.main, *self.others)

    def giving_again(self) -> Told:
        """Anonymous ids that were refused are to be said once more."""
        if not self.not_given:
            return self
        return replace(self, anonymous=tuple(dict.fromkeys((*self.anonymous, *self.not_given))), not_given=())

    @property
    def remembered_emails(self) -> set[str]:
        """Every email by which they are remembered."""
        known = (*(one.identifier for one in self.customers), *self.gone)
        return {*self.emails, *(one.value for one in known if one.kind == "email")}


NOBODY = Told()
