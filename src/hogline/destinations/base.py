"""What a destination is: its options, how it writes events, packs and reads answers, how it checks itself; and, if it
has people, how it writes what is said of them.

Everything here is pure but for `check`, which is handed the means to send a request. A destination knows no clock, no
disk, and nothing of how or when its requests are sent. Whom an event makes a customer, what is said of them and when is
decided by the core: a destination only says what it can, and how that is written.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from msgspec import Struct

from hogline.destinations.conditions import NEVER, Conditions
from hogline.destinations.names import ALL, Names
from hogline.model import Answer, Identifier, Operation, Refusal, Request, Response
from hogline.posthog.entry import Entry

Removal: TypeAlias = Literal["delete", "suppress", "unsuppress"]
"""A customer is deleted; suppressed, they cannot come back either, until they are unsuppressed."""

Send: TypeAlias = Callable[[Request], Awaitable[Response]]
"""Sends one request, without following redirects. Raises `Unreachable`."""


class Unreachable(Exception):
    """No answer came. The text is a short cause that is safe to show: no payload, no secret."""


class Reason(Struct, frozen=True):
    """An explanation of a short reason to count by, for people."""

    means: str
    to_do: str = ""
    """Empty: there is nothing to do."""


class Choice(Struct, frozen=True):
    value: str
    title: str


class Option(Struct, frozen=True, kw_only=True):
    """One option of a connection, as the command line and the console ask for it."""

    key: str
    title: str
    kind: Literal["text", "choice", "yes_no", "whole_number"]
    hint: str
    required: bool = False
    secret: bool = False
    default: str | bool | int = ""
    choices: tuple[Choice, ...] = ()
    minimum: int = 0
    maximum: int = 0
    variables: tuple[str, ...] = ()
    """Of a secret: environment variables without `HOGLINE_` that it is also read from, beside that of its destination
    and key. Only for the destinations that come with Hogline."""
    advanced: bool = False
    """Few need it: a form shows it behind the others."""
    suggestions: tuple[Choice, ...] = ()
    """Texts to begin with."""
    changing: str = ""
    """What a change does to what is at the destination already, in a sentence."""
    before: str | bool | int | None = None
    """What a connection goes by that was made before this option existed; None: by the default."""
    instead: str = ""
    """It is an older name of this option, and still means what it meant. No form asks for it."""
    becomes: tuple[str, ...] = ()
    """Of an older yes or no: what no and what yes is as a value of the option that replaced it."""

    def allows(self, number: int) -> bool:
        return self.minimum <= number <= self.maximum


PACE = Option(
    key="max_requests_per_second",
    title="Requests per second",
    kind="whole_number",
    default=100,
    minimum=1,
    maximum=1_000,
    hint="At most so many requests go out in any second. A request carries up to about a thousand events, so this is"
    " seldom what limits.",
)
"""An option that every destination has."""


class OptionProblem(Struct, frozen=True):
    key: str
    sentence: str


class InvalidOptions(ValueError):
    """Options that cannot be used; `problems` has one sentence for each mistake."""

    def __init__(self, problems: Sequence[OptionProblem]) -> None:
        super().__init__(" ".join(problem.sentence for problem in problems))
        self.problems = tuple(problems)


class Imported(Struct, frozen=True):
    """What the configuration of another tool says."""

    options: dict[str, object]
    """Of a connection; what the configuration leaves open is left out."""
    hidden: dict[str, str]
    """Secrets that it does not show: its key for each, and the option to give instead."""
    ignored: tuple[str, ...]
    """Keys that mean nothing here."""
    notes: tuple[str, ...] = ()
    """What cannot be taken over, and what to do: a sentence each."""

    def __repr__(self) -> str:
        return f"Imported(hidden={sorted(self.hidden)})"


class Importer(Struct, frozen=True):
    """Takes options from the configuration file of another tool."""

    hint: str
    """What the file is, for people."""
    tool: str
    """What it is called in a sentence: the app."""
    read: Callable[[bytes, Collection[str]], Imported]
    """The options in a file's text. The keys given with it are of options that are known already: the file is not
    asked for them. Raises `InvalidOptions`."""


class Check(Struct, frozen=True):
    """What came of checking a connection's credentials."""

    outcome: Literal["ok", "refused", "wrong_region", "unreachable"]
    sentence: str
    """What was found and what to do, for people."""
    region: str | None = None
    workspace: str | None = None


