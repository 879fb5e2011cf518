"""Reading the event log: a search goes through the blocks from the newest to the oldest, in steps that grow; PostgreSQL
leaves out the blocks that cannot have anything. What happened to single events is looked up."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TypeAlias

import psycopg

from hogline.core.lanes import checksum
from hogline.store.event_log import Attempt, Found, Query, attempt_of, read_sent
from hogline.store.postgresql.event_blocks import BLOCK_BITS, MASK, SIZE
from hogline.store.postgresql.event_shipments import by_part, of_part
from hogline.store.postgresql.link import Row, Values
from hogline.store.postgresql.queries import queries

SQL = queries("event_search")

FIRST_STEP, LAST_STEP = 8, 8_192
"""How many blocks are read in one step: the first, and the longest."""

Rows: TypeAlias = "Callable[[bytes, Values | None], list[Row]]"
_Place: TypeAlias = tuple[int, int, int, int]
"""Position, connection, outcome, shipment."""


def search(rows: Rows, query: Query, limit: int) -> list[Found]:
    outcomes = {id_: (kind, reason) for id_, kind, reason in rows(SQL["outcomes"], None)}
    wanted = {
        id_ for id_, (kind, reason) in outcomes.items() if query.kind in {"", kind} and query.reason in {"", reason}
    }
    first, newest = rows(SQL["ends"], None)[0]
    after = max(query.after, first - 1)
    if not wanted or newest is None or not query.connections:
        return []
    found: list[_Place] = []
    last = -1
    for row in _blocks(rows, query, wanted, (after + 1) >> BLOCK_BITS, min((query.before - 1) >> BLOCK_BITS, newest)):
        if row[0] != last and len(found) >= limit:  # a block of all connections: an event's lines stay together
            break
        last = row[0]
        found += [place for place in _fitting(row, query, wanted) if after < place[0] < query.before]
    found.sort(key=lambda each: (-each[0], each[1]))
    times = _times(rows, {shipment for *_, shipment in found[:limit]})
    return [
        Found(connection, position, times.get(shipment, 0), *outcomes[outcome])
        for position, connection, outcome, shipment in found[:limit]
    ]


def _blocks(rows: Rows, query: Query, wanted: Collection[int], low: int, high: int) -> Iterator[Row]:
    """Those with such an outcome that may have such events, from `high` down to `low`."""
    sql, needles = _query(query)
    given = {"connections": list(query.connections), "seen": sum({1 << min(id_, 62) for id_ in wanted}), **needles}
    step = FIRST_STEP
    while high >= low:
        begin = max(low, high - step + 1)
        yield from rows(sql, {**given, "low": begin, "high": high})
        high, step = begin - 1, min(step * 8, LAST_STEP)


def _query(query: Query) -> tuple[bytes, dict[str, bytes]]:
    """For blocks with one of these names and one of these people, roughly: also where two numbers together look like
    one."""
    columns = joins = conditions = ""
    needles = dict[str, bytes]()
    for column, texts in (("names", query.names), ("people", query.people)):
        names = [f"{column}_{n}" for n, _ in enumerate(texts)]
        if names:
            needles |= {name: _bytes(text) for name, text in zip(names, texts, strict=True)}
            columns += f", {column}"
            joins += f" JOIN event_{column} USING (partition, block)"
            found = " OR ".join(f"position(%({name})b::bytea in {column}) > 0" for name in names)
            conditions += f" AND ({found})"
    sql = SQL["results"].replace(b"{columns}", columns.encode()).replace(b"{joins}", joins.encode())
    return sql.replace(b"{conditions}", conditions.encode()), needles


def _bytes(text: str) -> bytes:
    return array("I", [checksum(text)]).tobytes()


def _fitting(row: Row, query: Query, wanted: Collection[int]) -> list[_Place]:
    """The events of a block that fit."""
    block, connection, became, numbers, *checksums = row
    outcomes = array("H", became)
    places: Sequence[int] = range(SIZE)
    for column, texts in zip(checksums, filter(None, (query.names, query.people)), strict=True):
        these, ours = array("I", column), {checksum(text) for text in texts}
        places = [place for place in places if these[place] in ours]
    places = [place for place in places if outcomes[place] in wanted]
    shipments = array("Q", numbers) if places else array("Q")
    return [((block << BLOCK_BITS) + place, connection, outcomes[place], shipments[place]) for place in places]


def _times(rows: Rows, shipments: Collection[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for part, ids in by_part(shipments).items():
        with suppress(psycopg.errors.UndefinedTable):  # it was dropped just now
            found |= dict(rows(of_part("times", part), {"ids": ids}))
    return found


def attempts(rows: Rows, connection: int, positions: Sequence[int]) -> dict[int, list[Attempt]]:
    """As `EventLog.attempts`. What was sent is unpacked once for each shipment, however many of its events are asked
    for."""
    outcomes = {id_: (kind, reason) for id_, kind, reason in rows(SQL["outcomes"], None)}
    found: dict[int, list[Attempt]] = {}
    tried = _shipments_of(rows, connection, positions)
    for part, ids in by_part(tried).items():
        with suppress(psycopg.errors.UndefinedTable):
            for number, began_ms, at_ms, packed in sorted(rows(of_part("whole", part), {"ids": ids})):
                sent = read_sent(packed)
                for position, outcome in tried[number]:
                    attempt = attempt_of(position, outcomes[outcome], began_ms=began_ms, at_ms=at_ms, sent=sent)
                    found.setdefault(position, []).append(attempt)
    return found


def _shipments_of(rows: Rows, connection: int, positions: Sequence[int]) -> Mapping[int, list[tuple[int, int]]]:
    """The numbers of all shipments that these events were in: with what, there, became of which."""
    first = rows(SQL["ends"], None)[0][0]
    wanted = sorted({position for position in positions if position >= first})
    found: dict[int, list[tuple[int, int]]] = {}
    for number, position, outcome in rows(SQL["earlier"], {"connection": connection, "positions": wanted}):
        found.setdefault(number, []).append((position, outcome))
    blocks = {position >> BLOCK_BITS for position in wanted}
    became = {
        block: (array("H", outcomes), array("Q", shipments))
        for block, outcomes, shipments in rows(SQL["blocks"], {"connection": connection, "blocks": list(blocks)})
    }
    for position in wanted:
        if position >> BLOCK_BITS in became:
            outcomes, shipments = became[position >> BLOCK_BITS]
            if outcome := outcomes[position & MASK]:
                found.setdefault(shipments[position & MASK], []).append((position, outcome))
    return found
