"""Finds a person: all ids and emails that belong to the same person, wherever they are stored."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from hogline.core.known import EVER, Known
from hogline.core.ledger import row_name
from hogline.core.told import Told
from hogline.delivery.workers import Workers
from hogline.model import Identifier
from hogline.posthog.entry import FORGOTTEN, decode_event
from hogline.posthog.forgetting import emails_of, without
from hogline.service.core import CannotDo
from hogline.service.trail import Trail
from hogline.store.base import Journal, State
from hogline.views.people import SomebodyView

MOST_NAMED = 20


class Nobody(CannotDo):
    """There is nobody with this id or email."""

    def __init__(self) -> None:
        super().__init__("No person has this id or email. Nothing was changed.")


class Several(CannotDo):
    """Several people have this email."""

    def __init__(self, people: Sequence[SomebodyView]) -> None:
        named = ", ".join(one.distinct_id for one in people[:MOST_NAMED])
        more = f" and {len(people) - MOST_NAMED} more" if len(people) > MOST_NAMED else ""
        super().__init__(
            f"{len(people)} people have this email: {named}{more}. Give the id of one of them, or --all to choose"
            " all of them."
        )
        self.people = people


class Rewritten(Struct, frozen=True):
    """An event in the journal, and what remains of it."""

    position: int
    distinct_id: str
    body: bytes


class InJournal(Struct, frozen=True):
    """What the journal has about a person."""

    rewritten: list[Rewritten]
    emails: set[str]
    mentions: int
    """Other people's events with one of the ids in another place. They stay."""

    @property
    def own(self) -> dict[int, str]:
        """Their events, by position, with the id of each."""
        return {one.position: one.distinct_id for one in self.rewritten if one.body == FORGOTTEN}


class Whole(Struct, frozen=True):
    """A person with all their ids."""

    name: str
    """The id that names them."""
    ids: set[str]
    told: dict[int, list[Told]]
    """What each connection told about them."""
    emails: set[str]
    """All emails that are stored."""
    is_known: bool
    journal: InJournal


class Finder:
    def __init__(self, journal: Journal, state: State, workers: Workers, trail: Trail) -> None:
        self._journal = journal
        self._state = state
        self._workers = workers
        self._trail = trail

    async def who_is(self, text: str) -> list[SomebodyView]:
        """The person with this id, or whose customer has it; otherwise everyone who has this email; otherwise everyone
        who had it."""
        found = [_view(whole) for whole in await self._all_with(text)]
        if found:
            await self._trail.note("person_seen", person=text)
        return found

    async def chosen(self, text: str, *, everybody: bool = False) -> Whole:
        """The person meant by this text. `everybody`: treat all people with this email as one. Raises `Nobody` and,
        without `everybody`, `Several`.
        """
        people = await self._all_with(text)
        if not people:
            raise Nobody
        if len(people) > 1 and not everybody:
            raise Several([_view(whole) for whole in people])
        return people[0] if len(people) == 1 else await self.whole({one for whole in people for one in whole.ids})

    async def _all_with(self, text: str) -> list[Whole]:
        text = text.strip()
        if not text:
            return []
        await self._workers.catch_up()
        whole = await self.whole({text})
        if whole.is_known:
            return [whole]
        if (claimed := await self._with_customer(text)) is not None:
            return [claimed]
        people: list[Whole] = []
        for found in await self._ids_with_email(text) if "@" in text else ():
            if not any(found in one.ids for one in people):
                whole = await self.whole({found})
                if text.lower() in {email.lower() for email in whole.emails}:
                    people.append(whole)
        return people

    async def _with_customer(self, id_: str) -> Whole | None:
        """Whose customer has an id that is no distinct_id, but the value of a person property."""
        name = row_name(Identifier("id", id_))
        for connection in await self._state.connections():
            for row in self._state.ledger(connection.id, [name]).values():
                return await self.whole({row.person})
        return None

    async def _ids_with_email(self, email: str) -> list[str]:
        """Who has an email now; otherwise who had it."""
        found = await self._state.with_email(email)
        async for _, body in self._journal.naming([email]):
            event = decode_event(body)
            if any(one.strip().lower() == email.lower() for one in emails_of(event)):
                found.append(event.distinct_id)
        return list(dict.fromkeys(found)) or await self._state.with_email(email, ever=True)

    async def whole(self, begin: Collection[str]) -> Whole:
        """A person with all their ids, by everything that is stored."""
        known = Known(self._state, EVER)
        ids = {one for each in begin for one in known.members(each)}
        names = list(dict.fromkeys(known.who(one) for one in sorted(begin)))
        connections = await self._state.connections()
        told = {one.id: list(self._state.told(one.id, sorted(ids)).values()) for one in connections}
        journal = await self.in_journal(ids)
        emails = journal.emails | {email for one in names for email in (known.person(one).email,) if email is not None}
        emails |= {email for some in told.values() for one in some for email in one.remembered_emails}
        is_known = bool(journal.own) or len(ids) > len(names) or any(map(known.is_known, names)) or any(told.values())
        return Whole(names[0], ids, told, emails, is_known, journal)

    async def in_journal(self, ids: Collection[str]) -> InJournal:
        rewritten, emails, mentions = [], set[str](), 0
        needles = [one.encode("utf-8", "surrogatepass") for one in ids]
        async for position, body in self._journal.naming(ids):
            event = decode_event(body)
            if (left := without(body, ids)) is not None:
                rewritten.append(Rewritten(position, event.distinct_id, left))
            if event.distinct_id in ids:
                emails |= set(emails_of(event))
            elif any(needle in (body if left is None else left) for needle in needles):
                mentions += 1
        return InJournal(rewritten, emails, mentions)


async def ids_of(text: str, state: State, workers: Workers) -> set[str]:
    """All ids of the person with this id, or of everyone who has this email now. Reads no events."""
    await workers.flush()
    known = Known(state, EVER)
    members = known.members(text)
    if len(members) > 1 or known.is_known(known.who(text)) or "@" not in text:
        return members
    return {one for each in await state.with_email(text) for one in known.members(each)}


def _view(whole: Whole) -> SomebodyView:
    return SomebodyView(distinct_id=whole.name, ids=sorted(whole.ids), emails=sorted(whole.emails))
