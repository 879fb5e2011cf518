"""Forgetting people: at the destinations first, then everywhere here."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

import structlog
from msgspec import Struct

from hogline.delivery.lanes import lane_of
from hogline.delivery.pack import pack
from hogline.delivery.routes import Routes
from hogline.destinations.base import Destination, Unreachable
from hogline.destinations.catalogue import DESTINATIONS
from hogline.entry import FORGOTTEN, decode_event
from hogline.model import Identifier, Operation, Person, Settled, Stop
from hogline.posthog.forgetting import without
from hogline.posthog.joins import join_of
from hogline.service.core import Core, Mistake, read_options
from hogline.store.base import Connection, Forgotten
from hogline.views import ForgottenView

log = structlog.get_logger("hogline.service")

LOOKED_AT_ONCE = 5_000
"""Events of the journal between two chances for others."""


class _Known(Struct, frozen=True):
    """Somebody as one connection knows them, under all their ids."""

    connection: Connection
    people: list[Person]
    waiting: int
    """How many events of theirs are not settled."""

    maybe: list[Identifier]
    """Whoever they may be at the destination, if a request was not answered."""


class _Rewritten(Struct, frozen=True):
    """An event of the journal, and what is left of it."""

    position: int
    distinct_id: str
    body: bytes


class Forgetting(Core):
    async def start(self) -> None:
        if ids := set(await self._state.forgetting()):  # a crash interrupted it
            await self._leave_journal([found async for found in self._rewritten(ids)])
        await super().start()

    async def forget_person(self, distinct_id: str, *, suppress: bool = False) -> ForgottenView:
        """Delete somebody at every destination, and then all that is known of them here: under this id and all that
        were joined with it. `suppress`: they cannot come back. Nothing is removed here unless every destination
        accepted it.
        """
        async with self._changing:
            connections = await self._state.connections()
            running = [one for one in connections if self._workers.runs(one.id)]
            await asyncio.gather(*(self._workers.stop(one.id) for one in running))
            try:
                ids = await self._all_ids(connections, distinct_id)
                rewritten = [found async for found in self._rewritten(ids)]
                known = [await self._known(one, ids, rewritten) for one in connections]
                customers = [await self._forget_there(one, suppress=suppress) for one in known]
                forgotten = await self._forget_here(known, ids, rewritten, suppress=suppress)
            finally:
                for connection in running:
                    self._run(connection)
        events = sum(found.body == FORGOTTEN for found in rewritten)
        log.info("a person was forgotten", connections=len(connections), suppressed=suppress)
        return ForgottenView(
            customers=sum(customers),
            people=sum(one.people for one in forgotten),
            held=sum(one.held for one in forgotten),
            failures=sum(one.dead_letters for one in forgotten),
            events=events,
            suppressed=suppress,
        )

    async def _all_ids(self, connections: Sequence[Connection], distinct_id: str) -> set[str]:
        """All ids of somebody: whom an id was joined into, and whoever else was, at any of the connections."""
        ids, new = set[str](), {distinct_id}
        while new:
            ids |= new
            found = [one for connection in connections for one in await self._around(connection.id, new)]
            new = (set(found) | await self._waiting_visitors(connections, new)) - ids
        return ids

    async def _waiting_visitors(self, connections: Sequence[Connection], ids: set[str]) -> set[str]:
        """Whom the journal's events say to be one with these, and nobody knows to be somebody else."""
        others = set()
        async for _, body in self._naming(ids):
            join = join_of(decode_event(body))
            if join is not None and join.distinct_id in ids:
                others.add(join.other)
        for connection in connections:
            people = await self._state.people(connection.id, sorted(others))
            others -= {one for one, person in people.items() if person.identified and person.joined_into is None}
        return others

    async def _around(self, connection: int, distinct_ids: Collection[str]) -> list[str]:
        people = await self._state.people(connection, list(distinct_ids))
        found = [person.joined_into for person in people.values() if person.joined_into is not None]
        for distinct_id in distinct_ids:
            after = ""
            while joined := await self._state.joined(connection, distinct_id, after=after):
                after = joined[-1].distinct_id
                found += [person.distinct_id for person in joined]
        return found

    async def _known(self, connection: Connection, ids: set[str], rewritten: Sequence[_Rewritten]) -> _Known:
        people = list((await self._state.people(connection.id, sorted(ids))).values())
        theirs = {found.position: found.distinct_id for found in rewritten if found.body == FORGOTTEN}
        maybe = [Identifier("id", one) for one in sorted(ids)]
        maybe += [Identifier("email", person.email) for person in people if person.email is not None]
        return _Known(connection, people, await self._waiting(connection, theirs), maybe)

    async def _forget_there(self, known: _Known, *, suppress: bool) -> int:
        """Remove somebody at the destination; returns how many customers were removed. Raises `Mistake`."""
        destination: Destination[Any] = DESTINATIONS[known.connection.destination]
        options = read_options(destination, known.connection.options)
        people = list(known.people)
        if known.waiting:
            people += [Person(distinct_id="", customer=one) for one in known.maybe]
        operations = {
            operation.body: operation
            for person in people
            for operation in destination.forget(person, options, suppress=suppress)
        }
        for some in pack(list(operations.values()), destination.limits):
            await self._ask(known.connection, destination, options, some)
        return len(operations)

    async def _ask(
        self, connection: Connection, destination: Destination[Any], options: object, operations: Sequence[Operation]
    ) -> None:
        try:
            response = await self._send(destination.request(operations, options))
        except Unreachable as unreachable:
            raise _not_forgotten(connection, f"{destination.title} cannot be reached ({unreachable}).") from None
        answer = destination.read_answer(operations, response, self._clock.time_ms() / 1_000)
        if isinstance(answer, Stop):
            raise _not_forgotten(connection, answer.reason)
        if not isinstance(answer, Settled) or any(outcome is not None for outcome in answer.outcomes):
            raise _not_forgotten(connection, f"{destination.title} answered {response.status}.")

    async def _forget_here(
        self, known: Sequence[_Known], ids: set[str], rewritten: Sequence[_Rewritten], *, suppress: bool
    ) -> list[Forgotten]:
        """Remove somebody from the states and the journal."""
        emails = {email.lower() for one in known for person in one.people for email in _emails(person)}
        forgotten = await self._state.forget(
            {distinct_id: _other_name(distinct_id) for distinct_id in ids},
            {one.connection.id: one.waiting for one in known},
            suppress=sorted(ids | {one.lower() for one in ids} | emails) if suppress else (),
        )
        await self._leave_journal(rewritten)
        for one in known:
            self._workers.feed(one.connection.id).forget()
        return list(forgotten.values())

    async def _leave_journal(self, rewritten: Sequence[_Rewritten]) -> None:
        await self._journal.rewrite({found.position: found.body for found in rewritten})
        await self._state.end_forgetting()

    async def _rewritten(self, ids: set[str]) -> AsyncIterator[_Rewritten]:
        """The events of the journal that have something of these ids, and what is to be left of each."""
        async for position, body in self._naming(ids):
            if (left := without(body, ids)) is not None:
                yield _Rewritten(position, decode_event(body).distinct_id, left)

    async def _naming(self, ids: set[str]) -> AsyncIterator[tuple[int, bytes]]:
        """The events of the journal in which these ids stand, wherever that is."""
        needles = [one.encode("utf-8", "surrogatepass") for one in ids]
        after = self._journal.first - 1
        while events := await self._journal.read(after, LOOKED_AT_ONCE):
            for position, body in events:
                if any(needle in body for needle in needles):
                    yield position, body
            after = events[-1][0]
            await asyncio.sleep(0)

    async def _waiting(self, connection: Connection, theirs: Mapping[int, str]) -> int:
        """How many of these events, by position and id, the connection has not settled."""
        lanes = await self._state.lanes(connection.id)
        routes = Routes(self._state, connection.id)
        await routes.load(set(theirs.values()))
        return sum(
            position > lanes.get(lane_of(routes.name(distinct_id, position)), connection.start)
            for position, distinct_id in theirs.items()
            if position > connection.start
        )


def _emails(person: Person) -> list[str]:
    """Every email of theirs that is remembered."""
    customers = [person.customer, *person.to_merge, *person.merged, *person.not_merged]
    named = [one.value for one in customers if one is not None and one.kind == "email"]
    return named + [one for one in (person.email, person.linked_email, person.claimed_email) if one is not None]


def _other_name(distinct_id: str) -> str:
    """A name that says nothing, and that travels in the same lane."""
    while True:
        name = f"forgotten-{secrets.token_hex(8)}"
        if lane_of(name) == lane_of(distinct_id):
            return name


def _not_forgotten(connection: Connection, why: str) -> Mistake:
    return Mistake(f"{connection.name}: {why} Nothing was removed here; try again later.")
