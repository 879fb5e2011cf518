"""The contract of a destination: its options, how it writes events, packs requests and reads responses, how it checks
itself; and, if it has people, how it writes what is known about them.

Everything here is pure except `check`, which gets a function that sends a request. A destination knows no clock and no
disk, and nothing about how or when its requests are sent. The core decides who becomes a customer, what they are told,
and when; a destination only says what it can do, and how that is written.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from msgspec import Struct

from hogline.destinations.conditions import NEVER, Conditions
from hogline.destinations.names import ALL, Names
from hogline.model import Answer, Identifier, Operation, Refusal, Request, Response
from hogline.posthog.entry import Entry

Removal: TypeAlias = Literal["delete", "suppress", "unsuppress"]
"""`delete`: the customer is deleted. `suppress`: they also cannot come back until they are unsuppressed."""

Send: TypeAlias = Callable[[Request], Awaitable[Response]]
"""Sends one request without following redirects. Raises `Unreachable`."""


class Unreachable(Exception):
    """No response came. The text is a short cause that is safe to show: no payload, no secret."""


class Reason(Struct, frozen=True):
    """Explains a short reason that events are counted by."""

    means: str
    to_do: str = ""
    """Empty: nothing to do."""
    retry_helps: bool = True
    """False: the same event is refused every time."""


class Choice(Struct, frozen=True):
    value: str
    title: str


class Option(Struct, frozen=True, kw_only=True):
    """One option of a connection, as the commands and the console ask for it."""

    key: str
    title: str
    kind: Literal["text", "choice", "yes_no", "whole_number"]
    hint: str
    required: bool = False
    secret: bool = False
    default: str | bool | int = ""
    choices: tuple[Choice, ...] = ()
    other: str = ""
    """For a choice that another value is possible for: what to call it. Empty: there are only the choices."""
    example: str = ""
    """Such a value."""
    minimum: int = 0
    maximum: int = 0
    variables: tuple[str, ...] = ()
    """For a secret: environment variables, without `HOGLINE_`, that it is also read from. Only for destinations that
    come with Hogline."""
    advanced: bool = False
    """Few people need it, so a form shows it after the others."""
    suggestions: tuple[Choice, ...] = ()
    """Texts to start with."""
    changing: str = ""
    """What changing it does to what the destination already has, in a sentence."""
    before: str | bool | int | None = None
    """The value for connections that are older than this option; None: the default."""
    instead: str = ""
    """An older name of this option, which still works. No form shows it."""
    becomes: tuple[str, ...] = ()
    """For an option that used to be yes or no, under this name or `instead`: the values that no and yes became."""

    def allows(self, number: int) -> bool:
        return self.minimum <= number <= self.maximum

    def in_words(self, value: object) -> str:
        """A value as people read it; None is the default."""
        value = self.default if value is None else value
        if isinstance(value, bool):
            return "yes" if value else "no"
        return next((choice.title for choice in self.choices if choice.value == value), str(value)) or "nothing"


PACE = Option(
    key="max_requests_per_second",
    title="Requests per second",
    kind="whole_number",
    default=100,
    minimum=1,
    maximum=1_000,
    hint="Maximum number of requests per second. One request can contain about a thousand events, so this rarely"
    " limits anything.",
)
"""An option that every destination has."""


class OptionProblem(Struct, frozen=True):
    key: str
    sentence: str


class InvalidOptions(ValueError):
    """The options cannot be used. `problems` has one sentence for each mistake."""

    def __init__(self, problems: Sequence[OptionProblem]) -> None:
        super().__init__(" ".join(problem.sentence for problem in problems))
        self.problems = tuple(problems)


class Imported(Struct, frozen=True):
    """What another tool's configuration says."""

    options: dict[str, object]
    """Options of a connection; what the configuration does not say is left out."""
    hidden: dict[str, str]
    """Secrets that it does not show: their keys, and the option to give instead."""
    ignored: tuple[str, ...]
    """Keys that are ignored."""
    notes: tuple[str, ...] = ()
    """What cannot be imported, and what to do: a sentence each."""

    def __repr__(self) -> str:
        return f"Imported(hidden={sorted(self.hidden)})"


