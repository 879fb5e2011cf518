"""What went wrong before what PostHog says and what Customer.io has were kept apart: each a short history, delivered by a
real worker over real files, before a Customer.io that merges as the real one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from people_bench import ANON, PeopleBench, alias, identify, said

from hogline.destinations.base import Unreachable
from hogline.model import Response

pytestmark = pytest.mark.anyio

V1, V2 = "0190a000-0000-7000-8000-000000000001", "0190a000-0000-7000-8000-000000000002"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[PeopleBench]:
    made = PeopleBench(tmp_path)
    await made.connect()
    yield made
    await made.close()


def owners(bench: PeopleBench) -> dict[str, set[str | None]]:
    """Of each event's name, the ids or emails of whose it is."""
    found: dict[str, set[str | None]] = {}
    for one in bench.server.events:
        person = one.person
        found.setdefault(one.name, set()).add(None if person is None else person.id or person.email)
    return found


async def test_1_two_people_with_one_email_are_two_customers(bench: PeopleBench) -> None:
    await bench.reconnect(identify_by_email=True)
    counts = await bench.deliver(
        identify("u1", 1, V1, email="team@x.com", plan="pro"), identify("u2", 2, V2, email="team@x.com", plan="free")
    )
    assert len(bench.customers()) == 2
    assert counts.adjusted == {"email_taken": 1}


async def test_2_somebody_whose_alias_was_made_is_not_merged_into_somebody_else(bench: PeopleBench) -> None:
    await bench.deliver(said("page", ANON, 1), alias("u1", ANON, 2), said("page", "u2", 3), identify("u2", 4, ANON))
    await bench.deliver(said("page", "u1", 5))
    assert sorted(one for one, _ in bench.customers() if one) == ["u1", "u2"]
    assert bench.merges() == [({"id": "u1"}, {"id": ANON})]


async def test_3_many_emails_under_one_id_merge_nobody(bench: PeopleBench) -> None:
    await bench.reconnect(identify_by_email=True)
    await bench.deliver(*[said("sent", "server", n, set={"email": f"user{n}@x.com"}) for n in range(1, 9)])
    assert bench.merges() == []


async def test_4_a_customer_with_an_email_is_not_merged_into_a_cookie(bench: PeopleBench) -> None:
    await bench.deliver(
        said("page", "cookie", 1), said("bought", "u1", 2, set={"email": "ada@x.com"}), alias("cookie", "u1", 3)
    )
    assert bench.customers() == [("u1", "ada@x.com")]
    assert bench.merges() == [({"id": "u1"}, {"id": "cookie"})]


@pytest.mark.parametrize("by_email", [False, True])
async def test_5_after_a_restart_with_a_backlog_a_person_is_one(bench: PeopleBench, by_email: bool) -> None:  # noqa: FBT001  # one case each
    await bench.reconnect(identify_by_email=by_email)
    await bench.receive(
        said("page", V1, 1),
        identify("u1", 2, V1, email="old@x.com"),
        said("page", V2, 3),
        identify("u1", 4, V2, email="new@x.com"),
        said("page", V1, 5),
    )
    bench.server.script[:] = [Unreachable("it")] * 2
    async with bench.running():
        pass  # it is stopped at once
    await bench.deliver(said("page", V2, 6))
    ((_, email),) = bench.customers()
    assert email == "new@x.com"


async def test_7_a_late_older_value_is_not_kept_for_ever(bench: PeopleBench) -> None:
    await bench.deliver(said("a", "u1", 0, set={"newsletter": True}))
    await bench.deliver(said("b", "u1", 1_200, set={"city": "Bonn"}))
    await bench.deliver(said("c", "u1", 600, set={"newsletter": False}, received_s=1_300))
    await bench.deliver(said("d", "u1", 1_800, set={"newsletter": True}))
    assert bench.customer("u1").attributes == {"newsletter": True, "city": "Bonn"}


async def test_8_a_replay_of_a_visitors_event_overwrites_nothing(bench: PeopleBench) -> None:
    await bench.deliver(
        said("page", ANON, 1, set={"plan": "free"}), identify("u1", 2, ANON), said("paid", "u1", 3, set={"plan": "pro"})
    )
    await bench.replay_all()
    assert bench.customer("u1").attributes == {"plan": "pro"}


async def test_9_an_email_that_customerio_still_has_is_nobody_elses(bench: PeopleBench) -> None:
    await bench.reconnect(identify_by_email=True)
    await bench.deliver(said("a", "ada", 1, set={"email": "team@x.com"}))
    await bench.deliver(said("b", "ada", 2, set={"email": "ada@x.com"}))  # she is not identified: it is not sent
    await bench.deliver(said("c", "bob", 3, set={"email": "team@x.com"}))
    assert owners(bench)["a"] == owners(bench)["b"] == {"team@x.com"}
    assert owners(bench)["c"] == {"bob"}


