"""Sending people again, one or everyone, as if the destination had lost them."""

from __future__ import annotations

from msgspec import Struct

from hogline.core.items import Origin
from hogline.delivery.workers import Workers
from hogline.destinations.catalogue import destination_of
from hogline.service.core import CannotDo, connection_named
from hogline.service.people import look_at
from hogline.service.trail import Trail
from hogline.store.base import State
from hogline.views.people import PersonView

_MOST_COUNTED = 1_000


class ResendingView(Struct, frozen=True, kw_only=True):
    """How far sending people again is."""

    connection: str
    everyone: bool
    """Everyone is sent again, not only some people."""
    people: int
    """How many there are, or were at the start."""
    left: int
    """How many of them are still to be sent."""


class Resending:
    def __init__(self, state: State, workers: Workers, trail: Trail) -> None:
        self._state = state
        self._workers = workers
        self._trail = trail

    async def person(self, connection: str, who: str) -> PersonView:
        """Send everything about a person once more, as if the destination had lost it. Their customer comes back with
        email and attributes. Events are not sent again. `who`: an id, or an email that one person has."""
        one = await connection_named(self._state, connection)
        await self._workers.flush()
        looked = look_at(one, self._state)
        if looked is not None and "@" in who and not looked.knows(who):
            who = await self._only_one_with(who)
        if looked is None or not looked.knows(who):
            raise CannotDo(f"{connection} has no person with this distinct_id or email. Search with `hogline people`.")
        name = looked.name(who)
        view = looked.view(name)
        if view.customer is None:
            raise CannotDo(f"{name} is not a customer at {connection}, so there is nothing to resend.")
        await self._workers.alone([one.id])
        await self._state.send_again(one.id, "again", [name])
        self._workers.ask_again(one.id)
        await self._trail.note("person_resent", connection=connection, person=name)
        return view

    async def _only_one_with(self, email: str) -> str:
        """The id of the person who has an email; the email itself if there is none."""
        found = await self._state.with_email(email)
        if len(found) > 1:
            raise CannotDo(f"{len(found)} people have this email: {', '.join(found[:10])}. Give the id of one of them.")
        return found[0] if found else email

    async def everyone(self, connection: str) -> ResendingView:
        """Send everything about every customer of a connection once more, beside live events, which go first. If that
        is under way, it goes on. It survives a restart."""
        one = await connection_named(self._state, connection)
        destination = destination_of(one.destination)
        if destination.people is None:
            raise CannotDo(f"{destination.title} keeps no people that could be sent again.")
        begins = self._state.resending(one.id) is None
        if begins:
            await self._workers.flush()
            await self._workers.alone([one.id])
            await self._state.resend_everyone(one.id)
        self._workers.ask_again(one.id)
        if begins:
            await self._trail.note("everyone_resent", connection=connection)
        return await self.show(connection)

    async def cancel(self, connection: str) -> ResendingView:
        """Stop sending everyone again. The few who are on their way still arrive. Returns how far it was; nothing
        happens if it was over."""
        one = await connection_named(self._state, connection)
        stopped = await self.show(connection)
        if stopped.everyone:
            await self._state.cancel_resending(one.id)
            await self._trail.note("resending_cancelled", connection=connection)
        return stopped

    async def show(self, connection: str) -> ResendingView:
        """How far sending people again is."""
        one = await connection_named(self._state, connection)
        waiting = sum(kind == Origin.AGAIN.value for kind, _ in self._state.again(one.id, _MOST_COUNTED))
        everyone = self._state.resending(one.id)
        if everyone is None:
            return ResendingView(connection=connection, everyone=False, people=waiting, left=waiting)
        left = everyone.left + waiting
        return ResendingView(connection=connection, everyone=True, people=max(everyone.people, left), left=left)
