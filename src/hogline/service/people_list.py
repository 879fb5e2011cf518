"""The list of people at one connection: those seen last first, each once, whatever was merged into them.

Behind those who were seen lately come all others, in the order of their ids. A cursor says where a page begins: `<N` or
`>N` are people seen before or after position N, `+ID` and `-ID` those behind or in front of an id, `@N` the Nth match.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec

from hogline.clock import Clock
from hogline.delivery.workers import Workers
from hogline.posthog.entry import decode_event
from hogline.service.core import CannotDo, connection_named
from hogline.service.last_seen import LastSeen, Seen
from hogline.service.people import Looked, look_at
from hogline.service.trail import Trail
from hogline.store.base import Journal, State
from hogline.store.directory import PeopleCounts
from hogline.views.people import ListedPerson, PeoplePage, PersonView

AT_ONCE = 200
ROUNDS = 40
"""Of looking for more, for one page: it says so if it got no further."""
ROUNDS_BEFORE_MATCHES = 10
"""So that those who were seen lately come first, even if nobody looked at the list before."""
MOST_MATCHES = 500
COUNT_WITHIN_S = 0.05
SEARCH_WITHIN_S = 0.1
"""Enough for some 100,000 people. After that, the page asks before it searches the rest."""
_CURSOR = re.compile(r"|[<>@]\d{1,18}|[-+].*", re.DOTALL)
NAMES = ("name", "full_name", "$name", "fullName")
FIRST_NAMES = ("first_name", "firstName", "firstname", "$first_name")
LAST_NAMES = ("last_name", "lastName", "lastname", "$last_name")


class Counting:
    """How many people each connection has. Counted beside everything else, and not more often than it is worth."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._counts: dict[int, tuple[PeopleCounts, float]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def of(self, connection: int) -> PeopleCounts | None:
        """As far as that is known in a moment; None: not yet."""
        known = self._counts.get(connection)
        if connection not in self._tasks and (known is None or self._clock.now_s() >= known[1]):
            self._tasks[connection] = asyncio.create_task(self._count(connection))
        if task := self._tasks.get(connection):
            await asyncio.wait([task], timeout=COUNT_WITHIN_S)
        found = self._counts.get(connection)
        return found[0] if found else None

    async def _count(self, connection: int) -> None:
        began_s = self._clock.now_s()
        try:
            counts = await self._state.count_people(connection)
            now_s = self._clock.now_s()
            self._counts[connection] = (counts, now_s + 20 * (now_s - began_s))
        finally:
            del self._tasks[connection]


class Listing:
    def __init__(self, looked: Looked, state: State, journal: Journal, seen: LastSeen, *, everyone: bool) -> None:
        """`everyone`: not only customers."""
        self._looked = looked
        self._state = state
        self._journal = journal
        self._seen = seen
        self._everyone = everyone

    async def page(self, cursor: str, limit: int) -> tuple[list[ListedPerson], str, str]:
        """People, where the next page begins, and where the previous one."""
        await self._seen.catch_up()
        kind, rest = cursor[:1], cursor[1:]
        if kind == "-":
            names, more = await self._by_id(limit, before=rest)
            names.reverse()
            return await self._shown(names), f"+{names[-1]}" if names else "+", f"-{names[0]}" if more else ">0"
        if kind == "+":
            names, more = await self._by_id(limit, after=rest)
            return await self._shown(names), f"+{names[-1]}" if more else "", f"-{names[0]}" if names else ">0"
        if kind == ">":
            return await self._newer(int(rest), limit)
        return await self._older(int(rest) if kind == "<" else 2**62, limit)

    async def _older(self, before: int, limit: int) -> tuple[list[ListedPerson], str, str]:
        found: dict[str, int] = {}
        at, rounds = before, 0
        while len(found) <= limit and rounds < ROUNDS:
            some = list(islice(self._seen.newest_first(at), AT_ONCE))
            if not some and self._seen.is_whole:
                break
            if len(some) < AT_ONCE and not self._seen.is_whole:
                await self._seen.further()
                rounds += 1
                if not some:
                    continue
            found |= self._those(some)
            at = some[-1].position if some else at
            rounds += 1
        names = list(found)[:limit]
        first = found[names[0]] if names else before
        shown = await self._shown(names)
        previous = f">{first}" if before != 2**62 else ""
        if len(found) > limit:
            return shown, f"<{found[names[-1]]}", previous
        if rounds >= ROUNDS:
            return shown, f"<{at}", previous
        rest, more = await self._by_id(limit - len(names))
        whole = [*shown, *await self._shown(rest)]
        return whole, f"+{rest[-1] if rest else ''}" if more else "", previous

    async def _newer(self, after: int, limit: int) -> tuple[list[ListedPerson], str, str]:
        found: dict[str, int] = {}
        ids = self._seen.oldest_first(after)
        while len(found) <= limit and (some := list(islice(ids, AT_ONCE))):
            found |= self._those(some)
        names = list(found)[:limit][::-1]
        last = f"<{found[names[-1]]}" if names else ""
        return await self._shown(names), last, f">{found[names[0]]}" if len(found) > limit else ""

    async def matches(self, names: Sequence[str], cursor: str, limit: int) -> tuple[list[ListedPerson], str, str]:
        """Those of these ids' people, in the same order. All are looked at for each page."""
        await self._seen.catch_up()
        for _ in range(ROUNDS_BEFORE_MATCHES):
            if not self._seen.is_whole:
                await self._seen.further()
        people = list(dict.fromkeys(self._names(names).values()))
        wanted = sorted(self._listed(people), key=lambda one: (-self._position(one), one))
        begin = int(cursor[1:]) if cursor[:1] == "@" else 0
        shown = await self._shown(wanted[begin : begin + limit])
        return (
            shown,
            f"@{begin + limit}" if begin + limit < len(wanted) else "",
            f"@{max(begin - limit, 0)}" if begin else "",
        )

    async def _by_id(self, limit: int, *, after: str = "", before: str | None = None) -> tuple[list[str], bool]:
        """People who were not seen lately; and whether there are more."""
        found: list[str] = []
        for _ in range(ROUNDS):
            some = await self._state.people_in_order(
                self._looked.connection, told=not self._everyone, after=after, before=before, limit=AT_ONCE
            )
            own = [one for one, name in self._names(some).items() if one == name and not self._position(name)]
            found += self._listed(own)
            if len(found) > limit or len(some) < AT_ONCE:
                break
            after, before = (some[-1], None) if before is None else ("", some[-1])
        return found[:limit], len(found) > limit

    def _those(self, some: Sequence[Seen]) -> dict[str, int]:
        """Of these ids, the people whose last event it was, with its position."""
        positions = dict(some)
        last = {
            name: positions[one]
            for one, name in self._names(list(positions)).items()
            if self._position(name) == positions[one]
        }
        return {name: last[name] for name in self._listed(list(last))}

    def _names(self, ids: Sequence[str]) -> dict[str, str]:
        return self._looked.names(ids)

    def _position(self, name: str) -> int:
        """Of the last event of a person, under whichever id."""
        return max(self._seen.position(one) for one in self._looked.ids(name))

    def _listed(self, names: list[str]) -> list[str]:
        """Those who belong in the list."""
        if self._everyone:
            return [name for name in names if self._looked.knows(name)]
        customers = self._looked.customers(names)
        return [name for name in names if name in customers]

    async def _shown(self, names: Iterable[str]) -> list[ListedPerson]:
        return [await self._one(name) for name in names]

    async def _one(self, name: str) -> ListedPerson:
        view, position = self._looked.view(name), self._position(name)
        rows = await self._journal.read(position - 1, 1) if position else []
        return ListedPerson(
            person=view,
            name=called(view),
            merged_ids=len(self._looked.ids(name)) - 1,
            seen_ms=decode_event(rows[0][1]).received_ms if rows else None,
        )


