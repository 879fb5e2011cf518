"""Forgetting somebody: gone at Customer.io first, then without a trace here, and every count stays exact."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from harness import Serviced
from sandbox_server import Operations, SandboxServer
from service_bench import GOOD, TOKEN

from hogline.destinations.base import Unreachable
from hogline.model import Event, Response
from hogline.service import CannotDo
from hogline.settings import Settings
from hogline.store.base import Counts
from hogline.testing.clock import SkippingClock

pytestmark = pytest.mark.anyio

NOON_MS = 1_793_500_000_000
ADA, MAIL, ANON = "ada-4711-lovelace", "ada.l@lovelace.example", "visitor-0815-quince"


def said(name: str, who: str, at_s: int, *, set: dict[str, object] | None = None, **properties: object) -> Event:  # noqa: A002 - PostHog's word
    return Event(
        uuid=str(uuid5(NAMESPACE_URL, f"{name}/{who}/{at_s}")),
        name=name,
        distinct_id=who,
        timestamp_ms=NOON_MS + at_s * 1_000,
        received_ms=NOON_MS + at_s * 1_000,
        properties=properties,
        set=set or {},
    )


def identify(at_s: int = 3) -> Event:
    naming: dict[str, Any] = {"$anon_distinct_id": ANON}
    return said("$identify", ADA, at_s, set={"email": MAIL}, **naming)


class Forgetting(Serviced):
    """`close` and `begin` are a restart."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.server = SandboxServer()
        super().__init__(
            folder,
            SkippingClock(date_moves=False),
            send=self.server.send,
            settings=Settings(data=folder, merge_delay_s=0),
        )

    async def begin(self) -> None:
        await self.state.add_token(TOKEN)
        await self.service.start()

    async def connect(self, name: str = "customerio", **options: object) -> None:
        await self.service.connections.add("customerio", GOOD | options, name=name)

    async def settled(self) -> None:
        """Returns once every connection that is not paused has nothing left to do."""
        async with asyncio.timeout(20):
            for one in await self.state.connections():
                while not one.paused and (
                    (await self.state.counts(one.id)).settled < self.journal.end - one.start
                    or self.state.due(one.id, 1)
                ):
                    await asyncio.sleep(0.001)

    async def deliver(self, *events: Event) -> None:
        await self.receive(*events)
        await self.settled()

    async def counts(self, name: str = "customerio") -> Counts:
        (connection,) = [one for one in await self.state.connections() if one.name == name]
        return await self.state.counts(connection.id)

    def on_disk(self) -> bytes:
        """Every byte of both databases and of what SQLite keeps beside them."""
        return b"".join(file.read_bytes() for file in sorted(self.folder.glob("*.db*")))

    def traces(self) -> list[str]:
        found = self.on_disk()
        return [one for one in (ADA, MAIL, ANON) if one.encode() in found]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Forgetting]:
    made = Forgetting(tmp_path / "data")
    await made.begin()
    yield made
    await made.close()


HISTORY = [
    said("$pageview", ANON, 1, set={"ref": "ad"}),
    said("cart opened", ANON, 2),
    identify(),
    said("ordered", ADA, 4, set={"plan": "pro"}),
    said("hello", "bob", 5),
]


