"""The shipments of the event log, in one table for each part: a day's, or a gigabyte. Old parts are dropped whole,
which costs nothing and gives their space back immediately. Runs in a transaction of the event log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from hogline.store.event_log import only, packed_sent, read_sent
from hogline.store.postgresql.link import Link, execute, firsts, rows, value
from hogline.store.postgresql.queries import queries

SQL = queries("event_shipments")

DAY_MS = 86_400_000
PART_BITS = 20
PART_BYTES = 1_000_000_000


class Shipment(NamedTuple):
    connection: int
    began_ms: int
    at_ms: int
    last: int
    """The highest position in it."""
    others: bytes
    sent: bytes


def of_part(name: str, part: int) -> bytes:
    return SQL[name].replace(b"{part}", b"%d" % part)


def add(link: Link, shipments: Sequence[Shipment], now_ms: int) -> int:
    """Returns the first one's id; the others follow it. `event_progress` has to be locked."""
    part, begin = _room(link, len(shipments), now_ms // DAY_MS)
    connections, began, at, lasts, others, sent = (list(column) for column in zip(*shipments, strict=True))
    ids = list(range(begin, begin + len(shipments)))
    given = {"ids": ids, "began": began, "at": at, "lasts": lasts, "others": others, "sent": sent}
    execute(link, of_part("insert", part), {"connections": connections, **given})
    grown = {
        "n": len(shipments),
        "last": max(lasts),
        "bytes": sum(len(one.others) + len(one.sent) for one in shipments),
        "connections": sorted(set(connections)),
    }
    execute(link, SQL["grow"], {"part": part, **grown})
    return begin


def _room(link: Link, n: int, day: int) -> tuple[int, int]:
    """A part that has room for so many, and the next id in it."""
    for part, its_day, begin, taken, _ in rows(link, SQL["newest"]):
        if its_day == day and taken < PART_BYTES and (begin + n) >> PART_BITS == part:
            return part, begin
    part = value(link, SQL["begin"])
    begin = part << PART_BITS
    execute(link, of_part("create", part))
    execute(link, SQL["add_part"], {"part": part, "day": day, "next": begin})
    return part, begin


def drop(part: int, link: Link) -> None:
    """Only if nobody reads it just now: others would have to wait behind us."""
    execute(link, b"SET LOCAL lock_timeout = '1s'")
    execute(link, SQL["drop_part"], {"part": part})
    execute(link, of_part("drop", part))


def parts_before(link: Link, first: int) -> list[int]:
    return firsts(rows(link, SQL["over"], {"first": first}))


def forget(link: Link, gone: Collection[int], shipments: Collection[int], first: int) -> None:
    """Remove what was sent for these positions, and all that is in front of `first`."""
    wanted = by_part(shipments)
    for part in firsts(rows(link, SQL["parts"])):
        execute(link, of_part("remove_old", part), {"first": first})
        for id_, others, sent in rows(link, of_part("contents", part), {"ids": wanted.get(part, [0])}):
            kept = only(read_sent(sent), lambda position: position not in gone)
            left = {at: key for at, key in msgspec.msgpack.decode(others, strict=False).items() if at not in gone}
            changed = {"id": id_, "others": msgspec.msgpack.encode(left), "sent": packed_sent(kept)}
            execute(link, of_part("change", part), changed)


def keep_only(link: Link, connections: Collection[int]) -> None:
    kept = {"kept": sorted(connections)}
    for part, those, _ in rows(link, SQL["parts"]):
        if not set(those) <= set(connections):
            execute(link, of_part("keep_only", part), kept)
    execute(link, SQL["kept"], kept)


def by_part(shipments: Collection[int]) -> dict[int, list[int]]:
    return {part: list(ids) for part, ids in groupby(sorted(shipments), lambda id_: id_ >> PART_BITS)}
