"""Known: what PostHog says about people, one for the whole project, and whose an id is as of any position of the
journal.

`fold` says how an event changes it. This module reads people and joined ids, keeps them in memory while they are in
use, and hands out what has to be written.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

from msgspec import Struct

from hogline.core.room import MB, Room
from hogline.core.sheets import Sheet
from hogline.emails import address

EVER = 2**62
"""A position that no journal reaches: never, or as of now."""
PEOPLE_BYTES, IDS_BYTES = 24 * MB, 8 * MB
"""What is kept in memory of them."""


class Fact(Struct, frozen=True, array_like=True, gc=False):
    """An attribute as PostHog last said it, by the events' own times."""

    value: object
    """None: it was removed."""
    ms: int
    """When its event happened."""
    at: int
    """The position that taught it. Repeating the same value does not change it."""


class Person(Struct, frozen=True, array_like=True, gc=False):
    """A person about whom something was learned."""

    id: str
    """The distinct_id that names their customer."""
    facts: dict[str, Fact] = {}
    """What events set."""
    identified_at: int = EVER
    """The first position at which they count as identified."""
    emailed_at: int = EVER
    """The first position at which they had an email."""
    protected: bool = False
    """PostHog's `is_identified`: only `$merge_dangerously` can join them into someone else."""
    version: int = 0
    """The last position that changed something a destination could be told."""
    properties: dict[str, Fact] = {}
    """Other properties of PostHog's person; only while a connection wants them."""

    @property
    def email(self) -> str | None:
        """The email that is known now."""
        fact = self.facts.get("email")
        if fact is not None:
            return fact.value if isinstance(fact.value, str) else None
        return address(self.id)


class Id(Struct, frozen=True, array_like=True, gc=False):
    """An id in the forest of joined ids: a union by depth, in which an id gets a parent once."""

    parent: str | None = None
    since: int = 0
    """It has the parent from this position on."""
    depth: int = 0
    people: tuple[tuple[int, str], ...] = ()
    """For a root: whose the whole group is, and since when; in order."""


class KnownReads(Protocol):
    """What Known needs from a store. What is not there is left out."""

    def ids(self, ids: Sequence[str]) -> dict[str, Id]: ...

    def people(self, ids: Sequence[str]) -> dict[str, Person]: ...

    def members(self, id_: str) -> list[str]:
        """All ids whose parent this one is."""
        ...


class Flush(NamedTuple):
    """What changed since the last flush, to be written in one transaction."""

    ids: dict[str, Id]
    people: dict[str, Person]
    folded: int
    seen: Mapping[str, int] = MappingProxyType({})
    """Ids of events, and the day on which they were received (days since 1970), if an older day is stored."""
    sheets: Sequence[Sheet] = ()
    """If other processes deliver, too."""