async def test_somebody_who_is_forgotten_is_deleted_at_customerio(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    forgotten = await bench.service.forgetting.forget(ADA)
    assert [one.id for one in bench.server.people] == ["bob"]
    assert bench.server.sent("delete") != []
    assert (forgotten.people, forgotten.events, forgotten.suppressed) == (2, 4, False)


async def test_no_trace_of_them_is_left_in_any_file(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    assert bench.traces() == [ADA, MAIL, ANON]
    await bench.service.forgetting.forget(ADA)
    assert bench.traces() == []
    assert b"bob" in bench.on_disk()


@pytest.mark.parametrize("under", [ADA, ANON], ids=["by their id", "by an id that was joined"])
async def test_all_ids_that_were_joined_are_forgotten_with_them(bench: Forgetting, under: str) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    forgotten = await bench.service.forgetting.forget(under)
    assert forgotten.people == 2
    assert bench.traces() == []
    assert [one.id for one in bench.server.people] == ["bob"]


async def test_a_customer_that_was_still_to_be_merged_is_deleted_too(bench: Forgetting) -> None:
    await bench.connect(merge_people=False)
    await bench.deliver(*HISTORY)
    assert {one.id for one in bench.server.people} == {ADA, ANON, "bob"}
    await bench.service.forgetting.forget(ADA)
    assert [one.id for one in bench.server.people] == ["bob"]


async def test_held_events_of_a_person_who_is_forgotten_are_never_sent(bench: Forgetting) -> None:
    await bench.connect(anonymous_users="identified", hold_days=30)
    await bench.deliver(said("a", ADA, 1), said("b", ADA, 2), said("c", "bob", 3))
    forgotten = await bench.service.forgetting.forget(ADA)
    counts = await bench.counts()
    assert (forgotten.held, counts.held, counts.filtered) == (2, 1, {"forgotten": 2})
    assert bench.traces() == []
    await bench.deliver(identify(4))
    assert [one.name for one in bench.server.events] == ["$identify"]


async def test_counts_stay_exact_with_settled_waiting_held_and_failure_events(bench: Forgetting) -> None:
    await bench.connect()
    await bench.connect("holds", anonymous_users="identified", hold_days=30)
    await bench.connect("waits")
    await bench.service.connections.pause("waits")
    bench.server.refuses = lambda name, _: name == "bad"
    await bench.deliver(
        said("a", ANON, 1), said("b", ADA, 2, set={"bad": 1}), said("c", ADA, 3), said("d", "bob", 4, set={"bad": 1})
    )
    forgotten = await bench.service.forgetting.forget(ADA)
    assert (forgotten.failures, forgotten.held) == (1, 2)
    await bench.service.forgetting.forget(ANON)
    assert (await bench.counts()).failures == {"invalid": 1}
    await bench.service.connections.resume("waits")
    await bench.deliver(said("e", "bob", 5))
    for name in ("customerio", "holds", "waits"):
        assert (await bench.counts(name)).settled == bench.journal.end, name
    assert (await bench.counts("waits")).filtered == {"forgotten": 3}
    assert (await bench.counts("customerio")).filtered == {"forgotten": 1}  # the failure; what was sent was sent
    assert (await bench.counts("holds")).filtered == {"forgotten": 3}
    assert bench.traces() == []


async def test_events_that_wait_are_not_sent_any_more_and_the_others_are(bench: Forgetting) -> None:
    await bench.connect()
    await bench.service.connections.pause("customerio")
    await bench.receive(*HISTORY)
    forgotten = await bench.service.forgetting.forget(ANON)
    assert forgotten.events == 4  # what PostHog says is known, whatever was delivered: Ada is the same
    await bench.service.connections.resume("customerio")
    await bench.deliver()
    assert (await bench.counts()).filtered == {"forgotten": 4}
    assert {one.id for one in bench.server.people} == {"bob"}


async def test_events_that_are_received_while_somebody_is_forgotten_wait_and_are_sent(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    await asyncio.gather(bench.service.forgetting.forget(ADA), bench.receive(said("meanwhile", "bob", 9)))
    await bench.settled()
    assert "meanwhile" in [one.name for one in bench.server.events]
    assert (await bench.counts()).settled == bench.journal.end


async def test_somebody_who_comes_back_is_somebody_new(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    await bench.service.forgetting.forget(ADA)
    await bench.deliver(said("again", ADA, 10))
    (ada,) = [one for one in bench.server.people if one.id == ADA]
    assert (ada.email, ada.attributes) == (None, {})
    assert (await bench.counts()).settled == bench.journal.end


async def test_of_several_connections_all_are_told(bench: Forgetting) -> None:
    await bench.connect("one")
    await bench.connect("other", anonymous_users="identified")
    await bench.deliver(*HISTORY)
    forgotten = await bench.service.forgetting.forget(ADA)
    assert forgotten.people == 4
    for name in ("one", "other"):
        assert (await bench.counts(name)).settled == bench.journal.end
    assert bench.traces() == []


TROUBLES = {
    "unreachable": Unreachable("no connection"),
    "broken": Response(503, {}, b""),
    "refusing": Response(400, {}, b'{"errors":[{"reason":"invalid","message":"no"}]}'),
    "refusing in part": Response(207, {}, b'{"errors":[{"batch_index":0,"reason":"invalid","message":"no"}]}'),
    "refusing the credentials": Response(401, {}, b'{"meta":{"error":"no"}}'),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
async def test_when_customerio_does_not_delete_them_nothing_is_removed_here(
    bench: Forgetting, trouble: Response | Unreachable
) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    before = await bench.counts()
    bench.server.script = [trouble]
    with pytest.raises(CannotDo, match="Nothing was removed here") as mistake:
        await bench.service.forgetting.forget(ADA)
    assert not any(one in str(mistake.value) for one in (ADA, MAIL, ANON))
    assert bench.traces() == [ADA, MAIL, ANON]
    assert await bench.counts() == before
    assert (await bench.service.people.show("customerio", ADA)).person.distinct_id == ADA
    await bench.deliver(said("goes on", ADA, 9))  # the connection runs again
    await bench.service.forgetting.forget(ADA)
    assert bench.traces() == []


async def test_an_event_that_follows_a_removal_without_an_answer_leaves_no_customer(bench: Forgetting) -> None:
    """Events go by the email here. One that comes when the customer is gone makes another, of the email alone."""
    await bench.connect()
    await bench.deliver(*HISTORY)
    await bench.service.connections.configure("customerio", {"identify_by_email": True})

    def removes_and_fails(operations: Operations) -> Response:
        bench.server._perform_batch(operations)
        return Response(503, {}, b"")

    bench.server.script = [removes_and_fails]
    with pytest.raises(CannotDo, match="Nothing was removed here"):
        await bench.service.forgetting.forget(ADA)
    await bench.deliver(said("goes on", ADA, 9))
    assert bench.server.accepted[-1]["identifiers"] == {"email": MAIL}
    forgotten = await bench.service.forgetting.forget(ADA)
    assert forgotten.customers == 1  # what was merged into it was none any more
    assert all(one.email != MAIL for one in bench.server.workspace.people)


@pytest.mark.parametrize("who", ["nobody", "nobody@example.com", "  ", "@"])
async def test_whoever_is_not_known_cannot_be_forgotten_and_nobody_is_asked(bench: Forgetting, who: str) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    asked = len(bench.server.requests)
    with pytest.raises(CannotDo, match="No person has this"):
        await bench.service.forgetting.forget(who, suppress=True)
    assert len(bench.server.requests) == asked
    assert not bench.state.suppressed


async def test_somebody_suppressed_is_blocked_at_customerio(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    forgotten = await bench.service.forgetting.forget(ADA, suppress=True)
    assert forgotten.suppressed
    assert ("id", ADA) in bench.server.workspace.people.suppressed()
    assert ("email", MAIL) in bench.server.workspace.people.suppressed()


@pytest.mark.parametrize("restart", [False, True], ids=["at once", "after a restart"])
async def test_somebody_suppressed_does_not_come_back(bench: Forgetting, restart: bool) -> None:  # noqa: FBT001 - one case each
    await bench.connect()
    await bench.deliver(*HISTORY)
    await bench.service.forgetting.forget(ADA, suppress=True)
    if restart:
        await bench.close()
        bench.open()
        await bench.begin()
    asked = len(bench.server.requests)
    await bench.deliver(said("back", ADA, 10, set={"plan": "pro"}), said("back", ANON, 11))
    counts = await bench.counts()
    assert counts.filtered == {"suppressed": 2}
    assert len(bench.server.requests) == asked
    assert await bench.service.people.find("ada") == []


async def test_a_customer_whose_id_is_a_property_is_forgotten_by_it_and_blocked(bench: Forgetting) -> None:
    await bench.connect(identify_by="property:user_id")
    await bench.deliver(said("hello", "bob", 1, set={"user_id": "k2"}))
    await bench.deliver(said("hello", ANON, 2, set={"user_id": "k1"}))
    await bench.deliver(said("hello", ADA, 3, set={"user_id": "k3"}), identify(4))
    forgotten = await bench.service.forgetting.forget("k3", suppress=True)
    assert forgotten.ids == 2
    assert [one.id for one in bench.server.people] == ["k2"]
    blocked = {value for kind, value in bench.server.workspace.people.suppressed() if kind == "id"}
    assert blocked == {ADA, ANON, "k1", "k3"}
    await bench.deliver(said("hello", "carl", 5, set={"user_id": "k1"}))
    assert [one.id for one in bench.server.people] == ["k2", "carl"]


async def test_somebody_elses_distinct_id_is_not_blocked_with_the_customer_that_has_it(bench: Forgetting) -> None:
    await bench.connect(identify_by="property:user_id")
    await bench.deliver(said("hello", ADA, 1, set={"user_id": "bob"}), said("hello", "bob", 2))
    await bench.service.forgetting.forget("bob", suppress=True)
    assert [one.id for one in bench.server.people] == ["bob"]
    await bench.deliver(said("hello", "carl", 3, set={"user_id": "dora"}), said("hello", "dora", 4))
    await bench.service.forgetting.forget("carl", suppress=True)
    assert ("id", "dora") not in bench.server.workspace.people.suppressed()
    assert not bench.state.suppressed("dora")


async def test_of_somebody_suppressed_only_a_hash_is_kept(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    await bench.service.forgetting.forget(ADA, suppress=True)
    assert bench.traces() == []


async def test_somebody_suppressed_does_not_come_back_as_somebodys_visitor(bench: Forgetting) -> None:
    """What names their id as one to be joined is theirs too."""
    await bench.connect()
    await bench.deliver(*HISTORY)
    await bench.service.forgetting.forget(ADA, suppress=True)
    naming: dict[str, Any] = {"$anon_distinct_id": ADA}
    await bench.deliver(said("$identify", "bob", 10, **naming))
    assert (bench.state.people([ADA]), bench.state.ids([ADA])) == ({}, {})
    await bench.deliver(said("back", ADA, 11))
    assert (await bench.counts()).filtered == {"suppressed": 2}


async def test_somebody_suppressed_does_not_come_back_under_their_email(bench: Forgetting) -> None:
    await bench.connect(identify_by_email=True)
    await bench.deliver(*HISTORY)
    await bench.service.forgetting.forget(ADA, suppress=True)
    asked = len(bench.server.requests)
    await bench.deliver(
        said("back", MAIL, 10), said("back", MAIL.upper(), 11), said("back", "new-id", 12, set={"email": f" {MAIL}"})
    )
    assert (await bench.counts()).filtered == {"suppressed": 3}
    assert len(bench.server.requests) == asked


class Crash(BaseException):
    """The process dies here."""


async def test_a_crash_before_the_journal_is_cleared_is_finished_at_the_next_start(
    bench: Forgetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.connect()
    await bench.connect("waits")
    await bench.service.connections.pause("waits")  # its events count as forgotten although nobody read them
    await bench.deliver(*HISTORY)

    async def dies(_bodies: object) -> None:
        raise Crash

    monkeypatch.setattr(bench.journal, "rewrite", dies)
    with pytest.raises(Crash):
        await bench.service.forgetting.forget(ADA)
    assert ADA in bench.traces()
    await bench.close()
    bench.open()
    await bench.begin()
    assert bench.traces() == []
    assert await bench.state.forgetting() == []
    await bench.service.connections.resume("waits")
    await bench.deliver(said("after", "bob", 9))
    for name in ("customerio", "waits"):
        assert (await bench.counts(name)).settled == bench.journal.end, name


async def test_a_crash_before_anything_is_cleared_leaves_everything_as_it_was(
    bench: Forgetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are gone at Customer.io by then; who asks again finishes it."""
    await bench.connect("one")
    await bench.connect("other")
    await bench.deliver(*HISTORY)
    before = [await bench.counts(name) for name in ("one", "other")]

    async def dies(*_arguments: object, **_more: object) -> None:
        raise Crash

    monkeypatch.setattr(bench.state, "forget", dies)
    with pytest.raises(Crash):
        await bench.service.forgetting.forget(ADA)
    await bench.close()
    bench.open()
    await bench.begin()
    assert [await bench.counts(name) for name in ("one", "other")] == before
    await bench.service.forgetting.forget(ADA)
    assert bench.traces() == []
    assert [one.id for one in bench.server.people] == ["bob"]


async def test_nothing_of_them_is_logged(bench: Forgetting, capsys: pytest.CaptureFixture[str]) -> None:
    await bench.connect()
    await bench.deliver(*HISTORY)
    capsys.readouterr()
    await bench.service.forgetting.forget(ADA, suppress=True)
    said_of_it = capsys.readouterr()
    assert "a person was forgotten" in said_of_it.out + said_of_it.err
    assert not any(one in said_of_it.out + said_of_it.err for one in (ADA, MAIL, ANON))


async def test_ids_that_travelled_with_them_go_on_in_their_order(bench: Forgetting) -> None:
    """Bob was joined with Ada by an alias that PostHog refused: both travel in one lane, and still do."""
    await bench.connect()
    alias = said("$create_alias", "bob", 4, alias=ADA)
    await bench.deliver(said("$identify", "bob", 1), *HISTORY, alias)
    await bench.service.forgetting.forget(ADA)
    await bench.deliver(*[said(f"step {n}", "bob", 10 + n) for n in range(20)])
    theirs: Operations = [one for one in bench.server.accepted if str(one.get("name")).startswith("step")]
    assert [one["name"] for one in theirs] == [f"step {n}" for n in range(20)]
    assert (await bench.counts()).settled == bench.journal.end


async def test_another_users_event_that_names_them_leaves_no_trace_of_them_either(bench: Forgetting) -> None:
    await bench.connect()
    await bench.deliver(said("$identify", "bob", 1), *HISTORY, said("$create_alias", "bob", 4, alias=ADA))
    await bench.service.forgetting.forget(ADA)
    assert bench.traces() == []
