"""When PostHog joins people: a worker at work over real files, before a Customer.io that merges as the real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise, permutations
from pathlib import Path

import pytest
from people_bench import ANON, PeopleBench, alias, dangerously, identify, said

from hogline.core.lanes import lane_of
from hogline.delivery import puller
from hogline.destinations.base import Unreachable
from hogline.model import Identifier, Response

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[PeopleBench]:
    made = PeopleBench(tmp_path)
    await made.connect()
    yield made
    await made.close()


def names(bench: PeopleBench, distinct_id: str) -> list[str]:
    return [one.name for one in bench.events_of(distinct_id)]


async def test_a_visitor_who_signs_up_is_one_customer_with_all_their_events(bench: PeopleBench) -> None:
    counts = await bench.deliver(
        said("$pageview", ANON, 1), said("cart opened", ANON, 2), identify("ada", 3, ANON), said("ordered", "ada", 4)
    )
    assert bench.customers() == [("ada", None)]
    assert names(bench, "ada") == ["$pageview", "cart opened", "$identify", "ordered"]
    assert bench.merges() == [({"id": "ada"}, {"id": ANON})]
    assert counts.delivered == 4


async def test_what_comes_under_the_anonymous_id_later_is_the_customers(bench: PeopleBench) -> None:
    await bench.deliver(identify("ada", 1, ANON))
    await bench.deliver(said("late page", ANON, 2, set={"plan": "pro"}))
    assert bench.customers() == [("ada", None)]
    assert names(bench, "ada") == ["$identify", "late page"]
    assert bench.customer("ada").attributes == {"plan": "pro"}
    assert bench.merges() == []


async def test_an_anonymous_visitor_who_was_never_sent_is_not_merged(bench: PeopleBench) -> None:
    await bench.reconnect(anonymous_users="identified")
    await bench.deliver(said("$pageview", ANON, 1, set={"plan": "free"}), identify("ada", 2, ANON))
    assert bench.customers() == [("ada", None)]
    assert bench.customer("ada").attributes == {"plan": "free"}
    assert bench.merges() == []


async def test_who_is_joined_brings_what_the_other_lacks_and_overwrites_nothing(bench: PeopleBench) -> None:
    await bench.deliver(said("a", "ada", 1, set={"plan": "pro"}), said("b", ANON, 2, set={"plan": "free", "ref": "ad"}))
    await bench.deliver(identify("ada", 3, ANON))
    assert bench.customer("ada").attributes == {"plan": "pro", "ref": "ad"}


async def test_a_merge_waits_until_both_are_accepted_and_a_pause_is_over(bench: PeopleBench) -> None:
    await bench.deliver(said("$pageview", ANON, 1))
    await bench.receive(identify("ada", 2, ANON))
    begin_ms = bench.clock.time_ms()
    async with bench.running(merge_delay_s=30):
        await bench.at_rest()
    assert bench.merges() == [({"id": "ada"}, {"id": ANON})]
    assert bench.clock.time_ms() - begin_ms >= 30_000
    merging = [request for request in bench.server.requests if any(one["action"] == "merge" for one in request)]
    assert [[one["action"] for one in request] for request in merging] == [["merge"]]  # never beside what makes them


async def test_no_merge_is_sent_before_the_pause_is_over(bench: PeopleBench) -> None:
    await bench.deliver(said("$pageview", ANON, 1))
    await bench.receive(identify("ada", 2, ANON))
    bench.clock.sleep = lambda _seconds: asyncio.Event().wait()  # type: ignore[assignment,method-assign,return-value]
    async with bench.running(merge_delay_s=30):
        while not await bench.due():
            await asyncio.sleep(0.001)
        for _ in range(50):
            await asyncio.sleep(0)
    assert bench.merges() == []
    assert [at_ms for _, at_ms in await bench.due()] == [bench.clock.time_ms() + 30_000]


async def test_a_merge_that_waits_survives_a_restart(bench: PeopleBench) -> None:
    await bench.deliver(said("$pageview", ANON, 1))
    await bench.receive(identify("ada", 2, ANON))
    sleep, bench.clock.sleep = bench.clock.sleep, lambda _: asyncio.Event().wait()  # type: ignore[assignment,method-assign,return-value]
    async with bench.running(merge_delay_s=30):
        while not await bench.due():
            await asyncio.sleep(0.001)
    assert bench.merges() == []
    bench.clock.sleep = sleep  # type: ignore[method-assign]
    async with bench.running(merge_delay_s=30):
        await bench.at_rest()
    assert bench.merges() == [({"id": "ada"}, {"id": ANON})]
    assert bench.customers() == [("ada", None)]


async def test_all_merges_are_sent_that_are_due_at_the_same_time(
    bench: PeopleBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(puller, "MOST_DUE", 2)
    await bench.deliver(*(said("$pageview", f"{ANON[:-1]}{n}", 1) for n in range(5)))
    await bench.receive(*(identify(f"user-{n}", 2, f"{ANON[:-1]}{n}") for n in range(5)))
    async with bench.running(merge_delay_s=30):
        await bench.at_rest()
    assert sorted(bench.customers()) == [(f"user-{n}", None) for n in range(5)]


async def test_a_merge_outlives_an_outage_and_is_accepted_once(bench: PeopleBench) -> None:
    await bench.deliver(said("$pageview", ANON, 1))
    await bench.receive(identify("ada", 2, ANON))
    bench.server.script = [lambda _: None, Unreachable("no connection"), Response(503, {}, b"")]
    async with bench.running():
        await bench.at_rest()
    assert bench.merges() == [({"id": "ada"}, {"id": ANON})]


async def test_a_merge_that_is_refused_is_counted_and_not_tried_for_ever(bench: PeopleBench) -> None:
    await bench.deliver(said("$pageview", ANON, 1))
    refusal = b'{"errors":[{"batch_index":0,"reason":"invalid","field":"","message":"no"}]}'
    bench.server.script = [lambda _: None, Response(207, {}, refusal)]
    counts = await bench.deliver(identify("ada", 2, ANON))
    await bench.deliver(said("ordered", "ada", 3))
    assert bench.merges() == []
    assert counts.adjusted == {"merge_refused": 1}
    assert (await bench.known("ada")).to_merge == ()
    merging = [one for request in bench.server.requests for one in request if one["action"] == "merge"]
    assert len(merging) == 1


async def test_a_merge_is_not_sent_as_long_as_the_one_who_stays_was_never_accepted(bench: PeopleBench) -> None:
    await bench.deliver(said("$pageview", ANON, 1))

    def refuse_all(operations: list[dict[str, object]]) -> Response:
        errors = b",".join(b'{"batch_index":%d,"reason":"invalid"}' % index for index in range(len(operations)))
        return Response(207, {}, b'{"errors":[' + errors + b"]}")

    bench.server.script = [refuse_all]
    counts = await bench.deliver(identify("ada", 2, ANON))
    assert (counts.delivered, counts.failures) == (1, {"invalid": 1})
    assert bench.merges() == []
    assert (await bench.known("ada")).to_merge == (Identifier("id", ANON),)
    # Once they are, it is.
    await bench.deliver(said("ordered", "ada", 3))
    assert bench.merges() == [({"id": "ada"}, {"id": ANON})]
    assert bench.customers() == [("ada", None)]


async def test_without_merge_people_nobody_is_merged_and_later_events_are_the_identified_ones(
    bench: PeopleBench,
) -> None:
    await bench.reconnect(merge_people=False)
    await bench.deliver(said("$pageview", ANON, 1), identify("ada", 2, ANON), said("late page", ANON, 3))
    assert bench.merges() == []
    assert bench.customers() == [(ANON, None), ("ada", None)]
    assert names(bench, "ada") == ["$identify", "late page"]


async def test_an_alias_does_not_make_an_identified_user_vanish(bench: PeopleBench) -> None:
    counts = await bench.deliver(
        identify("ada", 1, "v1"), identify("bob", 2, "v2"), alias("ada", "bob", 3), said("x", "bob", 4)
    )
    assert bench.merges() == []
    assert names(bench, "bob") == ["$identify", "x"]
    assert counts.adjusted == {"join_refused": 1}


async def test_an_identify_does_not_take_an_identified_user_for_the_visitor(bench: PeopleBench) -> None:
    counts = await bench.deliver(identify("ada", 1, ANON), identify("bob", 2, "ada"))
    assert bench.customers() == [("ada", None), ("bob", None)]
    assert counts.adjusted == {"join_refused": 1}
    assert names(bench, "bob") == ["$identify"]  # the event counts, the join does not happen


@pytest.mark.parametrize(("who", "other"), [("ada", ANON), (ANON, "ada")], ids=["new id first", "old id first"])
async def test_an_alias_of_nobody_identified_keeps_the_id_that_is_no_uuid(
    bench: PeopleBench, who: str, other: str
) -> None:
    await bench.deliver(said("a", ANON, 1), said("b", "ada", 2), alias(who, other, 3))
    assert bench.customers() == [("ada", None)]
    assert sorted(names(bench, "ada")) == ["a", "b"]


async def test_an_alias_keeps_who_is_identified_whichever_way_round(bench: PeopleBench) -> None:
    await bench.deliver(identify(ANON, 1), said("b", "ada", 2), alias("ada", ANON, 3))
    assert bench.customers() == [(ANON, None)]


async def test_a_dangerous_merge_joins_two_identified_users_and_is_counted_by_itself(bench: PeopleBench) -> None:
    counts = await bench.deliver(identify("ada", 1, "v1"), identify("bob", 2, "v2"), dangerously("ada", "bob", 3))
    assert bench.customers() == [("ada", None)]
    assert counts.adjusted == {"merged_dangerously": 1}


async def test_a_dangerous_merge_is_not_done_without_merge_people(bench: PeopleBench) -> None:
    await bench.reconnect(merge_people=False)
    await bench.deliver(identify("ada", 1, "v1"), identify("bob", 2, "v2"), dangerously("ada", "bob", 3))
    assert bench.customers() == [("ada", None), ("bob", None)]
    assert bench.merges() == []  # PostHog has one person, Customer.io two customers


async def test_a_chain_of_joins_ends_in_one_customer(bench: PeopleBench) -> None:
    ids = [f"anon-{n}" for n in range(6)]
    await bench.deliver(*[said("seen", one, n) for n, one in enumerate(ids)])
    await bench.deliver(*[dangerously(after, before, 10 + n) for n, (before, after) in enumerate(pairwise(ids))])
    await bench.deliver(dangerously("ada", "anon-0", 30), said("ordered", "anon-3", 31))
    assert bench.customers() == [("ada", None)]
    assert len(bench.events_of("ada")) == 7


@pytest.mark.parametrize("order", list(permutations([("a", "b"), ("b", "c"), ("c", "a")], 3)))
async def test_a_circle_of_aliases_is_one_customer(bench: PeopleBench, order: list[tuple[str, str]]) -> None:
    await bench.deliver(*[said("seen", one, n) for n, one in enumerate("abc")])
    await bench.deliver(*[dangerously(who, other, 10 + n) for n, (who, other) in enumerate(order)])
    await bench.deliver(*[said("again", one, 20 + n) for n, one in enumerate("abc")])
    assert len(bench.customers()) == 1
    assert bench.server.people[0].events == 6
    assert bench.server.workspace.without_effect == 0


async def test_no_merge_is_ever_sent_twice_or_the_other_way_round(bench: PeopleBench) -> None:
    await bench.deliver(said("seen", ANON, 1), identify("ada", 2, ANON))
    await bench.deliver(
        identify("ada", 3, ANON), identify(ANON, 4, "ada"), alias(ANON, "ada", 5), alias("ada", ANON, 6)
    )
    await bench.deliver(dangerously(ANON, "ada", 7), said("ordered", ANON, 8))
    assert bench.merges() == [({"id": "ada"}, {"id": ANON})]
    assert bench.customers() == [("ada", None)]
    assert bench.server.workspace.without_effect == 0


async def test_merges_that_wait_go_with_who_is_merged_before_them(bench: PeopleBench) -> None:
    """Ada's visitor is still to be merged into her when she becomes part of Bob."""
    await bench.deliver(said("seen", ANON, 1), identify("bob", 2))
    await bench.receive(identify("ada", 3, ANON), dangerously("bob", "ada", 4))
    async with bench.running(merge_delay_s=30):
        await bench.at_rest()
    assert bench.customers() == [("bob", None)]
    assert len(bench.events_of("bob")) == 3
    assert {primary["id"] for primary, _ in bench.merges()} == {"bob"}  # type: ignore[index]


