"""Emails as identity: what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from people_bench import PeopleBench, identify, said

from hogline.model import Identifier

pytestmark = pytest.mark.anyio

MAIL = "team@example.com"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[PeopleBench]:
    made = PeopleBench(tmp_path)
    yield made
    await made.close()


async def change(bench: PeopleBench, **options: object) -> None:
    bench.connection = replace(bench.connection, options=bench.connection.options | options)
    await bench.state.change_connection(bench.connection)


def whose(bench: PeopleBench) -> dict[str, str]:
    """The customer (by its cio_id) that has each event."""
    return {one.name: one.person.cio_id for one in bench.server.events if one.person is not None}


async def test_switching_identify_by_email_on_gives_nobody_the_events_of_another_with_the_same_email(
    bench: PeopleBench,
) -> None:
    await bench.connect()
    await bench.deliver(said("a", "ada", 1, set={"email": MAIL}), said("b", "bob", 2, set={"email": MAIL}))
    await change(bench, identify_by_email=True)
    await bench.deliver(said("c", "bob", 3))
    found = whose(bench)
    assert found["c"] == found["b"] != found["a"]


async def test_held_events_released_by_an_event_outside_the_allowlist_do_not_go_to_the_owner_of_the_email(
    bench: PeopleBench,
) -> None:
    await bench.connect(
        identify_by_email=True, anonymous_users="identified", hold_days=30, event_allowlist="ordered,seen"
    )
    await bench.deliver(identify("ada", 1, None, email=MAIL))
    await bench.deliver(said("ordered", "ada", 2))
    await bench.deliver(said("seen", "bob", 3, set={"email": MAIL}))
    await bench.deliver(identify("bob", 4))
    found = whose(bench)
    assert found["seen"] != found["ordered"]


async def test_an_email_that_is_still_to_be_merged_is_nobody_elses_yet(
    bench: PeopleBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.connect(identify_by_email=True)
    await bench.receive(said("a", "ada", 1, set={"email": MAIL}))
    sleep = bench.clock.sleep
    monkeypatch.setattr(bench.clock, "sleep", lambda _: asyncio.Event().wait())
    async with bench.running(merge_delay_s=30):
        await settled(bench)
        await bench.receive(said("moved", "ada", 2, set={"email": "ada@example.com"}))
        await settled(bench)
        await bench.receive(said("b", "bob", 3, set={"email": MAIL}))
        await settled(bench)
    monkeypatch.setattr(bench.clock, "sleep", sleep)
    async with bench.running(merge_delay_s=30):
        await bench.at_rest()
    found = whose(bench)
    assert found["a"] == found["moved"] != found["b"]


async def settled(bench: PeopleBench) -> None:
    async with asyncio.timeout(5):
        while (await bench.counts()).settled < bench.journal.end:
            await asyncio.sleep(0.001)


async def test_an_email_that_moves_back_and_forth_is_never_merged_into_itself(bench: PeopleBench) -> None:
    await bench.connect(identify_by_email=True)
    await bench.receive(
        said("a", "ada", 1, set={"email": MAIL}),
        said("b", "ada", 2, set={"email": "ada@example.com"}),
        said("c", "ada", 3, set={"email": MAIL}),
    )
    async with bench.running(merge_delay_s=30):
        await bench.at_rest()
    assert all(primary != secondary for primary, secondary in bench.merges())
    await bench.deliver(said("d", "ada", 4))
    assert bench.customers() == [(None, MAIL)]  # one customer, with the newest email


async def test_an_email_that_its_first_owner_gave_up_is_the_second_ones_with_the_next_event_that_says_it(
    bench: PeopleBench,
) -> None:
    await bench.connect(identify_by_email=True)
    await bench.deliver(said("a", "ada", 1, set={"email": MAIL}))
    await bench.deliver(said("b", "bob", 2, set={"email": MAIL}))
    await bench.deliver(said("c", "ada", 3, set={"email": "ada@example.com"}))
    await bench.deliver(said("d", "bob", 4, set={"email": MAIL}))
    # Ada is not identified, so her customer keeps the email, and it is nobody else's.
    assert bench.customers() == [(None, MAIL), ("bob", None)]


async def test_a_claim_whose_identify_is_refused_keeps_the_email_from_nobody(bench: PeopleBench) -> None:
    await bench.connect(identify_by_email=True)
    bench.server.refuses = lambda name, value: name == "email" and len(bench.server.requests) < 4
    await bench.deliver(said("x", "ada", 0))  # a customer under the id
    await bench.deliver(said("a", "ada", 1, set={"email": MAIL}))
    assert (await bench.known("ada")).linked_email is None
    bench.server.refuses = None
    await bench.deliver(said("b", "bob", 2, set={"email": MAIL}))
    assert (await bench.known("bob")).customer == Identifier("email", MAIL)


async def test_an_email_that_is_given_up_reaches_whoever_waits_for_it_without_an_event(bench: PeopleBench) -> None:
    await bench.connect()
    await bench.deliver(said("a", "ada", 1, set={"email": MAIL}), said("a", "bob", 2, set={"email": MAIL}))
    await bench.deliver(said("b", "ada", 3, set={"email": "ada@example.com"}))
    assert bench.customer("bob").email == MAIL


async def test_a_free_email_is_not_sent_for_someone_who_asked_to_be_left_alone(bench: PeopleBench) -> None:
    await bench.connect(suppress_on="gone")
    await bench.deliver(said("a", "ada", 1, set={"email": MAIL}), said("a", "bob", 2, set={"email": MAIL}))
    await bench.deliver(said("gone", "visitor", 3))
    await bench.deliver(identify("bob", 4, "visitor"))
    await bench.deliver(said("b", "ada", 5, set={"email": "ada@example.com"}))
    assert bench.customer("bob").email is None
