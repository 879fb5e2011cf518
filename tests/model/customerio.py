"""Customer.io in this process: the sandbox's workspace, with everything that its documentation leaves open.

The sandbox knows what each operation means; here is what can happen around it: operations of one request in any order,
updates ordered by person instead of by attribute, refusals, failures before and after a request took effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct

from hogline.sandbox import v1
from hogline.sandbox.limits import Problem
from hogline.sandbox.operations import Operation, read_batch, read_operation
from hogline.sandbox.people import People, Person
from hogline.sandbox.settings import SandboxSettings, WorkspaceSettings
from hogline.sandbox.workspace import Workspace

FAILURES = ("reset before", "reset after", "500 after", "503", "429")
"""`before` and the statuses without more: the request has no effect; `after`: it has."""
NEVER_TAKEN = "never taken"
"""A value of an attribute that is always refused."""


class Customer(Struct, frozen=True):
    """As an outsider sees them."""

    key: int
    id: str | None
    email: str | None
    attributes: dict[str, object]

    def __str__(self) -> str:
        return f"customer {self.id or '-'} <{self.email or ''}> {self.attributes}"


class Done(Struct, frozen=True):
    """One operation, and what became of it."""

    request: int
    what: str
    """Action, identifiers, attributes."""
    accepted: bool


class Merge(Struct, frozen=True):
    primary: tuple[str, str]
    secondary: tuple[str, str]


class CustomerIo:
    def __init__(
        self, environment: int, clock_s: Callable[[], float], chance: Random, *, orders_by: str, shuffles: bool
    ):
        self.environment = environment
        self._chance = chance
        self._shuffles = shuffles
        self.workspace = Workspace(WorkspaceSettings(), SandboxSettings(), clock_s)
        if orders_by == "person":
            self.workspace.people = _OrderedByPerson()
        self.to_refuse: dict[str, int] = {}
        """How many of the next operations of each kind are refused."""
        self.strange: frozenset[int] = frozenset()
        """Keys of customers that another tool made."""
        self.refused: set[str] = set()
        """Kinds of operations of which some were refused by `to_refuse`."""
        self.mistakes: list[str] = []
        """What the real Customer.io would refuse by its own rules: Hogline should never have sent it."""
        self.merges: list[Merge] = []
        self.done: list[Done] = []
        self.placed: dict[int, tuple[int, int]] = {}
        """Of each event (by number) its first acceptance: request, place in it."""
        self._requests = 0

    def made_elsewhere(self, ids: Iterable[str]) -> None:
        """Another tool makes these customers."""
        for one in ids:
            self.workspace.perform(
                read_operation(
                    msgspec.Raw(
                        msgspec.json.encode({"type": "person", "identifiers": {"id": one}, "action": "identify"})
                    )
                )
            )
        self.strange = frozenset(one.sequence for one in self.workspace.people)

    def take(self, method: str, url: str, body: bytes) -> tuple[int, bytes]:
        """What one request does, and the answer."""
        path = urlsplit(url).path
        if method == "GET":
            region = {"url": "https://track.customer.io", "region": "us", "environment_id": self.environment}
            return 200, msgspec.json.encode(region)
        self._requests += 1
        if not path.endswith(("/batch", "/entity")):
            return self._take_v1(method, path, body)
        texts = read_batch(body) if path.endswith("/batch") else [msgspec.Raw(body)]
        errors = []
        order = list(range(len(texts)))
        if self._shuffles:
            self._chance.shuffle(order)
        for index in order:
            try:
                self._perform(read_operation(texts[index]))
            except Problem as problem:
                errors.append(
                    {"batch_index": index, "reason": problem.reason, "field": problem.field, "message": problem.message}
                )
                self._note(bytes(texts[index]).decode(), accepted=False)
        return (207, msgspec.json.encode({"errors": errors})) if errors else (200, b"{}")

    def _take_v1(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        parts = [unquote(part) for part in path.split("/") if part][2:]
        if self._is_refused("event"):
            self._note(f"v1 {body.decode()}", accepted=False)
            return 400, msgspec.json.encode({"meta": {"errors": ["refused"]}})
        answer = v1.answer(self.workspace, method, parts, body)
        if answer.status != 200:
            self.mistakes.append(f"Customer.io does not take this: {answer.status} {path} {body!r}")
            return answer.status, b"{}"
        self._note(f"v1 {'/'.join(parts)} {body.decode()}", accepted=True)
        self._place(msgspec.json.decode(body)["data"]["n"])
        return answer.status, b"{}"

    def _perform(self, operation: Operation) -> None:
        """Raises `Problem` for what is refused. Whatever the sandbox itself refuses is a mistake of Hogline's."""
        attributes = msgspec.json.decode(operation.attributes, type=dict[str, object])
        kind = operation.action if operation.action in {"identify", "merge", "delete", "suppress"} else "event"
        for name, value in attributes.items():
            if kind == "identify" and value == NEVER_TAKEN:
                raise Problem("invalid", f"attributes.{name}", "this value is never taken")
        if self._is_refused(kind):
            raise Problem("invalid", "", "refused this once")
        if kind == "merge":
            self.merges.append(Merge(_key(operation.primary), _key(operation.secondary)))
        try:
            self.workspace.perform(operation)
        except Problem as problem:
            self.mistakes.append(f"Customer.io does not take this: {problem} ({operation})")
            raise
        shown = attributes if kind != "event" else attributes.get("n")
        who = operation.identifiers or f"{operation.primary} <- {operation.secondary}"
        at = f" at {operation.timestamp}" if kind == "identify" else ""
        self._note(f"{operation.action} {who} {shown}{at}", accepted=True)
        if kind == "event":
            n = attributes["n"]
            assert isinstance(n, int)
            self._place(n)

    def _is_refused(self, kind: str) -> bool:
        if not self.to_refuse.get(kind):
            return False
        self.to_refuse[kind] -= 1
        self.refused.add(kind)
        return True

    def _note(self, what: str, *, accepted: bool) -> None:
        self.done.append(Done(self._requests, what, accepted))

    def _place(self, n: int) -> None:
        self.placed.setdefault(n, (self._requests, len(self.done)))

    # what an outsider sees

    @property
    def customers(self) -> list[Customer]:
        hidden = {"anonymous_id"}
        return [
            Customer(one.sequence, one.id, one.email, {k: v for k, v in one.attributes.items() if k not in hidden})
            for one in self.workspace.people
        ]

    @property
    def events(self) -> list[tuple[int, int | None]]:
        """Number of each event, and the key of its customer, None: nobody's."""
        found = []
        for event in self.workspace.events.after(0):
            owner = event.owner()
            key = None if owner is None else owner.sequence if owner.gone is None else -owner.sequence
            found.append((msgspec.json.decode(event.data or b"{}")["n"], key))
        return found


class _OrderedByPerson(People):
    """An update that is older than the person's newest is ignored as a whole."""

    def update(self, person: Person, attributes: Mapping[str, object], at: int) -> None:
        if max(person.changed_at.values(), default=at) <= at:
            super().update(person, attributes, at)


def _key(identifiers: Mapping[str, str | int] | None) -> tuple[str, str]:
    ((kind, value),) = (identifiers or {}).items()
    return kind, str(value).lower() if kind == "email" else str(value)
