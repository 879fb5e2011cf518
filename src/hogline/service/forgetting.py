"""Forgetting people, first at the destinations and then here; and suppressing them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import structlog
from msgspec import Struct

from hogline.clock import Clock
from hogline.core.known import EVER, Known
from hogline.core.lanes import lane_of
from hogline.core.ledger import identifier_of, row_name
from hogline.delivery.installed import Installed
from hogline.delivery.pack import pack
from hogline.delivery.scribe import Scribe
from hogline.delivery.workers import Workers
from hogline.destinations.base import Removal, Send, Unreachable
from hogline.destinations.catalogue import destination_of
from hogline.model import Identifier, Operation, Settled, Stop
from hogline.posthog.entry import decode_identity
from hogline.service.backfills import Backfills
from hogline.service.core import CannotDo, opened
from hogline.service.fetching import Fetching
from hogline.service.finding import Finder, Rewritten, Whole
from hogline.service.runner import Runner
from hogline.service.trail import Trail
from hogline.store.base import Connection, Journal, State
from hogline.store.cleaning import Cleaning
from hogline.store.forgetting import Forgotten
from hogline.store.strays import strays_with
from hogline.views.people import ForgottenAt, ForgottenView

log = structlog.get_logger("hogline.service")


class _There(Struct, frozen=True):
    """A person as one connection knows them, under all their ids."""

    connection: Connection
    customers: list[Identifier]
    """All customers that they are, were, or may be, in case a request was never answered."""
    addresses: list[Identifier]
    """Emails that their events may have been sent to: an event that arrives after the removal by id would create a new
    customer."""
    emails: list[str]
    """Their rows of the ledger."""
    ids: list[str]
    """What identifies them there and nobody else: their distinct_ids that no other customer has, and their customers'
    ids that are no one's distinct_id."""
    accepted: int
    """How many of the customers the destination is known to have."""
    waiting: int
    """How many of their events are pending."""


