"""Joins that went wrong in `python -m bench.soak joins`, each as the few events that it takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from people_bench import PeopleBench, alias, dangerously, identify, said
from sandbox_server import Operations

from hogline.destinations.base import Unreachable
from hogline.model import Response
from hogline.sandbox import v2

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[PeopleBench]:
    bench = PeopleBench(tmp_path)
    await bench.connect(identify_by_email=True)
    yield bench
    await bench.close()


async def test_what_an_alias_sets_counts_whichever_way_round_it_is(bench: PeopleBench) -> None:
    await bench.deliver(identify("ada", 1, plan="free"), said("called", "crm", 2, set={"plan": "trial"}))
    await bench.deliver(replace(alias("crm", "ada", 3), set={"plan": "pro"}))
    assert bench.customer("ada").attributes == {"plan": "pro"}


async def test_an_email_only_customer_who_was_linked_is_not_merged_into_itself(bench: PeopleBench) -> None:
    """The identify that gives Ada the old account's email links both: there is nobody left to merge."""
    await bench.deliver(identify("old", 1, email="ada@example.com"))
    await bench.deliver(identify("ada", 2), dangerously("ada", "old", 3), said("ordered", "ada", 4))
    assert bench.customers() == [("ada", "ada@example.com")]
    assert bench.server.workspace.without_effect == 0


async def test_an_old_accounts_customer_is_not_merged_into_itself(bench: PeopleBench) -> None:
    """Whoever was no customer before becomes one under the email of the account that is merged."""
    await bench.reconnect(identify_by_email=True, anonymous_users="emails", hold_days=30)
    await bench.deliver(identify("old", 1, email="ada@example.com"))
    await bench.deliver(identify("ada", 2), dangerously("ada", "old", 3), said("ordered", "ada", 4))
    assert [email for _, email in bench.customers()] == ["ada@example.com"]
    assert [(primary, secondary) for primary, secondary in bench.merges() if primary == secondary] == []
    assert bench.server.workspace.without_effect == 0


@pytest.mark.parametrize("later", [False, True])
async def test_an_email_that_went_with_a_merged_customer_names_nobody_until_it_is_linked_again(
    bench: PeopleBench, *, later: bool
) -> None:
    """Until the merge, Customer.io keeps the email for the old account and silently drops it for Ada; with the merge
    it is gone. What is sent under it then makes a second customer of her.
    """
    await bench.deliver(said("seen", "old", 1))
    await bench.deliver(identify("old", 2, email="ada@example.com"))
    await bench.deliver(identify("ada", 3), dangerously("ada", "old", 4), *[said("seen", "ada", 5)] * later)
    await bench.deliver(said("ordered", "ada", 6, set={"plan": "pro"}))
    assert bench.customers() == [("ada", "ada@example.com")]
    assert bench.customer("ada").attributes == {"plan": "pro"}


async def test_a_request_that_is_sent_again_makes_nobody_a_customer_under_an_email_that_they_gave_up(
    bench: PeopleBench,
) -> None:
    """It took effect, but its answer was lost: what it said under the old email must not be said again when that
    email is nobody's any more.
    """
    await bench.deliver(said("seen", "ada", 1))
    await bench.deliver(identify("ada", 2, email="ada@old.example"))

    def takes_effect(operations: Operations) -> Response:
        v2.batch(bench.server.workspace, msgspec.json.encode({"batch": operations}))
        return Response(503, {}, b"")

    bench.server.script = [takes_effect, takes_effect]
    await bench.deliver(said("ordered", "ada", 3, set={"plan": "pro"}), identify("ada", 4, email="ada@new.example"))
    assert bench.customers() == [("ada", "ada@new.example")]


@pytest.mark.parametrize("said_before", [0, 1, 2])
async def test_what_a_killed_process_said_does_not_win_when_it_takes_effect_late(
    bench: PeopleBench, said_before: int
) -> None:
    """Its last request may still be on its way when the next process has sent its first. Many identifies within a second
    make their times run ahead."""
    await bench.deliver_each(*(said(f"x{n}", "u1", 1, set={"plan": n}) for n in range(4)))
    on_its_way: list[Operations] = []
    now_s = bench.clock.at_s

    def swallow(operations: Operations) -> Response:
        on_its_way.append(operations)
        bench.server.script.append(swallow)
        raise Unreachable("killed")

    async with bench.running():
        for n in range(said_before):
            await bench.receive(said(f"y{n}", "u1", 1, set={"plan": 5 + n}))
            await bench.at_rest()
        bench.server.script.append(swallow)
        await bench.receive(said("y", "u1", 1, set={"plan": 9}))
        while not on_its_way:
            await asyncio.sleep(0.001)
    bench.server.script.clear()
    bench.clock.at_s = now_s  # it took no time
    await bench.deliver(said("z", "u1", 1, unset=("plan",)))
    with pytest.raises(Unreachable):
        bench.server.lost(on_its_way[0])
    assert bench.server.people[0].attributes == {}
