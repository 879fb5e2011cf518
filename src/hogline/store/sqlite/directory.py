"""Listing and searching people, in SQL."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

import apsw
import msgspec

from hogline.core.known import Person
from hogline.core.ledger import row_name
from hogline.model import Identifier
from hogline.store.directory import PeopleCounts, PeopleFound
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
# People who taught nothing: there is only what they were told.
_UNKNOWN = "SELECT count(*) FROM told WHERE connection = ? AND NOT EXISTS (SELECT 1 FROM known WHERE id = person)"

_EVERYBODY = (
    "SELECT person FROM (SELECT person FROM told WHERE connection = :connection AND person > :after"
    " UNION SELECT id FROM known WHERE id > :after UNION SELECT id FROM ids WHERE id > :after) ORDER BY person"
)
# SQLite's LIKE only knows the case of ASCII letters. Where there are others, `folded` compares too. That is rare, and
# ten times as slow.
_SEARCHES = (
    (
        "SELECT id AS person FROM known INDEXED BY known_by_email_and_id WHERE email IS NOT NULL AND id > :after"
        " AND (id LIKE :pattern ESCAPE '\\' OR email LIKE :pattern ESCAPE '\\'"
        " OR (length(id) <> octet_length(id) OR length(email) <> octet_length(email))"
        " AND (instr(folded(id), :low) OR instr(folded(email), :low)))"
    ),
    (
        "SELECT id FROM known INDEXED BY known_by_email_and_id WHERE email IS NULL AND id > :after"
        " AND (id LIKE :pattern ESCAPE '\\' OR length(id) <> octet_length(id) AND instr(folded(id), :low))"
    ),
    (
        "SELECT person FROM told WHERE connection = :connection AND person > :after"
        " AND (person LIKE :pattern ESCAPE '\\'"
        " OR length(person) <> octet_length(person) AND instr(folded(person), :low))"
    ),
    (
        "SELECT id FROM ids WHERE id > :after AND (id LIKE :pattern ESCAPE '\\'"
        " OR length(id) <> octet_length(id) AND instr(folded(id), :low))"
    ),
)
_IN_ORDER = f"SELECT person FROM ({' UNION '.join(_SEARCHES)}) ORDER BY person"  # noqa: S608  # ours
_WILD = re.compile(r"[%_\\]")
_LONGEST_PATTERN_BYTES = 50_000
"""SQLite's own limit."""
_WHOLE = (
    "SELECT id FROM known WHERE id = ?2 UNION SELECT id FROM ids WHERE id = ?2"
    " UNION SELECT person FROM told WHERE connection = ?1 AND person = ?2"
    " UNION SELECT person FROM ledger WHERE connection = ?1 AND email IN (?3, ?4)"
    " UNION SELECT id FROM known INDEXED BY known_by_email_and_id WHERE email = ?3"
)
_LOOK_AT_CLOCK = 10_000
"""After this many steps of SQLite's machine: a few hundred people."""


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

    async def find_people(self, connection: int, text: str, *, after: str = "", limit: int = 100) -> list[str]:
        searches = [_IN_ORDER if text else _EVERYBODY]
        return await self._in_thread(lambda: list(islice(self._scan(searches, connection, text, after), limit)))

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
        def scan() -> Iterator[str]:
            if attribute:
                return self._with(attribute, values, text)
            # One after the other: in order, the first match would wait for the first match in each of them.
            return self._scan(_SEARCHES, connection, text)

        def look() -> PeopleFound:
            found = dict.fromkeys(self._whole(connection, text, attribute, values) if text else [])
            try:
                with _stopped_after(self._searched, within_s):
                    for one in scan():
                        if len(found) >= limit:
                            break
                        found[one] = None
            except apsw.InterruptError:
                return PeopleFound(list(found), is_whole=False)
            return PeopleFound(list(found), is_whole=True)

        return await self._in_thread(look)

    def _scan(self, searches: Sequence[str], connection: int, text: str, after: str = "") -> Iterator[str]:
        """It reads all ids and emails."""
        low = text.casefold()
        pattern = "%" + _WILD.sub(r"\\\g<0>", low) + "%"
        if len(pattern.encode()) > _LONGEST_PATTERN_BYTES:
            return  # no id is that long
        bound = {"connection": connection, "after": after, "pattern": pattern, "low": low}
        for sql in searches:
            for (person,) in self._searched.execute(sql, bound):
                yield str(person)

    def _with(self, attribute: str, values: Sequence[object], text: str) -> Iterator[str]:
        """In the order of ids. It reads everything that is known."""
        wanted = [start for each in values for start in packed_starts(attribute, each)]
        if not wanted:
            return
        # What is packed may look the same elsewhere, so what is found is unpacked and compared.
        sql = f"SELECT id, known FROM known WHERE {' OR '.join(['instr(known, ?)'] * len(wanted))} ORDER BY id"  # noqa: S608  # ours
        low = text.casefold()
        for id_, body in self._searched.execute(sql, wanted):
            person = unpack_person(str(id_), body)
            if _has(person, attribute, values) and (
                low in person.id.casefold() or low in (person.email or "").casefold()
            ):
                yield person.id

    def _whole(self, connection: int, text: str, attribute: str, values: Sequence[object]) -> list[str]:
        """Those whose id or email is this text. Five look-ups, however many people there are."""
        given = (connection, text, text.lower(), row_name(Identifier("id", text)))
        found = [str(one) for (one,) in rows(self._searched, _WHOLE, given)]
        if not attribute:
            return found
        bodies = [(one, value(self._searched, "SELECT known FROM known WHERE id = ?", (one,))) for one in found]
        return [one for one, body in bodies if body is not None and _has(unpack_person(one, body), attribute, values)]

    async def count_people(self, connection: int) -> PeopleCounts:
        def look() -> PeopleCounts:
            known = value(self._searched, "SELECT count(*) FROM known") + value(self._searched, _UNKNOWN, (connection,))
            return PeopleCounts(value(self._searched, _COUNT, (connection,)), known)

        return await self._in_thread(look)


def _same(one: object, other: object) -> bool:
    """1 is not true."""
    return msgspec.json.encode(one) == msgspec.json.encode(other)


def _has(person: Person, attribute: str, values: Sequence[object]) -> bool:
    fact = person.facts.get(attribute) or person.properties.get(attribute)
    return fact is not None and any(_same(fact.value, each) for each in values)


@contextmanager
def _stopped_after(database: apsw.Connection, within_s: float | None) -> Iterator[None]:
    """Within it, statements raise `apsw.InterruptError` once the time is up. None: never."""
    if within_s is None:
        yield
        return
    end_s = time.monotonic() + within_s
    database.set_progress_handler(lambda: time.monotonic() >= end_s, _LOOK_AT_CLOCK)
    try:
        yield
    finally:
        database.set_progress_handler(None)


def folded(*texts: apsw.SQLiteValue) -> apsw.SQLiteValue:
    """A text in comparable case; NULL stays NULL."""
    (text,) = texts
    return text.casefold() if isinstance(text, str) else text
