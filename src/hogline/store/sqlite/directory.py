"""Listing people, in SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

import apsw
import msgspec

from hogline.store.directory import PeopleCounts
from hogline.store.packing import packed_starts, unpack_person
from hogline.store.sqlite.database import reading, rows, value

T = TypeVar("T")

_TOLD = "SELECT person FROM told WHERE connection = ?1 AND person {0} ?2 ORDER BY person {1} LIMIT ?3"
_ALL = (
    "SELECT person FROM (SELECT person FROM told WHERE connection = ?1 AND person {0} ?2"
    " UNION SELECT id FROM known WHERE id {0} ?2 UNION SELECT id FROM ids WHERE id {0} ?2) ORDER BY person {1} LIMIT ?3"
)
# Of a packed record the second byte begins the main customer: it is nil for people who are none.
_COUNT = "SELECT count(*) FROM told WHERE connection = ? AND substr(body, 2, 1) <> x'c0' AND length(body) > 1"


class SqliteLists:
    """The part of `SqliteState` that implements `store.directory.Lists`."""

    _searched: apsw.Connection
    _searching: Executor

    async def _in_thread(self, look: Callable[[], T]) -> T:
        """In the thread for searches."""

        def safely() -> T:
            with reading():
                return look()

        return await asyncio.get_running_loop().run_in_executor(self._searching, safely)

    async def people_in_order(
        self, connection: int, *, told: bool, after: str = "", before: str | None = None, limit: int = 100
    ) -> list[str]:
        way = (">", "") if before is None else ("<", "DESC")
        sql = (_TOLD if told else _ALL).format(*way)
        bound = (connection, after if before is None else before, limit)
        return await self._in_thread(lambda: [person for (person,) in rows(self._searched, sql, bound)])

    async def people_with(self, attribute: str, values: list[object], *, limit: int = 100) -> list[str]:
        wanted = [start for each in values for start in packed_starts(attribute, each)]
        if not wanted:
            return []
        # What is packed may look the same elsewhere, so what is found is unpacked and compared.
        sql = f"SELECT id, known FROM known WHERE {' OR '.join(['instr(known, ?)'] * len(wanted))} ORDER BY id"  # noqa: S608  # ours

        def look() -> list[str]:
            found: list[str] = []
            for id_, body in self._searched.execute(sql, wanted):
                person = unpack_person(str(id_), body)
                fact = person.facts.get(attribute) or person.properties.get(attribute)
                if fact is not None and any(_same(fact.value, each) for each in values):
                    found.append(person.id)
                    if len(found) >= limit:
                        break
            return found

        return await self._in_thread(look)

    async def count_people(self, connection: int) -> PeopleCounts:
        def look() -> PeopleCounts:
            return PeopleCounts(
                value(self._searched, _COUNT, (connection,)), value(self._searched, "SELECT count(*) FROM known")
            )

        return await self._in_thread(look)


def _same(one: object, other: object) -> bool:
    """1 is not true."""
    return msgspec.json.encode(one) == msgspec.json.encode(other)
