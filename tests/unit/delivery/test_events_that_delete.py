"""`delete_on`, `suppress_on`: events that take their customer away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from people_bench import NOON_MS, PeopleBench, identify, said

from hogline.core.gate import not_sent
from hogline.core.known import Person
from hogline.core.told import Told
from hogline.destinations.base import Rules
from hogline.model import Event, Response

pytestmark = pytest.mark.anyio

GONE = "user account deleted"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[PeopleBench]:
    made = PeopleBench(tmp_path)
    yield made
    await made.close()


def actions(bench: PeopleBench) -> list[str]:
    return [str(one["action"]) for one in bench.server.accepted]


async def test_the_customer_is_deleted_and_the_event_itself_is_not_sent(bench: PeopleBench) -> None:
    await bench.connect(delete_on=GONE)
    counts = await bench.deliver(identify("u1", 0, email="a@example.com"), said(GONE, "u1", 1))
    assert bench.customers() == []
    assert (counts.delivered, actions(bench)[-1]) == (2, "delete")
    assert GONE not in [one.name for one in bench.server.events]


async def test_what_comes_in_one_request_is_not_mixed_with_the_deletion_and_who_comes_back_is_complete(
    bench: PeopleBench,
) -> None:
    await bench.connect(delete_on=GONE)
    counts = await bench.deliver(
        identify("u1", 0, email="a@example.com", plan="pro"),
        said("paid", "u1", 1),
        said(GONE, "u1", 2),
        said("came back", "u1", 3),
        said("paid", "u2", 4),
    )
    assert counts.delivered == 5
    customer = bench.customer("u1")
    assert (customer.email, customer.attributes["plan"]) == ("a@example.com", "pro")
    ours = [str(one["action"]) for one in bench.server.accepted if one["identifiers"] == {"id": "u1"}]
    assert ours == ["identify", "event", "event", "delete", "identify", "event"]
    (alone,) = [one for one in bench.server.requests if any(each["action"] == "delete" for each in one)]
    assert [each["action"] for each in alone if each["identifiers"] == {"id": "u1"}] == ["delete"]
    assert [one.name for one in bench.events_of("u2")] == ["paid"]


async def test_every_customer_of_the_person_is_deleted_and_their_emails_are_free(bench: PeopleBench) -> None:
    await bench.connect(delete_on=GONE, merge_people=False)
    await bench.deliver_each(
        said("seen", "visitor", 0),
        identify("u1", 1, email="a@example.com"),
        identify("u1", 2, anon="visitor"),
        said(GONE, "u1", 3),
    )
    assert bench.customers() == []
    await bench.deliver(identify("u2", 4, email="a@example.com"))
    assert bench.customers() == [("u2", "a@example.com")]


async def test_who_is_known_by_an_email_is_deleted_by_it(bench: PeopleBench) -> None:
    await bench.connect(delete_on=GONE, identify_by="email")
    await bench.deliver(identify("u1", 0, email="a@example.com"), said(GONE, "u1", 1))
    assert bench.customers() == []
    await bench.deliver(said("paid", "u1", 2))
    assert bench.customers() == [(None, "a@example.com")]


async def test_an_event_with_the_public_token_deletes_nobody_and_is_counted(bench: PeopleBench) -> None:
    await bench.connect(delete_on=GONE)
    event: Event = replace(said(GONE, "u1", 1), public=True)
    counts = await bench.deliver(identify("u1", 0), event)
    assert bench.customers() == [("u1", None)]
    assert counts.adjusted == {"removal_from_public_token": 1}
    assert [one.name for one in bench.events_of("u1")][-1] == GONE


async def test_who_is_no_customer_has_nothing_to_delete(bench: PeopleBench) -> None:
    await bench.connect(delete_on=GONE)
    counts = await bench.deliver(said(GONE, "u1", 0))
    assert (counts.filtered, bench.server.accepted) == ({"nothing_to_send": 1}, [])


async def test_a_replay_deletes_nobody(bench: PeopleBench) -> None:
    await bench.connect(delete_on=GONE)
    await bench.deliver(identify("u1", 0), said(GONE, "u1", 1), said("came back", "u1", 2))
    await bench.replay_all()
    assert bench.customers() == [("u1", None)]
    counts = await bench.counts()
    assert counts.replayed == {"delivered": 2, "nothing_to_send": 1}


async def test_a_replay_brings_nobody_back(bench: PeopleBench) -> None:
    await bench.connect(delete_on=GONE)
    await bench.deliver(identify("u1", 0), said(GONE, "u1", 1))
    await bench.replay_all()
    assert (bench.customers(), (await bench.counts()).replayed) == ([], {"deleted": 1, "nothing_to_send": 1})


@pytest.mark.parametrize("is_customer", [True, False])
async def test_who_is_suppressed_is_never_sent_again(bench: PeopleBench, *, is_customer: bool) -> None:
    await bench.connect(suppress_on=GONE, anonymous_users="all" if is_customer else "emails", hold_days=30)
    counts = await bench.deliver_each(
        said("seen", "visitor", 0),
        identify("u1", 1),
        said(GONE, "u1", 2),
        identify("u1", 3, email="a@example.com"),
        identify("u1", 4, anon="visitor"),
        said("paid", "visitor", 5),
    )
    assert counts.filtered == {"suppressed": 3}
    assert [one for one, _ in bench.customers()] == (["visitor"] if is_customer else [])
    await bench.change(suppress_on=GONE, anonymous_users="all")
    counts = await bench.deliver(said("paid", "u1", 6))
    assert counts.filtered == {"suppressed": 4}


async def test_a_refused_deletion_is_a_failure_and_a_retry_deletes(bench: PeopleBench) -> None:
    await bench.connect(delete_on=GONE)
    await bench.deliver(identify("u1", 0))
    bench.server.script.append(lambda _: Response(400, {}, b'{"errors":[{"reason":"no","field":"","message":"no"}]}'))
    counts = await bench.deliver(said(GONE, "u1", 1))
    assert sum(counts.failures.values()) == 1
    assert bench.customers() == [("u1", None)]
    await bench.retry_all()
    assert bench.customers() == []


async def test_an_email_that_somebody_else_has_by_now_stays_theirs(bench: PeopleBench) -> None:
    await bench.connect(delete_on=GONE)
    await bench.deliver_each(
        identify("u1", 0, email="a@example.com"),
        identify("u1", 1, email="b@example.com"),
        identify("u2", 2, email="a@example.com"),
        said(GONE, "u1", 3),
        identify("u3", 4, email="A@example.com"),
    )
    assert bench.customers() == [("u2", "a@example.com"), ("u3", None)]


def test_why_somebody_suppressed_is_no_customer_is_told() -> None:
    assert not_sent(Person("u1"), Told(suppressed=True), 1, Rules()) == "suppressed"


async def test_the_same_event_with_the_public_token_does_not_stand_in_for_a_deletion(bench: PeopleBench) -> None:
    await bench.connect(delete_on=GONE)
    await bench.deliver(identify("u1", 0), identify("u2", 0))
    await bench.deliver(replace(said(GONE, "u2", 1), public=True), said(GONE, "u1", 2))
    assert bench.customers() == [("u2", None)]


DAY_S = 86_400


@pytest.mark.parametrize(
    ("option", "deleted_s", "stays"),
    [("delete_on", -30 * DAY_S, True), ("delete_on", -100, False), ("suppress_on", -30 * DAY_S, False)],
    ids=["older events", "just late", "for good"],
)
async def test_older_events_do_not_delete_someone_who_came_back_since(
    bench: PeopleBench, option: str, deleted_s: int, *, stays: bool
) -> None:
    await bench.connect(**{option: GONE})
    await bench.deliver_each(
        identify("u1", 0, email="a@example.com"),
        said("signed up", "u1", -40 * DAY_S, received_s=1),
        said(GONE, "u1", deleted_s, received_s=2),
    )
    assert bench.customers() == ([("u1", "a@example.com")] if stays else [])


async def test_older_events_bring_nobody_back(bench: PeopleBench) -> None:
    await bench.connect(delete_on=GONE)
    await bench.deliver_each(identify("u1", -200), identify("u2", -150), said(GONE, "u1", -100), said(GONE, "u3", -100))
    older = [said("signed up", who, -2 * DAY_S, received_s=1) for who in ("u1", "u2", "u3")]
    counts = await bench.deliver_each(*older, said("paid", "u3", -3 * 3_600, received_s=2))
    assert bench.customers() == [("u2", None), ("u3", None)]
    assert counts.filtered == {"nothing_to_send": 1, "deleted": 2}


async def test_older_events_delete_someone_who_was_gone_for_good(bench: PeopleBench) -> None:
    await bench.connect(delete_on=GONE)
    signed_up = replace(identify("u1", -40 * DAY_S, email="a@example.com"), received_ms=NOON_MS)
    await bench.deliver(signed_up, said(GONE, "u1", -30 * DAY_S, received_s=2))
    assert bench.customers() == []