class Importer(Struct, frozen=True):
    """Reads options from another tool's configuration file."""

    hint: str
    """What the file is, for people."""
    tool: str
    """The tool's name in a sentence: the app."""
    read: Callable[[bytes, Collection[str]], Imported]
    """Returns the options in a file's text. It does not ask for options whose keys are given: those are already known.
    Raises `InvalidOptions`."""


class Check(Struct, frozen=True):
    """The result of checking a connection's credentials."""

    outcome: Literal["ok", "refused", "wrong_region", "unreachable"]
    sentence: str
    """What was found and what to do, for people."""
    region: str | None = None
    workspace: str | None = None


OptionsT = TypeVar("OptionsT")
ReadT_contra = TypeVar("ReadT_contra", contravariant=True)


class Limits(Struct, frozen=True):
    """How much fits in one request."""

    request_bytes: int
    operations: int
    envelope_bytes: int
    """What a request adds around the operations. There is one byte between two of them."""


class Learning(NamedTuple):
    """What has to be known about people for the connections' options."""

    properties: bool = False
    """All properties of PostHog's person, not only those that events set."""
    email_property: str = "email"
    """The person property that has the email."""
    protects_emails: bool = False
    """Someone who only read the public token in a page cannot change or remove a known email."""
    set_once: bool = False
    """What `$set_once` says, if nothing else is known."""


DEFAULT_LEARNING = Learning()
"""What is known if no option asks for more."""


class Mapped(Struct, frozen=True):
    """An attribute with a different name than in PostHog."""

    name: str
    source: str = ""
    """The person property that it replaces and takes its value from; `distinct_id`: the person's id. Empty: it is
    fixed."""
    value: object = None
    """The value of a fixed one."""


class ByProperty(NamedTuple):
    """Customers are identified by a person property."""

    name: str
    kind: Literal["id", "cio_id"] = "id"
    """As which identifier its value is sent."""


class Rules(Struct, frozen=True, kw_only=True):
    """The options that decide who is sent, and how."""

    whom: Literal["all", "identified", "emails", "anonymous-events"] = "all"
    """Whose events are sent. `anonymous-events`: everyone's, but visitors do not become customers."""
    events: Names = ALL
    """Only these events are sent."""
    ignores: Conditions = NEVER
    """Events that match one of these are never sent."""
    deletes: frozenset[str] = frozenset()
    """Names of events that delete their customer, if a server sent them."""
    suppresses: frozenset[str] = frozenset()
    """Names of events that suppress their customer, if a server sent them."""
    hold_days: int = 0
    by_email: bool = False
    """A customer's identifier is their email if they have one."""
    by_property: ByProperty | None = None
    """A customer's identifier is this property if they have it."""
    merge_people: Literal["no", "own", "all"] = "own"
    """Which customers of a person are merged: those that Hogline made, or also those that another tool may have
    made."""
    learning: Learning = DEFAULT_LEARNING
    """What it needs to know about people."""
    has_groups: bool = False
    mapping: tuple[Mapped, ...] = ()
    """Attributes with other names, and fixed ones."""
    view: int = 0
    """A different number whenever the same facts would be sent differently."""

    @property
    def merges(self) -> bool:
        return self.merge_people != "no"

    @property
    def removes(self) -> bool:
        return bool(self.deletes or self.suppresses)

    def removal(self, name: str) -> Literal["delete", "suppress"] | None:
        """What an event with this name asks for, if a server sent it."""
        if name in self.suppresses:
            return "suppress"
        return "delete" if name in self.deletes else None


class Written(Struct, frozen=True, gc=False):
    """An event as it will be sent, or why it never can be."""

    operation: Operation | None
    adjusted: tuple[str, ...] = ()
    refusal: Refusal | None = None


