"""Households: people with several devices and accounts, what PostHog says of them, and who they are in the end.

Each household has its own history, generated from a seed: visits on shared devices, sign-ups, events and aliases from
the shop's server, changed emails, removed attributes, merged old accounts. With it comes the expected identity of each
person by PostHog's rules. Knows nothing of Customer.io or of how anything is sent.

A sender whose answer is lost says an event twice. So that the truth is the same, each value is said only once, and an
event that joins two people says anew what both have.
"""

from __future__ import annotations

from functools import cache
from random import Random
from uuid import UUID

from msgspec import Struct, field

from bench.soak.traffic import Traffic

NAMES = ("plan", "city", "code")
REFUSED = "refused"
"""A value of `code` that Customer.io does not take."""
DEVICES = 3
USERS = 2
_APPLIED = frozenset({"$set", "$create_alias", "$merge_dangerously"})
"""Never sent as events."""
_TIME = "2024-01-{:02}T{:02}:{:02}:00Z"
"""Of day, hour and minute: each history has one event a minute, up to 44,640 of them."""


class Human(Struct, eq=False):
    """Somebody as PostHog knows them in the end."""

    ids: set[str]
    known: bool = False
    """They were identified."""
    protected: bool = False
    """They asked to be joined with somebody once: nobody absorbs them anymore, but dangerously."""
    email: str | None = None
    emails: set[str] = field(default_factory=set)
    """In lowercase: all they ever had."""
    attributes: dict[str, object] = field(default_factory=dict)
    """The newest values; None: removed."""
    events: list[int] = field(default_factory=list)
    """Numbers of their events that are to arrive."""


class _Device(Struct):
    anonymous_id: str
    user: str | None = None
    """Who is logged in."""


