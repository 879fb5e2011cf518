"""Customers identified by a person property: over many events and restarts one person stays one customer, and an id is
one person's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from people_bench import ANON, PeopleBench, alias, identify, said

from hogline.model import Response

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[PeopleBench]:
    made = PeopleBench(tmp_path)
    await made.connect(identify_by="property:user_id")
    yield made
    await made.close()


async def reasons(bench: PeopleBench) -> list[str]:
    return [one.reason for one in await bench.state.failures(bench.connection.id)]


async def test_the_property_identifies_the_customer(bench: PeopleBench) -> None:
    await bench.deliver(said("x", "auth0|1", 1, set={"user_id": 17, "plan": "pro"}), said("y", "auth0|1", 2))
    await bench.deliver(said("z", "auth0|1", 3))
    assert bench.customers() == [("17", None)]
    assert bench.server.people[0].events == 3


async def test_the_distinct_id_identifies_whoever_does_not_have_it(bench: PeopleBench) -> None:
    await bench.deliver(
        said("x", "u1", 1), said("x", "u2", 1, set={"user_id": True}), said("x", "u3", 1, set={"user_id": " "})
    )
    assert bench.customers() == [("u1", None), ("u2", None), ("u3", None)]


async def test_one_email_is_linked_to_it(bench: PeopleBench) -> None:
    await bench.deliver_each(said("x", "u1", 1, set={"user_id": "a"}), said("y", "u1", 2, set={"email": "a@x.com"}))
    assert bench.customers() == [("a", "a@x.com")]


async def test_a_customer_known_under_the_distinct_id_stays_the_same_one(bench: PeopleBench) -> None:
    await bench.deliver_each(identify("u1", 1, ANON), said("x", "u1", 2), said("y", "u1", 3, set={"user_id": "a"}))
    await bench.deliver(said("z", "u1", 60))
    assert bench.customers() == [("a", None)]
    assert bench.server.people[0].events == 4


async def test_a_visitor_who_signs_up_becomes_the_customer_of_the_property(bench: PeopleBench) -> None:
    await bench.deliver_each(said("page", ANON, 1), identify("u1", 2, ANON, user_id="a"), said("y", "u1", 60))
    assert bench.customers() == [("a", None)]
    assert bench.server.people[0].events == 3


async def test_without_merges_the_customer_keeps_the_id(tmp_path: Path) -> None:
    bench = PeopleBench(tmp_path)
    await bench.connect(identify_by="property:user_id", merge_people="no")
    await bench.deliver_each(identify("u1", 1), said("y", "u1", 3, set={"user_id": "a"}))
    assert bench.customers() == [("u1", None)]
    assert (await bench.counts()).adjusted == {"id_change_not_sent": 1}
    await bench.close()


async def test_of_two_values_the_first_stays_because_each_may_be_somebody(bench: PeopleBench) -> None:
    await bench.deliver_each(
        identify("u1", 1, user_id="a"),
        said("x", "u1", 2, set={"user_id": "b"}),
        said("y", "u2", 3, set={"user_id": "b"}),
    )
    assert bench.customers() == [("a", None), ("b", None)]
    assert (await bench.counts()).adjusted == {"id_change_not_sent": 1}


async def test_two_people_with_one_value_are_two_customers(bench: PeopleBench) -> None:
    await bench.deliver_each(identify("u1", 1, user_id="a"), identify("u2", 2, user_id="a"), said("x", "u2", 3))
    assert bench.customers() == [("a", None), ("u2", None)]
    assert (await bench.counts()).adjusted == {"id_taken": 1}


async def test_somebody_elses_distinct_id_is_taken(bench: PeopleBench) -> None:
    await bench.deliver_each(said("x", "u2", 1), identify("u1", 2, user_id="u2"))
    assert bench.customers() == [("u2", None), ("u1", None)]
    assert (await bench.counts()).adjusted == {"id_taken": 1}


async def test_the_distinct_id_of_someone_who_is_not_sent_is_taken_too(tmp_path: Path) -> None:
    bench = PeopleBench(tmp_path)
    await bench.connect(identify_by="property:user_id", anonymous_users="identified")
    await bench.deliver_each(said("x", "u2", 1, set={"plan": "pro"}), identify("u1", 2, user_id="u2"))
    assert bench.customers() == [("u1", None)]
    await bench.close()


async def test_a_customer_that_could_not_be_merged_does_not_become_the_main_one(bench: PeopleBench) -> None:
    await bench.deliver(said("x", "a", 1))
    refusal = b'{"errors":[{"batch_index":0,"reason":"invalid","field":"","message":"no"}]}'
    bench.server.script = [lambda _: None, Response(207, {}, refusal)]
    await bench.deliver(identify("u1", 2, "a"))
    counts = await bench.deliver(said("y", "u1", 3, set={"user_id": "a"}))
    assert bench.customers() == [("a", None), ("u1", None)]
    assert counts.adjusted == {"merge_refused": 1, "id_change_not_sent": 1}


async def test_a_distinct_id_that_is_another_ones_customer_is_a_failure_until_they_are_merged(
    bench: PeopleBench,
) -> None:
    await bench.deliver_each(identify("u1", 1, user_id="u2"), said("x", "u2", 2))
    assert bench.customers() == [("u2", None)]
    assert await reasons(bench) == ["distinct_id_taken"]
    await bench.deliver(alias("u1", "u2", 3))
    assert bench.customers() == [("u2", None)]


async def test_an_id_is_claimed_even_after_the_option_changed(bench: PeopleBench) -> None:
    await bench.deliver(identify("u1", 1, user_id="u2"))
    await bench.change(identify_by="id")
    await bench.deliver(said("x", "u2", 2))
    assert bench.customers() == [("u2", None)]
    assert await reasons(bench) == ["distinct_id_taken"]


async def test_two_customers_of_two_people_who_are_merged_become_one(bench: PeopleBench) -> None:
    await bench.deliver_each(
        said("x", "u1", 1, set={"user_id": "a"}), said("x", "u2", 2, set={"user_id": "b"}), alias("u1", "u2", 3),
        said("y", "u2", 60),
    )  # fmt: skip
    ((id_, _),) = bench.customers()
    assert id_ in {"a", "b"}
    assert bench.server.people[0].events == 3


async def test_an_id_goes_along_when_its_person_is_merged_into_another(bench: PeopleBench) -> None:
    await bench.deliver_each(
        said("x", "u1", 1, set={"user_id": "a"}),
        identify("u2", 2, "u1"),
        said("y", "u2", 3, set={"user_id": "a", "plan": "pro"}),
    )
    assert bench.customers() == [("a", None)]
    assert bench.who("u1") == "u2"
    assert (await bench.counts()).adjusted == {}


async def test_a_value_that_names_nobody_is_none(bench: PeopleBench) -> None:
    await bench.deliver(said("x", "u1", 1, set={"user_id": "null"}), said("x", "u2", 2, set={"user_id": "x" * 151}))
    assert bench.customers() == [("u1", None), ("u2", None)]


async def test_after_a_deletion_the_value_is_free(tmp_path: Path) -> None:
    bench = PeopleBench(tmp_path)
    await bench.connect(identify_by="property:user_id", delete_on="gone")
    await bench.deliver_each(
        identify("u1", 1, user_id="a"), said("gone", "u1", 2), identify("u2", 3, user_id="a"), said("x", "u1", 4)
    )
    assert bench.customers() == [("a", None), ("u1", None)]
    assert bench.server.people[0].events == 1
    await bench.close()


async def test_a_value_of_the_property_finds_and_forgets_its_person(tmp_path: Path) -> None:
    bench = PeopleBench(tmp_path)
    await bench.connect(identify_by="property:user_id")
    await bench.deliver(said("x", "u1", 1, set={"user_id": "a"}))
    (found,) = (await bench.state.search_people(bench.connection.id, "a")).ids
    assert found == "u1"
    await bench.close()


async def test_customer_ios_own_id_reaches_the_customer_that_has_it(tmp_path: Path) -> None:
    bench = PeopleBench(tmp_path)
    await bench.connect(identify_by="id")
    await bench.deliver(said("x", "elsewhere", 1))
    its = bench.server.people[0].cio_id
    await bench.reconnect(identify_by="cio_id")
    large = "x" * 40_000
    await bench.deliver_each(
        said("x", "u1", 2, set={"cio_id": its, "plan": "pro"}),
        said("y", "u1", 3, properties={"text": large}),
        said("z", "u2", 4, set={"cio_id": its}),
    )
    assert bench.customers() == [("elsewhere", None), ("u2", None)]
    assert bench.server.people[0].attributes["plan"] == "pro"
    assert bench.server.people[0].events == 3
    await bench.close()


async def test_a_large_event_says_in_its_path_that_it_is_a_cio_id(tmp_path: Path) -> None:
    bench = PeopleBench(tmp_path)
    await bench.connect(identify_by="cio_id:customer")
    await bench.deliver(said("x", "u1", 1, set={"customer": "a3000001"}, properties={"text": "x" * 40_000}))
    assert bench.server.requests[-1][0]["path"] == "/api/v1/customers/cio_a3000001/events"
    await bench.close()


async def test_a_customer_with_an_id_keeps_it_because_the_cio_id_may_be_its_own(tmp_path: Path) -> None:
    bench = PeopleBench(tmp_path)
    await bench.connect(identify_by="cio_id")
    await bench.deliver(identify("u1", 1))
    await bench.deliver(identify("u1", 2, cio_id=bench.server.people[0].cio_id))
    assert bench.customers() == [("u1", None)]
    assert bench.merges() == []
    assert (await bench.counts()).adjusted == {"id_change_not_sent": 1, "reserved_attribute": 1}
    await bench.close()
