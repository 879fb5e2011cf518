"""Reading the event log: a search goes through the blocks from the newest to the oldest, with one glance at each array;
what happened to single events is looked up."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

import apsw
import msgspec

from hogline.core.lanes import checksum
from hogline.store.event_log import Attempt, Found, Query, attempt_of, read_sent
from hogline.store.sqlite.database import rows, value

BLOCK_BITS = 12
SIZE = 1 << BLOCK_BITS
MASK = SIZE - 1
FEW = 2
"""Numbers that are looked for one by one."""
COMPARED = 3
"""Bytes of four: what is left is compared whole."""
# From the newest block on; SQLite keeps the order of a cross join, so nothing is sorted and reading can end early.
_BLOCKS = (
    "SELECT block, value, {names}, {people} FROM events CROSS JOIN json_each(?1)"
    " CROSS JOIN results ON results.id = (value << 40) + block WHERE block BETWEEN ?2 AND ?3 AND seen & ?4"
    " ORDER BY block DESC"
)


def key_of(connection: int, block: int) -> int:
    """Of a row of results."""
    return (connection << 40) + block


def search(database: apsw.Connection, outcomes: Mapping[tuple[str, str], int], query: Query, limit: int) -> list[Found]:
    wanted = {
        id_ for (kind, reason), id_ in outcomes.items() if query.kind in {"", kind} and query.reason in {"", reason}
    }
    # The first can be earlier than what is there, the last far behind it.
    after = max(query.after, value(database, "SELECT first FROM progress") - 1)
    newest = value(database, "SELECT max(block) FROM events")
    if not wanted or newest is None or not query.connections:
        return []
    found: list[tuple[int, int, int, int]] = []
    matches, last = _matcher(query), -1
    for block, connection, names, people in database.execute(
        _BLOCKS.format(names="events.names" if query.names else "''", people="events.people" if query.people else "''"),
        (
            msgspec.json.encode(sorted(query.connections)).decode(),
            max(after + 1, 0) >> BLOCK_BITS,
            min((query.before - 1) >> BLOCK_BITS, newest),
            sum({1 << min(id_, 62) for id_ in wanted}),
        ),
    ):
        if block != last and len(found) >= limit:  # a block of all connections: an event's lines stay together
            break
        last, start = block, block << BLOCK_BITS
        if not (places := matches(names, people)):
            continue
        became, numbers = _results(database, connection, block)
        for place in places:
            position = start + place
            if became[place] in wanted and after < position < query.before:
                found.append((position, connection, became[place], numbers[place]))
    found.sort(key=lambda each: (-each[0], each[1]))
    return _with_times(database, {id_: key for key, id_ in outcomes.items()}, found[:limit])


def _results(database: apsw.Connection, connection: int, block: int) -> tuple[array[int], array[int]]:
    """The results of the events of a block, and the shipments that they were in."""
    sql = "SELECT outcomes, shipments FROM results WHERE id = ?"
    ((outcomes, shipments),) = rows(database, sql, (key_of(connection, block),))
    return array("H", outcomes), array("I", shipments)


def _matcher(query: Query) -> Callable[[bytes, bytes], Sequence[int]]:
    """Gives the places in a block, newest first, that may fit."""
    names = _finder([checksum(one) for one in query.names])
    people = _finder([checksum(one) for one in query.people])
    everything = range(SIZE - 1, -1, -1)

    def matches(name_array: bytes, people_array: bytes) -> Sequence[int]:
        if not query.people:
            return names(name_array) if query.names else everything
        places = people(people_array)
        if query.names and places:
            found = set(names(name_array))
            places = [place for place in places if place in found]
        return places

    return matches


def _finder(wanted: Sequence[int]) -> Callable[[bytes], list[int]]:
    """Gives the places in an array where one of these stands, the last first."""
    needles = [array("I", [number]).tobytes() for number in wanted]
    if len(needles) <= FEW:
        return lambda numbers: sorted((place for one in needles for place in _places(numbers, one)), reverse=True)
    # Many in one pass: for the first bytes of all numbers, whether one that is wanted has this byte.
    tables = [bytes(any(one[n] == byte for one in needles) for byte in range(256)) for n in range(COMPARED)]
    chosen = frozenset(needles)

    def places_of_many(numbers: bytes) -> list[int]:
        near = -1
        for n, table in enumerate(tables):
            near &= int.from_bytes(numbers[n::4].translate(table), "little")
        if not near:
            return []
        marks = near.to_bytes(len(numbers) // 4, "little")
        candidates, at = list[int](), marks.rfind(1)
        while at >= 0:
            candidates.append(at)
            at = marks.rfind(1, 0, at)
        return [place for place in candidates if numbers[4 * place : 4 * place + 4] in chosen]

    return places_of_many


def _places(numbers: bytes, needle: bytes) -> list[int]:
    """Where it stands."""
    at, here = numbers.find(needle), list[int]()
    while at >= 0:
        if len(here) > SIZE // 16:  # so many that it is quicker to look at each
            (number,) = array("I", needle)
            return [place for place, one in enumerate(array("I", numbers)) if one == number]
        if at % 4 == 0:
            here.append(at // 4)
        at = numbers.find(needle, at + 1)
    return here


def _with_times(
    database: apsw.Connection, names: Mapping[int, tuple[str, str]], found: Sequence[tuple[int, int, int, int]]
) -> list[Found]:
    numbers = msgspec.json.encode(sorted({number for _, _, _, number in found})).decode()
    sql = "SELECT id, at_ms FROM shipments WHERE id IN (SELECT value FROM json_each(?))"
    times = dict(rows(database, sql, (numbers,)))
    return [
        Found(connection, position, times.get(number, 0), *names[outcome])
        for position, connection, outcome, number in found
    ]


def attempts(
    database: apsw.Connection, outcomes: Mapping[tuple[str, str], int], connection: int, positions: Sequence[int]
) -> dict[int, list[Attempt]]:
    """As `EventLog.attempts`. What was sent is unpacked once for each shipment, however many of its events are asked
    for."""
    names = {id_: key for key, id_ in outcomes.items()}
    found: dict[int, list[Attempt]] = {}
    for number, tried in sorted(_shipments_of(database, connection, positions).items()):
        sql = "SELECT began_ms, at_ms, sent FROM shipments WHERE id = ?"
        for began_ms, at_ms, packed in rows(database, sql, (number,)):
            sent = read_sent(packed)
            for position, outcome in tried:
                attempt = attempt_of(position, names[outcome], began_ms=began_ms, at_ms=at_ms, sent=sent)
                found.setdefault(position, []).append(attempt)
    return found


def _shipments_of(
    database: apsw.Connection, connection: int, positions: Sequence[int]
) -> dict[int, list[tuple[int, int]]]:
    """The numbers of all shipments that these events were in: with what, there, became of which."""
    first = value(database, "SELECT first FROM progress")
    wanted = sorted({position for position in positions if position >= first})
    found: dict[int, list[tuple[int, int]]] = {}
    chosen = msgspec.json.encode(wanted).decode()
    sql = (
        "SELECT shipment, position, outcome FROM earlier"
        " WHERE connection = ? AND position IN (SELECT value FROM json_each(?))"
    )
    for number, position, outcome in rows(database, sql, (connection, chosen)):
        found.setdefault(number, []).append((position, outcome))
    for block, some in groupby(wanted, lambda position: position >> BLOCK_BITS):
        places = list(some)
        sql = "SELECT outcomes, shipments FROM results WHERE id = ?"
        for results, numbers in rows(database, sql, (key_of(connection, block),)):
            became, shipments = array("H", results), array("I", numbers)
            for position in places:
                if outcome := became[position & MASK]:
                    found.setdefault(shipments[position & MASK], []).append((position, outcome))
    return found
