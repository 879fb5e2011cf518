"""Removes inactive people in SQL: people who are not a customer of any connection."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from hogline.store.forgetting import Expired
from hogline.store.postgresql.link import Link, execute, firsts, rows, value
from hogline.store.postgresql.queries import queries
from hogline.store.postgresql.records import RecordReader
from hogline.store.postgresql.resending import name_nobody_gone
from hogline.store.retention import choose

SQL = queries("forgetting")


def expire(link: Link, *, before_day: int, today: int, after: str, most: int) -> Expired:
    """See `store.forgetting.Forgets.expire_people`. One transaction of the only writer, so nothing can change in
    between."""
    connections = firsts(rows(link, SQL["connection_ids"]))
    ids = _next(link, connections, after, most)
    if not ids:
        return Expired([], None)
    days: dict[str, int] = dict(rows(link, SQL["days"], {"names": ids}))
    chosen = choose(
        ids,
        days,
        before_day,
        reads=RecordReader(partial(rows, link)),
        connections=connections,
        not_seen_since=lambda everybody: _not_seen_since(link, everybody, before_day),
        holds=lambda everybody: any(
            rows(link, SQL["holds"], {"connection": one, "names": list(everybody)}) for one in connections
        ),
    )
    if chosen.new:
        execute(link, SQL["see"], {"names": chosen.new, "today": today})
    _remove(link, chosen.gone)
    return Expired(chosen.gone, ids[-1] if len(ids) == most else None)


def _remove(link: Link, ids: Sequence[str]) -> None:
    if ids:
        for name in ("forget_known", "forget_ids", "forget_seen", "expire_told", "expire_again"):
            execute(link, SQL[name], {"names": ids})
        name_nobody_gone(link)


def _next(link: Link, connections: Sequence[int], after: str, most: int) -> list[str]:
    """The next ids about which anything is stored."""
    found: set[str] = set()
    for name in ("next_known", "next_ids"):
        found.update(firsts(rows(link, SQL[name], {"after": after, "most": most})))
    for connection in connections:
        found.update(firsts(rows(link, SQL["next_told"], {"connection": connection, "after": after, "most": most})))
    return sorted(found, key=lambda one: one.encode("utf-8", "surrogatepass"))[:most]


def _not_seen_since(link: Link, ids: Sequence[str], day: int) -> bool:
    return bool(value(link, SQL["not_seen_since"], {"names": list(ids), "day": day}) == len(ids))
