"""A connection with real files before a Customer.io in this process, for what becomes of people over many events.

Workers come and go: `deliver` is one life of a worker, so everything between two calls has to survive on disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from declared import assert_declared
from harness import OneConnection
from msgspec import Struct
from msgspec.structs import replace
from sandbox_server import SandboxServer

from hogline.core.known import EVER, Known, Person
from hogline.core.sync import fingerprint
from hogline.core.told import NOBODY, WAITS_MS, Mark, Told
from hogline.delivery.folder import Folder
from hogline.delivery.gate import Gate, Rate
from hogline.delivery.worker import Worker
from hogline.destinations.customerio import CUSTOMERIO
from hogline.destinations.customerio.ulid import ulid
from hogline.model import Event, Identifier
from hogline.sandbox.views import EventView, PersonView
from hogline.store.base import Counts, Replay
from hogline.store.datadir.secrets import Vault
from hogline.testing.clock import SkippingClock

NOON_MS = 1_793_000_000_000
CREDENTIALS: dict[str, object] = {"site_id": "site", "api_key": "key"}

ANON = "0190a000-0000-7000-8000-00000000aaaa"
"""An id as PostHog gives it to a visitor."""


def said(
    name: str,
    who: str,
    at_s: int,
    *,
    set: dict[str, object] | None = None,  # noqa: A002 - PostHog's word
    unset: tuple[str, ...] = (),
    properties: dict[str, object] | None = None,
    received_s: int | None = None,
    personless: bool = False,
) -> Event:
    """An event so many seconds after noon. The same one of the same user at the same time is the same event."""
    return Event(
        uuid=str(uuid5(NAMESPACE_URL, f"{name}/{who}/{at_s}")),
        name=name,
        distinct_id=who,
        timestamp_ms=NOON_MS + at_s * 1_000,
        received_ms=NOON_MS + (at_s if received_s is None else received_s) * 1_000,
        properties=properties or {},
        set=set or {},
        unset=unset,
        personless=personless,
    )


def identify(who: str, at_s: int, anon: object = None, **set_: object) -> Event:
    return said("$identify", who, at_s, set=set_, properties={} if anon is None else {"$anon_distinct_id": anon})


def alias(who: str, other: str, at_s: int) -> Event:
    return said("$create_alias", who, at_s, properties={"alias": other})


def dangerously(who: str, other: str, at_s: int) -> Event:
    return said("$merge_dangerously", who, at_s, properties={"alias": other})


class Seen(Struct):
    """Somebody: what PostHog says of them, and what was made true at the destination."""

    joined_into: str | None
    person: Person
    told: Told

    @property
    def identified(self) -> bool:
        return self.person.identified_at != EVER

    @property
    def customer(self) -> Identifier | None:
        return self.told.main.identifier if self.told.main and self.told.main.state == "accepted" else None

    @property
    def linked_email(self) -> str | None:
        return self.told.main.email if self.told.main else None

    @property
    def to_merge(self) -> tuple[Identifier, ...]:
        return tuple(one.identifier for one in self.told.others if one.state != "kept")

    @property
    def merged(self) -> tuple[Identifier, ...]:
        return self.told.gone

    @property
    def relationships(self) -> tuple[str, ...]:
        return self.told.main.objects if self.told.main else ()

    def attribute(self, name: str) -> object:
        return self.person.facts[name].value

    def _of(self, marks: dict[str, Mark]) -> dict[str, object]:
        facts = self.person.facts
        return {name: facts[name].value for name, mark in marks.items() if mark.print == fingerprint(facts[name].value)}

    @property
    def accepted(self) -> dict[str, object]:
        return self._of(self.told.main.names) if self.told.main else {}

    @property
    def refused(self) -> dict[str, object]:
        return self._of(self.told.main.refused) if self.told.main else {}

    @property
    def unsent(self) -> dict[str, object]:
        said_ = self.accepted.keys() | self.refused.keys()
        return {name: one.value for name, one in self.person.facts.items() if name not in said_}


class PeopleBench(OneConnection):
    """With the Customer.io that it delivers to."""

    def __init__(self, folder: Path, vault: Vault | None = None) -> None:
        super().__init__(folder, SkippingClock(NOON_MS + 1_000_000), vault)
        self.server = SandboxServer(clock=lambda: self.clock.time_ms() / 1_000)

    async def reconnect(self, **options: object) -> None:
        """With other options, and nobody known."""
        await self.state.remove_connection(self.connection.id)
        await self.connect(**options)

    async def change(self, **options: object) -> None:
        """Other options from here on; what is known and was told stays."""
        self.connection = replace(self.connection, options=CREDENTIALS | options)
        await self.state.change_connection(self.connection)
        await self.state.options_changed(self.connection.id, self.clock.time_ms())

    async def close(self) -> None:
        await assert_declared(self.journal, self.state)
        await super().close()

    def worker(self, merge_delay_s: float, folder: Folder) -> Worker[Any]:
        return Worker(
            self.connection,
            CUSTOMERIO,
            CUSTOMERIO.read_options(self.connection.options),
            folder=folder,
            journal=self.journal,
            state=self.state,
            send=self.server.send,
            gate=Gate(Rate(100, self.clock), self.clock, lambda: 0.5),
            clock=self.clock,
            merge_delay_s=merge_delay_s,
        )

    @asynccontextmanager
    async def running(self, merge_delay_s: float = 0.0) -> AsyncIterator[Worker[Any]]:
        assert CUSTOMERIO.people is not None
        keeps = CUSTOMERIO.people.rules(CUSTOMERIO.read_options(self.connection.options)).learning
        folder = Folder(self.journal, self.state, self.clock, learning=keeps)
        folder.start()
        worker = self.worker(merge_delay_s, folder)
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            await worker.close()
            await task
            await folder.close()

    async def deliver(self, *events: Event) -> Counts:
        """Receive these, and let a worker live until all is settled and nothing is due. Every event is accounted
        for then."""
        await self.receive(*events)
        async with self.running():
            counts = await self.at_rest()
        assert counts.settled == self.journal.end
        return counts

    async def deliver_each(self, *events: Event) -> Counts:
        """Each in a life of its own."""
        counts = await self.counts()
        for event in events:
            counts = await self.deliver(event)
        return counts

    async def at_rest(self) -> Counts:
        """Returns once a running worker has nothing left to do."""
        async with asyncio.timeout(10):
            while (
                (await self.counts()).settled < self.journal.end
                or await self.due()
                or self.state.again(self.connection.id, 1)
            ):
                await asyncio.sleep(0.001)
        return await self.counts()  # what was due counts, too

    async def due(self) -> list[tuple[str, int]]:
        return [(one, at_ms) for one, at_ms in self.state.due(self.connection.id, 100) if at_ms < WAITS_MS]

    @property
    def _known(self) -> Known:
        return Known(self.state, 0)

    def who(self, distinct_id: str) -> str:
        """Whose an id is, after all joins."""
        return self._known.who(distinct_id)

    async def known(self, distinct_id: str) -> Seen:
        """What is on disk of somebody."""
        known, told = self._known, self.told(distinct_id)
        who = known.who(distinct_id)
        return Seen(who if who != distinct_id else None, known.person(who), told)

    def joined(self, distinct_id: str) -> set[str]:
        """The other ids of the same person."""
        return self._known.members(distinct_id) - {self.who(distinct_id)}

    def told(self, distinct_id: str) -> Told:
        """What was made true of somebody."""
        name = self.who(distinct_id)
        return self.state.told(self.connection.id, [name]).get(name, NOBODY)

    async def held(self, *distinct_ids: str) -> list[int]:
        """The positions of what is held for these."""
        return [one.position for one in self.state.held(self.connection.id, distinct_ids)]

    def customers(self) -> list[tuple[str | None, str | None]]:
        """Id and email of all customers there are, in the order of their creation."""
        return [(one.id, one.email) for one in self.server.people]

    def customer(self, distinct_id: str) -> PersonView:
        (found,) = [one for one in self.server.people if one.id == distinct_id]
        return found

    def events_of(self, distinct_id: str) -> list[EventView]:
        """The events that are this customer's now, in the order in which they arrived."""
        return [one for one in self.server.events if one.person is not None and one.person.id == distinct_id]

    async def replay_all(self) -> None:
        """Send all of the journal once more."""
        await self.state.begin_replay(self.connection.id, Replay(settled=0, last=self.journal.end))
        async with self.running(), asyncio.timeout(10):
            while await self.state.replay(self.connection.id) is not None:
                await asyncio.sleep(0.001)

    async def retry_all(self) -> Counts:
        """Retry every failure, and let a worker live until none is on its way."""
        await self.state.retry_failures(self.connection.id)
        async with self.running(), asyncio.timeout(10):
            while await self.state.failures(self.connection.id, retrying=True):
                await asyncio.sleep(0.001)
        return await self.counts()

    def merges(self) -> list[tuple[object, object]]:
        return [(one["primary"], one["secondary"]) for one in self.server.sent("merge")]


def times_and_ulids(events: Sequence[Event]) -> list[tuple[int, str]]:
    """What Customer.io is to know these events by."""
    return [(one.timestamp_ms // 1_000, ulid(one.uuid).decode()) for one in events]
