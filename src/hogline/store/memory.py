"""The core's records in memory, on top of another store: for previews and tests. Nothing is written to disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Protocol

from hogline.core.changes import MOST_FREED, Failure, HeldEvent, Intent, Settlement
from hogline.core.known import Flush, Id, KnownReads, Person
from hogline.core.ledger import LedgerRow, is_free
from hogline.core.records import RecordReads
from hogline.core.told import Told

HELD_FOR_ONE = 200
"""How many of a person's newest events stay held."""
HELD_BYTES_FOR_ONE = 3_000_000
"""How many bytes of a person's newest events stay held."""


class Reads(KnownReads, RecordReads, Protocol):
    """Everything that the core reads."""


class MemoryConnection:
    """What one connection has."""

    def __init__(self) -> None:
        self.lanes: dict[int, int] = {}
        self.told: dict[str, Told | None] = {}
        self.ledger: dict[str, LedgerRow | None] = {}
        self.held: dict[int, HeldEvent | None] = {}
        self.failures: dict[int, Failure] = {}
        self.again: set[tuple[str, str]] = set()
        """What was asked for: `again` or `release`, and the person."""
        self.delivered = 0
        self.filtered: Counter[str] = Counter()
        self.adjusted: Counter[str] = Counter()
        self.replayed: Counter[str] = Counter()
        self.requests = 0


