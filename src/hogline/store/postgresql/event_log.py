"""The event log in PostgreSQL. What is searched is in blocks of 256 positions, as arrays (`event_blocks`); what was
sent is in a table for each day (`event_shipments`).

Any process may write it: a row that is locked first says how far the log is, so nothing is taken twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeAlias

import msgspec

from hogline.core.changes import Noted
from hogline.store.base import Unwritable
from hogline.store.event_log import Attempt, Found, Query, Unlogged, read_noted
from hogline.store.postgresql import event_shipments
from hogline.store.postgresql.aside import Aside
from hogline.store.postgresql.event_blocks import BLOCK_BITS, Blocks
from hogline.store.postgresql.event_search import attempts, search
from hogline.store.postgresql.event_shipments import Shipment
from hogline.store.postgresql.link import Link, execute, firsts, rows, vacuum, value
from hogline.store.postgresql.queries import queries

SQL = queries("event_log")

MOST_OUTCOMES = 60_000
"""Two bytes hold them, and reasons may be any text of a destination. Those beyond are found as `other`."""

_Key: TypeAlias = tuple[str, str]


class PostgresqlEventLog:
    """Implements `store.event_log.EventLog`."""

    def __init__(self, aside: Aside, *, most_outcomes: int = MOST_OUTCOMES) -> None:
        self._aside = aside
        self._most_outcomes = most_outcomes
        self._taken = 0
        self._first = 0

    async def ready(self) -> None:
        """How far it is, is read. Raises `Unwritable`."""
        ((self._taken, self._first),) = await self._aside.rows(SQL["progress"])

    @property
    def taken(self) -> int:
        return self._taken

    async def take(self, news: Sequence[Unlogged], now_ms: int) -> None:
        news = [one for one in news if one.number > self._taken]
        if news:
            self._taken = await self._aside.write(partial(self._take, news, now_ms))

    async def go_back(self, taken: int) -> None:
        await self._aside.write(lambda link: execute(link, SQL["took"], {"taken": taken}))
        self._taken = taken

    def _take(self, news: Sequence[Unlogged], now_ms: int, link: Link) -> int:
        # Nothing waits for it to be on disk: the state drops these notes in a later commit.
        execute(link, b"SET LOCAL synchronous_commit = off")
        taken, first = rows(link, SQL["hold"])[0]
        noted = [(one, read_noted(one.noted)) for one in news if one.number > taken]
        # A failure may be older than the journal.
        noted = [(one, each) for one, each in noted if max(each.positions) >= first]
        if noted:
            self._add(noted, now_ms, first, link)
        last: int = max(taken, news[-1].number)
        execute(link, SQL["took"], {"taken": last})
        return last

    def _add(self, noted: Sequence[tuple[Unlogged, Noted]], now_ms: int, first: int, link: Link) -> None:
        blocks = Blocks(link, first)
        blocks.read((one.connection, each) for one, each in noted)
        outcomes = _Outcomes(link, self._most_outcomes)
        shipments = [
            Shipment(
                one.connection,
                each.began_ms or now_ms,
                each.at_ms or now_ms,
                max(each.positions),
                msgspec.msgpack.encode(each.others),
                one.sent,
            )
            for one, each in noted
        ]
        begin = event_shipments.add(link, shipments, now_ms)
        for shipment, (one, each) in enumerate(noted, begin):
            others = {position: outcomes.id_of(key) for position, key in each.others.items()}
            blocks.put(one.connection, shipment, each, outcomes.id_of(("delivered", "")), others)
        blocks.write()

    async def trim(self, first: int) -> None:
        if first <= self._first:
            return
        await self._aside.write(partial(_trim, first))
        self._first = first
        for part in await self._aside.write(lambda link: event_shipments.parts_before(link, first)):
            with suppress(Unwritable):  # somebody reads it, pg_dump for example: next time
                await self._aside.write(partial(event_shipments.drop, part))

    async def forget(self, positions: Collection[int]) -> None:
        if positions:
            await self._aside.write(partial(_forget, sorted(set(positions))))

    async def keep_only(self, connections: Collection[int]) -> None:
        await self._aside.write(partial(_keep_only, sorted(connections)))

    async def clean(self) -> bool:
        """What was removed is free space for PostgreSQL, which overwrites it in time; see docs/scale.md."""
        parts = firsts(await self._aside.rows(event_shipments.SQL["parts"]))
        tables = ["event_names", "event_people", "event_results", "event_earlier"]
        tables += [f"event_shipments_{part}" for part in parts]
        await asyncio.to_thread(vacuum, self._aside.url, tables)
        return True

    async def close(self) -> None:
        """The `Aside` is not ours to close."""

    # reading

    async def find(self, query: Query, limit: int) -> list[Found]:
        return await self._aside.look(lambda reading: search(reading.rows, query, limit))

    async def attempts(self, connection: int, positions: Sequence[int]) -> dict[int, list[Attempt]]:
        return await self._aside.look(lambda reading: attempts(reading.rows, connection, positions))


class _Outcomes:
    """Numbers for what can happen to an event. `event_progress` has to be locked."""

    def __init__(self, link: Link, most: int) -> None:
        self._link, self._most = link, most
        self._ids: dict[_Key, int] = {(kind, reason): id_ for id_, kind, reason in rows(link, SQL["outcomes"])}

    def id_of(self, key: _Key) -> int:
        found = self._ids.get(key)
        if found is None:
            if len(self._ids) >= self._most and key[1] != "other":
                return self.id_of((key[0], "other"))
            found = self._ids[key] = value(self._link, SQL["add_outcome"], {"kind": key[0], "reason": key[1]})
        return found


def _trim(first: int, link: Link) -> None:
    rows(link, SQL["hold"])
    execute(link, SQL["trimmed"], {"first": first})
    for name in ("trim_names", "trim_people", "trim_results"):
        execute(link, SQL[name], {"block": first >> BLOCK_BITS})
    execute(link, SQL["trim_earlier"], {"first": first})


def _forget(positions: Sequence[int], link: Link) -> None:
    _, first = rows(link, SQL["hold"])[0]
    blocks = Blocks(link, first)
    touched = blocks.forget(positions)
    blocks.write()
    touched.update(firsts(rows(link, SQL["forget_earlier"], {"positions": positions})))
    event_shipments.forget(link, frozenset(positions), touched, first)


def _keep_only(connections: Sequence[int], link: Link) -> None:
    rows(link, SQL["hold"])
    for name in ("keep_only_results", "keep_only_earlier"):
        execute(link, SQL[name], {"kept": connections})
    event_shipments.keep_only(link, connections)
