"""A history: what PostHog says, and what happens to Hogline meanwhile. Each step prints as one line."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias
from uuid import UUID


@dataclass(frozen=True)
class Event:
    """One event of PostHog's."""

    name: str
    who: str
    """Its distinct_id."""
    set: dict[str, object] = field(default_factory=dict)
    once: dict[str, object] = field(default_factory=dict)
    """`$set_once`."""
    unset: tuple[str, ...] = ()
    other: object = None
    """`$anon_distinct_id` of a $identify, `alias` of a $create_alias or $merge_dangerously; any JSON value."""
    late_s: int = 0
    """It happened so long before it was sent."""
    personless: bool = False
    person_email: str | None = None
    """The email of PostHog's person, as webhooks carry it."""
    test: bool = False
    """It has the property `test`, by which a connection may ignore it."""

    @property
    def emails(self) -> frozenset[str]:
        """All that it names, in small letters."""
        named = (self.set.get("email"), self.person_email, self.who if "@" in self.who else None)
        return frozenset(one.strip().lower() for one in named if isinstance(one, str))

    @property
    def named(self) -> frozenset[str]:
        """Everything by which somebody who is blocked may be meant."""
        ids = (self.who, self.other, self.set.get("user_id"))
        return self.emails.union(str(one) for one in ids if one is not None)

    def __str__(self) -> str:
        said = [f"{name} {value}" for name, value in self.set.items()] + [f"-{name}" for name in self.unset]
        said += [f"once {name} {value}" for name, value in self.once.items()] + ["test"] * self.test
        more = (f" anon {self.other!r}" if self.name == "$identify" else f" alias={self.other!r}") * (
            self.other is not None
        )
        late = f" ({self.late_s} s late)" * bool(self.late_s)
        person = f" person {self.person_email}" if self.person_email else ""
        return f"{self.name} {self.who}{' {' + ', '.join(said) + '}' if said else ''}{more}{person}{late}{' personless' * self.personless}"

    def body(self, n: int, at_ms: int) -> dict[str, Any]:
        """As PostHog's SDKs send it, or its webhook where it carries the person. `n`: its number in the history."""
        properties: dict[str, Any] = {"n": n}
        if self.set:
            properties["$set"] = self.set
        if self.once:
            properties["$set_once"] = self.once
        if self.test:
            properties["test"] = True
        if self.unset:
            properties["$unset"] = list(self.unset)
        if self.other is not None:
            properties["$anon_distinct_id" if self.name == "$identify" else "alias"] = self.other
        if self.personless:
            properties["$process_person_profile"] = False
        event = {
            "event": self.name,
            "distinct_id": self.who,
            "uuid": uuid_of(n),
            "timestamp": at_ms,
            "properties": properties,
        }
        if self.person_email is None:
            return event
        return {"event": event, "person": {"properties": {"email": self.person_email}}}


def uuid_of(n: int) -> str:
    return str(UUID(int=0x0199F3A0_0000_7000_8000_000000000000 + n))


@dataclass(frozen=True)
class Say:
    """PostHog sends an event; those in a row may come in one request."""

    event: Event

    def __str__(self) -> str:
        return str(self.event)


@dataclass(frozen=True)
class Repeat:
    """A sender who missed the answer sends an event again. `back`: so many events ago."""

    back: int


@dataclass(frozen=True)
class Wait:
    seconds: float


@dataclass(frozen=True)
class Rest:
    """Until nothing is left to do."""


@dataclass(frozen=True)
class Kill:
    """`kill -9`, and a start."""


@dataclass(frozen=True)
class Restart:
    """SIGTERM, and a start."""


@dataclass(frozen=True)
class Fail:
    """The next requests fail, each in one of the ways of `customerio.FAILURES`."""

    ways: tuple[str, ...]


@dataclass(frozen=True)
class Refuse:
    """The next operations of this kind are refused (207): `event`, `identify` or `merge`."""

    kind: str
    operations: int


@dataclass(frozen=True)
class Retry:
    """`hogline failures retry --all`."""


@dataclass(frozen=True)
class Replay:
    """`hogline replay`, of all that was received since the history began."""


@dataclass(frozen=True)
class Resend:
    """`hogline people resend`."""

    who: str


@dataclass(frozen=True)
class Configure:
    """Other options for the first connection. `at_rest`: once all is settled; else while requests are out."""

    options: dict[str, object]
    at_rest: bool


@dataclass(frozen=True)
class Connect:
    """A second connection, to a workspace of its own."""

    options: dict[str, object]


@dataclass(frozen=True)
class Switch:
    """The last connection is paused, or resumed."""


@dataclass(frozen=True)
class Forget:
    """`hogline people forget`, perhaps `--suppress`."""

    who: str
    suppress: bool


Step: TypeAlias = (
    Say
    | Repeat
    | Wait
    | Rest
    | Kill
    | Restart
    | Fail
    | Refuse
    | Retry
    | Replay
    | Resend
    | Configure
    | Connect
    | Switch
    | Forget
)


@dataclass(frozen=True)
class World:
    """What holds for a whole history, beside its steps."""

    options: dict[str, object]
    """Of the first connection."""
    orders_by: str = "attribute"
    """How Customer.io orders updates, which its documentation leaves open: by `attribute` or by `person`."""
    shuffles: bool = False
    """Operations of one request take effect in any order."""
    latency_s: float = 0.05
    commit_s: float = 0.01
    flush_s: float = 5.0
    """How often what is known is written."""
    merge_delay_s: float = 0.0
    mates: int = 0
    """How many other processes deliver the same store."""
    death_rate: float = 0.0
    """How often the process dies before or after a commit or a request."""
    dies_at: int = 0
    """It dies at this point, of those before or after a commit or a request, counted from 1; 0: at none."""
    elsewhere: tuple[str, ...] = ()
    """Ids of visitors whom another tool made customers in the first connection's workspace before."""
    schedule: int = 0
    """Seed of everything that happens by chance while the history goes on."""


@dataclass(frozen=True)
class History:
    world: World
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return "\n".join([f"{self.world}", *(f"  {step}" for step in self.steps)])

    def with_steps(self, steps: tuple[Step, ...]) -> History:
        return replace(self, steps=steps)
