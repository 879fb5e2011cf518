"""Sending people again, in SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from hogline.store.postgresql import records
from hogline.store.postgresql.link import Link, execute, firsts, rows, value
from hogline.store.postgresql.queries import queries
from hogline.store.postgresql.reading import Reading
from hogline.store.resending import Resending

T = TypeVar("T")

SQL = queries("resending")


class PostgresqlResends:
    """The part of `PostgresqlState` that implements `store.resending.Resends`."""

    _loop_reading: Reading
    _searching: Reading

    async def _write(self, job: Callable[[Link], T]) -> T:
        raise NotImplementedError

    async def _in_thread(self, look: Callable[[], T]) -> T:
        raise NotImplementedError

    async def told_people(self, connection: int, *, sample: int = 0, after: str = "", limit: int = 1_000) -> list[str]:
        given = {"connection": connection, "after": after, "most": sample or limit}
        query = SQL["at_random" if sample else "next"]
        return await self._in_thread(lambda: firsts(self._searching.rows(query, given)))

    async def send_again(self, connection: int, kind: str, people: Sequence[str]) -> None:
        await self._write(lambda link: records.put_again(link, connection, kind, people))

    def resending(self, connection: int) -> Resending | None:
        found = self._loop_reading.rows(SQL["resending"], {"connection": connection})
        return Resending(*found[0]) if found else None

    async def resend_everyone(self, connection: int) -> None:
        await self._write(lambda link: execute(link, SQL["resend_everyone"], {"connection": connection}))

    async def resend_more(self, connection: int, most: int) -> int:
        return await self._write(partial(_more, connection, most))

    async def cancel_resending(self, connection: int) -> None:
        await self._write(partial(_end, connection))


def _more(connection: int, most: int, link: Link) -> int:
    after: str | None = value(link, SQL["after"], {"connection": connection})
    given = {"connection": connection, "after": after, "most": most}
    people = [] if after is None else firsts(rows(link, SQL["next"], given))
    if not people:
        _end(connection, link)
        return 0
    records.put_again(link, connection, "again", people)
    execute(link, SQL["more"], {"connection": connection, "people": len(people), "after": people[-1]})
    return len(people)


def _end(connection: int, link: Link) -> None:
    execute(link, SQL["end"], {"connection": connection})


def name_nobody_gone(link: Link) -> None:
    """How far each connection is names a person. If they are no longer stored, the one before them stands for them."""
    execute(link, SQL["name_nobody_gone"])