OptionsT = TypeVar("OptionsT")
ReadT_contra = TypeVar("ReadT_contra", contravariant=True)


class Limits(Struct, frozen=True):
    """How much goes into one request of a batch."""

    request_bytes: int
    operations: int
    envelope_bytes: int
    """What the request adds around the operations; between two of them stands one byte."""


class Keeps(NamedTuple):
    """What is to be known, as the connections' options want it."""

    properties: bool = False
    """All properties of PostHog's person, not only what events set."""
    email_property: str = "email"
    """The person property that holds the email."""
    protects_emails: bool = False
    """A known email is not changed, nor taken away, by whoever read the public token in a page."""
    set_once: bool = False
    """What `$set_once` says, where nothing else is known."""


KEEPS = Keeps()
"""What is known as long as nobody asks for more."""


class Mapped(Struct, frozen=True):
    """An attribute that is not called as PostHog calls it."""

    name: str
    source: str = ""
    """The person property that it takes its value from, in whose place it is sent; `distinct_id`: the person's id.
    Empty: it is fixed."""
    value: object = None
    """Of a fixed one."""


class Rules(Struct, frozen=True, kw_only=True):
    """What of a connection's options decides who is sent, and as whom."""

    whom: Literal["all", "identified", "emails", "anonymous-events"] = "all"
    """Whose events are sent. `anonymous-events`: everybody's, but visitors do not become customers."""
    events: Names = ALL
    """Only these events are sent."""
    ignores: Conditions = NEVER
    """Events that meet one of these are never sent."""
    deletes: frozenset[str] = frozenset()
    """Names of events that delete their customer, if a server sent them."""
    suppresses: frozenset[str] = frozenset()
    """Names of events that suppress their customer, if a server sent them."""
    hold_days: int = 0
    by_email: bool = False
    """Customers are named by their email where there is one."""
    merge_people: bool = True
    keeps: Keeps = KEEPS
    """What it wants to be known of people."""
    has_groups: bool = False
    mapping: tuple[Mapped, ...] = ()
    """Attributes under other names, and fixed ones."""
    view: int = 0
    """Another number whenever the same facts would be said in another way."""

    @property
    def removes(self) -> bool:
        return bool(self.deletes or self.suppresses)

    def removal(self, name: str) -> Literal["delete", "suppress"] | None:
        """What an event of this name asks for, if a server sent it."""
        if name in self.suppresses:
            return "suppress"
        return "delete" if name in self.deletes else None


class Written(Struct, frozen=True, gc=False):
    """An event as it is to be sent, or why it can never be."""

    operation: Operation | None
    adjusted: tuple[str, ...] = ()
    refusal: Refusal | None = None


