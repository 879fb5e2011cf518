"""Sending people again, in SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

import apsw

from hogline.store.resending import Resending
from hogline.store.sqlite import records
from hogline.store.sqlite.database import reading, rows, value

T = TypeVar("T")

_AT_RANDOM = "SELECT person FROM told WHERE connection = ?1 ORDER BY random() LIMIT ?2"
_NEXT = "SELECT person FROM told WHERE connection = ?1 AND person > ?2 ORDER BY person LIMIT ?3"


class SqliteResends:
    """The part of `SqliteState` that implements `store.resending.Resends`."""

    _read: apsw.Connection
    _searched: apsw.Connection
    _searching: Executor

    async def _write(self, job: Callable[[apsw.Connection], T]) -> T:
        raise NotImplementedError

    async def told_people(self, connection: int, *, sample: int = 0, after: str = "", limit: int = 1_000) -> list[str]:
        def look() -> list[str]:
            if sample:
                return [person for (person,) in rows(self._searched, _AT_RANDOM, (connection, sample))]
            return [person for (person,) in rows(self._searched, _NEXT, (connection, after, limit))]

        return await asyncio.get_running_loop().run_in_executor(self._searching, look)

    async def send_again(self, connection: int, kind: str, people: Sequence[str]) -> None:
        await self._write(lambda database: records.put_again(database, connection, kind, people))

    def resending(self, connection: int) -> Resending | None:
        with reading():
            found = rows(self._read, "SELECT people, asked FROM resending WHERE connection = ?", (connection,))
        return Resending(*found[0]) if found else None

    async def resend_everyone(self, connection: int) -> None:
        await self._write(
            lambda database: database.execute(
                "INSERT OR IGNORE INTO resending SELECT ?1, count(*), 0, '' FROM told WHERE connection = ?1",
                (connection,),
            )
        )

    async def resend_more(self, connection: int, most: int) -> int:
        return await self._write(partial(_more, connection, most))

    async def cancel_resending(self, connection: int) -> None:
        await self._write(partial(_end, connection))


def _more(connection: int, most: int, database: apsw.Connection) -> int:
    after: str | None = value(database, "SELECT after FROM resending WHERE connection = ?", (connection,))
    people = [] if after is None else [one for (one,) in rows(database, _NEXT, (connection, after, most))]
    if not people:
        _end(connection, database)
        return 0
    records.put_again(database, connection, "again", people)
    database.execute(
        "UPDATE resending SET asked = asked + ?2, after = ?3 WHERE connection = ?1",
        (connection, len(people), people[-1]),
    )
    return len(people)


def _end(connection: int, database: apsw.Connection) -> None:
    database.execute("DELETE FROM resending WHERE connection = ?", (connection,))


def name_nobody_gone(database: apsw.Connection) -> None:
    """How far each connection is names a person. If they are no longer stored, the one before them stands for them."""
    database.execute(
        "UPDATE resending SET after = coalesce((SELECT person FROM told WHERE told.connection = resending.connection"
        " AND person < after ORDER BY person DESC LIMIT 1), '')"
        " WHERE after <> '' AND NOT EXISTS (SELECT 1 FROM told WHERE told.connection = resending.connection"
        " AND person = after)"
    )
