"""Who is known, as whom the destination knows them, or why they are not sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hogline.destinations.base import Destination
from hogline.destinations.catalogue import DESTINATIONS
from hogline.model import Person, decode_event
from hogline.service.core import Core, Mistake, read_options
from hogline.store.base import Connection
from hogline.views import PersonDetails, PersonEvent, PersonView


class People(Core):
    async def people(
        self, text: str = "", *, connection: str = "", after: str = "", limit: int = 100
    ) -> list[PersonView]:
        """People whose distinct_id or email contains the text, at each connection or at one; `after` is the last
        distinct_id of the page before.
        """
        chosen = [await self._find(connection)] if connection else await self._state.connections()
        found = []
        for one in chosen:
            people = await self._state.find_people(one.id, text, after=after, limit=limit)
            found += await self._views(one, people)
        await self.trail.note("people_listed", {"searched": bool(text)}, connection=connection)
        return found

    async def person(self, connection: str, distinct_id: str) -> PersonDetails:
        """One person: what was accepted, who was joined into them, and what became of their last events."""
        one = await self._find(connection)
        person = (await self._state.people(one.id, [distinct_id])).get(distinct_id)
        if person is None:
            raise Mistake(f"{connection} knows nobody with this distinct_id. `hogline people` finds who is known.")
        await self.trail.note("person_seen", connection=connection, person=distinct_id)
        (view,) = await self._views(one, [person])
        joined = await self._state.joined(one.id, distinct_id)
        return PersonDetails(
            person=view,
            accepted=person.accepted,
            joined=await self._views(one, joined),
            relationships=list(person.relationships),
            anonymous_ids=list(person.anonymous_ids),
            recent=[
                await self._event(*(one if isinstance(one, tuple) else (one, ""))) for one in reversed(person.recent)
            ],
            held=len(await self._state.held(one.id, [distinct_id])),
        )

    async def _event(self, position: int, outcome: str) -> PersonEvent:
        rows = await self._journal.read(position - 1, 1)
        event = decode_event(rows[0][1]) if rows and rows[0][0] == position else None
        return PersonEvent(
            position=position,
            event=event.name if event else None,
            uuid=event.uuid if event else None,
            timestamp_ms=event.timestamp_ms if event else None,
            outcome=outcome or "delivered",
        )

    async def _views(self, connection: Connection, people: Sequence[Person]) -> list[PersonView]:
        destination: Destination[Any] = DESTINATIONS[connection.destination]
        options = read_options(destination, connection.options)
        ids = [person.joined_into for person in people if person.joined_into is not None]
        into = await self._state.people(connection.id, ids)
        return [
            _view(connection, person, destination.not_sent(person, options), into.get(person.joined_into or ""))
            for person in people
        ]


def _view(connection: Connection, person: Person, not_sent: str | None, into: Person | None) -> PersonView:
    return PersonView(
        connection=connection.name,
        distinct_id=person.distinct_id,
        email=person.email,
        identified=person.identified,
        customer=person.customer,
        not_sent=None if person.customer or person.joined_into else not_sent,
        attributes=person.attributes(),
        unsent=sorted(person.unsent),
        refused=sorted(person.refused),
        first_seen_ms=person.first_seen_ms,
        last_seen_ms=person.last_seen_ms,
        joined_into=person.joined_into,
        became=_became(person, into),
        to_merge=list(person.to_merge),
        merged=list(person.merged),
    )


def _became(person: Person, into: Person | None) -> str | None:
    """What became of the customer of somebody who was joined; None if they were none."""
    if person.joined_into is None or person.customer is None or into is None:
        return None
    if person.customer in into.merged or into.joined_into is not None:
        return "merged"
    return "merge waits" if person.customer in into.to_merge else "not merged"
