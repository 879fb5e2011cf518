"""Forgetting people: at the destinations first, then everywhere here; and keeping them away."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from msgspec import Struct

from hogline.delivery.lanes import lane_of
from hogline.delivery.pack import pack
from hogline.delivery.routes import Routes
from hogline.destinations.base import Destination, Unreachable
from hogline.destinations.catalogue import DESTINATIONS
from hogline.model import Identifier, Operation, Person, Settled, Stop
from hogline.service.core import Mistake, read_options
from hogline.service.finding import Finding, Rewritten, Whole
from hogline.store.base import Connection
from hogline.store.forgetting import Forgotten
from hogline.store.strays import strays_with
from hogline.views import ForgottenAt, ForgottenView

log = structlog.get_logger("hogline.service")


class _Known(Struct, frozen=True):
    """Somebody as one connection knows them, under all their ids."""

    connection: Connection
    people: list[Person]
    waiting: int = 0
    """How many events of theirs are not settled."""

    maybe: Sequence[Identifier] = ()
    """Whoever they may be at the destination, if a request was not answered."""


class Forgetting(Finding):
    async def start(self) -> None:
        if ids := await self._state.forgetting():  # a crash interrupted it
            await self._leave_journal((await self._in_journal(set(ids))).rewritten)
        await super().start()
        await self.cleaning.finish()

    async def forget_person(self, who: str, *, suppress: bool = False, everybody: bool = False) -> ForgottenView:
        """Delete somebody at every destination, and then all that is known of them here: the person with this id or
        email, under all ids that were joined. `suppress`: they cannot come back. `everybody`: all people with this
        email, if there are several. Nothing is removed here unless every destination accepted it.
        """
        ids = (await self._chosen(who, everybody=everybody)).ids
        async with self._changing:
            connections = await self._state.connections()
            running = [one for one in connections if self._workers.runs(one.id)]
            await asyncio.gather(*(self._workers.stop(one.id) for one in running))
            try:
                whole = await self._whole(ids)
                known = [await self._known(one, whole) for one in connections]
                customers = [await self._forget_there(one, suppress=suppress) for one in known]
                forgotten = await self._forget_here(known, whole, suppress=suppress)
            finally:
                for connection in running:
                    self._run(connection)
        log.info("a person was forgotten", connections=len(connections), suppressed=suppress)
        await self.trail.note("person_forgotten", {"suppressed": suppress}, person=who)
        return ForgottenView(
            customers=sum(customers),
            ids=len(whole.ids),
            people=sum(one.people for one in forgotten),
            held=sum(one.held for one in forgotten),
            failures=sum(one.dead_letters for one in forgotten),
            events=len(whole.journal.own),
            connections=[_at(*each) for each in zip(connections, customers, forgotten, strict=True)],
            names_removed=len(whole.journal.rewritten) - len(whole.journal.own),
            mentions=whole.journal.mentions,
            suppressed=suppress,
            cleaned_later=[f"{file}.db" for file in await self.cleaning.finish()],
            still_named_in=await asyncio.to_thread(strays_with, self._settings.data, whole.ids | whole.emails),
        )

    async def suppress_person(self, who: str) -> None:
        """Keep an id or email away for ever, also of somebody who is not known: its events are not kept, and every
        destination blocks it. Raises `Mistake` if people are known by it: they are to be forgotten.
        """
        if await self.who_is(who):
            raise Mistake("This person is known here. Forget them with `hogline people forget … --suppress`.")
        who = _given(who)
        async with self._changing:
            await self._suppress_there(who, lift=False)
            await self._state.suppress([who])
        log.info("somebody was suppressed")
        await self.trail.note("person_suppressed", person=who)

    async def unsuppress_person(self, who: str) -> None:
        """Take back whoever has this id or email: here with all that was suppressed together with it, at the
        destinations this id or email. Raises `Mistake`.
        """
        who = _given(who)
        async with self._changing:
            if not self._state.suppressed(who):
                raise Mistake("This id or email is not suppressed.")
            await self._suppress_there(who, lift=True)
            await self._state.unsuppress(who)
        log.info("somebody is not suppressed any more")
        await self.trail.note("person_unsuppressed", person=who)

    async def _suppress_there(self, who: str, *, lift: bool) -> None:
        identifiers = [Identifier("id", who), *([Identifier("email", who)] if "@" in who else [])]
        for connection in await self._state.connections():
            destination: Destination[Any] = DESTINATIONS[connection.destination]
            options = read_options(destination, connection.options)
            await self._ask_all(
                connection,
                [one for who_there in identifiers for one in destination.suppress(who_there, options, lift=lift)],
            )

    async def _known(self, connection: Connection, whole: Whole) -> _Known:
        people = whole.people[connection.id]
        maybe = [Identifier("id", one) for one in sorted(whole.ids)]
        maybe += [Identifier("email", person.email) for person in people if person.email is not None]
        return _Known(connection, people, await self._waiting(connection, whole.journal.own), maybe)

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
        await self._ask_all(known.connection, list(operations.values()))
        return len(operations)

    async def _ask_all(self, connection: Connection, operations: Sequence[Operation]) -> None:
        destination: Destination[Any] = DESTINATIONS[connection.destination]
        options = read_options(destination, connection.options)
        for some in pack(operations, destination.limits):
            await self._ask(connection, destination, options, some)

    async def _ask(
        self, connection: Connection, destination: Destination[Any], options: object, operations: Sequence[Operation]
    ) -> None:
        try:
            response = await self._send(destination.request(operations, options))
        except Unreachable as unreachable:
            raise _not_done(connection, f"{destination.title} cannot be reached ({unreachable}).") from None
        answer = destination.read_answer(operations, response, self._clock.time_ms() / 1_000)
        if isinstance(answer, Stop):
            raise _not_done(connection, answer.reason)
        if not isinstance(answer, Settled) or any(outcome is not None for outcome in answer.outcomes):
            raise _not_done(connection, f"{destination.title} answered {response.status}.")

    async def _forget_here(self, known: Sequence[_Known], whole: Whole, *, suppress: bool) -> list[Forgotten]:
        """Remove somebody from the states and the journal."""
        forgotten = await self._state.forget(
            {distinct_id: _other_name(distinct_id) for distinct_id in whole.ids},
            {one.connection.id: one.waiting for one in known},
            suppress=sorted(whole.ids | await self._only_theirs(whole)) if suppress else (),
        )
        await self._leave_journal(whole.journal.rewritten)
        for one in known:
            self._workers.feed(one.connection.id).forget()
        return list(forgotten.values())

    async def _only_theirs(self, whole: Whole) -> set[str]:
        """Their emails that nobody else has: others are not to be kept away with them."""
        only = set()
        for email in whole.emails:
            if set(await self._with_email(email)) <= whole.ids:
                only.add(email)
        return only

    async def _leave_journal(self, rewritten: Sequence[Rewritten]) -> None:
        await self._journal.rewrite({found.position: found.body for found in rewritten})
        await self._state.end_forgetting()

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


def _at(connection: Connection, customers: int, forgotten: Forgotten) -> ForgottenAt:
    return ForgottenAt(
        connection=connection.name,
        destination=DESTINATIONS[connection.destination].title,
        customers=customers,
        people=forgotten.people,
        held=forgotten.held,
        failures=forgotten.dead_letters,
        not_reached=DESTINATIONS[connection.destination].cannot_forget,
    )


def _given(who: str) -> str:
    if not who.strip():
        raise Mistake("Give an id or an email.")
    return who.strip()


def _other_name(distinct_id: str) -> str:
    """A name that says nothing, and that travels in the same lane."""
    while True:
        name = f"forgotten-{secrets.token_hex(8)}"
        if lane_of(name) == lane_of(distinct_id):
            return name


def _not_done(connection: Connection, why: str) -> Mistake:
    return Mistake(f"{connection.name}: {why} Nothing was removed here; try again later.")


def left(forgotten: ForgottenView) -> list[str]:
    """What is not removed, or not yet: a sentence each."""
    sentences = []
    if forgotten.names_removed:
        sentences.append(
            f"In {counted(forgotten.names_removed, 'event')} of other people that named them, their id was removed."
        )
    if forgotten.mentions:
        sentences.append(
            f"{counted(forgotten.mentions, 'event')} of other people have one of their ids in another property and stay"
            " as they are."
        )
    if forgotten.cleaned_later:
        sentences.append(
            f"Another program is reading {' and '.join(forgotten.cleaned_later)}. The last traces are overwritten as"
            " soon as it ends; Hogline keeps trying, also after a restart."
        )
    if forgotten.still_named_in:
        sentences.append(
            f"Other files in the data directory still name them: {', '.join(forgotten.still_named_in)}. Delete them"
            " yourself."
        )
    return sentences


def counted(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