class Forgetting:
    def __init__(
        self,
        data: Path,
        *,
        journal: Journal,
        state: State,
        event_log: Scribe | None,
        cleaning: Cleaning,
        send: Send,
        clock: Clock,
        workers: Workers,
        runner: Runner,
        finder: Finder,
        fetching: Fetching,
        backfills: Backfills,
        trail: Trail,
    ) -> None:
        """`data`: the data directory."""
        self._data = data
        self._journal = journal
        self._state = state
        self._event_log = event_log
        self._cleaning = cleaning
        self._send = send
        self._clock = clock
        self._workers = workers
        self._runner = runner
        self._finder = finder
        self._fetching = fetching
        self._backfills = backfills
        self._trail = trail

    async def start(self) -> None:
        """Finish what a crash interrupted, before anything runs."""
        if ids := await self._state.forgetting():
            await self._backfills.forget_rows(ids)
            await self._leave_journal((await self._finder.in_journal(set(ids))).rewritten)

    async def forget(self, who: str, *, suppress: bool = False, everybody: bool = False) -> ForgottenView:
        """Delete the person with this id or email at every destination, and then everything stored about them here,
        under all merged ids. `suppress`: also drop their future events. `everybody`: all people with this email, if
        there are several. Nothing is removed here unless every destination accepted it.
        """
        ids = (await self._finder.chosen(who, everybody=everybody)).ids
        async with self._runner.changing:
            connections = await self._state.connections()
            running = [one for one in connections if self._workers.runs(one.id)]
            await self._fetching.stop()
            await self._backfills.stop()
            await asyncio.gather(*(self._workers.stop(one.id) for one in running))
            try:
                await self._workers.catch_up()
                await self._workers.stop_folding()
                whole = await self._finder.whole(ids)
                alone = await self._only_theirs(whole) if suppress else set()
                there = [await self._there(one, whole) for one in connections]
                customers = [await self._forget_there(one, alone, suppress=suppress) for one in there]
                blocked = sorted(whole.ids.union(alone, *(one.ids for one in there))) if suppress else ()
                forgotten = await self._forget_here(there, whole, blocked)
            finally:
                if self._runner.delivers:
                    self._workers.fold()
                for connection in running:
                    await self._runner.run(connection)
                await self._backfills.continue_all()
                self._fetching.go_on()
        log.info("a person was forgotten", connections=len(connections), suppressed=suppress)
        await self._trail.note("person_forgotten", {"suppressed": suppress}, person=who)
        at = [_at(whole, *each) for each in zip(there, customers, forgotten, strict=True)]
        return ForgottenView(
            customers=sum(customers),
            ids=len(whole.ids),
            people=sum(one.people for one in at),
            held=sum(one.held for one in at),
            failures=sum(one.failures for one in at),
            events=len(whole.journal.own),
            connections=at,
            names_removed=len(whole.journal.rewritten) - len(whole.journal.own),
            mentions=whole.journal.mentions,
            suppressed=suppress,
            cleaned_later=[f"{file}.db" for file in await self._cleaning.finish()],
            still_named_in=await asyncio.to_thread(strays_with, self._data, whole.ids | whole.emails),
        )

    async def suppress(self, who: str) -> None:
        """Suppress an id or email for good, whether or not a person has it: its events are dropped, and every
        destination blocks it. Raises `CannotDo` if there are people with it; forget them instead.
        """
        if await self._finder.who_is(who):
            raise CannotDo(
                "A person with this id or email is stored here. Forget them with `hogline people forget … --suppress`."
            )
        who = _given(who)
        async with self._runner.changing:
            await self._remove_everywhere(who, "suppress")
            await self._workers.flush()  # everything folded so far was folded without this suppression
            await self._state.suppress([who])
        log.info("somebody was suppressed")
        await self._trail.note("person_suppressed", person=who)

    async def unsuppress(self, who: str) -> None:
        """Stop suppressing this id or email: here with everything that was suppressed together with it, at the
        destinations only this one. Raises `CannotDo`.
        """
        who = _given(who)
        async with self._runner.changing:
            if not self._state.suppressed(who):
                raise CannotDo("This id or email is not suppressed.")
            await self._remove_everywhere(who, "unsuppress")
            await self._workers.flush()
            await self._state.unsuppress(who)
        log.info("a person is no longer suppressed")
        await self._trail.note("person_unsuppressed", person=who)

    async def _remove_everywhere(self, who: str, action: Removal) -> None:
        identifiers = [Identifier("id", who), *([Identifier("email", who)] if "@" in who else [])]
        for connection in await self._state.connections():
            await self._remove(connection, identifiers, action)

    async def _there(self, connection: Connection, whole: Whole) -> _There:
        """All their customers. A customer identified by an email is theirs only while the ledger says so."""
        told = whole.told[connection.id]
        emails = sorted({email for one in told for email in one.emails})
        ledger = self._state.ledger(connection.id, emails)
        own = [email for email in emails if email in ledger and ledger[email].person in whole.ids]
        customers: dict[Identifier, None] = {}
        accepted: set[Identifier] = set()
        for one in told:
            for customer in one.customers:
                if customer.kind != "email" or customer.key.value in own:
                    customers[customer.identifier] = None
                    if customer.state in {"accepted", "leaving", "kept"}:
                        accepted.add(customer.key)
            # What was merged may still exist: a destination may merge some time after it said so.
            own_ids = {*(Identifier("id", each) for each in whole.ids), *map(identifier_of, one.claims)}
            customers.update({gone: None for gone in one.gone if gone in own_ids})
        addresses = [Identifier("email", one) for one in own if not ledger[one].others]
        known = {Identifier(one.kind, one.value.lower()) for one in customers if one.kind == "email"}
        addresses = [one for one in addresses if one not in known]
        rows = self._state.ledger(connection.id, [row_name(Identifier("id", one)) for one in sorted(whole.ids)])
        ids = whole.ids - {row.customer.value for row in rows.values() if row.person not in whole.ids}
        named = {one.value for one in customers if one.kind == "id"} - ids
        ids |= {one for one in named if not (await self._finder.whole({one})).is_known}
        waiting = await self._waiting(connection, whole)
        return _There(connection, list(customers), addresses, own, sorted(ids), len(accepted), waiting)

    async def _forget_there(self, there: _There, alone: Collection[str], *, suppress: bool) -> int:
        """Delete a person at the destination; returns how many customers it had. `suppress`: also block them
        there, with the emails that nobody else has (`alone`). Raises `CannotDo`.
        """
        await self._remove(there.connection, there.customers, "delete")
        await self._remove(there.connection, there.addresses, "delete")
        if suppress:
            # Only now: with a customer, all their identifiers would be blocked, including an email that someone else
            # has now.
            blocked = [Identifier("id", one) for one in there.ids]
            # An email that the ledger assigns to someone else still reaches that person's customer.
            blocked += [Identifier("email", one) for one in there.emails if one in alone]
            await self._remove(there.connection, blocked, "suppress")
        return there.accepted

    async def _remove(self, connection: Connection, identifiers: Sequence[Identifier], action: Removal) -> None:
        if destination_of(connection.destination).people is None:
            return
        one = opened(connection)
        people = one.destination.people
        assert people is not None  # as just seen
        operations = [people.remove(identifier, action) for identifier in identifiers if people.takes(identifier)]
        for some in pack(operations, one.destination.limits):
            await self._ask(one, some)

    async def _ask(self, one: Installed[Any], operations: Sequence[Operation]) -> None:
        connection, destination = one.connection, one.destination
        try:
            response = await self._send(destination.request(operations, one.options, self._clock.time_ms() / 1_000))
        except Unreachable as unreachable:
            raise _not_done(connection, f"{destination.title} cannot be reached ({unreachable}).") from None
        answer = destination.read_answer(operations, response, self._clock.time_ms() / 1_000)
        if isinstance(answer, Stop):
            raise _not_done(connection, answer.reason)
        if not isinstance(answer, Settled) or any(outcome is not None for outcome in answer.outcomes):
            raise _not_done(connection, f"{destination.title} answered {response.status}.")

    async def _forget_here(self, there: Sequence[_There], whole: Whole, suppress: Sequence[str]) -> list[Forgotten]:
        """Remove a person from the runs, the state and the journal. The runs first: it needs space on the disk, and can
        be done again as long as the state knows them. Raises `CannotDo`."""
        await self._backfills.forget_rows(whole.ids)
        self._fetching.forget_rows(whole.ids)
        forgotten = await self._state.forget(
            sorted(whole.ids),
            {one.connection.id: one.waiting for one in there},
            emails={one.connection.id: one.emails for one in there},
            suppress=suppress,
        )
        await self._leave_journal(whole.journal.rewritten)
        return list(forgotten.values())

    async def _only_theirs(self, whole: Whole) -> set[str]:
        """Their emails, in lowercase, that nobody else has. Other people must not be suppressed with them."""
        emails = {email.strip().lower() for email in whole.emails}
        alone = {email for email in emails if set(await self._state.with_email(email)) <= whole.ids}
        named = self._state.ids(sorted({*alone, *whole.emails})).keys() - whole.ids  # by an alias, say
        alone -= {one.strip().lower() for one in named}
        if alone:  # an address may be the id of a visitor about whom nothing else is stored
            async for _, body in self._journal.naming(alone):
                who = decode_identity(body).distinct_id
                if who not in whole.ids:
                    alone.discard(who.lower())
        return alone

    async def _leave_journal(self, rewritten: Sequence[Rewritten]) -> None:
        # First: once the journal no longer names them, nothing says which events were theirs.
        if self._event_log is not None:
            await self._event_log.forget([found.position for found in rewritten])
        await self._journal.rewrite({found.position: found.body for found in rewritten})
        await self._state.end_forgetting()

    async def _waiting(self, connection: Connection, whole: Whole) -> int:
        """How many of their events in the journal this connection has not settled."""
        lanes = await self._state.lanes(connection.id)
        last, before = self._state.settled_before(connection.id)
        known = Known(self._state, EVER)
        return sum(
            position > lanes.get(lane_of(known.group(distinct_id, position)), connection.start)
            and not (position <= last and position in before)
            for position, distinct_id in whole.journal.own.items()
            if position > connection.start
        )