async def test_two_visitors_of_one_user_are_both_merged(bench: PeopleBench) -> None:
    await bench.deliver(said("phone", "anon-1", 1), said("laptop", "anon-2", 2))
    await bench.deliver(identify("ada", 3, "anon-1"), identify("ada", 4, "anon-2"))
    assert bench.customers() == [("ada", None)]
    assert sorted(names(bench, "ada")) == ["$identify", "$identify", "laptop", "phone"]


async def test_a_visitor_who_was_joined_is_not_taken_away_by_another_sign_up(bench: PeopleBench) -> None:
    """Two people at one browser: PostHog protects who is identified."""
    counts = await bench.deliver(identify("ada", 1, ANON), identify("bob", 2, ANON), said("x", ANON, 3))
    assert names(bench, "ada") == ["$identify", "x"]
    assert names(bench, "bob") == ["$identify"]
    assert counts.adjusted == {"join_refused": 1}


async def test_a_join_and_all_around_it_in_one_request_is_as_if_each_came_alone(
    bench: PeopleBench, tmp_path: Path
) -> None:
    history = [
        said("a", ANON, 1, set={"ref": "ad"}),
        identify("ada", 2, ANON, plan="free"),
        said("b", ANON, 3, set={"plan": "pro"}),
        alias("ada", "anon-2", 4),
        said("c", "anon-2", 5),
        said("d", "ada", 6, unset=("ref",)),
    ]
    await bench.deliver(*history)
    (tmp_path / "other").mkdir()
    other = PeopleBench(tmp_path / "other")
    await other.connect()
    await other.deliver_each(*history)
    assert bench.customers() == other.customers() == [("ada", None)]
    assert bench.customer("ada").attributes == other.customer("ada").attributes == {"plan": "pro"}
    assert names(bench, "ada") == names(other, "ada") == ["a", "$identify", "b", "c", "d"]
    await other.close()