class Known:
    def __init__(self, reads: KnownReads, folded: int) -> None:
        """`folded`: up to which position all events are part of what is on disk."""
        self._reads = reads
        self.folded = folded
        self._ids: dict[str, Id | None] = {}
        self._people: dict[str, Person | None] = {}
        self._changed_ids: set[str] = set()
        self._changed_people: set[str] = set()
        self._room_for_ids = Room(IDS_BYTES)
        self._room_for_people = Room(PEOPLE_BYTES)

    # reading

    def load(self, ids: Iterable[str]) -> None:
        """Read these, their groups and their people, in few steps. Anything else is read one by one."""
        known, wanted = self._ids, list(ids)
        self.load_ids(wanted)
        names = {self.who(one) for one in wanted if known[one] is not None}
        names.update(one for one in wanted if known[one] is None)
        self.load_people(names)

    def load_people(self, names: Iterable[str]) -> None:
        """Read these in one step."""
        people = self._people
        absent = [one for one in names if one not in people]
        if absent:
            read = self._reads.people(absent)
            people.update((one, read.get(one)) for one in absent)

    def load_ids(self, ids: Iterable[str]) -> None:
        """Read these and their groups, in few steps."""
        known = self._ids
        missing = {one for one in ids if one not in known}
        while missing:
            found = self._reads.ids(list(missing))
            known.update((one, found.get(one)) for one in missing)
            missing = {one.parent for one in found.values() if one.parent is not None} - known.keys()

    def make_room(self) -> None:
        """Drop what was read first, but nothing that still has to be written."""
        for room, cache, changed in (
            (self._room_for_ids, self._ids, self._changed_ids),
            (self._room_for_people, self._people, self._changed_people),
        ):
            for one in room.surplus(cache):
                if one not in changed:
                    del cache[one]

    def id(self, one: str) -> Id | None:
        """None: it was never joined."""
        try:
            return self._ids[one]
        except KeyError:
            found = self._ids[one] = self._reads.ids([one]).get(one)
            return found

    def person(self, name: str) -> Person:
        """What is known about a person; an empty record if nothing is."""
        try:
            found = self._people[name]
        except KeyError:
            found = self._people[name] = self._reads.people([name]).get(name)
        return found if found is not None else Person(name, emailed_at=0 if address(name) else EVER)

    def is_known(self, name: str) -> bool:
        """Whether they taught anything."""
        self.person(name)
        return self._people[name] is not None

    # as of a position

    def group(self, one: str, position: int = EVER) -> str:
        """The root of an id's group after this position."""
        found = self.id(one)
        while found is not None and found.parent is not None and found.since <= position:
            one = found.parent
            found = self.id(one)
        return one

    def who(self, one: str, position: int = EVER) -> str:
        """Whose an id is after this position: the distinct_id that names them."""
        if (joined := self.id(one)) is None:
            return one
        if joined.parent is not None:
            one = self.group(one, position)
            joined = self.id(one)
            assert joined is not None  # what is a parent is in the forest
        before = bisect_left(joined.people, (position + 1,))
        return joined.people[before - 1][1] if before else one

    def changes(self, one: str) -> list[int]:
        """The positions at which an id changed its person, in order."""
        found, marks = self.id(one), set[int]()
        while found is not None:
            marks.update(since for since, _ in found.people)
            if found.parent is None:
                break
            marks.add(found.since)
            found = self.id(found.parent)
        return sorted(marks)

    def members(self, one: str) -> set[str]:
        """All ids of the same person now. Only what is on disk counts, so flush first."""
        found, new = set[str](), [self.group(one)]
        while new:
            found.update(new)
            new = [inner for outer in new for inner in self._reads.members(outer) if inner not in found]
        return found

    # changing

    def lose(self, ids: Iterable[str]) -> None:
        """These are no longer on disk. Nothing of theirs may be waiting to be written."""
        for one in ids:
            self._ids.pop(one, None)
            self._people.pop(one, None)

    def outdated(self, ids: Collection[str]) -> None:
        """Another process has written something new about these: what is in memory of them and their groups is read
        again, in few steps."""
        used = self._ids.keys() & ids
        self.load_ids(ids)
        names = set[str]()
        for one in ids:
            name: str | None = one
            while name is not None:
                joined = self._ids.pop(name, None)
                names.add(name)
                if joined is None:
                    break
                names.update(person for _, person in joined.people)
                name = joined.parent
        people = names & self._people.keys()
        for name in people:
            del self._people[name]
        self.load_ids(used)
        self.load_people(people)

    def put(self, person: Person) -> None:
        self._people[person.id] = person
        self._changed_people.add(person.id)

    def put_id(self, one: str, value: Id) -> None:
        self._ids[one] = value
        self._changed_ids.add(one)

    def unwritten(self, emails: Collection[str]) -> list[str]:
        """Who has one of these emails, in lowercase, as far as that is not on disk yet."""
        changed = ((one, self._people[one]) for one in self._changed_people)
        return [one for one, person in changed if person and person.email and person.email.lower() in emails]

    def take_flush(self) -> Flush:
        """What has to be written. Changes from now on are part of the next one. Call `flushed` when it is written."""
        ids = {one: joined for one in self._changed_ids if (joined := self._ids[one]) is not None}
        people = {one: person for one in self._changed_people if (person := self._people[one]) is not None}
        return Flush(ids, people, self.folded)

    def flushed(self, flush: Flush) -> None:
        self._changed_ids -= {one for one, value in flush.ids.items() if self._ids[one] is value}
        self._changed_people -= {one for one, value in flush.people.items() if self._people[one] is value}
        self.make_room()
