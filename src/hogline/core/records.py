"""What is on record at one connection: what was told of people, whose an email is, what is held. Read once, kept in
memory while it is in use, with what shipments on their way have promised themselves over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

from hogline.core.changes import HeldEvent
from hogline.core.ledger import Ledger, Row
from hogline.core.told import Told

MOST_IN_MEMORY = 50_000


class RecordReads(Protocol):
    """What a connection's records need of a store. Only what is there comes back."""

    def told(self, connection: int, people: Sequence[str]) -> dict[str, Told]: ...

    def ledger(self, connection: int, emails: Sequence[str]) -> dict[str, Row]: ...

    def held(self, connection: int, people: Sequence[str]) -> list[HeldEvent]:
        """The held events of these people, in order."""
        ...


class Records:
    def __init__(self, reads: RecordReads, connection: int, *, start_s: int) -> None:
        """`start_s`: when the newest event was received that was in the journal at the start."""
        self._reads = reads
        self._connection = connection
        self._told: dict[str, Told | None] = {}
        self.start_s = start_s
        self.spoken: set[str] = set()
        """People of whom an identify was accepted since the start: what they were told before is on record."""
        self.ledger = Ledger(partial(reads.ledger, connection))

    def load(self, people: Iterable[str]) -> None:
        """Read these in one step."""
        told = self._told
        missing = [one for one in people if one not in told]
        if missing:
            found = self._reads.told(self._connection, missing)
            told.update((one, found.get(one)) for one in missing)

    def stored(self, person: str) -> Told | None:
        """None: nothing was ever told of them."""
        try:
            return self._told[person]
        except KeyError:
            found = self._told[person] = self._reads.told(self._connection, [person]).get(person)
            return found

    def held(self, people: Sequence[str]) -> list[HeldEvent]:
        """The held events of these people, in order. Of each by themselves: a store reads so much at once, and no more
        is held of one."""
        found = [held for person in people for held in self._reads.held(self._connection, [person])]
        return sorted(found, key=lambda held: held.position)

    def put(self, told: Mapping[str, Told | None]) -> None:
        """From now on this is on record."""
        self._told.update(told)

    def lose(self, people: Iterable[str]) -> None:
        """Nothing is on record of these any more."""
        for one in people:
            self._told.pop(one, None)

    def make_room(self, in_use: Mapping[str, object]) -> None:
        """Let go of whoever was met first, but not of whom a shipment carries."""
        if len(self._told) > MOST_IN_MEMORY:
            for one in list(self._told)[: MOST_IN_MEMORY // 4]:
                if one not in in_use:
                    del self._told[one]
        if len(self.spoken) > MOST_IN_MEMORY:
            self.spoken.clear()  # who is forgotten here gets a later time once more
