"""The people of one workspace: how they are found, created, linked, merged, deleted and suppressed.

Knows no events and no JSON; times are handed in as seconds since 1970.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct

Kind: TypeAlias = Literal["id", "email", "cio_id", "phone"]
_Key: TypeAlias = tuple[str, str]
MOST_FAILED = 10_000


class Person(Struct, gc=False, eq=False):
    """A customer. `attributes` are without id and email, which are identifiers."""

    sequence: int
    """Place in the order of creation, from 1; never used again."""
    cio_id: str
    created_at: int
    id: str | None = None
    email: str | None = None
    phone: str | None = None
    attributes: dict[str, object] = {}
    changed_at: dict[str, int] = {}
    """The time of each attribute's last update, removals too: nothing older overwrites it."""
    events: int = 0
    devices: dict[str, dict[str, object]] = {}
    relationships: dict[tuple[str, str], dict[str, object]] = {}
    gone: Literal["deleted", "merged", "suppressed"] | None = None
    into: Person | None = None
    """Whom a merge made of them."""


class FailedChange(NamedTuple):
    """A change that was accepted and not made."""

    person: Person
    name: str
    value: object
    at: int


def survivor(person: Person) -> Person:
    """Who this person is now, after any number of merges."""
    if person.into is None:
        return person
    last = person.into
    while last.into is not None:
        last = last.into
    person.into = last
    return last


class People:
    """Everybody in one workspace, by each of their identifiers."""

    def __init__(self, *, email_identifies: bool = True, id_identifies: bool = True) -> None:
        self.email_identifies = email_identifies
        self.id_identifies = id_identifies
        self._by: dict[str, dict[str, Person]] = {"id": {}, "email": {}, "cio_id": {}, "phone": {}}
        self._created: dict[int, Person] = {}
        self._last_sequence = 0
        self._suppressed: dict[_Key, tuple[_Key, ...]] = {}
        self.failed: deque[FailedChange] = deque(maxlen=MOST_FAILED)
        """The newest first."""
        self.dropped_emails = 0
        """How often an email was dropped because it belongs to somebody with another id."""

    def __len__(self) -> int:
        return len(self._created)

    def __iter__(self) -> Iterator[Person]:
        """In the order of their creation."""
        return iter(self._created.values())

    def newest(self, limit: int) -> list[Person]:
        """The last ones created, newest first."""
        return [person for person, _ in zip(reversed(self._created.values()), range(limit), strict=False)]

    def find(self, kind: str, value: str) -> Person | None:
        """Ids are case-sensitive, emails are not."""
        return self._by[kind].get(value.lower() if kind == "email" else value)

    def find_or_create(self, kind: str, value: str, now: int) -> Person | None:
        """The person; a new one if there is none. None for an unknown cio_id, which is not ours to give."""
        person = self.find(kind, value)
        if person is not None or kind == "cio_id":
            return person
        self._last_sequence += 1
        person = Person(self._last_sequence, f"cio_{self._last_sequence:08x}", now)
        self._created[person.sequence] = person
        self._by["cio_id"][person.cio_id] = person
        if kind == "id":
            self._claim_id(person, value)
        elif kind == "email":
            self._claim_email(person, value)
        else:
            person.phone = value
            self._by["phone"][value] = person
        return person

    def update(self, person: Person, attributes: Mapping[str, object], at: int) -> None:
        """Apply attributes as of `at`, each unless a newer value of it is known. None and "" remove."""
        changed_at, values = person.changed_at, person.attributes
        for name, value in attributes.items():
            if changed_at.get(name, at) > at:
                continue
            changed_at[name] = at
            if name == "email" and self.email_identifies:
                self._change_email(person, value, at)
            elif name == "id" and self.id_identifies:
                self._change_id(person, value)
            elif value is None or value == "":
                values.pop(name, None)
            else:
                values[name] = value

    def link(self, kind: str, value: str, email: str) -> Person | None:
        """The email-only person who becomes this unknown id, if the email belongs to one."""
        owner = self.find("email", email)
        if kind != "id" or owner is None or owner.id is not None:
            return None
        self._claim_id(owner, value)
        return owner

    def merge(self, primary: Person, secondary: Person) -> None:
        """Irreversible: the secondary and its identifiers go; what the primary lacks, it takes over."""
        for name, value in secondary.attributes.items():
            if name not in primary.attributes:
                primary.attributes[name] = value
                primary.changed_at[name] = secondary.changed_at.get(name, 0)
        primary.devices = {**secondary.devices, **primary.devices}
        primary.relationships = {**secondary.relationships, **primary.relationships}
        primary.events += secondary.events
        self._remove(secondary, "merged")
        secondary.into = primary

    def delete(self, person: Person) -> None:
        self._remove(person, "deleted")

    def suppress(self, kind: str, value: str) -> None:
        """Delete the person, if there is one, and block all their identifiers, or the one that was named."""
        keys = {_key(kind, value)}
        person = self.find(kind, value)
        if person is not None:
            for other in ("id", "email", "cio_id", "phone"):
                known: str | None = getattr(person, other)
                if known is not None:
                    keys.add(_key(other, known))
            self._remove(person, "suppressed")
        blocked = tuple(sorted(keys))
        for key in blocked:
            self._suppressed[key] = blocked

    def unsuppress(self, kind: str, value: str) -> None:
        """Free the identifier and those that were blocked with it. The person does not come back."""
        for key in self._suppressed.get(_key(kind, value), ()):
            self._suppressed.pop(key, None)

    def is_suppressed(self, kind: str, value: str) -> bool:
        return bool(self._suppressed) and _key(kind, value) in self._suppressed

    def suppressed(self) -> list[_Key]:
        return sorted(self._suppressed)

    def _change_email(self, person: Person, value: object, at: int) -> None:
        if not isinstance(value, str) or not value:
            self._release_email(person)
            return
        owner = self.find("email", value)
        if (owner is not None and owner is not person and owner.id is not None) or self.is_suppressed("email", value):
            self.dropped_emails += 1
            self.failed.appendleft(FailedChange(person, "email", value, at))
            return
        if owner is not None and owner is not person:
            self.merge(person, owner)
        self._release_email(person)
        self._claim_email(person, value)

    def _change_id(self, person: Person, value: object) -> None:
        """An id is set once: a person keeps theirs, and nobody gets another's."""
        if person.id is None and isinstance(value, str) and value and self.find("id", value) is None:
            self._claim_id(person, value)

    def _claim_id(self, person: Person, value: str) -> None:
        person.id = value
        self._by["id"][value] = person

    def _claim_email(self, person: Person, value: str) -> None:
        person.email = value
        self._by["email"][value.lower()] = person

    def _release_email(self, person: Person) -> None:
        if person.email is not None:
            self._by["email"].pop(person.email.lower(), None)
            person.email = None

    def _remove(self, person: Person, why: Literal["deleted", "merged", "suppressed"]) -> None:
        """They stay known to their events, under the identifiers they had."""
        self._created.pop(person.sequence, None)
        self._by["cio_id"].pop(person.cio_id, None)
        if person.id is not None:
            self._by["id"].pop(person.id, None)
        if person.email is not None:
            self._by["email"].pop(person.email.lower(), None)
        if person.phone is not None:
            self._by["phone"].pop(person.phone, None)
        person.gone = why


def _key(kind: str, value: str) -> _Key:
    return kind, value.lower() if kind == "email" else value