def _at(whole: Whole, there: _There, customers: int, forgotten: Forgotten) -> ForgottenAt:
    destination = destination_of(there.connection.destination)
    return ForgottenAt(
        connection=there.connection.name,
        destination=destination.title,
        customers=customers,
        people=len(whole.ids) if destination.people is not None else 0,
        held=forgotten.held,
        failures=forgotten.failures,
        not_reached=destination.cannot_forget,
    )


def _given(who: str) -> str:
    if not who.strip():
        raise CannotDo("Give an id or an email.")
    return who.strip()


def _not_done(connection: Connection, why: str) -> CannotDo:
    return CannotDo(f"{connection.name}: {why} Nothing was removed here; try again later.")


def left(forgotten: ForgottenView) -> list[str]:
    """What could not be removed, or not yet, one sentence each."""
    sentences = []
    if forgotten.names_removed:
        sentences.append(f"Their id was removed from {counted(forgotten.names_removed, 'event')} of other people.")
    if forgotten.mentions:
        sentences.append(
            f"{counted(forgotten.mentions, 'event')} of other people contain one of their ids in another property and"
            " stay as they are."
        )
    if forgotten.cleaned_later:
        sentences.append(
            f"Another program is reading {' and '.join(forgotten.cleaned_later)}. Hogline overwrites the last traces as"
            " soon as it stops, even after a restart."
        )
    if forgotten.still_named_in:
        sentences.append(
            f"Other files in the data directory still name them: {', '.join(forgotten.still_named_in)}. Delete them"
            " yourself."
        )
    return sentences


def counted(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