class Household:
    """One history, told to its end."""

    def __init__(self, number: int, events: int, source: Random) -> None:
        self.events: list[dict[str, object]] = []
        """In PostHog's capture form, without uuid."""
        self.before: dict[int, list[int]] = {}
        """Of each event that is to arrive, those of the same person that came earlier. Before two ids are joined,
        it is unknown that they are one person."""
        self._number = number
        self._source = source
        self._humans: dict[str, Human] = {}
        self._visitors = 0
        self._devices = [_Device(self._new_visitor()) for _ in range(DEVICES)]
        rules = {
            self._browse: 34, self._sign_in: 14, self._sign_out: 5, self._order_at_the_server: 10,
            self._say: 5, self._use_the_crm: 5, self._alias: 5, self._get_another_email: 6,
            self._use_an_old_account: 4, self._merge_an_old_account: 3, self._take_away: 6,
        }  # fmt: skip
        while len(self.events) < events:
            source.choices(list(rules), list(rules.values()))[0]()

    @property
    def humans(self) -> list[Human]:
        return list({id(human): human for human in self._humans.values()}.values())

    # what happens

    def _browse(self) -> None:
        device = self._device()
        self._tell("$pageview", device.user or device.anonymous_id, self._said())

    def _sign_in(self) -> None:
        device, user = self._device(), self._user()
        forgets_to_reset = self._source.random() < 0.2
        if device.user not in {None, user} and not forgets_to_reset:
            device.anonymous_id = self._new_visitor()
        human, visitor = self._human(user), self._human(device.anonymous_id)
        human.known = True
        self._tell("$identify", user, self._said(), {"$anon_distinct_id": device.anonymous_id}, joins=visitor)
        device.user = user

    def _sign_out(self) -> None:
        device = self._device()
        device.anonymous_id, device.user = self._new_visitor(), None

    def _order_at_the_server(self) -> None:
        self._tell("order completed", self._user(), self._said())

    def _say(self) -> None:
        self._tell("$set", self._user(), self._said() or {"plan": len(self.events)})

    def _use_the_crm(self) -> None:
        self._tell("call noted", self._also("crm", self._user()), self._said())

    def _alias(self) -> None:
        """The SDKs disagree about which of both ids is the new one; PostHog refuses where the other is protected."""
        user = self._user()
        ids = [user, self._also("crm", user)]
        if not self._human(user).known:
            return
        self._source.shuffle(ids)
        self._tell("$create_alias", ids[0], {}, {"alias": ids[1]}, joins=self._human(ids[1]))

    def _get_another_email(self) -> None:
        self._tell("email changed", self._user(), {"email": self._new_email()})

    def _use_an_old_account(self) -> None:
        said = self._said() | ({"email": self._new_email()} if self._source.random() < 0.3 else {})
        old = self._also("old", self._user())
        self._human(old).known = True
        self._tell("$identify", old, said)

    def _merge_an_old_account(self) -> None:
        user = self._user()
        old = self._also("old", user)
        self._tell("$merge_dangerously", user, {}, {"alias": old}, joins=self._human(old))

    def _take_away(self) -> None:
        self._tell("order completed", self._user(), {}, unset=self._source.choice(NAMES))

    # whose, and what

    def _device(self) -> _Device:
        return self._source.choice(self._devices)

    def _user(self) -> str:
        return f"user-{self._number}-{self._source.randrange(USERS)}"

    def _also(self, kind: str, user: str) -> str:
        return user.replace("user", kind)

    def _new_visitor(self) -> str:
        self._visitors += 1
        return str(UUID(int=(self._number << 16 | self._visitors) * 7_919 << 64 | 1 << 63))

    def _new_email(self) -> str:
        return f"{self._number}.{len(self.events)}@Example.com"

    def _said(self) -> dict[str, object]:
        names = [name for name in NAMES if self._source.random() < 0.25]
        return {name: REFUSED if name == "code" and self._source.random() < 0.2 else len(self.events) for name in names}

    def _human(self, distinct_id: str) -> Human:
        return self._humans.setdefault(distinct_id, Human({distinct_id}))

    def _tell(
        self,
        name: str,
        distinct_id: str,
        said: dict[str, object],
        properties: dict[str, object] | None = None,
        *,
        unset: str | None = None,
        joins: Human | None = None,
    ) -> None:
        """The next event. `joins`: whom it asks to make part of the same person."""
        n = len(self.events)
        human = self._human(distinct_id)
        if joins is not None:
            human.protected = True  # the attempt alone does it
            if joins is not human and (name == "$merge_dangerously" or not joins.protected):
                said = self._said_anew(human, joins) | said
                self._join(human, joins)
        human.attributes |= {name: value for name, value in said.items() if name != "email"}
        if unset is not None:
            human.attributes[unset] = None
        if (email := said.get("email")) is not None:
            human.email = str(email)
            human.emails.add(human.email.lower())
        more = ({"$set": said} if said else {}) | ({"$unset": [unset]} if unset else {})
        hour, minute = divmod(n, 60)
        self.events.append(
            {
                "event": name,
                "distinct_id": distinct_id,
                "timestamp": _TIME.format(1 + hour // 24, hour % 24, minute),
                "properties": {"n": n, **(properties or {}), **more},
            }
        )
        if name not in _APPLIED:
            self.before[n] = list(human.events)
            human.events.append(n)

    def _said_anew(self, human: Human, other: Human) -> dict[str, object]:
        said: dict[str, object] = dict.fromkeys(human.attributes.keys() & other.attributes.keys(), len(self.events))
        return said | ({"email": self._new_email()} if human.email and other.email else {})

    def _join(self, human: Human, other: Human) -> None:
        human.ids |= other.ids
        human.known = human.known or other.known
        human.email = human.email or other.email
        human.emails |= other.emails
        human.attributes = other.attributes | human.attributes
        human.events = sorted(human.events + other.events)
        self._humans |= dict.fromkeys(other.ids, human)


class Households(Traffic, frozen=True, kw_only=True):
    """As many households as `people`."""

    seed: int

    def household(self, number: int) -> Household:
        return _household(self.seed, number, self.events_each)

    def event(self, person: int, n: int) -> dict[str, object]:
        return {**self.household(person).events[n], "uuid": str(UUID(int=person + 1 << 64 | n))}


@cache
def _household(seed: int, number: int, events: int) -> Household:
    return Household(number, events, Random(f"{seed}/{number}"))
