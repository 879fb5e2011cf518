"""Listing and searching people, in SQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import msgspec

from hogline.core.known import Person
from hogline.core.ledger import row_name
from hogline.model import Identifier
from hogline.store.directory import PeopleCounts, PeopleFound
from hogline.store.packing import packed_starts, unpack_person
from hogline.store.postgresql.link import Row, firsts
from hogline.store.postgresql.queries import queries
from hogline.store.postgresql.reading import Reading
from hogline.store.postgresql.records import RecordReader

T = TypeVar("T")

SQL = queries("directory")

FIRST_PORTION = 500
PORTION = 20_000
"""So many people are looked at between two looks at the clock."""


class _TimeIsUp(Exception):
    pass


class PostgresqlLists:
    """The part of `PostgresqlState` that implements `store.directory.Lists`."""

    _searching: Reading

    async def _in_thread(self, look: Callable[[], T]) -> T:
        raise NotImplementedError

    async def people_in_order(
        self, connection: int, *, told: bool, after: str = "", before: str | None = None, limit: int = 100
    ) -> list[str]:
        query = SQL[f"{'told' if told else 'all'}_{'after' if before is None else 'before'}"]
        given = {"connection": connection, "from": after if before is None else before, "most": limit}
        return await self._in_thread(lambda: firsts(self._searching.rows(query, given)))

    async def find_people(self, connection: int, text: str, *, after: str = "", limit: int = 100) -> list[str]:
        if not text:
            return await self.people_in_order(connection, told=False, after=after, limit=limit)
        given = {"connection": connection, "low": text.casefold(), "after": after, "most": limit}
        return await self._in_thread(lambda: firsts(self._searching.rows(SQL["find"], given)))

    async def search_people(
        self,
        connection: int,
        text: str,
        attribute: str = "",
        values: Sequence[object] = (),
        *,
        limit: int = 100,
        within_s: float | None = None,
    ) -> PeopleFound:
        def look() -> PeopleFound:
            end_s = None if within_s is None else time.monotonic() + within_s
            found = dict.fromkeys(self._whole(connection, text, attribute, values) if text else [])
            left = max(limit - len(found), 0)
            matching = (one for one in self._scan(connection, text, attribute, values, end_s) if one not in found)
            try:
                for one in islice(matching, left):
                    found[one] = None
            except _TimeIsUp:
                return PeopleFound(list(found), is_whole=False)
            return PeopleFound(list(found), is_whole=True)

        return await self._in_thread(look)

    def _scan(
        self, connection: int, text: str, attribute: str, values: Sequence[object], end_s: float | None
    ) -> Iterator[str]:
        """Those who match, in portions. Raises `_TimeIsUp`."""
        low = text.casefold()
        if attribute:
            yield from self._with(attribute, values, low, end_s)
            return
        seen: set[str] = set()
        # One after the other: in order, the first match would wait for the first match in each of them.
        for query in ("look_known", "look_told", "look_ids"):
            for id_, *_ in self._portions(query, {"connection": connection, "low": low}, end_s):
                if id_ not in seen:
                    seen.add(id_)
                    yield id_

    def _with(self, attribute: str, values: Sequence[object], low: str, end_s: float | None) -> Iterator[str]:
        """In the order of ids. It reads everything that is known."""
        starts = [start for each in values for start in packed_starts(attribute, each)]
        if not starts:
            return
        # What is packed may look the same elsewhere, so what is found is unpacked and compared.
        for id_, _, body in self._portions("look_attribute", {"starts": starts}, end_s):
            person = unpack_person(id_, body)
            if _has(person, attribute, values) and (
                low in person.id.casefold() or low in (person.email or "").casefold()
            ):
                yield person.id

    def _portions(self, query: str, given: dict[str, object], end_s: float | None) -> Iterator[Row]:
        after, most = "", FIRST_PORTION
        while found := self._searching.rows(SQL[query], {**given, "after": after, "most": most}):
            yield from (row for row in found if row[1])
            after, most = found[-1][0], PORTION
            if end_s is not None and time.monotonic() >= end_s:
                raise _TimeIsUp

    def _whole(self, connection: int, text: str, attribute: str, values: Sequence[object]) -> list[str]:
        """Those whose id or email is this text. Five look-ups, however many people there are."""
        customer = row_name(Identifier("id", text))
        given = {"connection": connection, "text": text, "low": text.lower(), "customer": customer}
        found: list[str] = firsts(self._searching.rows(SQL["whole"], given))
        if not attribute:
            return found
        people = RecordReader(self._searching.rows).people(found)
        return [one for one in found if one in people and _has(people[one], attribute, values)]

    async def count_people(self, connection: int) -> PeopleCounts:
        def look() -> PeopleCounts:
            counted = [self._searching.rows(SQL[name], {"connection": connection}) for name in ("customers", "known")]
            return PeopleCounts(*(found[0][0] for found in counted))

        return await self._in_thread(look)


def _same(one: object, other: object) -> bool:
    """1 is not true."""
    return msgspec.json.encode(one) == msgspec.json.encode(other)


def _has(person: Person, attribute: str, values: Sequence[object]) -> bool:
    fact = person.facts.get(attribute) or person.properties.get(attribute)
    return fact is not None and any(_same(fact.value, each) for each in values)
