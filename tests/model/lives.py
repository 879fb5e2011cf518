"""Makes histories: a few people, few names and few emails, so that what is rare elsewhere happens all the time.

Two kinds. *Shop*: visitors browse on devices, sign up, sign in as somebody else, are merged; each history has a theme
that adds something to it. *Crowd*: everybody talks about everybody, emails wander, people are forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from uuid import UUID

from .customerio import FAILURES, NEVER_TAKEN
from .history import (
    Configure,
    Connect,
    Event,
    Fail,
    Forget,
    History,
    Kill,
    Refuse,
    Repeat,
    Replay,
    Resend,
    Rest,
    Restart,
    Retry,
    Say,
    Step,
    Switch,
    Wait,
    World,
)  # fmt: skip

CHOICES = ("all", "identified", "emails", "anonymous-events")
ATTRIBUTES = ("plan", "city", "code")
SHARED_EMAILS = ("a@x.com", "b@x.com", "c@x.com")
IGNORED = "test exact true"
BY_PROPERTY = "property:user_id"
ALLOWED = "page,final,$identify"
THEMES = ("plain", "plain", "late", "again", "options", "killed", "apart")


def visitor(number: int) -> str:
    """An id as PostHog gives it to a visitor."""
    return str(UUID(int=(number * 7_919 + 1) << 64 | 1 << 63))


def modern_visitor(number: int) -> str:
    """As posthog-js gives it today: version 7."""
    return str(UUID(int=UUID(visitor(number)).int & ~(0xF << 76) | 7 << 76))


def history_of(seed: int) -> History:
    chance = Random(f"lives {seed}")
    return (_crowd if chance.random() < 0.35 else _shop)(chance, seed)


def _world(chance: Random, seed: int, options: dict[str, object]) -> World:
    return World(
        options=options,
        orders_by=chance.choice(["attribute", "person"]),
        shuffles=chance.random() < 0.3,
        latency_s=chance.choice([0, 0.05, 0.3, 2]),
        commit_s=chance.choice([0, 0.01, 0.1]),
        flush_s=chance.choice([1, 5, 60]),
        merge_delay_s=chance.choice([0, 0, 5, 30]),
        death_rate=chance.choice([0, 0, 0.02, 0.1]),
        schedule=seed,
    )


def _options(chance: Random) -> dict[str, object]:
    choice = chance.choice(CHOICES)
    options: dict[str, object] = {"anonymous_users": choice, "identify_by_email": chance.random() < 0.55}
    if choice in {"identified", "emails"} and chance.random() < 0.6:
        options["hold_days"] = 30
    if chance.random() < 0.1:
        options["event_allowlist"] = ALLOWED
    return options


def _as_typed(chance: Random, email: str) -> str:
    return chance.choice([email, email, email, email.upper(), f" {email.capitalize()} "])


@dataclass
class _Device:
    id: str
    user: str | None = None


@dataclass
class _Shop:
    """One history in the making."""

    chance: Random
    theme: str
    extras: Random
    """For what came later: histories without it stay as they were."""
    steps: list[Step] = field(default_factory=list)
    visitors: int = 0
    visitor: Callable[[int], str] = visitor
    deletes: bool = False
    """Accounts are deleted all the time, and their owners go on at once."""
    named: Random | None = None
    """For histories in which the property `user_id` identifies customers."""
    emails: int = 0

    def __post_init__(self) -> None:
        chance = self.chance
        self.users = ["u1", "u2", "u3"][: chance.choice([1, 2, 2, 3])]
        if chance.random() < 0.15:
            self.users[-1] = "c@x.com"
        self.others = ["crm1", "old1", "old2"]
        self.devices = [_Device(self.new_visitor()) for _ in range(chance.choice([1, 2, 3]))]
        self.shares_emails = chance.random() < 0.5
        self.unsets_emails = chance.random() < 0.3
        self.says_bad_values = chance.random() < 0.25
        self.merges_dangerously = chance.random() < 0.5
        self.is_personless = chance.random() < 0.3
        self.fails = chance.random() < 0.5
        self.refuses = chance.random() < 0.25

    def new_visitor(self) -> str:
        self.visitors += 1
        return self.visitor(self.visitors)

    def said(self) -> dict[str, object]:
        said: dict[str, object] = {
            name: self.chance.randint(0, 3) for name in ATTRIBUTES if self.chance.random() < 0.25
        }
        if "code" in said and self.says_bad_values and self.chance.random() < 0.4:
            said["code"] = NEVER_TAKEN
        return said

    def an_email(self, who: str) -> str:
        if self.shares_emails:
            return _as_typed(self.chance, self.chance.choice(SHARED_EMAILS))
        return _as_typed(self.chance, f"{who.replace('@', '.')[:8]}.{self.chance.randint(0, 2)}@y.com")

    def say(self, name: str, who: str, said: dict[str, object] | None = None, **more: object) -> None:
        chance = self.chance
        late_s = chance.randint(1, 20) if self.theme == "late" and chance.random() < 0.35 else 0
        if chance.random() < 0.03:
            more["person_email"] = chance.choice([SHARED_EMAILS[0], f"{who.replace('@', '.')[:8]}.p@y.com"])
        if more.get("other") is not None and name != "$merge_dangerously" and chance.random() < 0.04:
            more["other"] = 7
            self.steps.append(Say(Event("page", "7", {"plan": 3})))
        if self.named is not None and self.named.random() < 0.3:
            said = {**(said or {}), "user_id": _user_id(self.named)}
        if self.extras.random() < 0.05:
            self.steps.append(Say(Event("gone", self.extras.choice([who, *self.users]))))
        if self.extras.random() < 0.08:
            more["once"] = {name: self.extras.randint(4, 6) for name in ATTRIBUTES if self.extras.random() < 0.5}
        if self.extras.random() < 0.08:
            more["test"] = True
        self.steps.append(Say(Event(name, who, said or {}, late_s=late_s, **more)))  # type: ignore[arg-type]
        if self.deletes and self.extras.random() < 0.3:
            self.steps.append(Say(Event("gone", who)))
            goes_on: dict[str, object] = {"plan": self.extras.randint(0, 3)} if self.extras.random() < 0.5 else {}
            self.steps.append(Say(Event(self.extras.choice(["page", "page", "$set", "gone"]), who, goes_on)))

    # what people do

    def browse(self) -> None:
        device = self.chance.choice(self.devices)
        if self.is_personless and device.user is None and self.chance.random() < 0.5:
            self.say("page", device.id, personless=True)
        else:
            self.say("page", device.user or device.id, self.said())

    def sign_in(self) -> None:
        device, user = self.chance.choice(self.devices), self.chance.choice(self.users)
        forgets_to_reset = self.chance.random() < 0.3
        if device.user not in {None, user} and not forgets_to_reset:
            device.id = self.new_visitor()
        said = self.said() | ({"email": self.an_email(user)} if self.chance.random() < 0.3 else {})
        self.say("$identify", user, said, other=device.id)
        device.user = user

    def sign_out(self) -> None:
        device = self.chance.choice(self.devices)
        device.id, device.user = self.new_visitor(), None

    def buy(self) -> None:
        self.say("page", self.chance.choice(self.users), self.said())

    def get_an_email(self) -> None:
        anonymous = [device.id for device in self.devices if device.user is None]
        who = self.chance.choice([*self.users, *anonymous[:1], self.chance.choice(self.others)])
        self.say(self.chance.choice(["page", "$set"]), who, {"email": self.an_email(who), **self.said()})

    def lose_something(self) -> None:
        if self.unsets_emails and self.chance.random() < 0.4:
            self.say("page", self.chance.choice(self.users), unset=("email",))
        else:
            self.say("page", self.chance.choice(self.users + self.others), unset=(self.chance.choice(ATTRIBUTES),))
        if self.named is not None and self.named.random() < 0.3:
            visitors = [device.id for device in self.devices if device.user is None]
            self.say("page", self.named.choice([*self.users, *visitors]), unset=("user_id",))

    def use_another_account(self) -> None:
        self.say(self.chance.choice(["page", "page", "$identify"]), self.chance.choice(self.others), self.said())

    def alias(self) -> None:
        everybody = self.users + self.others + [device.id for device in self.devices if device.user is None]
        one, other = self.chance.sample(everybody, 2)
        name = "$merge_dangerously" if self.merges_dangerously and self.chance.random() < 0.5 else "$create_alias"
        said = self.said() if self.chance.random() < 0.2 else {}
        if self.chance.random() < 0.05:
            said["email"] = self.an_email(one)
        self.say(name, one, said, other=other)

    # what happens to Hogline

    def meanwhile(self) -> None:
        chance = self.chance
        luck = chance.random()
        if luck < 0.40:
            self.steps.append(Wait(chance.choice([0.01, 0.1, 0.5, 2, 6, 40])))
        elif luck < 0.50:
            self.steps.append(Rest())
        elif luck < 0.60 and self.fails:
            self.steps.append(Fail(tuple(chance.choice(FAILURES) for _ in range(chance.randint(1, 3)))))
        elif luck < 0.66 and self.theme != "plain":
            self.steps += [Wait(chance.choice([0, 0.01, 0.05, 0.2, 1])), _killed_or_restarted(chance)]
        elif luck < 0.70 and self.refuses:
            self.steps.append(Refuse(chance.choice(["event", "event", "identify", "merge"]), chance.randint(1, 2)))
        self.theme_meanwhile()
        self.rarely()

    def theme_meanwhile(self) -> None:
        chance, luck = self.chance, self.chance.random()
        if self.theme == "again" and luck < 0.2:
            again: list[Step] = [Replay(), Replay(), Retry(), Repeat(chance.randint(1, 6))]
            self.steps.append(chance.choice(again))
        elif self.theme == "options" and luck < 0.15:
            changed, at_rest = _changed(chance), chance.random() < 0.6
            if self.named is not None and "identify_by_email" in changed:
                changed = {"identify_by": self.named.choice(["id", BY_PROPERTY])}
            self.steps.append(Configure(changed, at_rest=at_rest))
        elif self.theme == "killed" and luck < 0.15:
            self.steps += [Wait(chance.choice([0, 0.05, 1])), Kill()]

    def rarely(self) -> None:
        chance, luck = self.chance, self.chance.random()
        if luck < 0.02:
            # An id that looks like an email may also mean whoever has that email.
            ids = [one for one in [*self.users, "crm1", self.visitor(1)] if "@" not in one]
            self.steps.append(Forget(chance.choice(ids), suppress=chance.random() < 0.3))
        elif luck < 0.035 and not any(isinstance(step, Connect) for step in self.steps):
            self.steps.append(Connect(_options(chance)))
        elif luck < 0.045:
            self.steps.append(Switch())
        elif luck < 0.055:
            self.steps.append(Resend(chance.choice([*self.users, "old1"])))


def _killed_or_restarted(chance: Random) -> Step:
    return Restart() if chance.random() < 0.3 else Kill()


def _user_id(chance: Random) -> object:
    """A value of the property: few, so that people share them; sometimes somebody's distinct_id."""
    return chance.choice(["k1", "k2", "k3", 41] if chance.random() < 0.94 else ["u1", "u2", "crm1"])