class MemoryStore:
    """Implements what the core reads and writes. Each call is one transaction."""

    def __init__(self, under: Reads | None = None, folded: int = 0, *, hold_max_bytes: int = 2**62) -> None:
        """`hold_max_bytes`: held events beyond that are given up, the oldest first."""
        self._hold_max_bytes = hold_max_bytes
        self._held_bytes = 0
        self._under = under
        self.folded = folded
        self._ids: dict[str, Id] = {}
        self._people: dict[str, Person] = {}
        self._by_email: dict[str, set[str]] = {}
        """Who ever had an email, in lowercase."""
        self._connections: dict[int, MemoryConnection] = {}

    def connection(self, connection: int) -> MemoryConnection:
        return self._connections.setdefault(connection, MemoryConnection())

    # reading

    def ids(self, ids: Sequence[str]) -> dict[str, Id]:
        found = self._under.ids([one for one in ids if one not in self._ids]) if self._under is not None else {}
        return found | {one: self._ids[one] for one in ids if one in self._ids}

    def people(self, ids: Sequence[str]) -> dict[str, Person]:
        found = self._under.people([one for one in ids if one not in self._people]) if self._under is not None else {}
        return found | {one: self._people[one] for one in ids if one in self._people}

    def members(self, id_: str) -> list[str]:
        found = [one for one, value in self._ids.items() if value.parent == id_]
        if self._under is not None:
            found += [one for one in self._under.members(id_) if one not in self._ids]
        return found

    def told(self, connection: int, people: Sequence[str]) -> dict[str, Told]:
        mine = self.connection(connection).told
        found = {}
        if self._under is not None:
            found = self._under.told(connection, [one for one in people if one not in mine])
        return found | {one: told for one in people if (told := mine.get(one)) is not None}

    def ledger(self, connection: int, emails: Sequence[str]) -> dict[str, LedgerRow]:
        mine = self.connection(connection).ledger
        found = {}
        if self._under is not None:
            found = self._under.ledger(connection, [one for one in emails if one not in mine])
        return found | {one: row for one in emails if (row := mine.get(one)) is not None}

    def held(self, connection: int, people: Sequence[str]) -> list[HeldEvent]:
        mine, wanted = self.connection(connection).held, set(people)
        found = [one for one in mine.values() if one is not None and one.distinct_id in wanted]
        if self._under is not None:
            found += [one for one in self._under.held(connection, people) if one.position not in mine]
        return sorted(found, key=lambda one: one.position)

    def due(self, connection: int) -> list[tuple[str, int]]:
        """People with work to do, and when (milliseconds since 1970), the earliest first. Only those written here."""
        told = self.connection(connection).told
        return sorted(
            ((one, value.due_ms) for one, value in told.items() if value is not None and value.due_ms),
            key=lambda one: one[1],
        )

    def known_by(self, emails: Collection[str]) -> list[str]:
        """People who are known by one of these emails, in lowercase, at most `MOST_FREED` for each. Only those written
        here."""
        found = list[str]()
        for email in emails:
            theirs = (one for one in sorted(self._by_email.get(email, ())) if self._is_known_by(one, email))
            found += islice(theirs, MOST_FREED)
        return found

    def denied(self, connection: int, denied: Mapping[str, str]) -> list[str]:
        """Of people who were denied an email, in lowercase, those whose email is free after all."""
        taken = self.ledger(connection, list(denied.values()))
        return [one for one, email in denied.items() if is_free(taken.get(email))]

    def _is_known_by(self, person: str, email: str) -> bool:
        return (self._people[person].email or "").lower() == email

    def remembered(self, connection: int) -> int:
        """How many people are known or were told; a person with several ids counts once. Only those written here."""
        told = {one for one, value in self.connection(connection).told.items() if value is not None}
        joined = {one for one, value in self._ids.items() if value.parent is not None}
        names = {person for value in self._ids.values() if value.parent is None for _, person in value.people[-1:]}
        return len(told | {one for one in self._people if one in names or one not in joined})

    # writing

    def flush(self, flush: Flush) -> None:
        self._ids.update(flush.ids)
        self._people.update(flush.people)
        for one, person in flush.people.items():
            if person.email is not None:
                self._by_email.setdefault(person.email.lower(), set()).add(one)
        self.folded = flush.folded

    def intend(self, intent: Intent) -> None:
        mine = self.connection(intent.connection)
        mine.told.update(intent.told)
        mine.ledger.update(intent.ledger)

    def settle(self, settlement: Settlement) -> Counter[str]:
        """Returns how many held events were given up, by reason."""
        mine = self.connection(settlement.connection)
        for lane, position in settlement.lanes.items():
            mine.lanes[lane] = max(position, mine.lanes.get(lane, 0))
        mine.told.update(settlement.told)
        mine.ledger.update(settlement.ledger)
        mine.delivered += settlement.delivered
        mine.filtered.update(settlement.filtered)
        mine.adjusted.update(settlement.adjusted)
        mine.replayed.update(settlement.replayed)
        mine.requests += settlement.requests
        for letter in settlement.failures:
            mine.failures[letter.position] = letter
        for position in settlement.resolved:
            del mine.failures[position]
        mine.again -= set(settlement.again_done)
        return self._hold(mine, settlement)

    def _hold(self, mine: MemoryConnection, settlement: Settlement) -> Counter[str]:
        for goes, stays in settlement.absorbed.items():
            for one in self.held(settlement.connection, [goes]):
                mine.held[one.position] = HeldEvent(
                    position=one.position, distinct_id=stays, received_ms=one.received_ms, event=one.event
                )
        for position in settlement.released:
            self._drop(mine, position)
        for one in settlement.held:
            mine.held[one.position] = one
            self._held_bytes += len(one.event)
        given_up = +Counter(hold_too_many=self._hold_few(mine, settlement))
        for position in list(mine.held) if self._held_bytes > self._hold_max_bytes else ():
            if self._held_bytes <= self._hold_max_bytes:
                break
            if mine.held[position] is not None:
                self._drop(mine, position)
                given_up["hold_full"] += 1
        return given_up

    def _hold_few(self, mine: MemoryConnection, settlement: Settlement) -> int:
        """A person's held events have a limit; returns how many were given up."""
        given_up = 0
        for person in {one.distinct_id for one in settlement.held} | set(settlement.absorbed.values()):
            taken = 0
            for place, one in enumerate(reversed(self.held(settlement.connection, [person]))):
                taken += len(one.event)
                if place >= HELD_FOR_ONE or (taken > HELD_BYTES_FOR_ONE and place):
                    self._drop(mine, one.position)
                    given_up += 1
        return given_up

    def _drop(self, mine: MemoryConnection, position: int) -> None:
        held = mine.held.get(position)
        mine.held[position] = None
        self._held_bytes -= len(held.event) if held is not None else 0

    def counts(self, connection: int) -> Mapping[str, int]:
        """How many events were delivered or filtered, and how many are held or failures."""
        mine = self.connection(connection)
        return {
            "delivered": mine.delivered,
            "filtered": mine.filtered.total(),
            "held": sum(one is not None for one in mine.held.values()),
            "failures": len(mine.failures),
        }
