"""What a destination is: its options, how it plans, packs and reads answers, how it checks itself.

Everything here is pure but for `check`, which is handed the means to send a request. A destination knows no
clock, no disk, and nothing of how or when its requests are sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias, TypeVar

from msgspec import Struct

from hogline.model import Answer, Event, Identifier, Operation, Person, Plan, Refusal, Request, Response

Send: TypeAlias = Callable[[Request], Awaitable[Response]]
"""Sends one request, without following redirects. Raises `Unreachable`."""


class Unreachable(Exception):
    """No answer came. The text is a short cause that is safe to show: no payload, no secret."""


class BadDestination(Exception):
    """A package's destination cannot be used; the text names the package and says why."""


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
    and key."""

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


class Limits(Struct, frozen=True):
    """How much goes into one request of a batch."""

    request_bytes: int
    operations: int
    envelope_bytes: int
    """What the request adds around the operations; between two of them stands one byte."""


class Destination(Protocol[OptionsT]):
    key: str
    """Names it on the command line and in the store: `customerio`."""
    title: str
    summary: str
    options: tuple[Option, ...]
    imports: Mapping[str, Importer]
    """By option of `hogline connect`, such as `from_app`."""
    limits: Limits
    cannot_forget: str
    """Why nobody can be deleted there, and what to do instead; blank: somebody can."""

    def read_options(self, values: Mapping[str, object]) -> OptionsT:
        """The options from raw values by key (text as typed, or JSON values); raises `InvalidOptions`."""
        ...

    def base_url(self, options: OptionsT) -> str:
        """Where every request goes, with the credentials: scheme, host, perhaps a port and a path."""
        ...

    def requests_per_second(self, options: OptionsT) -> int:
        """How many requests may go out in any second."""
        ...

    def plan(self, event: Event, person: Person | None, options: OptionsT, other: Person | None = None) -> Plan:
        """What the event comes to for somebody of whom this is known; `other` is whom it says to be the same person.
        Pure: the same arguments always give the same operations, byte for byte."""
        ...

    def due(self, person: Person, options: OptionsT) -> Plan:
        """What is to be done for somebody after a pause: customers of theirs to merge, and what was left to say."""
        ...

    def parts(self, operation: Operation, refusal: Refusal) -> Sequence[Operation]:
        """A refused operation in smaller ones, of which some may be accepted; none if it cannot be divided."""
        ...

    def hold_days(self, options: OptionsT) -> int:
        """How many days an event is kept for a user who does not qualify yet; 0: none is."""
        ...

    def forget(self, person: Person, options: OptionsT, *, suppress: bool) -> Sequence[Operation]:
        """What removes somebody at the destination, and all customers of theirs; `suppress`: for ever."""
        ...

    def suppress(self, who: Identifier, options: OptionsT, *, lift: bool) -> Sequence[Operation]:
        """What blocks somebody there, known or not; `lift`: what takes that back."""
        ...

    def not_sent(self, person: Person, options: OptionsT) -> str | None:
        """The rule that keeps this person from being a customer; None if they only have nothing sent yet."""
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