def _named_by_property(seed: int, options: dict[str, object]) -> Random | None:
    """In some histories, customers are identified by the property `user_id`."""
    chance = Random(f"named {seed}")
    if chance.random() > 0.15:
        return None
    del options["identify_by_email"]
    options["identify_by"] = BY_PROPERTY
    return chance


def _changed(chance: Random) -> dict[str, object]:
    return chance.choice([
        {"identify_by_email": True},
        {"identify_by_email": False},
        {"anonymous_users": "all"},
        {"anonymous_users": "identified", "hold_days": 30},
        {"anonymous_users": "identified", "hold_days": 0},
        {"anonymous_users": "emails", "hold_days": 30},
        {"anonymous_users": "anonymous-events", "hold_days": 0},
        {"event_allowlist": ALLOWED},
        {"event_allowlist": None},
        {"attribute_names": "-code"},
        {"attribute_names": None},
        {"merge_people": False},
        {"merge_people": True},
    ])  # fmt: skip


def _shop(chance: Random, seed: int) -> History:
    theme = chance.choice(THEMES)
    options = _options(chance) | ({"merge_people": False} if theme == "apart" else {})
    extras = Random(-seed - 1)
    if extras.random() < 0.25:
        options["ignore_when"] = IGNORED
    if extras.random() < 0.1 and "event_allowlist" not in options:
        options["events"] = "-$cre*"
    deletes = extras.random() < 0.3 and theme != "again"
    if deletes:
        options["delete_on"] = "gone"
    merges_all = theme != "apart" and extras.random() < 0.2
    if merges_all:
        options["merge_people"] = "all"
    named = _named_by_property(seed, options)
    seen_as = modern_visitor if merges_all else visitor
    shop = _Shop(chance, theme, extras, visitor=seen_as, deletes=deletes, named=named)
    rules = {
        shop.browse: 25, shop.sign_in: 17, shop.sign_out: 5, shop.buy: 8, shop.get_an_email: 14, shop.lose_something: 9,
        shop.use_another_account: 6, shop.alias: 12,
    }  # fmt: skip
    for _ in range(chance.randint(3, 14) * (2 if chance.random() < 0.25 else 1)):
        chance.choices(list(rules), list(rules.values()))[0]()
        shop.meanwhile()
    world = _world(chance, seed, options)
    if merges_all:
        ids = [modern_visitor(number) for number in range(1, shop.visitors + 1)]
        world = replace(world, elsewhere=tuple(one for one in ids if extras.random() < 0.6))
    return History(world, tuple(shop.steps))


