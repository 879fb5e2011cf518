"""Email as identity: over many events, restarts and refusals one person stays one customer, and an email is one person's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from people_bench import ANON, PeopleBench, dangerously, identify, said

from hogline.model import Identifier, Response

pytestmark = pytest.mark.anyio

ADA, NEW, BOB = "ada@example.com", "ada@new.example", "bob@example.com"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[PeopleBench]:
    made = PeopleBench(tmp_path)
    await made.connect(identify_by_email=True)
    yield made
    await made.close()


def identifiers(bench: PeopleBench) -> list[tuple[str, object]]:
    """Of all accepted operations, whom each names and as what it goes."""
    return [(one["action"], one["identifiers"]) for one in bench.server.accepted if "identifiers" in one]


async def test_nobody_is_skipped_for_want_of_an_email(bench: PeopleBench) -> None:
    await bench.deliver(said("x", "u1", 1))
    assert bench.customers() == [("u1", None)]


async def test_who_has_an_email_from_the_first_event_is_known_by_it(bench: PeopleBench) -> None:
    await bench.deliver(said("x", "u1", 1, set={"email": ADA, "plan": "pro"}), said("y", "u1", 2))
    assert bench.customers() == [(None, ADA)]
    assert bench.server.people[0].events == 2


async def test_an_email_that_becomes_known_is_linked_under_the_id_first_and_then_used(bench: PeopleBench) -> None:
    await bench.deliver_each(said("x", "u1", 1), said("y", "u1", 2, set={"email": ADA}), said("z", "u1", 3))
    assert bench.customers() == [("u1", ADA)]
    assert identifiers(bench)[-1] == ("event", {"email": ADA})
    assert identifiers(bench)[:-1] == [
        ("identify", {"id": "u1"}),
        ("event", {"id": "u1"}),
        ("identify", {"id": "u1"}),
        ("event", {"id": "u1"}),
    ]


async def test_the_email_is_not_used_before_the_link_is_accepted(bench: PeopleBench) -> None:
    bench.server.refuses = lambda name, _: name == "email"
    await bench.deliver_each(said("x", "u1", 1), said("y", "u1", 2, set={"email": ADA}), said("z", "u1", 3))
    assert {str(who) for _, who in identifiers(bench)} == {"{'id': 'u1'}"}
    assert (await bench.known("u1")).customer == Identifier("id", "u1")


async def test_a_changed_email_of_a_customer_with_an_id_is_the_same_customers(bench: PeopleBench) -> None:
    await bench.deliver_each(
        said("x", "u1", 1),
        said("y", "u1", 2, set={"email": ADA}),
        said("z", "u1", 3, set={"email": NEW}),
        said("w", "u1", 4),
    )
    assert bench.customers() == [("u1", NEW)]
    assert bench.server.people[0].events == 4


@pytest.mark.parametrize("lives", ["one", "each"], ids=["in one shipment", "across restarts"])
async def test_a_customer_known_only_by_their_email_moves_to_the_new_one_and_the_old_is_merged(
    bench: PeopleBench, lives: str
) -> None:
    history = [
        identify("u1", 1, email=ADA, plan="pro"),
        said("y", "u1", 2, set={"email": NEW}),
        said("z", "u1", 3),
    ]
    await (bench.deliver(*history) if lives == "one" else bench.deliver_each(*history))
    assert bench.customers() == [(None, NEW)]
    assert bench.server.people[0].attributes == {"plan": "pro"}
    assert bench.server.people[0].events == 3
    # In one shipment the newest is known before anything is sent.
    assert bench.merges() == ([] if lives == "one" else [({"email": NEW}, {"email": ADA})])


async def test_without_merge_people_such_a_change_is_not_sent_and_counted(bench: PeopleBench) -> None:
    await bench.reconnect(identify_by_email=True, merge_people=False)
    counts = await bench.deliver_each(
        said("x", "u1", 1, set={"email": ADA}), said("y", "u1", 2, set={"email": NEW}), said("z", "u1", 3)
    )
    assert bench.customers() == [(None, ADA)]
    assert counts.adjusted == {"email_change_not_sent": 1}
    assert bench.server.people[0].events == 3


async def test_two_who_claim_one_email_the_second_stays_under_its_id_and_is_counted(bench: PeopleBench) -> None:
    counts = await bench.deliver_each(
        said("x", "u1", 1, set={"email": ADA}),
        said("x", "u2", 2, set={"email": ADA}),
        said("y", "u2", 3),
    )
    assert bench.customers() == [(None, ADA), ("u2", None)]
    assert counts.adjusted == {"email_taken": 1}
    assert [one.events for one in bench.server.people] == [1, 2]


async def test_two_who_claim_one_email_in_one_shipment_are_two_customers(bench: PeopleBench) -> None:
    await bench.deliver(
        *[said("x", who, n, set={"email": ADA}) for n, who in enumerate(["u1", "u2", "u3", "u4", "u5"])]
    )
    assert len(bench.customers()) == 5
    assert all(one.events == 1 for one in bench.server.people)


@pytest.mark.parametrize("written", ["ADA@example.com", "ada@EXAMPLE.com", " ada@example.com "])
async def test_capitals_and_blanks_make_no_other_person(bench: PeopleBench, written: str) -> None:
    counts = await bench.deliver_each(
        said("x", "u1", 1, set={"email": ADA}), said("y", "u1", 2, set={"email": written})
    )
    assert bench.customers() == [(None, ADA)]
    assert counts.adjusted == {}


async def test_capitals_do_not_let_another_person_claim_an_email(bench: PeopleBench) -> None:
    counts = await bench.deliver_each(
        said("x", "u1", 1, set={"email": ADA}), said("x", "u2", 2, set={"email": ADA.upper()})
    )
    assert len(bench.customers()) == 2
    assert counts.adjusted == {"email_taken": 1}


async def test_an_email_taken_away_by_unset_leaves_the_customer_under_the_id(bench: PeopleBench) -> None:
    await bench.deliver_each(
        said("x", "u1", 1),
        said("y", "u1", 2, set={"email": ADA}),
        said("z", "u1", 3, unset=("email",)),
        said("w", "u1", 4),
    )
    assert bench.customers() == [("u1", None)]
    assert bench.server.people[0].events == 4


async def test_an_email_that_was_taken_away_is_free_for_somebody_else(bench: PeopleBench) -> None:
    counts = await bench.deliver_each(
        said("x", "u1", 1),
        said("y", "u1", 2, set={"email": ADA}),
        said("z", "u1", 3, unset=("email",)),
        said("x", "u2", 4, set={"email": ADA}),
        said("w", "u1", 5),
    )
    assert bench.customers() == [("u1", None), ("u2", ADA)]  # linked: it is nobody's identifier any more
    assert counts.adjusted == {}
    assert [one.events for one in bench.server.people] == [4, 1]


async def test_unset_does_not_take_away_the_only_identifier_a_customer_has(bench: PeopleBench) -> None:
    counts = await bench.deliver_each(
        said("x", "u1", 1, set={"email": ADA}), said("y", "u1", 2, unset=("email",)), said("z", "u1", 3)
    )
    assert bench.customers() == [(None, ADA)]
    assert bench.server.people[0].events == 3
    assert counts.adjusted == {"email_change_not_sent": 1}


async def test_when_the_owner_moves_on_the_old_email_may_be_somebody_elses(bench: PeopleBench) -> None:
    await bench.deliver_each(
        said("x", "u1", 1),
        said("y", "u1", 2, set={"email": ADA}),
        said("z", "u1", 3, set={"email": NEW}),
        said("x", "u2", 4, set={"email": ADA}),
    )
    assert bench.customers() == [("u1", NEW), ("u2", ADA)]


async def test_a_visitor_and_a_user_with_one_email_are_merged_when_posthog_joins_them(bench: PeopleBench) -> None:
    await bench.deliver_each(
        said("newsletter", ANON, 1, set={"email": ADA}),
        said("x", "u1", 2, set={"email": ADA}),
        identify("u1", 3, ANON),
        said("y", "u1", 4),
    )
    assert len(bench.customers()) == 1
    assert bench.customers()[0][1] == ADA
    assert bench.server.people[0].events == 4


@pytest.mark.parametrize("lives", ["one", "each"], ids=["in one shipment", "across restarts"])
async def test_two_identified_users_with_emails_who_are_merged_are_one_customer(bench: PeopleBench, lives: str) -> None:
    history = [
        identify("u1", 1, email=ADA),
        identify("u2", 2, email=BOB),
        dangerously("u1", "u2", 3),
        said("y", "u1", 4),
        said("z", "u2", 5),
    ]
    await (bench.deliver(*history) if lives == "one" else bench.deliver_each(*history))
    assert bench.customers() == [(None, ADA)]
    assert bench.server.people[0].events == 4


async def test_an_email_refused_by_customerio_is_never_used_as_an_identifier(bench: PeopleBench) -> None:
    bench.server.refuses = lambda name, _: name == "email"
    counts = await bench.deliver_each(said("x", "u1", 1), identify("u1", 2, email=ADA), said("y", "u1", 3))
    assert bench.customers() == [("u1", None)]
    assert counts.failures == {"invalid": 1}
    bench.server.refuses = None
    await bench.retry_all()
    await bench.deliver(said("z", "u1", 4))
    assert bench.customers() == [("u1", ADA)]
    assert identifiers(bench)[-1] == ("event", {"email": ADA})


async def test_an_outage_while_an_email_is_linked_changes_nobody(bench: PeopleBench) -> None:
    await bench.deliver(said("x", "u1", 1))
    bench.server.script = [Response(503, {}, b"")] * 3
    await bench.deliver(said("y", "u1", 2, set={"email": ADA}))
    await bench.deliver(said("z", "u1", 3))
    assert bench.customers() == [("u1", ADA)]
    assert bench.server.people[0].events == 3


async def test_a_distinct_id_that_is_the_email_of_somebody_else_is_not_that_person(bench: PeopleBench) -> None:
    """PostHog keeps them apart, and nobody said that they are one."""
    counts = await bench.deliver_each(said("x", "u1", 1, set={"email": ADA}), said("y", ADA, 2))
    assert counts.adjusted == {"email_taken": 1}
    assert [one.events for one in bench.server.people] == [1, 1]


async def test_not_even_by_an_event_without_a_person_profile_is_somebodys_email_used_by_another(
    bench: PeopleBench,
) -> None:
    await bench.deliver_each(said("x", "u1", 1, set={"email": ADA}), said("y", ADA, 2, personless=True))
    assert [one.events for one in bench.server.people] == [1, 1]
    assert identifiers(bench)[-1] == ("event", {"id": ADA})


async def test_switching_identify_by_email_off_leaves_everybody_who_they_are(bench: PeopleBench) -> None:
    await bench.deliver(said("x", "u1", 1, set={"email": ADA}), said("x", "u2", 2))
    connection = bench.connection
    bench.connection = type(connection)(
        **{
            **{field: getattr(connection, field) for field in connection.__struct_fields__},
            "options": {**connection.options, "identify_by_email": False},
        }
    )
    await bench.deliver(said("y", "u1", 3, set={"plan": "pro"}), said("y", "u2", 4, set={"email": BOB}))
    assert bench.customers() == [(None, ADA), ("u2", BOB)]
    assert [one.events for one in bench.server.people] == [2, 2]


async def test_an_email_property_is_also_found_by_conditions_and_mappings(bench: PeopleBench) -> None:
    await bench.reconnect(
        email_property="mail", ignore_when="person.mail icontains @example.com", attribute_mapping="contact=mail"
    )
    counts = await bench.deliver_each(said("x", "u1", 1, set={"mail": ADA}), said("y", "u1", 2))
    assert counts.filtered == {"ignored": 2}
    await bench.deliver(said("z", "u2", 3, set={"mail": NEW}))
    assert bench.customers() == [("u2", NEW)]
    assert bench.customer("u2").attributes["contact"] == NEW
