"""Any history of visits, sign-ups, aliases, merges and changing emails, with restarts and refusals in between, ends with
each real person as exactly one customer, who has all their events in order and the newest value of every attribute.

The history is Hypothesis's; journal, state and worker are real, Customer.io is the sandbox's workspace.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import msgspec
import pytest
from delivery_cases import MovedClock, Worker
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from msgspec import Struct

from hogline.delivery.gate import Gate, Rate
from hogline.destinations.base import Unreachable
from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Event, Request, Response
from hogline.posthog.entry import encode_event
from hogline.sandbox import v1, v2
from hogline.sandbox.people import Person as Customer
from hogline.sandbox.settings import SandboxSettings, WorkspaceSettings
from hogline.sandbox.workspace import Workspace
from hogline.store.base import Connection
from hogline.store.secrets import Vault
from hogline.store.sqlite.journal import SqliteJournal
from hogline.store.sqlite.state import SqliteState

T = TypeVar("T")
PEOPLE = 3
DEVICES = 4
NAMES = ("plan", "city", "size")
KEY = Vault.new_key()


class CustomerIo:
    """The sandbox's workspace without HTTP. It takes no attribute of the name `refused`. `failing`: so many requests
    from now on fail, after having had their effect or without."""

    def __init__(self, clock: MovedClock) -> None:
        self.workspace = Workspace(WorkspaceSettings(), SandboxSettings(), lambda: clock.time_ms() / 1_000)
        self.failing: list[bool] = []

    async def send(self, request: Request) -> Response:
        await asyncio.sleep(0)
        effect = True
        if self.failing:
            effect = self.failing.pop()
            if effect:
                self._answer(request)
            raise Unreachable("the test says so")
        return self._answer(request)

    def _answer(self, request: Request) -> Response:
        path = request.url.partition("example.com")[2]
        if path == "/api/v2/batch":
            return self._batch(request.body)
        answer = v1.answer(self.workspace, request.method, path.split("/")[3:], request.body)
        return Response(answer.status, {}, answer.body or b"{}")

    def _batch(self, body: bytes) -> Response:
        operations = msgspec.json.decode(body, type=dict[str, list[msgspec.Raw]])["batch"]
        refused = [index for index, one in enumerate(operations) if b'"refused":' in bytes(one)]
        taken = [one for index, one in enumerate(operations) if index not in refused]
        if taken:
            answer = v2.batch(self.workspace, msgspec.json.encode({"batch": taken}))
            assert answer.status == 200, answer.body
        errors = [
            {"batch_index": index, "reason": "invalid", "field": "attributes", "message": "no"} for index in refused
        ]
        return Response(207 if errors else 200, {}, msgspec.json.encode({"errors": errors} if errors else {}))


class Human(Struct):
    """Somebody as PostHog knows them: a person of PostHog's with all their ids."""

    ids: set[str]
    user: str | None = None
    """The id under which they were identified."""
    attributes: dict[str, object] = {}
    email: str | None = None
    events: list[int] = []
    """All of theirs that are to arrive."""

    @property
    def known(self) -> bool:
        return self.user is not None


class Device(Struct):
    anonymous_id: str
    user: str | None = None
    """Who is logged in."""


