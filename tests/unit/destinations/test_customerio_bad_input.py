"""Joins, emails and attributes that nobody should send, and that somebody does: each harms nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import permutations
from pathlib import Path

import pytest
from people_bench import ANON, PeopleBench, alias, identify, said

from hogline.model import Identifier, Response
from hogline.service import Service
from hogline.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[PeopleBench]:
    made = PeopleBench(tmp_path)
    await made.connect()
    yield made
    await made.close()


def names(bench: PeopleBench, distinct_id: str = "ada") -> list[str]:
    return [one.name for one in bench.events_of(distinct_id)]


async def test_an_identify_onto_itself(bench: PeopleBench) -> None:
    counts = await bench.deliver(said("x", "ada", 1), identify("ada", 2, "ada", plan="pro"), said("y", "ada", 3))
    assert bench.customers() == [("ada", None)]
    assert names(bench) == ["x", "$identify", "y"]
    assert (counts.delivered, counts.adjusted, bench.merges()) == (3, {}, [])
    assert (await bench.known("ada")).joined_into is None


@pytest.mark.parametrize("lives", ["one", "each"], ids=["in one shipment", "across restarts"])
async def test_an_alias_chain(bench: PeopleBench, lives: str) -> None:
    ids = [f"id-{n}" for n in range(8)]
    history = [said("seen", one, n) for n, one in enumerate(ids)]
    history += [alias(ids[n + 1], ids[n], 20 + n) for n in range(7)]
    history += [said("again", one, 40 + n) for n, one in enumerate(ids)]
    await (bench.deliver(*history) if lives == "one" else bench.deliver_each(*history))
    # An alias protects its user: only the first of these has nobody to lose.
    assert bench.customers() == [(one, None) for one in ids[1:]]
    assert bench.customer("id-1").events == 4


@pytest.mark.parametrize("order", list(permutations("abc")), ids="".join)
async def test_an_alias_circle(bench: PeopleBench, order: tuple[str, ...]) -> None:
    one, two, three = order
    circle = [alias(one, two, 10), alias(two, three, 11), alias(three, one, 12), alias(one, three, 13)]
    await bench.deliver_each(*[said("seen", who, n) for n, who in enumerate(order)], *circle)
    await bench.deliver(*[said("again", who, 20 + n) for n, who in enumerate(order)])
    assert len(bench.customers()) == 1
    assert bench.server.people[0].events == 6


@pytest.mark.parametrize(
    "anon",
    ["", " ", "null", "None", "undefined", "'guest'", "GUEST", "[object Object]", "a\0b", "x" * 401, "cookieless_1"],
)
async def test_an_anonymous_id_that_posthog_refuses_to_merge(bench: PeopleBench, anon: str) -> None:
    counts = await bench.deliver(identify("ada", 1, anon), said("x", "bob", 2), identify("bob", 3, anon))
    assert bench.customers() == [("ada", None), ("bob", None)]
    assert (counts.delivered, bench.merges()) == (3, [])  # the event counts, the merge does not happen


@pytest.mark.parametrize("anon", [["v1", "v2"], {"id": "v1"}, 7, True, None, 1.5], ids=repr)
async def test_an_anonymous_id_that_is_no_text(bench: PeopleBench, anon: object) -> None:
    event = said("$identify", "ada", 2, properties={"$anon_distinct_id": anon})
    counts = await bench.deliver(said("x", "v1", 1), event)
    assert bench.customers() == [("v1", None), ("ada", None)]
    assert counts.delivered == 2


async def test_an_anonymous_id_that_is_identified_already(bench: PeopleBench) -> None:
    counts = await bench.deliver(identify("ada", 1, ANON), identify("bob", 2, "ada"), said("x", "ada", 3))
    assert bench.customers() == [("ada", None), ("bob", None)]
    assert names(bench) == ["$identify", "x"]
    assert counts.adjusted == {"join_refused": 1}


async def test_a_merge_whose_primary_is_never_accepted(bench: PeopleBench) -> None:
    def refuses_ada(operations: list[dict[str, object]]) -> Response | None:
        refused = [n for n, one in enumerate(operations) if one.get("identifiers") == {"id": "ada"}]
        if not refused:
            return None
        errors = ",".join(f'{{"batch_index":{n},"reason":"invalid"}}' for n in refused)
        return Response(207, {}, f'{{"errors":[{errors}]}}'.encode())

    await bench.deliver(said("x", ANON, 1))
    bench.server.script = [refuses_ada] * 100
    counts = await bench.deliver_each(identify("ada", 2, ANON), said("y", "ada", 3), said("z", ANON, 4))
    assert counts.failures == {"invalid": 3}
    assert bench.merges() == []
    assert bench.customers() == [(ANON, None)]  # who was there is not lost


EMAILS: dict[str, object] = {
    "of 300 characters": "a" * 290 + "@b.example",
    "with a space": "ada lovelace@example.com",
    "as a list": ["ada@example.com"],
    "as an object": {"email": "ada@example.com"},
    "as a number": 7,
}


@pytest.mark.parametrize("email", EMAILS.values(), ids=EMAILS)
async def test_an_email_that_is_none(bench: PeopleBench, email: object) -> None:
    await bench.reconnect(identify_by_email=True)
    counts = await bench.deliver(said("x", "ada", 1, set={"email": email, "plan": "pro"}), said("y", "ada", 2))
    assert bench.customers() == [("ada", None)]
    assert bench.customer("ada").attributes == {"plan": "pro"}
    assert (counts.delivered, counts.adjusted) == (2, {"invalid_email": 1})


async def test_an_email_in_capitals(bench: PeopleBench) -> None:
    await bench.reconnect(identify_by_email=True)
    await bench.deliver_each(
        said("x", "ada", 1, set={"email": "ADA@EXAMPLE.COM"}), said("y", "ada", 2, set={"email": "ada@example.com"})
    )
    assert len(bench.customers()) == 1
    assert bench.server.people[0].events == 2


async def test_400_attributes(bench: PeopleBench) -> None:
    counts = await bench.deliver(said("x", "ada", 1, set={f"a{n}": n for n in range(400)}), said("y", "ada", 2))
    assert len(bench.customer("ada").attributes) == 300
    assert (counts.delivered, counts.adjusted) == (2, {"too_many_attributes": 100})


async def test_400_attributes_over_a_join(bench: PeopleBench) -> None:
    await bench.deliver(said("x", ANON, 1, set={f"a{n}": n for n in range(200)}))
    await bench.deliver(said("y", "ada", 2, set={f"b{n}": n for n in range(200)}))
    counts = await bench.deliver(identify("ada", 3, ANON))
    assert bench.customers() == [("ada", None)]
    assert counts.delivered == 3
    main = (await bench.known("ada")).told.main
    assert main is not None
    assert len(main.names) == 300


async def test_held_events_of_a_person_who_is_forgotten(bench: PeopleBench, tmp_path: Path) -> None:
    await bench.reconnect(anonymous_users="identified", hold_days=30)
    await bench.deliver(said("x", "ada", 1), said("y", "ada", 2))
    service = Service(
        Settings(data=tmp_path),
        journal=bench.journal,
        state=bench.state,
        send=bench.server.send,
        clock=bench.clock,
        delivers=False,
    )
    forgotten = await service.forgetting.forget("ada")
    assert forgotten.held == 2
    counts = await bench.deliver(identify("ada", 3))
    assert names(bench) == ["$identify"]
    assert (counts.delivered, counts.held, counts.filtered) == (1, 0, {"forgotten": 2})


async def test_a_clock_that_goes_back_delays_no_merge_for_long(bench: PeopleBench) -> None:
    """What is due at a time is looked for again within a minute, whatever the clock says."""
    await bench.deliver(said("x", ANON, 1))
    await bench.receive(identify("ada", 2, ANON))
    back_s = 0.0
    time_ms = bench.clock.time_ms
    bench.clock.time_ms = lambda: time_ms() - round(back_s * 1_000)  # type: ignore[method-assign]
    slept: list[float] = []
    sleep = bench.clock.sleep

    async def noted(seconds: float) -> None:
        slept.append(seconds)
        await sleep(seconds)

    bench.clock.sleep = noted  # type: ignore[method-assign]
    async with bench.running(merge_delay_s=30), asyncio.timeout(20):
        while not await bench.due():
            await asyncio.sleep(0)
        back_s = 3_600.0
        await bench.at_rest()
    assert bench.merges() == [({"id": "ada"}, {"id": ANON})]
    assert max(slept) <= 60


async def test_a_clock_that_goes_back_makes_no_event_older_than_it_is(bench: PeopleBench) -> None:
    """The events' own times order attributes; when they were received does not."""
    await bench.deliver(said("x", "ada", 100, set={"plan": "pro"}, received_s=200))
    await bench.deliver(said("y", "ada", 110, set={"plan": "team"}, received_s=150))
    assert bench.customer("ada").attributes == {"plan": "team"}
    assert [one.timestamp for one in bench.events_of("ada")] == [one.timestamp for one in bench.server.events]


async def test_a_clock_that_goes_back_keeps_what_was_held_in_its_order(bench: PeopleBench) -> None:
    await bench.reconnect(anonymous_users="identified", hold_days=30)
    await bench.deliver_each(
        said("first", "ada", 1, received_s=500), said("second", "ada", 2, received_s=10), identify("ada", 3)
    )
    assert names(bench) == ["first", "second", "$identify"]


async def test_somebody_joined_into_somebody_who_is_then_refused_is_not_lost(bench: PeopleBench) -> None:
    await bench.deliver(said("x", ANON, 1))
    bench.server.refuses = lambda _name, _value: True
    await bench.deliver(identify("ada", 2, ANON, plan="pro"))
    assert bench.customers() == [("ada", None)]
    assert (await bench.known("ada")).merged == (Identifier("id", ANON),)