class GroupPlan(Struct, frozen=True):
    """What an event about a group leads to."""

    operations: tuple[Operation, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    adjusted: tuple[str, ...] = ()


class People(Protocol[ReadT_contra]):
    """How a destination with people is told about them."""

    applied: frozenset[str]
    """Events that say something about people or groups. They are not sent themselves unless an option names them."""
    most_attributes: int

    def rules(self, options: ReadT_contra) -> Rules: ...

    def takes(self, identifier: Identifier) -> bool:
        """Whether it can identify a customer."""
        ...

    def attribute(self, name: str, value: object, options: ReadT_contra) -> tuple[object, str | None]:
        """A value as it will be sent, and why it was changed, as a reason to count by. `UNKNOWN`: it is not sent."""
        ...

    def identify(
        self, identifier: Identifier, attributes: dict[str, object], timestamp_s: int
    ) -> Sequence[tuple[Operation, Sequence[str]]]:
        """Sets these attributes, and creates the customer: operations, and the attributes that each of them has."""
        ...

    def parts(self, operation: Operation, refusal: Refusal) -> Sequence[Operation]:
        """A rejected identify in smaller ones, some of which may be accepted; none if it cannot be divided."""
        ...

    def bare(self, operation: Operation) -> Operation | None:
        """An identify without its attributes, which only creates the customer. None if it is not an identify, or had
        none."""
        ...

    def names(self, operation: Operation) -> Sequence[str]:
        """The attributes in an identify."""
        ...

    def head(self, identifier: Identifier) -> bytes:
        """How every event of a customer starts."""
        ...

    def event(
        self, head: bytes, identifier: Identifier, entry: Entry, email: str | None, options: ReadT_contra
    ) -> Operation | Written:
        """An event of a customer: an operation, or more than that. `email`: the customer's, if known."""
        ...

    def anonymous_event(self, entry: Entry, options: ReadT_contra) -> Written:
        """An event that does not create a customer."""
        ...

    def left_out(self, entry: Entry, options: ReadT_contra) -> Sequence[str]:
        """Properties of the event that the options leave out."""
        ...

    def give_anonymous(self, identifier: Identifier, anonymous_id: str, timestamp_s: int) -> Operation:
        """Assigns what was sent under an anonymous id to this customer."""
        ...

    def merge(self, primary: Identifier, secondary: Identifier) -> Operation:
        """Merges one customer into another. This cannot be undone."""
        ...

    def remove(self, identifier: Identifier, action: Removal) -> Operation: ...

    def group(self, entry: Entry, options: ReadT_contra) -> GroupPlan:
        """What an event says about a group itself."""
        ...

    def objects(self, entry: Entry, known: Iterable[str], options: ReadT_contra) -> Sequence[str]:
        """The groups of the event's user that they are not related to yet, or differently, in the destination's terms:
        up to a line break what the group is, then how they are related. `known`: what they are related to, in the same
        terms; of one group, the last counts."""
        ...

    def belong(self, identifier: Identifier, objects: Sequence[str]) -> Operation:
        """Relates a customer to these groups."""
        ...

    def belonging(self, identify: Operation, objects: Sequence[str]) -> Operation | None:
        """An identify that also relates its customer to these groups; None if it cannot."""
        ...


class Destination(Protocol[OptionsT]):
    key: str
    """Its name in commands and in the store: `customerio`."""
    title: str
    summary: str
    options: tuple[Option, ...]
    reasons: Mapping[str, Reason]
    """What its own reasons mean: those by which it filters, rejects or adjusts events."""
    imports: Mapping[str, Importer]
    """By option of `hogline connect`, such as `from_app`."""
    limits: Limits
    cannot_forget: str
    """Why it cannot delete people, and what to do instead; empty: it can."""

    @property
    def people(self) -> People[OptionsT] | None:
        """None: it only takes events, and nothing is remembered about people."""
        ...

    def read_options(self, values: Mapping[str, object]) -> OptionsT:
        """Options from raw values by key (text as typed, or JSON values). Raises `InvalidOptions`."""
        ...

    def base_url(self, options: OptionsT) -> str:
        """Where all requests go, with the credentials: scheme, host, perhaps a port and a path."""
        ...

    def requests_per_second(self, options: OptionsT) -> int:
        """The maximum number of requests per second."""
        ...

    def forward(self, entry: Entry, options: OptionsT) -> Written | str:
        """An event as a destination without people sends it, or the reason it is not sent. Pure: the same arguments
        always give the same bytes."""
        ...

    def request(self, operations: Sequence[Operation], options: OptionsT, now_s: float) -> Request:
        """One request: several operations without a `path`, or a single one with it. `now_s` (seconds since 1970): when
        it leaves, for a signature."""
        ...

    def read_answer(self, operations: Sequence[Operation], response: Response, now_s: float) -> Answer:
        """What the response means for each operation. `now_s` (seconds since 1970) turns a `Retry-After` date into a
        duration."""
        ...

    async def check(self, options: OptionsT, send: Send) -> Check:
        """Asks the destination whether the credentials work. Never raises for its response."""
        ...