async def test_10_an_email_that_somebody_gave_up_is_sent_to_who_says_it_again(bench: PeopleBench) -> None:
    await bench.deliver(
        said("a", "one", 1, set={"email": "ada@x.com"}), said("b", "two", 2, set={"email": "ada@x.com"})
    )
    await bench.deliver(said("c", "one", 3, unset=("email",)))
    await bench.deliver(said("d", "two", 4, set={"email": "ada@x.com"}))
    assert bench.customer("two").email == "ada@x.com"


async def test_11_a_lost_answer_while_an_email_moves_makes_no_strange_customer(bench: PeopleBench) -> None:
    await bench.reconnect(identify_by_email=True)
    await bench.deliver(identify("u1", 1, None, email="old@x.com"))
    bench.server.script[:] = [bench.server.lost]
    await bench.deliver(said("a", "u1", 2, set={"email": "new@x.com"}), alias(ANON, "u1", 3), said("b", ANON, 4))
    assert [email for _, email in bench.customers()] == ["new@x.com"]


async def test_13_an_attribute_that_is_left_out_later_is_not_sent_any_more(bench: PeopleBench) -> None:
    await bench.reconnect(anonymous_users="identified")
    await bench.deliver(said("a", "u1", 1, set={"ssn": "1", "plan": "pro"}))
    await bench.change(anonymous_users="identified", attribute_names="-ssn")
    await bench.deliver(identify("u1", 2))
    assert bench.customer("u1").attributes == {"plan": "pro"}


async def test_13_held_events_go_when_the_options_let_them(bench: PeopleBench) -> None:
    await bench.reconnect(anonymous_users="identified", hold_days=30)
    await bench.deliver(said("a", ANON, 1), said("b", ANON, 2))
    await bench.change(anonymous_users="all", hold_days=30)
    await bench.deliver()
    assert [one.name for one in bench.events_of(ANON)] == ["a", "b"]
    counts = await bench.counts()
    assert (counts.delivered, counts.held) == (2, 0)


async def test_15_a_customer_who_was_deleted_there_can_be_sent_again(bench: PeopleBench) -> None:
    await bench.deliver(said("a", "u1", 1, set={"email": "ada@x.com", "plan": "pro"}))
    bench.server.delete("u1")
    await bench.state.send_again(bench.connection.id, "again", ["u1"])
    await bench.deliver()
    assert bench.customers() == [("u1", "ada@x.com")]
    assert bench.customer("u1").attributes == {"plan": "pro"}


async def test_16_a_visitor_of_whom_nothing_is_known_is_not_kept(bench: PeopleBench) -> None:
    await bench.reconnect(anonymous_users="identified")
    await bench.deliver(*[said("page", f"visitor-{n}", n) for n in range(20)])
    assert await bench.state.find_people(bench.connection.id, "") == []


async def test_17_held_events_are_sent_as_whose_they_are(bench: PeopleBench) -> None:
    await bench.reconnect(anonymous_users="emails", hold_days=30)
    await bench.deliver(identify("bob", 1, V1), identify("ada", 2, V1, email="ada@x.com"))
    assert owners(bench)["$identify"] == {"ada"}
    assert await bench.held("bob") == [1]


@pytest.mark.parametrize("by_email", [False, True])
async def test_18_two_people_who_move_on_in_one_go_keep_their_emails(bench: PeopleBench, by_email: bool) -> None:  # noqa: FBT001  # one case each
    await bench.reconnect(identify_by_email=by_email)
    await bench.deliver(identify("ada", 1, None, email="x@x.com"), identify("bob", 2, None, email="y@x.com"))
    await bench.deliver(said("a", "ada", 3, set={"email": "z@x.com"}), said("b", "bob", 4, set={"email": "x@x.com"}))
    await bench.deliver(said("c", "bob", 5))
    await bench.deliver(said("d", "bob", 6))
    assert "z@x.com" in {email for _, email in bench.customers()}
    if not by_email:
        assert sorted(bench.customers()) == [("ada", "z@x.com"), ("bob", "x@x.com")]
    assert owners(bench)["d"] != owners(bench)["a"]


async def test_19_a_value_that_was_refused_with_a_released_event_is_sent_by_a_retry(bench: PeopleBench) -> None:
    await bench.reconnect(anonymous_users="identified", hold_days=30)
    await bench.deliver(said("page", "u1", 1, set={"plan": "pro"}))
    bench.server.script[:] = [Response(400, {}, b'{"errors":[{"reason":"invalid","message":"no"}]}')] * 8
    await bench.deliver(identify("u1", 2))
    bench.server.script[:] = []
    counts = await bench.retry_all()
    assert bench.customer("u1").attributes == {"plan": "pro"}
    assert counts.failures == {}
