"""Joins, merges and what is held: what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from people_bench import ANON, PeopleBench, alias, dangerously, identify, said
from sandbox_server import Operations

from hogline.core.lanes import lane_of
from hogline.model import Response

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[PeopleBench]:
    made = PeopleBench(tmp_path)
    yield made
    await made.close()


async def change(bench: PeopleBench, **options: object) -> None:
    bench.connection = replace(bench.connection, options=bench.connection.options | options)
    await bench.state.change_connection(bench.connection)
    await bench.state.options_changed(bench.connection.id, bench.clock.time_ms())


def names(bench: PeopleBench, distinct_id: str) -> list[str]:
    return [one.name for one in bench.events_of(distinct_id)]


async def settled(bench: PeopleBench) -> None:
    async with asyncio.timeout(5):
        while (await bench.counts()).settled < bench.journal.end:
            await asyncio.sleep(0.001)


async def test_an_event_with_a_suppressed_email_makes_nobody_else_forgotten(bench: PeopleBench) -> None:
    await bench.connect()
    await bench.state.forget(["eve"], {bench.connection.id: 0}, emails={}, suppress=["eve", "eve@example.com"])
    await bench.receive(identify("bob", 1, None, plan="pro"))
    async with bench.running():
        await settled(bench)
        await bench.receive(said("x", "bob", 2, set={"email": "eve@example.com"}))
        await settled(bench)
        await bench.receive(said("y", "bob", 3))
        await settled(bench)
    bob = await bench.known("bob")
    assert (bob.identified, bob.accepted) == (True, {"plan": "pro"})


async def test_an_anonymous_id_that_is_refused_makes_no_failure_of_every_later_event(bench: PeopleBench) -> None:
    await bench.connect(anonymous_users="anonymous-events")
    bench.server.refuses = lambda name, _: name == "anonymous_id"
    await bench.deliver(said("$pageview", "ada", 1))
    for at_s in range(2, 8):
        counts = await bench.deliver(identify("ada", at_s))
    assert sum(counts.failures.values()) <= 1


async def test_what_is_held_of_a_customer_goes_when_a_changed_choice_lets_them_qualify(bench: PeopleBench) -> None:
    await bench.connect(anonymous_users="all")
    await bench.deliver(said("a", "ada", 1))
    await change(bench, anonymous_users="identified", hold_days=30)
    await bench.deliver(said("b", "ada", 2))
    await change(bench, anonymous_users="all")
    counts = await bench.deliver(said("c", "ada", 3))
    assert (counts.held, names(bench, "ada")) == (0, ["a", "b", "c"])


async def test_a_merge_is_not_sent_before_its_own_pause_because_an_earlier_one_of_the_joined_is_due(
    bench: PeopleBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ada's merge is due at 30 s; at 29 s ada becomes part of boss, who was made only then."""
    await bench.connect()
    await bench.receive(said("$pageview", ANON, 1))
    sleep = bench.clock.sleep
    monkeypatch.setattr(bench.clock, "sleep", lambda _: asyncio.Event().wait())
    async with bench.running(merge_delay_s=30):
        await settled(bench)
        await bench.receive(identify("ada", 2, ANON))
        await settled(bench)
    bench.clock.at_s += 29
    async with bench.running(merge_delay_s=30):
        await bench.receive(identify("boss", 31), dangerously("boss", "ada", 31))
        await settled(bench)
    joined_ms = bench.clock.time_ms()
    assert bench.merges() == []
    bench.clock.at_s += 1.5
    async with bench.running(merge_delay_s=30):
        for _ in range(100):
            await asyncio.sleep(0.001)
    assert bench.clock.time_ms() < joined_ms + 30_000
    assert bench.merges() == []
    monkeypatch.setattr(bench.clock, "sleep", sleep)


