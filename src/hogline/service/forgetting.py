"""Forgetting people: at the destinations first, then everywhere here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import structlog
from msgspec import Struct

from hogline.core.known import Known, Person
from hogline.core.lanes import lane_of
from hogline.delivery.pack import pack
from hogline.destinations.base import Destination, Unreachable
from hogline.destinations.catalogue import DESTINATIONS
from hogline.model import Identifier, Operation, Settled, Stop
from hogline.posthog.entry import FORGOTTEN, decode_event
from hogline.posthog.forgetting import without
from hogline.service.core import Core, Mistake, read_options
from hogline.store.base import Connection, Forgotten
from hogline.views import ForgottenView

log = structlog.get_logger("hogline.service")

LOOKED_AT_ONCE = 5_000
"""Events of the journal between two chances for others."""


class _There(Struct, frozen=True):
    """Somebody as one connection knows them, under all their ids."""

    connection: Connection
    name: str
    """The distinct_id that names them."""
    customers: list[Identifier]
    """Whoever they are, were, or may be at the destination, if a request was not answered."""
    emails: list[str]
    """Rows of the ledger that are theirs."""
    waiting: int
    """How many events of theirs are not settled."""


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
                known = await self._known()
                ids = known.members(distinct_id)
                person = known.person(known.who(distinct_id))
                rewritten = [found async for found in self._rewritten(ids)]
                there = [await self._there(one, known, ids, rewritten) for one in connections]
                never = self._never_again(person, ids, there) if suppress else []
                customers = [await self._forget_there(one, never) for one in there]
                forgotten = await self._forget_here(there, ids, rewritten, never)
            finally:
                for connection in running:
                    self._run(connection)
        events = sum(found.body == FORGOTTEN for found in rewritten)
        log.info("a person was forgotten", connections=len(connections), suppressed=suppress)
        return ForgottenView(
            customers=sum(customers),
            people=len(ids) * sum(one.people > 0 for one in forgotten),
            held=sum(one.held for one in forgotten),
            failures=sum(one.dead_letters for one in forgotten),
            events=events,
            suppressed=suppress,
        )

    async def _known(self) -> Known:
        """What the whole journal says, on disk; nothing folds meanwhile."""
        folder = self._workers.folder
        while folder.known.folded < self._journal.end:
            if not await folder.step():
                break
        await self._workers.stop_folding()
        return Known(self._state, self._journal.end)

    async def _there(
        self, connection: Connection, known: Known, ids: set[str], rewritten: Sequence[_Rewritten]
    ) -> _There:
        """All customers of theirs. One that goes by an email is theirs only as long as the ledger says so."""
        told = self._state.told(connection.id, sorted(ids))
        emails = sorted({email for one in told.values() for email in one.emails})
        ledger = self._state.ledger(connection.id, emails)
        own = [email for email in emails if email in ledger and ledger[email].person in ids]
        customers: dict[Identifier, None] = {}
        for one in told.values():
            for customer in one.customers:
                if customer.kind == "id" or customer.key.value in own:
                    customers[customer.identifier] = None
        waiting = self._waiting(
            connection,
            known,
            {found.position: found.distinct_id for found in rewritten if found.body == FORGOTTEN},
            await self._state.lanes(connection.id),
        )
        if DESTINATIONS[connection.destination].people is None:
            customers = {}
        return _There(connection, known.who(min(ids)), list(customers), own, waiting)

    def _never_again(self, person: Person, ids: set[str], there: Sequence[_There]) -> list[tuple[str, str]]:
        """Their ids, and apart from them each email that nobody else has."""
        emails = {one.lower() for one in (person.email,) if one is not None}
        emails |= {email for one in there for email in one.emails}
        others = self._state.emails_of_others(sorted(emails), sorted(ids))
        return [("id", one) for one in sorted(ids)] + [("email", one) for one in sorted(emails - others)]

    async def _forget_there(self, there: _There, never: Sequence[tuple[str, str]]) -> int:
        """Remove somebody at the destination; returns how many customers were removed. `never`: their ids, and the
        emails that nobody else has, are blocked there, too. Raises `Mistake`.
        """
        destination: Destination[Any] = DESTINATIONS[there.connection.destination]
        people = destination.people
        if people is None:
            return 0
        options = read_options(destination, there.connection.options)
        found = [one for one in there.customers if people.takes(one)]
        await self._remove(there.connection, destination, options, found, suppress=False)
        if never:
            # Only now: with a customer, all their identifiers would be blocked, and so the email of whoever has it now.
            blocked = [one for one in found if one.kind == "id"] or [Identifier("id", there.name)]
            # An email of theirs that the ledger calls another's still reaches that other's customer.
            blocked += [Identifier("email", one) for one in there.emails if ("email", one) in never]
            await self._remove(there.connection, destination, options, blocked, suppress=True)
        return len(found)

    async def _remove(
        self,
        connection: Connection,
        destination: Destination[Any],
        options: object,
        identifiers: Sequence[Identifier],
        *,
        suppress: bool,
    ) -> None:
        people = destination.people
        assert people is not None  # who calls has looked
        operations = [people.remove(one, suppress=suppress) for one in identifiers if people.takes(one)]
        for some in pack(operations, destination.limits):
            await self._ask(connection, destination, options, some)

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
        self, there: Sequence[_There], ids: set[str], rewritten: Sequence[_Rewritten], never: list[tuple[str, str]]
    ) -> list[Forgotten]:
        """Remove somebody from the state and the journal."""
        forgotten = await self._state.forget(
            sorted(ids),
            {one.connection.id: one.waiting for one in there},
            ledger={one.connection.id: one.emails for one in there},
            suppress=never,
        )
        await self._leave_journal(rewritten)
        for one in there:
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

    def _waiting(
        self, connection: Connection, known: Known, theirs: Mapping[int, str], lanes: Mapping[int, int]
    ) -> int:
        """How many of these events, by position and id, the connection has not settled."""
        last, before = self._state.settled_before(connection.id)
        return sum(
            position > lanes.get(lane_of(known.group(distinct_id, position)), connection.start)
            and not (position <= last and position in before)
            for position, distinct_id in theirs.items()
            if position > connection.start
        )


def _not_forgotten(connection: Connection, why: str) -> Mistake:
    return Mistake(f"{connection.name}: {why} Nothing was removed here; try again later.")