class History(RuleBasedStateMachine):
    """What happens to some people, and what PostHog makes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = MovedClock()
        self.customerio = CustomerIo(self.clock)
        self.number = 0
        self.before: dict[int, list[int]] = {}
        """Of each event, those of the same person that came before. Before two ids are joined, nobody knows that they
        are one person."""
        self.humans: dict[str, Human] = {}
        self.devices: list[Device] = []
        self.anonymous = 0
        self.emails = 0
        self.options: dict[str, object] = {}
        self.waiting: list[Event] = []
        self.worker: tuple[Worker, asyncio.Task[None]] | None = None

    def run(self, work: Coroutine[object, object, T]) -> T:
        return self.runner.run(work)

    @initialize(
        choice=st.sampled_from(["all", "identified", "emails", "anonymous-events"]),
        hold=st.booleans(),
        by_email=st.booleans(),
    )
    def connect(self, *, choice: str, hold: bool, by_email: bool) -> None:
        self.options = {
            "site_id": "site",
            "api_key": "key",
            "tracking_endpoint": "https://example.com",
            "anonymous_users": choice,
            "hold_days": 30 if hold and choice in {"identified", "emails"} else 0,
            "identify_by_email": by_email,
        }
        self.run(self._open())
        self.devices = [Device(self.new_anonymous_id()) for _ in range(DEVICES)]

    async def _open(self) -> None:
        folder = Path(self.folder.name)
        self.journal = SqliteJournal(folder / "journal.db", self.clock.time_ms)
        self.state = SqliteState(folder / "state.db", Vault(KEY))
        connections = await self.state.connections()
        self.connection: Connection = (
            connections[0]
            if connections
            else await self.state.add_connection(
                name="c", destination="customerio", options=self.options, enabled=True, start=0, now_ms=0
            )
        )
        worker = Worker(
            self.connection,
            CUSTOMERIO,
            CUSTOMERIO.read_options(self.options),
            journal=self.journal,
            state=self.state,
            send=self.customerio.send,
            gate=Gate(Rate(100, self.clock), self.clock, lambda: 0.5),
            clock=self.clock,
            merge_delay_s=30,
        )
        self.worker = (worker, asyncio.create_task(worker.run()))

    async def _close(self, within_s: float) -> None:
        assert self.worker is not None
        worker, task = self.worker
        await worker.close(within_s)
        await task
        await self.journal.close()
        await self.state.close()

    # what people do

    def new_anonymous_id(self) -> str:
        self.anonymous += 1
        return str(UUID(int=self.anonymous * 7919 << 64 | 0x8000_0000_0000_0000))

    def human(self, distinct_id: str) -> Human:
        found = next((human for human in self.humans.values() if distinct_id in human.ids), None)
        if found is None:
            found = self.humans[distinct_id] = Human(ids={distinct_id})
        return found

    def join(self, stays: Human, other: Human) -> None:
        if stays is other:
            return
        stays.ids |= other.ids
        stays.attributes = {**other.attributes, **stays.attributes}
        stays.email = stays.email or other.email
        stays.user = stays.user or other.user
        stays.events = sorted((*stays.events, *other.events))
        self.humans = {name: human for name, human in self.humans.items() if human is not other}

    def tell(
        self,
        name: str,
        distinct_id: str,
        said: dict[str, object],
        properties: dict[str, object],
        unset: tuple[str, ...] = (),
    ) -> Human:
        """An event happens; returns whom PostHog knows it of."""
        self.number += 1
        human = self.human(distinct_id)
        human.attributes = {**human.attributes, **said, **dict.fromkeys(unset)}
        human.email = str(said["email"]) if "email" in said else human.email
        self.clock.at_s += 1
        self.waiting.append(
            Event(
                uuid=str(UUID(int=self.number)),
                name=name,
                distinct_id=distinct_id,
                timestamp_ms=self.clock.time_ms(),
                received_ms=self.clock.time_ms() + 500,
                properties={"n": self.number, **properties},
                set=said,
                unset=unset,
            )
        )
        return human

    def arrives(self, human: Human) -> None:
        """Whether the newest event is to arrive at Customer.io, and then whose it is."""
        match self.options["anonymous_users"]:
            case "identified":
                qualified = human.known
            case "emails":
                qualified = human.email is not None
            case _:
                qualified = True
        if qualified or self.options["hold_days"]:
            self.before[self.number] = human.events
            human.events = [*human.events, self.number]

    said = st.dictionaries(st.sampled_from((*NAMES, "refused")), st.integers(0, 3), max_size=3)

    @rule(device=st.integers(0, DEVICES - 1), said=said)
    def browse(self, device: int, said: dict[str, object]) -> None:
        one = self.devices[device]
        self.arrives(self.tell("$pageview", one.user or one.anonymous_id, said, {}))

    @rule(device=st.integers(0, DEVICES - 1), user=st.integers(0, PEOPLE - 1), said=said)
    def sign_in(self, device: int, user: int, said: dict[str, object]) -> None:
        one = self.devices[device]
        name = f"user-{user}"
        if one.user is not None and one.user != name:
            one.anonymous_id, one.user = self.new_anonymous_id(), None
        human = self.tell("$identify", name, said, {"$anon_distinct_id": one.anonymous_id})
        human.user = human.user or name
        visitor = self.human(one.anonymous_id)
        if not visitor.known:
            self.join(human, visitor)
        one.user = name
        self.arrives(human)

    @rule(device=st.integers(0, DEVICES - 1))
    def sign_out(self, device: int) -> None:
        self.devices[device] = Device(self.new_anonymous_id())

    @rule(user=st.integers(0, PEOPLE - 1), said=said)
    def order_at_the_server(self, user: int, said: dict[str, object]) -> None:
        self.arrives(self.tell("order completed", f"user-{user}", said, {}))

    @rule(user=st.integers(0, PEOPLE - 1), known=st.booleans(), kind=st.sampled_from(["crm", "app"]))
    def alias(self, user: int, kind: str, *, known: bool) -> None:
        """The SDKs disagree about which of both ids is the new one."""
        ids = [f"user-{user}", f"{kind}-{user}"]
        if known:
            ids.reverse()
        first, second = self.human(ids[0]), self.human(ids[1])
        self.tell("$create_alias", ids[0], {}, {"alias": ids[1]})
        if first.known and second.known:
            return
        self.join(*((second, first) if second.known and not first.known else (first, second)))

    @rule(user=st.integers(0, PEOPLE - 1))
    def get_another_email(self, user: int) -> None:
        self.emails += 1
        email = f"{user}.{self.emails}@Example.com"
        self.arrives(self.tell("email changed", f"user-{user}", {"email": email}, {}))

    @rule(user=st.integers(0, PEOPLE - 1))
    def merge_an_old_account(self, user: int) -> None:
        human = self.human(f"user-{user}")
        other = self.human(f"old-{user}")
        self.tell("$merge_dangerously", f"user-{user}", {}, {"alias": f"old-{user}"})
        self.join(human, other)

    @rule(user=st.integers(0, PEOPLE - 1), said=said)
    def use_an_old_account(self, user: int, said: dict[str, object]) -> None:
        human = self.tell("$identify", f"old-{user}", said, {})
        human.user = human.user or f"old-{user}"
        self.arrives(human)

    @rule(user=st.integers(0, PEOPLE - 1), name=st.sampled_from(NAMES))
    def take_away(self, user: int, name: str) -> None:
        self.arrives(self.tell("order completed", f"user-{user}", {}, {}, (name,)))

    # what happens to Hogline

    @rule()
    def receive(self) -> None:
        self.run(self._receive())

    async def _receive(self) -> None:
        events, self.waiting = self.waiting, []
        await self.journal.append([encode_event(event) for event in events])
        for _ in range(20):
            await asyncio.sleep(0)

    @rule(effects=st.lists(st.booleans(), min_size=1, max_size=3))
    def fail(self, effects: list[bool]) -> None:
        self.customerio.failing = effects

    @rule(at_once=st.booleans())
    def restart(self, *, at_once: bool) -> None:
        async def again() -> None:
            await self._close(0 if at_once else 20)
            await self._open()

        self.run(again())

    @rule()
    def settle_everything(self) -> None:
        self.run(self._settle_everything())

    async def _settle_everything(self) -> None:
        await self._receive()
        for _ in range(20_000):
            counts = await self.state.counts(self.connection.id)
            if counts.settled == self.journal.end and not self.state.due(self.connection.id, 1):
                return
            await asyncio.sleep(0.0005)
        raise AssertionError(f"{counts} of {self.journal.end}")

    # what is true at the end

    def teardown(self) -> None:
        try:
            if self.worker is not None:
                self.settle_everything()
                self.check()
        finally:
            if self.worker is not None:
                self.run(self._close(20))
            self.runner.close()
            self.folder.cleanup()

    def check(self) -> None:
        counts = self.run(self.state.counts(self.connection.id))
        assert counts.dead_letters.keys() <= {"invalid"}
        workspace = self.customerio.workspace
        events: dict[int, list[int]] = {}
        nobodys = []
        for event in workspace.events.after(0):
            number = msgspec.json.decode(event.data or b"{}")["n"]
            owner = event.owner()
            if owner is None:
                nobodys.append(number)
            else:
                events.setdefault(owner.sequence, []).append(number)
        customers = list(workspace.people)
        choice = self.options["anonymous_users"]
        expected = [human for human in self.humans.values() if self._is_customer(human)]
        for human in expected:
            theirs = [one for one in customers if self._is(one, human)]
            assert len(theirs) == 1, (human, customers)
            (customer,) = theirs
            arrived = events.get(customer.sequence, [])
            assert sorted(arrived) == human.events, human
            place = {number: index for index, number in enumerate(arrived)}
            assert all(place[one] < place[number] for number in arrived for one in self.before[number]), arrived
            known = {name: human.attributes[name] for name in NAMES if human.attributes.get(name) is not None}
            shown = {name: value for name, value in customer.attributes.items() if name != "anonymous_id"}
            assert shown == known, (human, customer)
            assert (customer.email or "").lower() == (human.email or "").lower(), (human, customer)
        assert len(customers) == len(expected)
        if choice == "anonymous-events":
            anonymous = [human for human in self.humans.values() if not self._is_customer(human)]
            assert sorted(nobodys) == sorted(number for human in anonymous for number in human.events)
        else:
            assert nobodys == []

    def _is_customer(self, human: Human) -> bool:
        match self.options["anonymous_users"]:
            case "identified":
                return human.known and bool(human.events or human.attributes)
            case "emails":
                return human.email is not None
            case "anonymous-events":
                return human.known or human.email is not None
            case _:
                return bool(human.events or human.attributes)

    def _is(self, customer: Customer, human: Human) -> bool:
        by_email = (
            customer.email is not None and human.email is not None and customer.email.lower() == human.email.lower()
        )
        return customer.id in human.ids or by_email


@pytest.mark.timeout(300)
def test_each_real_person_is_one_customer_with_all_their_events() -> None:
    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )
