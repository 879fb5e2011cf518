"""The blocks of the event log that a transaction changes: each is read and written once."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping

from hogline.core.changes import Noted
from hogline.store.postgresql.link import Link, execute, rows
from hogline.store.postgresql.queries import queries

SQL = queries("event_blocks")

BLOCK_BITS = 8
"""Every change writes a whole row, so a block is small."""
SIZE = 1 << BLOCK_BITS
MASK = SIZE - 1


class Blocks:
    def __init__(self, link: Link, first: int) -> None:
        """`first`: what is in front of that position is left out."""
        self._link = link
        self._first = first
        self._results: dict[tuple[int, int], tuple[array[int], array[int]]] = {}
        self._events: dict[int, tuple[array[int], array[int]]] = {}
        self._earlier: list[tuple[int, int, int, int]] = []

    def read(self, noted: Iterable[tuple[int, Noted]]) -> None:
        """All that these notes, each with its connection, will change."""
        keys = {
            (connection, position >> BLOCK_BITS)
            for connection, one in noted
            for position in one.positions
            if position >= self._first
        }
        connections, blocks = [connection for connection, _ in keys], [block for _, block in keys]
        found = rows(self._link, SQL["results"], {"connections": connections, "blocks": blocks})
        self._results = {key: (array("H", bytes(2 * SIZE)), array("Q", bytes(8 * SIZE))) for key in keys}
        self._results |= {(row[0], row[1]): (array("H", row[2]), array("Q", row[3])) for row in found}
        self._events = self._read_events(set(blocks))

    def _read_events(self, blocks: Collection[int]) -> dict[int, tuple[array[int], array[int]]]:
        given = {"blocks": list(blocks)}
        names: dict[int, bytes] = dict(rows(self._link, SQL["names"], given))
        people: dict[int, bytes] = dict(rows(self._link, SQL["people"], given))
        nothing = bytes(4 * SIZE)
        return {
            block: (array("I", names.get(block, nothing)), array("I", people.get(block, nothing))) for block in blocks
        }

    def put(self, connection: int, shipment: int, noted: Noted, delivered: int, others: Mapping[int, int]) -> None:
        for position in noted.positions:
            if position < self._first:
                continue
            outcomes, shipments = self._results[connection, position >> BLOCK_BITS]
            place = position & MASK
            before = shipments[place]
            if before and before != shipment:
                self._earlier.append((connection, position, before, outcomes[place]))
            shipments[place] = shipment
            outcomes[place] = others.get(position, delivered)
        for position, name, who in zip(noted.positions, noted.names, noted.people, strict=False):
            if position >= self._first:
                names, people = self._events[position >> BLOCK_BITS]
                names[position & MASK] = name
                people[position & MASK] = who

    def forget(self, positions: Collection[int]) -> set[int]:
        """Remove these events. Returns the shipments that they were in last."""
        blocks = {position >> BLOCK_BITS for position in positions}
        found = rows(self._link, SQL["results_of_all"], {"blocks": list(blocks)})
        self._results = {(row[0], row[1]): (array("H", row[2]), array("Q", row[3])) for row in found}
        events = self._read_events(blocks)
        self._events = {block: each for block, each in events.items() if any(map(any, each))}
        places: dict[int, list[int]] = {}
        for position in positions:
            places.setdefault(position >> BLOCK_BITS, []).append(position & MASK)
        for block, (names, people) in self._events.items():
            for place in places[block]:
                names[place] = people[place] = 0
        gone: set[int] = set()
        for (_, block), (outcomes, shipments) in self._results.items():
            for place in places[block]:
                gone.add(shipments[place])
                outcomes[place] = shipments[place] = 0
        return gone - {0}

    def write(self) -> None:
        if self._results:
            given = {
                "connections": [connection for connection, _ in self._results],
                "blocks": [block for _, block in self._results],
                "seen": [seen(outcomes) for outcomes, _ in self._results.values()],
                "outcomes": [outcomes.tobytes() for outcomes, _ in self._results.values()],
                "shipments": [shipments.tobytes() for _, shipments in self._results.values()],
            }
            execute(self._link, SQL["put_results"], given)
        if self._events:
            blocks = list(self._events)
            all_names = [names.tobytes() for names, _ in self._events.values()]
            all_people = [people.tobytes() for _, people in self._events.values()]
            execute(self._link, SQL["put_names"], {"blocks": blocks, "names": all_names})
            execute(self._link, SQL["put_people"], {"blocks": blocks, "people": all_people})
        if self._earlier:
            # The same attempt may be there twice: the later one counts.
            last = {each[:3]: each[3] for each in self._earlier}
            connections, positions, shipments = zip(*last, strict=True)
            given = {
                "connections": list(connections),
                "positions": list(positions),
                "shipments": list(shipments),
                "outcomes": list(last.values()),
            }
            execute(self._link, SQL["put_earlier"], given)


def seen(outcomes: array[int]) -> int:
    seen = 0
    for one in set(outcomes):
        seen |= 1 << min(one, 62)
    return seen
