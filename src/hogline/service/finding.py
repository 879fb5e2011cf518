"""Whose id or email something is: all ids and emails that are one person's, wherever they are known."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct

from hogline.model import FORGOTTEN, Person, decode_event
from hogline.posthog.forgetting import emails_of, without
from hogline.posthog.joins import join_of
from hogline.service.core import Core, Mistake
from hogline.store.base import Connection
from hogline.views import SomebodyView

MOST_NAMED = 20


class Nobody(Mistake):
    """Nobody is known by what was given."""

    def __init__(self) -> None:
        super().__init__("Nobody is known by this id or email. Nothing was changed.")


class Several(Mistake):
    """What was given is the email of several people."""

    def __init__(self, people: Sequence[SomebodyView]) -> None:
        named = ", ".join(one.distinct_id for one in people[:MOST_NAMED])
        more = f" and {len(people) - MOST_NAMED} more" if len(people) > MOST_NAMED else ""
        super().__init__(
            f"{len(people)} people have this email: {named}{more}. Give the id of one of them, or say that all are"
            " meant (--all)."
        )
        self.people = people


class Rewritten(Struct, frozen=True):
    """An event of the journal, and what is to be left of it."""

    position: int
    distinct_id: str
    body: bytes


class InJournal(Struct, frozen=True):
    """What the journal has of somebody."""

    rewritten: list[Rewritten]
    emails: set[str]
    visitors: set[str]
    """Ids that their events say to be theirs too."""
    mentions: int
    """Events of others that have one of the ids somewhere else: those are others' data, and stay."""

    @property
    def own(self) -> dict[int, str]:
        """Their events, by position, and under which id."""
        return {one.position: one.distinct_id for one in self.rewritten if one.body == FORGOTTEN}


class Whole(Struct, frozen=True):
    """Somebody with all their ids."""

    ids: set[str]
    people: dict[int, list[Person]]
    """As each connection knows them."""
    journal: InJournal

    @property
    def emails(self) -> set[str]:
        """All that are remembered."""
        known = (person for people in self.people.values() for person in people)
        return self.journal.emails | {email for person in known for email in emails_of_person(person)}

    @property
    def is_known(self) -> bool:
        return bool(self.journal.own) or any(self.people.values())


class Finding(Core):
    async def who_is(self, text: str) -> list[SomebodyView]:
        """The person whose id this is; else everybody whose email it is, or was if nobody has it now."""
        found = [_view(whole) for whole in await self._all_with(text)]
        if found:
            await self.trail.note("person_seen", person=text)
        return found

    async def _chosen(self, text: str, *, everybody: bool = False) -> Whole:
        """The person meant by this text. `everybody`: all whose email it is, as one. Raises `Nobody` and, without
        `everybody`, `Several`.
        """
        people = await self._all_with(text)
        if not people:
            raise Nobody
        if len(people) > 1 and not everybody:
            raise Several([_view(whole) for whole in people])
        return people[0] if len(people) == 1 else await self._whole({one for whole in people for one in whole.ids})

    async def _all_with(self, text: str) -> list[Whole]:
        text = text.strip()
        if not text:
            return []
        whole = await self._whole({text})
        if whole.is_known:
            return [whole]
        people: list[Whole] = []
        for found in await self._ids_with_email(text) if "@" in text else ():
            if not any(found in one.ids for one in people):
                people.append(await self._whole({found}))
        return people

    async def _ids_with_email(self, email: str) -> list[str]:
        """Who has an email now; if nobody has, who had it."""
        found = await self._with_email(email)
        async for _, body in self._journal.naming([email]):
            event = decode_event(body)
            if any(one.strip().lower() == email.lower() for one in emails_of(event)):
                found.append(event.distinct_id)
        return list(dict.fromkeys(found)) or await self._with_email(email, ever=True)

    async def _with_email(self, email: str, *, ever: bool = False) -> list[str]:
        """At any of the connections."""
        found = []
        for connection in await self._state.connections():
            found += await self._state.with_email(connection.id, email, ever=ever)
        return found

    async def _whole(self, begin: Collection[str]) -> Whole:
        """Somebody with all their ids: whom an id was joined into, and whoever else was, at any of the connections or
        by an event that still waits.
        """
        connections = await self._state.connections()
        ids = await self._joined_ids(connections, begin)
        while True:
            journal = await self._in_journal(ids)
            new = await self._nobody_else(connections, journal.visitors - ids)
            if not new:
                break
            ids = await self._joined_ids(connections, ids | new)
        people = {one.id: list((await self._state.people(one.id, sorted(ids))).values()) for one in connections}
        return Whole(ids, people, journal)

    async def _in_journal(self, ids: Collection[str]) -> InJournal:
        rewritten, emails, visitors, mentions = [], set[str](), set[str](), 0
        needles = [one.encode("utf-8", "surrogatepass") for one in ids]
        async for position, body in self._journal.naming(ids):
            event = decode_event(body)
            if (left := without(body, ids)) is not None:
                rewritten.append(Rewritten(position, event.distinct_id, left))
            if event.distinct_id in ids:
                emails |= set(emails_of(event))
                visitors |= {join.other for join in (join_of(event),) if join is not None}
            elif any(needle in (body if left is None else left) for needle in needles):
                mentions += 1
        return InJournal(rewritten, emails, visitors, mentions)

    async def _nobody_else(self, connections: Sequence[Connection], ids: set[str]) -> set[str]:
        """Those of them that nobody knows to be somebody else."""
        for connection in connections:
            people = await self._state.people(connection.id, sorted(ids))
            ids = ids - {one for one, person in people.items() if person.identified and person.joined_into is None}
        return ids

    async def _joined_ids(self, connections: Sequence[Connection], begin: Collection[str]) -> set[str]:
        ids, new = set[str](), set(begin)
        while new:
            ids |= new
            found = [one for connection in connections for one in await self._around(connection.id, new)]
            new = set(found) - ids
        return ids

    async def _around(self, connection: int, distinct_ids: Collection[str]) -> list[str]:
        people = await self._state.people(connection, list(distinct_ids))
        found = [person.joined_into for person in people.values() if person.joined_into is not None]
        for distinct_id in distinct_ids:
            after = ""
            while joined := await self._state.joined(connection, distinct_id, after=after):
                after = joined[-1].distinct_id
                found += [person.distinct_id for person in joined]
        return found


def _view(whole: Whole) -> SomebodyView:
    known = (person for people in whole.people.values() for person in people)
    main = next((person.distinct_id for person in known if person.joined_into is None), min(whole.ids))
    return SomebodyView(distinct_id=main, ids=sorted(whole.ids), emails=sorted(whole.emails))


def emails_of_person(person: Person) -> Iterator[str]:
    """Every email of theirs that is remembered."""
    customers = [person.customer, *person.to_merge, *person.merged, *person.not_merged]
    yield from (one.value for one in customers if one is not None and one.kind == "email")
    yield from (one for one in (person.email, person.linked_email, person.claimed_email) if one is not None)
    for place in (person.accepted, person.unsent, person.refused):
        if isinstance(email := place.get("email"), str) and "@" in email:
            yield email