async def test_merges_that_waited_while_merge_people_was_off_are_sent_when_it_is_on_again(
    bench: PeopleBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.connect()
    await bench.receive(said("$pageview", ANON, 1), identify("ada", 2, ANON))
    sleep = bench.clock.sleep
    monkeypatch.setattr(bench.clock, "sleep", lambda _: asyncio.Event().wait())
    async with bench.running(merge_delay_s=30):
        await settled(bench)
    monkeypatch.setattr(bench.clock, "sleep", sleep)
    await change(bench, merge_people=False)
    async with bench.running(merge_delay_s=30):
        for _ in range(100):
            await asyncio.sleep(0.001)
    await change(bench, merge_people=True)
    await bench.deliver(said("x", "ada", 3))
    assert bench.merges() == [({"id": "ada"}, {"id": ANON})]


async def test_when_the_customer_for_whose_sake_an_alias_was_turned_is_refused_nobody_is_split(
    bench: PeopleBench,
) -> None:
    await bench.connect()
    bench.server.script = [lambda operations: first_two_refused(bench, operations)]
    await bench.deliver(said("bad", "anna", 1), alias(BOB, "anna", 2), said("good", "anna", 3))
    await bench.deliver(said("later", BOB, 4), said("later", "anna", 5))
    assert len(bench.customers()) == 1, bench.customers()


async def test_when_an_alias_turns_round_because_of_a_refusal_what_is_held_is_still_found(bench: PeopleBench) -> None:
    """Nobody knows the direction before the answer: what the settlement says of absorbed and of people is one."""
    await bench.connect()
    bench.server.script = [lambda operations: first_two_refused(bench, operations)]
    await bench.deliver(said("bad", "anna", 1), alias(BOB, "anna", 2), said("good", "anna", 3, set={"plan": "pro"}))
    stays = [one for one in (await bench.known("anna"), await bench.known(BOB)) if one.joined_into is None]
    (one,) = stays
    assert one.customer is not None
    assert one.attribute("plan") == "pro"


BOB = next(f"bob{n}" for n in range(1000) if lane_of(f"bob{n}") == lane_of("anna"))
"""Travels in the same lane, so all goes in one request."""


def first_two_refused(bench: PeopleBench, operations: Operations) -> Response:
    """All the others take effect."""
    for one in operations[2:]:
        bench.server._error_of(one)
        bench.server.accepted.append(one)
    errors = [{"batch_index": index, "reason": "invalid", "message": "no"} for index in range(2)]
    return Response(207, {}, msgspec.json.encode({"errors": errors}))


async def test_a_dangerous_merge_that_releases_held_events_is_counted_by_itself_too(bench: PeopleBench) -> None:
    await bench.connect(anonymous_users="emails", hold_days=30)
    await bench.deliver(identify("ada", 1, "v1"), said("x", "ada", 2))
    await bench.deliver(identify("bob", 3, "v2", email="bob@example.com"))
    counts = await bench.deliver(dangerously("bob", "ada", 4))
    assert "x" in names(bench, "bob")
    assert counts.adjusted.get("merged_dangerously") == 1


async def test_what_does_not_fit_into_300_attributes_at_a_join_is_counted(bench: PeopleBench) -> None:
    await bench.connect()
    await bench.deliver(said("a", ANON, 1, set={f"v{n}": n for n in range(200)}))
    await bench.deliver(said("b", "ada", 2, set={f"u{n}": n for n in range(200)}))
    counts = await bench.deliver(identify("ada", 3, ANON))
    assert counts.adjusted.get("too_many_attributes") == 100


async def test_a_join_does_not_give_a_person_more_than_300_attributes_with_the_email(bench: PeopleBench) -> None:
    await bench.connect()
    await bench.deliver(said("a", ANON, 1, set={"email": "ada@example.com"}))
    await bench.deliver(said("b", "ada", 2, set={f"u{n}": n for n in range(300)}))
    counts = await bench.deliver(identify("ada", 3, ANON))
    assert counts.failures == {}


async def test_of_one_person_no_more_than_100_relationships_are_remembered(bench: PeopleBench) -> None:
    await bench.connect(group_objects="order=1")
    await bench.deliver(*(said("ordered", "ada", n, properties={"$groups": {"order": f"o{n}"}}) for n in range(150)))
    assert len((await bench.known("ada")).relationships) <= 100


async def test_attributes_that_were_removed_leave_room_for_others(bench: PeopleBench) -> None:
    await bench.connect()
    many: dict[str, object] = {f"u{n}": n for n in range(300)}
    await bench.deliver(said("a", "ada", 1, set=many))
    await bench.deliver(said("b", "ada", 2, unset=tuple(many)))
    counts = await bench.deliver(said("c", "ada", 3, set={"plan": "pro"}))
    assert (counts.adjusted, bench.customer("ada").attributes) == ({}, {"plan": "pro"})


async def test_what_is_refused_beside_a_held_event_is_not_lost_silently(bench: PeopleBench) -> None:
    await bench.connect(anonymous_users="all")
    await bench.deliver(said("a", "ada", 1))
    await change(bench, anonymous_users="identified", hold_days=30)
    bench.server.refuses = lambda name, _: name == "bad"
    counts = await bench.deliver(said("b", "ada", 2, set={"bad": 1}))
    assert counts.failures or counts.adjusted


async def test_a_group_is_not_sent_again_with_old_values_when_its_held_event_is_released(bench: PeopleBench) -> None:
    await bench.connect(
        anonymous_users="identified",
        hold_days=30,
        group_objects="company=1",
        event_allowlist="$groupidentify,$identify",
    )
    group = {"$group_type": "company", "$group_key": "acme"}
    await bench.deliver(said("$groupidentify", "ada", 1, properties={**group, "$group_set": {"plan": "free"}}))
    await bench.deliver(said("$groupidentify", "bob", 2, properties={**group, "$group_set": {"plan": "pro"}}))
    await bench.deliver(identify("ada", 3))
    sent = [one for one in bench.server.sent("identify") if one["type"] == "object"]
    assert [one["attributes"]["plan"] for one in sent] == ["free", "pro"]


async def test_a_new_merge_of_somebody_keeps_its_pause_although_an_older_one_is_due_meanwhile(
    bench: PeopleBench,
) -> None:
    """The second visitor is joined in a request that is still out when the first merge is due."""
    await bench.connect()
    other = "0190a000-0000-7000-8000-00000000bbbb"
    await bench.deliver(said("$pageview", ANON, 1), said("$pageview", other, 1))
    held_back, out = asyncio.Event(), asyncio.Event()
    send = bench.server.send

    async def slow(request):  # type: ignore[no-untyped-def]
        if b'"id":"ada"' in request.body and b"second" in request.body:
            out.set()
            await held_back.wait()
        return await send(request)

    bench.server.send = slow  # type: ignore[method-assign]
    waits: list[tuple[float, asyncio.Event]] = []

    async def sleep(seconds: float) -> None:
        event = asyncio.Event()
        waits.append((bench.clock.now_s() + seconds, event))
        await event.wait()

    bench.clock.sleep = sleep  # type: ignore[method-assign]

    def move(seconds: float) -> None:
        bench.clock.at_s += seconds
        for until, event in waits:
            if until <= bench.clock.now_s():
                event.set()

    async with bench.running(merge_delay_s=30):
        await bench.receive(identify("ada", 2, ANON))
        await settled(bench)
        for _ in range(20):
            await asyncio.sleep(0.001)
        await bench.receive(identify("ada", 3, other, note="second"))
        async with asyncio.timeout(5):
            await out.wait()
        move(30.5)
        for _ in range(50):
            await asyncio.sleep(0.001)
        held_back.set()
        await settled(bench)
        for _ in range(100):
            move(0.02)  # the gate's rate; two seconds in all
            await asyncio.sleep(0.001)
        merged = [secondary for _, secondary in bench.merges()]
    assert {"id": other} not in merged