def called(person: PersonView) -> str:
    """What somebody is called, as their attributes say; empty: they do not."""

    def first(names: Iterable[str]) -> str:
        said = (person.attributes.get(name) for name in names)
        return next((one.strip() for one in said if isinstance(one, str) and one.strip()), "")

    return first(NAMES) or " ".join(filter(None, (first(FIRST_NAMES), first(LAST_NAMES))))


def typed(value: str) -> list[object]:
    """What a value that somebody typed may be in PostHog: the text, and a number, true or false."""
    try:
        other = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return [value]
    return [value, other] if isinstance(other, bool | int | float) else [value]


class PeopleLists:
    def __init__(self, journal: Journal, state: State, clock: Clock, workers: Workers, trail: Trail) -> None:
        self._journal = journal
        self._state = state
        self._workers = workers
        self._trail = trail
        self._seen: LastSeen | None = None
        self._counting = Counting(state, clock)

    async def show(
        self,
        connection: str,
        *,
        text: str = "",
        attribute: str = "",
        value: str = "",
        everyone: bool = False,
        thorough: bool = False,
        cursor: str = "",
        limit: int = 50,
    ) -> PeoplePage:
        """Customers of a connection, or everyone who is known, those seen last first: all, or those with this text in a
        distinct_id or email, and this value of an attribute. `thorough`: look at all
        of them, however long it takes. `cursor`: as another page says. Raises `CannotDo`.
        """
        one = await connection_named(self._state, connection)
        if not _CURSOR.fullmatch(cursor):
            raise CannotDo("This page does not exist. Begin with the first one.")
        await self._workers.flush()
        await self._trail.note("people_listed", {"searched": bool(text or attribute)}, connection=connection)
        looked = look_at(one, self._state)
        if looked is None:
            return PeoplePage(people=[], next="", previous="", customers=None, known=None)
        self._seen = self._seen or LastSeen(self._journal)
        listing = Listing(looked, self._state, self._journal, self._seen, everyone=everyone)
        cut = stopped = False
        if text or attribute:
            found = await self._state.search_people(
                one.id,
                text,
                attribute,
                typed(value) if attribute else (),
                limit=MOST_MATCHES,
                within_s=None if thorough else SEARCH_WITHIN_S,
            )
            cut, stopped = len(found.ids) >= MOST_MATCHES, not found.is_whole
            people, further, back = await listing.matches(found.ids, cursor, limit)
        else:
            people, further, back = await listing.page(cursor, limit)
        counts = await self._counting.of(one.id)
        return PeoplePage(
            people=people,
            next=further,
            previous=back,
            customers=counts.customers if counts else None,
            known=counts.known if counts else None,
            cut=cut,
            stopped=stopped,
        )
