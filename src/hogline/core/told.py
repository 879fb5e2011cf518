"""Told: what one connection told its destination about one person, as far as that was accepted. Only intents and
settlements change it, never what is known.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from hogline.model import Identifier, IdentifierKind

MOST_GONE = 100
MOST_EMAILS = 20
MOST_RECENT = 10
MOST_OBJECTS = 100
WAITS_MS = 2**61
"""A time that never comes: customers will be merged once the options say so."""


class Mark(Struct, frozen=True, array_like=True, gc=False):
    """What was sent for an attribute: from which fact, and what."""

    at: int
    """The position that taught the value."""
    print: int
    """A fingerprint of what was sent."""


Recent: TypeAlias = "int | tuple[int, str]"
"""An event by its position: delivered ones by that alone, others with the reason."""


class Moment(NamedTuple):
    position: int
    ms: int
    """The event's own time, in milliseconds since 1970."""


class Customer(Struct, frozen=True, gc=False):
    """One customer at the destination."""

    kind: IdentifierKind
    value: str
    state: Literal["wanted", "accepted", "leaving", "kept"] = "wanted"
    """`wanted`: on disk before the first request. `accepted`: an identify was. `leaving`: it is being merged into the
    main one. `kept`: that was rejected."""
    email: str | None = None
    """The email, in lowercase, that is linked to their id."""
    names: dict[str, Mark] = {}
    """What was accepted for each attribute."""
    refused: dict[str, Mark] = {}
    said_s: int = 0
    """The newest time in an identify of theirs."""
    objects: tuple[str, ...] = ()
    """The last `MOST_OBJECTS` groups that they were related to, in the destination's terms."""
    elsewhere: bool = False
    """Another tool may have made it. Nothing was ever told about it."""

    @property
    def identifier(self) -> Identifier:
        return Identifier(self.kind, self.value)

    @property
    def key(self) -> Identifier:
        return self.identifier.key


class Told(Struct, frozen=True, gc=False):
    main: Customer | None = None
    others: tuple[Customer, ...] = ()
    """To be merged into the main one."""
    gone: tuple[Identifier, ...] = ()
    """The last `MOST_GONE` that were merged into it."""
    emails: tuple[str, ...] = ()
    """Emails, in lowercase, whose rows in the ledger are or were theirs; the last `MOST_EMAILS`."""
    anonymous: tuple[str, ...] = ()
    """Ids with anonymous events that do not belong to a customer yet."""
    has_held: bool = False
    """They may have held events."""
    seen: tuple[int, int] | None = None
    """The version of what is known, and the view of the options, for which everything has been said."""
    due_ms: int = 0
    """When delayed work is due; 0: there is none."""
    not_given: tuple[str, ...] = ()
    """Anonymous ids that the destination rejected. They are sent again on request."""
    recent: tuple[Recent, ...] = ()
    """Some of their recent events, as far as they were written along with other changes."""
    suppressed: bool = False
    """An event asked for it: nothing more is sent about them."""
    removed: Moment | None = None
    """The last event that deleted their customers, if they had any."""

    claims: tuple[str, ...] = ()
    """Names of rows in the ledger that are theirs and are no emails."""

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
        """Rejected anonymous ids are to be sent again."""
        if not self.not_given:
            return self
        return replace(self, anonymous=tuple(dict.fromkeys((*self.anonymous, *self.not_given))), not_given=())

    @property
    def remembered_emails(self) -> set[str]:
        """Every email by which they are remembered."""
        known = (*(one.identifier for one in self.customers), *self.gone)
        return {*self.emails, *(one.value for one in known if one.kind == "email")}


NOBODY = Told()