class GroupPlan(Struct, frozen=True):
    """What an event about a group comes to."""

    operations: tuple[Operation, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    adjusted: tuple[str, ...] = ()


class People(Protocol[ReadT_contra]):
    """How a destination with people of its own is told of them."""

    applied: frozenset[str]
    """Events that say something about people or groups and are not sent themselves, unless an option names them."""
    most_attributes: int

    def rules(self, options: ReadT_contra) -> Rules: ...

    def takes(self, identifier: Identifier) -> bool:
        """Whether it can be a customer's identifier."""
        ...

    def attribute(self, name: str, value: object, options: ReadT_contra) -> tuple[object, str | None]:
        """A value as it would be sent, and why it was changed, as a reason to count by; `UNKNOWN`: it is not sent."""
        ...

    def identify(
        self, identifier: Identifier, attributes: dict[str, object], timestamp_s: int
    ) -> Sequence[tuple[Operation, Sequence[str]]]:
        """What says these attributes, and creates the customer: operations, and the names that each of them carries."""
        ...

    def parts(self, operation: Operation, refusal: Refusal) -> Sequence[Operation]:
        """A refused identify in smaller ones, of which some may be accepted; none if it cannot be divided."""
        ...

    def bare(self, operation: Operation) -> Operation | None:
        """An identify without its attributes: it only creates the customer. None if it is none, or had none."""
        ...

    def names(self, operation: Operation) -> Sequence[str]:
        """The attributes that an identify carries."""
        ...

    def head(self, identifier: Identifier) -> bytes:
        """How every event of a customer begins."""
        ...

    def event(
        self, head: bytes, identifier: Identifier, entry: Entry, email: str | None, options: ReadT_contra
    ) -> Operation | Written:
        """An event of a customer: an operation, or more than that. `email`: theirs, if one is known."""
        ...

    def anonymous_event(self, entry: Entry, options: ReadT_contra) -> Written:
        """An event that makes nobody a customer."""
        ...

    def left_out(self, entry: Entry, options: ReadT_contra) -> Sequence[str]:
        """The event's properties that the options keep from being sent."""
        ...

    def give_anonymous(self, identifier: Identifier, anonymous_id: str, timestamp_s: int) -> Operation:
        """What was sent under an anonymous id is this customer's."""
        ...

    def merge(self, primary: Identifier, secondary: Identifier) -> Operation:
        """One customer becomes part of another; it cannot be undone."""
        ...

    def remove(self, identifier: Identifier, action: Removal) -> Operation: ...

    def group(self, entry: Entry, options: ReadT_contra) -> GroupPlan:
        """What an event says about a group itself."""
        ...

    def objects(self, entry: Entry, options: ReadT_contra) -> Sequence[str]:
        """The groups that an event's user belongs to, in the destination's terms."""
        ...

    def belong(self, identifier: Identifier, objects: Sequence[str]) -> Operation:
        """A customer belongs to these."""
        ...


class Destination(Protocol[OptionsT]):
    key: str
    """Names it on the command line and in the store: `customerio`."""
    title: str
    summary: str
    options: tuple[Option, ...]
    reasons: Mapping[str, Reason]
    """What its own reasons mean: those by which it filters or refuses events."""
    imports: Mapping[str, Importer]
    """By option of `hogline connect`, such as `from_app`."""
    limits: Limits
    cannot_forget: str
    """Why nobody can be deleted there, and what to do instead; blank: somebody can."""

    @property
    def people(self) -> People[OptionsT] | None:
        """None: it only takes events, and nobody is remembered for it."""
        ...

    def read_options(self, values: Mapping[str, object]) -> OptionsT:
        """The options from raw values by key (text as typed, or JSON values); raises `InvalidOptions`."""
        ...

    def base_url(self, options: OptionsT) -> str:
        """Where every request goes, with the credentials: scheme, host, perhaps a port and a path."""
        ...

    def requests_per_second(self, options: OptionsT) -> int:
        """How many requests may go out in any second."""
        ...

    def forward(self, entry: Entry, options: OptionsT) -> Written | str:
        """An event as it is sent by a destination without people, or the rule that keeps it from being sent. Pure: the
        same arguments always give the same bytes."""
        ...

    def request(self, operations: Sequence[Operation], options: OptionsT) -> Request:
        """One request: several operations without a `path`, or a single one with it."""
        ...

    def read_answer(self, operations: Sequence[Operation], response: Response, now_s: float) -> Answer:
        """What the response says of each operation. `now_s` (seconds since 1970) makes a `Retry-After`
        date a duration."""
        ...

    async def check(self, options: OptionsT, send: Send) -> Check:
        """Asks the destination whether the credentials are good. Never raises for what it answers."""
        ...
