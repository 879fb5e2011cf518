"""One connection's records: what it told people, whose the emails are, what is held. They are read once and kept in
memory while in use, with what shipments on their way have claimed on top."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

from hogline.core.changes import HeldEvent
from hogline.core.ledger import Ledger, LedgerRow
from hogline.core.room import MB, Room
from hogline.core.told import Told

TOLD_BYTES = 32 * MB
"""What is kept in memory of it, for one connection."""
MOST_SPOKEN = 50_000


class RecordReads(Protocol):
    """What a connection's records need from a store. What is not there is left out."""

    def told(self, connection: int, people: Sequence[str]) -> dict[str, Told]: ...

    def ledger(self, connection: int, emails: Sequence[str]) -> dict[str, LedgerRow]: ...

    def held(self, connection: int, people: Sequence[str]) -> list[HeldEvent]:
        """The held events of these people, in order."""
        ...


class Records:
    def __init__(self, reads: RecordReads, connection: int, *, start_s: int) -> None:
        """`start_s`: when the newest event that was in the journal at the start was received."""
        self._reads = reads
        self._connection = connection
        self._told: dict[str, Told | None] = {}
        self._room = Room(TOLD_BYTES)
        self.start_s = start_s
        self.spoken: set[str] = set()
        """People for whom an identify was accepted since the start: what they were told earlier is known."""
        self.ledger = Ledger(partial(reads.ledger, connection))

    def load(self, people: Iterable[str]) -> None:
        """Read these in one step."""
        told = self._told
        missing = [one for one in people if one not in told]
        if missing:
            found = self._reads.told(self._connection, missing)
            told.update((one, found.get(one)) for one in missing)

    def stored(self, person: str) -> Told | None:
        """None: they were never told anything."""
        try:
            return self._told[person]
        except KeyError:
            found = self._told[person] = self._reads.told(self._connection, [person]).get(person)
            return found

    def held(self, people: Sequence[str]) -> list[HeldEvent]:
        """The held events of these people, in order. Read separately for each, because a store reads a limited amount
        per call, and a person has no more than that."""
        found = [held for person in people for held in self._reads.held(self._connection, [person])]
        return sorted(found, key=lambda held: held.position)

    def put(self, told: Mapping[str, Told | None]) -> None:
        """From now on, this is what they were told."""
        self._told.update(told)

    def lose(self, people: Iterable[str]) -> None:
        """Nothing is stored about these people anymore."""
        for one in people:
            self._told.pop(one, None)

    def make_room(self, in_use: Mapping[str, object]) -> None:
        """Drop the people who were read first, but none that a shipment carries."""
        for one in self._room.surplus(self._told):
            if one not in in_use:
                del self._told[one]
        if len(self.spoken) > MOST_SPOKEN:
            self.spoken.clear()  # someone who is dropped here gets a later time again