def _crowd(chance: Random, seed: int) -> History:
    """Few people and few emails; whatever is rare in a shop."""
    options: dict[str, object] = {
        "anonymous_users": chance.choice(["all", "all", *CHOICES]), "identify_by_email": chance.random() < 0.7,
    }  # fmt: skip
    if options["anonymous_users"] in {"identified", "emails"} and chance.random() < 0.5:
        options["hold_days"] = 30
    steps: list[Step] = []
    named = _named_by_property(seed, options)
    for _ in range(chance.randint(6, 24)):
        said = _said_in_a_crowd(chance)
        steps += [_with_user_id(named, step) for step in said] if named is not None else said
        steps += _meanwhile_in_a_crowd(chance)
    return History(_world(chance, seed, options), tuple(steps))


def _said_in_a_crowd(chance: Random) -> list[Step]:
    users = ["u1", "u2", "u3", "crm1"]
    who, said = chance.choice(users), dict[str, object]()
    if chance.random() < 0.4:
        said["plan"] = chance.randint(0, 3)
    if chance.random() < 0.55:
        said["email"] = _as_typed(chance, chance.choice(SHARED_EMAILS))
    rules: list[tuple[int, Step]] = [
        (35, Say(Event(chance.choice(["page", "$set"]), who, said))),
        (27, Say(Event("$identify", who, said, other=visitor(chance.randint(1, 4))))),
        (10, Say(Event("page", visitor(chance.randint(1, 4)), said))),
        (8, Say(Event(chance.choice(["$merge_dangerously", "$create_alias"]), who, other=chance.choice(users)))),
        (6, Say(Event("page", who, unset=("plan",)))),
        (4, Forget(who, suppress=chance.random() < 0.2)),
        (4, Replay()),
        (2, Resend(who)),
        (2, Retry()),
        (2, Configure({"identify_by_email": chance.random() < 0.5}, at_rest=chance.random() < 0.5)),
    ]
    return chance.choices([[step] for _, step in rules], [often for often, _ in rules])[0]


def _with_user_id(chance: Random, step: Step) -> Step:
    match step:
        case Say(event) if chance.random() < 0.4:
            return Say(replace(event, set={**event.set, "user_id": _user_id(chance)}))
        case Say(event) if chance.random() < 0.05:
            return Say(replace(event, unset=(*event.unset, "user_id")))
        case Configure():
            return Configure({"identify_by": chance.choice(["id", BY_PROPERTY])}, at_rest=step.at_rest)
        case _:
            return step


def _meanwhile_in_a_crowd(chance: Random) -> list[Step]:
    rules: list[tuple[int, list[Step]]] = [
        (18, []),
        (30, [Wait(0)]),
        (20, [Wait(chance.choice([0.1, 1, 10]))]),
        (10, [Rest()]),
        (10, [Fail(tuple(chance.choice(FAILURES) for _ in range(chance.randint(1, 3))))]),
        (6, [Wait(0.1), Kill()]),
        (6, [Refuse(chance.choice(["event", "identify"]), 1)]),
    ]
    return chance.choices([steps for _, steps in rules], [often for often, _ in rules])[0]
