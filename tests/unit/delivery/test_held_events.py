"""Held events: what somebody did before they qualified is kept, bounded, and arrives once they do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from people_bench import ANON, NOON_MS, PeopleBench, alias, dangerously, identify, said, times_and_ulids

from hogline.core.lanes import lane_of
from hogline.model import Request, Response
from hogline.posthog.entry import decode_event
from hogline.runtime.housekeeping import Housekeeping
from hogline.settings import Settings
from hogline.store.base import Counts
from hogline.store.cleaning import Cleaning
from hogline.store.memory import HELD_FOR_ONE

pytestmark = pytest.mark.anyio

DAY_S = 86_400


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[PeopleBench]:
    made = PeopleBench(tmp_path)
    await made.connect(anonymous_users="identified", hold_days=30)
    yield made
    await made.close()


def arrived(bench: PeopleBench, distinct_id: str = "ada") -> list[tuple[int, str | None]]:
    return [(one.timestamp, one.ulid) for one in bench.events_of(distinct_id)]


def names(bench: PeopleBench, distinct_id: str = "ada") -> list[str]:
    return [one.name for one in bench.events_of(distinct_id)]


BROWSING = [said("$pageview", "ada", 1), said("cart opened", "ada", 2), said("$screen", "ada", 3)]


async def test_nothing_is_held_unless_it_is_asked_for(bench: PeopleBench) -> None:
    await bench.reconnect(anonymous_users="identified")
    counts = await bench.deliver(*BROWSING, identify("ada", 4))
    assert (counts.filtered, counts.held, counts.delivered) == ({"not_identified": 3}, 0, 1)


async def test_what_is_held_is_counted_as_held_and_makes_no_customer(bench: PeopleBench) -> None:
    counts = await bench.deliver(*BROWSING)
    assert (counts.held, counts.filtered, counts.delivered) == (3, {}, 0)
    assert bench.customers() == []
    assert bench.server.requests == []


@pytest.mark.parametrize("lives", ["one", "each"], ids=["in one shipment", "across restarts"])
async def test_held_events_arrive_in_order_before_the_one_that_qualified_the_user(
    bench: PeopleBench, lives: str
) -> None:
    history = [*BROWSING, identify("ada", 4), said("ordered", "ada", 5)]
    counts = await (bench.deliver(*history) if lives == "one" else bench.deliver_each(*history))
    assert arrived(bench) == times_and_ulids(history)  # with their own times and ULIDs
    assert (counts.delivered, counts.held, counts.filtered) == (5, 0, {})


async def test_with_emails_they_arrive_once_an_email_is_known(bench: PeopleBench) -> None:
    await bench.reconnect(anonymous_users="emails", hold_days=30)
    await bench.deliver(*BROWSING)
    counts = await bench.deliver(said("signed up", "ada", 4, set={"email": "ada@example.com"}))
    assert names(bench) == ["$pageview", "cart opened", "$screen", "signed up"]
    assert (counts.delivered, counts.held) == (4, 0)


async def test_the_kinds_of_held_events_are_kept(bench: PeopleBench) -> None:
    await bench.deliver(*BROWSING)
    await bench.deliver(identify("ada", 4))
    assert [one.type for one in bench.events_of("ada")] == ["page", "event", "screen", "event"]


async def test_a_held_event_teaches_once_when_it_comes_not_when_it_goes(bench: PeopleBench) -> None:
    """Its attributes are old news by then: what was said later stands."""
    await bench.deliver(said("a", "ada", 1, set={"plan": "free"}), said("b", "ada", 2, set={"plan": "pro"}))
    await bench.deliver(identify("ada", 3))
    assert bench.customer("ada").attributes == {"plan": "pro"}
    sent = [one["attributes"] for one in bench.server.sent("identify")]
    assert sent == [{"plan": "pro"}]


async def test_a_held_event_lies_on_disk_without_what_it_taught(bench: PeopleBench) -> None:
    await bench.deliver(said("a", "ada", 1, set={"plan": "free"}, unset=("coupon",), properties={"n": 1}))
    (held,) = bench.state.held(bench.connection.id, ["ada"])
    event = decode_event(held.event)
    assert (event.set, event.unset, event.person_properties, event.properties) == ({}, (), {}, {"n": 1})


@pytest.mark.parametrize("lives", ["one", "each"], ids=["in one shipment", "across restarts"])
async def test_a_joined_visitors_held_events_are_the_customers(bench: PeopleBench, lives: str) -> None:
    history = [said("$pageview", ANON, 1), said("cart opened", ANON, 2), identify("ada", 3, ANON)]
    counts = await (bench.deliver(*history) if lives == "one" else bench.deliver_each(*history))
    assert arrived(bench) == times_and_ulids(history)
    assert bench.customers() == [("ada", None)]
    assert counts.delivered == 3


@pytest.mark.parametrize("lives", ["one", "each"], ids=["in one shipment", "across restarts"])
async def test_held_events_of_several_joined_ids_arrive_in_the_order_in_which_they_came(
    bench: PeopleBench, lives: str
) -> None:
    history = [
        said("a", "phone", 1),
        said("b", "laptop", 2),
        said("c", "phone", 3),
        alias("phone", "laptop", 4),
        said("d", "laptop", 5),
        dangerously("ada", "phone", 6),
        identify("ada", 7),
    ]
    counts = await (bench.deliver(*history) if lives == "one" else bench.deliver_each(*history))
    assert names(bench) == ["a", "b", "c", "d", "$identify"]
    # What joined them is not sent: when it came, nobody of them was identified.
    assert (counts.delivered, counts.filtered, counts.held) == (5, {"not_identified": 2}, 0)


async def test_held_events_of_two_who_travel_in_one_lane_are_put_in_order_too(bench: PeopleBench) -> None:
    """None of them is on disk yet when they are joined."""
    same = [one for n in range(2_000) if lane_of(one := f"id-{n}") == lane_of("ada")]
    phone, laptop = same[:2]
    await bench.deliver(
        said("a", phone, 1),
        said("b", laptop, 2),
        said("c", phone, 3),
        said("d", laptop, 4),
        alias(phone, laptop, 5),
        dangerously("ada", phone, 6),
        identify("ada", 7),
    )
    assert names(bench) == ["a", "b", "c", "d", "$identify"]


async def test_a_join_to_somebody_who_qualifies_already_releases_too(bench: PeopleBench) -> None:
    await bench.deliver(identify("ada", 1), said("a", "ada", 2))
    await bench.deliver(said("b", ANON, 3), said("c", ANON, 4))
    counts = await bench.deliver(identify("ada", 5, ANON))
    assert names(bench) == ["$identify", "a", "b", "c", "$identify"]
    assert counts.held == 0


async def test_an_alias_that_is_not_sent_itself_releases_what_is_held(bench: PeopleBench) -> None:
    await bench.deliver(identify("ada", 1))
    await bench.deliver(said("b", ANON, 2))
    counts = await bench.deliver(alias("ada", ANON, 3))
    assert names(bench) == ["$identify", "b"]
    assert (counts.held, counts.delivered) == (0, 2)


async def test_an_allowlist_without_identify_releases_all_the_same(bench: PeopleBench) -> None:
    await bench.reconnect(anonymous_users="identified", hold_days=30, event_allowlist="ordered")
    counts = await bench.deliver(said("ordered", ANON, 1), said("$pageview", ANON, 2))
    assert (counts.held, counts.filtered) == (1, {"not_in_allowlist": 1})
    counts = await bench.deliver(identify("ada", 3, ANON))
    assert names(bench) == ["ordered"]
    assert (counts.delivered, counts.held, counts.filtered) == (1, 0, {"not_in_allowlist": 2})


async def test_an_event_outside_of_the_allowlist_is_never_held(bench: PeopleBench) -> None:
    await bench.reconnect(anonymous_users="identified", hold_days=30, event_allowlist="ordered")
    counts = await bench.deliver(*BROWSING)
    assert (counts.held, counts.filtered) == (0, {"not_in_allowlist": 3})


async def test_what_is_never_sent_is_not_held(bench: PeopleBench) -> None:
    counts = await bench.deliver(
        said("$snapshot", "ada", 1), said("a", "cookieless_7", 2), said("$set", "ada", 3, set={"plan": "pro"})
    )
    assert counts.held == 0
    assert sum(counts.filtered.values()) == 3


async def test_the_events_of_others_stay_held(bench: PeopleBench) -> None:
    await bench.deliver(said("a", "ada", 1), said("b", "bob", 2))
    counts = await bench.deliver(identify("ada", 3))
    assert (counts.held, await bench.held("bob")) == (1, [2])
    assert bench.customers() == [("ada", None)]


async def test_the_200_newest_events_of_a_person_are_kept(bench: PeopleBench) -> None:
    browsing = [said("seen", "ada", n) for n in range(HELD_FOR_ONE + 30)]
    counts = await bench.deliver(*browsing)
    assert (counts.held, counts.filtered) == (HELD_FOR_ONE, {"hold_too_many": 30})
    counts = await bench.deliver(identify("ada", 1_000))
    assert arrived(bench)[:-1] == times_and_ulids(browsing[30:])
    assert (counts.held, counts.filtered, counts.delivered) == (0, {"hold_too_many": 30}, HELD_FOR_ONE + 1)


async def test_so_many_of_a_person_counts_all_their_ids(bench: PeopleBench) -> None:
    await bench.deliver(*[said("a", "phone", n) for n in range(150)], *[said("b", "laptop", n) for n in range(100)])
    counts = await bench.deliver(alias("phone", "laptop", 900))
    assert (counts.held, counts.filtered["hold_too_many"]) == (200, 50)


async def test_a_release_in_the_shipment_in_which_they_came_is_not_bounded_by_what_lies_on_disk(
    bench: PeopleBench,
) -> None:
    """They never have to be kept."""
    counts = await bench.deliver(*[said("seen", "ada", n) for n in range(150)], identify("ada", 300))
    assert (counts.delivered, counts.held) == (151, 0)


def housekeeping(bench: PeopleBench, **settings: object) -> Housekeeping:
    cleaning = Cleaning(bench.journal, bench.state)
    return Housekeeping(bench.journal, bench.state, Settings(**settings), bench.clock, cleaning, people=bench.state)  # type: ignore[arg-type]


async def test_after_its_days_a_held_event_is_given_up_and_counted(bench: PeopleBench, tmp_path: Path) -> None:
    await bench.reconnect(anonymous_users="identified", hold_days=3)
    await bench.deliver(said("old", "ada", 0), said("younger", "ada", 2 * DAY_S))
    await bench.clock.sleep(3 * DAY_S)  # a test's clock begins a quarter of an hour past noon
    await housekeeping(bench, data=tmp_path).once()
    counts = await bench.counts()
    assert (counts.held, counts.filtered) == (1, {"hold_expired": 1})
    await bench.deliver(identify("ada", 3 * DAY_S + 20))
    assert names(bench) == ["younger", "$identify"]


async def test_beyond_hold_max_bytes_the_oldest_are_given_up_and_counted(bench: PeopleBench, tmp_path: Path) -> None:
    await bench.deliver(*[said("seen", f"user-{n}", n, properties={"text": "x" * 1_000}) for n in range(10)])
    await housekeeping(bench, data=tmp_path, hold_max_bytes=5_600).once()
    counts = await bench.counts()
    assert (counts.held, counts.filtered) == (5, {"hold_full": 5})
    assert await bench.held(*[f"user-{n}" for n in range(10)]) == [6, 7, 8, 9, 10]


async def test_a_hold_that_is_switched_off_gives_up_what_is_there(bench: PeopleBench, tmp_path: Path) -> None:
    await bench.deliver(*BROWSING)
    options = {**bench.connection.options, "hold_days": 0}
    await bench.state.change_connection(replace(bench.connection, options=options))
    await housekeeping(bench, data=tmp_path).once()
    counts = await bench.counts()
    assert (counts.held, counts.filtered) == (0, {"hold_expired": 3})


async def test_what_is_given_up_while_it_is_on_its_way_is_counted_by_what_became_of_it(bench: PeopleBench) -> None:
    await bench.deliver(*BROWSING)

    async def given_up_meanwhile() -> None:
        await bench.state.expire_held(bench.connection.id, received_before_ms=NOON_MS + 10**9, most_bytes=10**9)

    send = bench.server.send

    async def slow(request: Request) -> Response:
        await given_up_meanwhile()
        return await send(request)

    bench.server.send = slow  # type: ignore[method-assign]
    counts = await bench.deliver(identify("ada", 4))
    assert (counts.delivered, counts.held, counts.filtered) == (4, 0, {})
    assert len(arrived(bench)) == 4


def refusing(*wanted: str) -> Callable[[list[dict[str, object]]], Response]:
    def answer(operations: list[dict[str, object]]) -> Response:
        errors = [
            b'{"batch_index":%d,"reason":"invalid","message":"no"}' % index
            for index, one in enumerate(operations)
            if one.get("name") in wanted
        ]
        return Response(207, {}, b'{"errors":[' + b",".join(errors) + b"]}")

    return answer


@pytest.mark.parametrize("lives", ["one", "each"], ids=["in one shipment", "across restarts"])
async def test_a_held_event_that_is_refused_is_a_failure_and_harms_no_other(bench: PeopleBench, lives: str) -> None:
    if lives == "each":
        await bench.deliver(*BROWSING)
    bench.server.script = [refusing("cart opened")]
    counts = await bench.deliver(*(BROWSING if lives == "one" else ()), identify("ada", 4))
    assert (counts.delivered, counts.held, counts.failures) == (3, 0, {"invalid": 1})
    (letter,) = await bench.state.failures(bench.connection.id)
    assert letter.position == 2
    assert (await bench.retry_all()).delivered == 4


async def test_when_the_qualifying_event_is_refused_what_was_held_is_sent_all_the_same(bench: PeopleBench) -> None:
    await bench.deliver(*BROWSING)
    bench.server.script = [refusing("$identify")]
    counts = await bench.deliver(identify("ada", 4))
    assert (counts.delivered, counts.failures, counts.held) == (3, {"invalid": 1}, 0)


async def test_a_release_that_got_no_answer_is_made_again_the_same(bench: PeopleBench) -> None:
    await bench.deliver(*BROWSING)
    await bench.receive(identify("ada", 4))
    send, asked = bench.server.send, asyncio.Event()

    async def silent(request: Request) -> Response:
        answer = await send(request)  # it takes effect, and nobody hears of it
        asked.set()
        await asyncio.Event().wait()
        return answer

    bench.server.send = silent  # type: ignore[method-assign]
    async with bench.running() as worker:
        await asyncio.wait_for(asked.wait(), 5)
        await worker.close(within_s=0)
    assert (await bench.counts()).held == 3
    bench.server.send = send  # type: ignore[method-assign]
    counts = await bench.deliver()
    assert (counts.delivered, counts.held) == (4, 0)
    assert arrived(bench) == times_and_ulids([*BROWSING, identify("ada", 4)])
    summary = bench.server.workspace.events
    assert (summary.repeats, summary.altered) == (4, 0)


async def test_more_than_one_request_takes_of_held_events_arrives_in_order(bench: PeopleBench) -> None:
    """200 events of 10 kB are four requests."""
    big = [said("seen", "ada", n, properties={"text": "x" * 10_000}) for n in range(200)]
    await bench.deliver(*big)
    await bench.deliver(identify("ada", 300))
    assert arrived(bench)[:-1] == times_and_ulids(big)


async def test_at_any_time_everything_is_accounted_for(bench: PeopleBench) -> None:
    """Received = delivered + filtered + held + failures + pending, after every single event."""
    history = [
        said("a", ANON, 1),
        said("$set", ANON, 2, set={"plan": "pro"}),
        said("b", "bob", 3),
        identify("ada", 4, ANON),
        said("$snapshot", "bob", 5),
        said("c", "bob", 6),
        alias("ada", "bob", 7),
        said("d", "bob", 8),
        dead := said("e", "x" * 151, 9, properties={"$is_identified": True}),
        identify("cleo", 10, "dora"),
    ]
    for received, event in enumerate(history, 1):
        counts = await bench.deliver(event)  # asserts it
        assert counts.settled == received
    assert counts == Counts(
        delivered=6,
        filtered={"not_identified": 1, "nothing_to_send": 1, "snapshot": 1},
        failures={"identifier_too_long": 1},
        requests=counts.requests,
    )
    assert dead.distinct_id not in [one for one, _ in bench.customers()]
