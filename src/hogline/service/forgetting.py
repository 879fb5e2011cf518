"""Forgetting people: at the destinations first, then everywhere here."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import structlog
from msgspec import Struct

from hogline.delivery.lanes import lane_of
from hogline.delivery.pack import pack
from hogline.delivery.routes import Routes
from hogline.destinations.base import Destination, Unreachable
from hogline.destinations.catalogue import DESTINATIONS
from hogline.model import FORGOTTEN, Operation, Person, Settled, Stop, decode_event
from hogline.posthog.forgetting import without
from hogline.service.core import Core, Mistake, read_options
from hogline.store.base import Connection, Forgotten
from hogline.views import ForgottenView

log = structlog.get_logger("hogline.service")

LOOKED_AT_ONCE = 5_000
"""Events of the journal between two chances for others."""


class _Known(Struct, frozen=True):
    """Somebody as one connection knows them: themselves first, then whoever was joined into them."""

    connection: Connection
    people: list[Person]


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
            known = [_Known(one, await self._all_of(one.id, distinct_id)) for one in connections]
            ids = {distinct_id} | {person.distinct_id for one in known for person in one.people}
            running = [one for one in connections if self._workers.runs(one.id)]
            await asyncio.gather(*(self._workers.stop(one.id) for one in running))
            try:
                customers = [await self._forget_there(one, suppress=suppress) for one in known]
                forgotten, events = await self._forget_here(known, ids, suppress=suppress)
            finally:
                for connection in running:
                    self._run(connection)
        log.info("a person was forgotten", connections=len(connections), suppressed=suppress)
        return ForgottenView(
            customers=sum(customers),
            people=sum(one.people for one in forgotten),
            held=sum(one.held for one in forgotten),
            failures=sum(one.dead_letters for one in forgotten),
            events=events,
            suppressed=suppress,
        )

    async def _all_of(self, connection: int, distinct_id: str) -> list[Person]:
        """The person that an id belongs to, and everybody who was joined into them."""
        person = (await self._state.people(connection, [distinct_id])).get(distinct_id)
        while person is not None and person.joined_into is not None:
            person = (await self._state.people(connection, [person.joined_into])).get(person.joined_into)
        found = [person] if person is not None else []
        for one in found:
            after = ""
            while joined := await self._state.joined(connection, one.distinct_id, after=after):
                found += joined
                after = joined[-1].distinct_id
        return found

    async def _forget_there(self, known: _Known, *, suppress: bool) -> int:
        """Remove somebody at the destination; returns how many customers were removed. Raises `Mistake`."""
        destination: Destination[Any] = DESTINATIONS[known.connection.destination]
        options = read_options(destination, known.connection.options)
        operations = {
            operation.body: operation
            for person in known.people
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
        self, known: Sequence[_Known], ids: set[str], *, suppress: bool
    ) -> tuple[list[Forgotten], int]:
        """Remove somebody from the states and the journal; returns what, and how many events of the journal."""
        rewritten = [found async for found in self._rewritten(ids)]
        theirs = {found.position: found.distinct_id for found in rewritten if found.body == FORGOTTEN}
        emails = {person.email.lower() for one in known for person in one.people if person.email is not None}
        forgotten = await self._state.forget(
            {distinct_id: _other_name(distinct_id) for distinct_id in ids},
            {one.connection.id: await self._waiting(one.connection, theirs) for one in known},
            suppress=sorted(ids | {one.lower() for one in ids} | emails) if suppress else (),
        )
        await self._leave_journal(rewritten)
        return list(forgotten.values()), len(theirs)

    async def _leave_journal(self, rewritten: Sequence[_Rewritten]) -> None:
        await self._journal.rewrite({found.position: found.body for found in rewritten})
        await self._state.end_forgetting()

    async def _rewritten(self, ids: set[str]) -> AsyncIterator[_Rewritten]:
        """The events of the journal that have something of these ids, and what is to be left of each."""
        needles = [one.encode("utf-8", "surrogatepass") for one in ids]
        after = self._journal.first - 1
        while events := await self._journal.read(after, LOOKED_AT_ONCE):
            for position, body in events:
                if any(needle in body for needle in needles) and (left := without(body, ids)) is not None:
                    yield _Rewritten(position, decode_event(body).distinct_id, left)
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


def _other_name(distinct_id: str) -> str:
    """A name that says nothing, and that travels in the same lane."""
    while True:
        name = f"forgotten-{secrets.token_hex(8)}"
        if lane_of(name) == lane_of(distinct_id):
            return name


def _not_forgotten(connection: Connection, why: str) -> Mistake:
    return Mistake(f"{connection.name}: {why} Nothing was removed here; try again later.")