async def test_what_both_did_arrives_in_order_although_they_travelled_in_different_lanes(bench: PeopleBench) -> None:
    other = next(name for n in range(100) if lane_of(name := f"anon-{n}") != lane_of("ada"))
    before = [said(f"before {n}", other, n) for n in range(40)]
    after = [said(f"after {n}", other, 50 + n) for n in range(40)]
    await bench.deliver(*before[:20], said("first", "ada", 20), *before[20:], identify("ada", 49, other), *after)
    theirs = [name for name in names(bench, "ada") if name.startswith(("before", "after", "$identify"))]
    assert theirs == [one.name for one in (*before, identify("ada", 49), *after)]


async def test_who_became_part_of_whom_is_on_record(bench: PeopleBench) -> None:
    await bench.deliver(said("seen", ANON, 1), identify("ada", 2, ANON))
    visitor, ada = await bench.known(ANON), await bench.known("ada")
    assert visitor.joined_into == "ada"
    assert (ada.to_merge, ada.merged) == ((), (Identifier("id", ANON),))
    assert bench.joined("ada") == {ANON}


async def test_a_personless_event_joins_nobody(bench: PeopleBench) -> None:
    event = said("$identify", "ada", 2, properties={"$anon_distinct_id": ANON}, personless=True)
    await bench.deliver(said("seen", ANON, 1), event)
    assert bench.merges() == []
    assert len(bench.customers()) == 2


async def test_a_failure_that_is_retried_after_a_join_is_the_customers(bench: PeopleBench) -> None:
    await bench.deliver(said("first", ANON, 1))
    bench.server.script = [Response(207, {}, b'{"errors":[{"batch_index":0,"reason":"invalid","message":"no"}]}')]
    await bench.deliver(said("refused", ANON, 2))
    await bench.deliver(identify("ada", 3, ANON))
    await bench.retry_all()
    assert sorted(names(bench, "ada")) == ["$identify", "first", "refused"]
    assert bench.customers() == [("ada", None)]
