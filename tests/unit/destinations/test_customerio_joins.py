"""When PostHog joins people, as one plan: who stays, what they gain, what waits to be merged. Pure."""

from __future__ import annotations

import pytest
from customerio_cases import NOW_MS, PLAIN, actions, bodies, body, customer, event, options

from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Event, Identifier, Person, Plan

V1, U1, U2 = Identifier("id", "v1"), Identifier("id", "u1"), Identifier("id", "u2")
UUID_ID = "0190a000-0000-7000-8000-00000000aaaa"
NO_MERGES = options(merge_people=False)


def nobody(distinct_id: str, **known: object) -> Person:
    values: dict[str, object] = {"distinct_id": distinct_id, "first_seen_ms": NOW_MS, "last_seen_ms": NOW_MS}
    return Person(**{**values, **known})  # type: ignore[arg-type]


def identify(who: str = "u1", anon: object = "v1", **fields: object) -> Event:
    return event("$identify", who, properties={"$anon_distinct_id": anon}, **fields)  # type: ignore[arg-type]


def alias(who: str, other: object) -> Event:
    return event("$create_alias", who, properties={"alias": other})


def dangerously(who: str, other: object) -> Event:
    return event("$merge_dangerously", who, properties={"alias": other})


def plan(it: Event, person: Person | None, other: Person, with_options: object = PLAIN) -> Plan:
    return CUSTOMERIO.plan(it, person, with_options, other)  # type: ignore[arg-type]


def stays(made: Plan) -> tuple[str | None, str | None]:
    """Who stays, and who becomes part of them."""
    return (
        made.person.distinct_id if made.person else None,
        made.absorbed.distinct_id if made.absorbed else None,
    )


def test_an_identify_makes_the_anonymous_user_part_of_the_identified_one() -> None:
    made = plan(identify(), None, customer("v1"))
    assert stays(made) == ("u1", "v1")
    assert made.absorbed is not None
    assert made.absorbed.joined_into == "u1"


def test_the_visitors_customer_waits_to_be_merged() -> None:
    made = plan(identify(), None, customer("v1"))
    assert made.person is not None
    assert made.person.to_merge == (V1,)
    assert "merge" not in actions(made)  # never beside what makes the primary


def test_a_visitor_who_is_no_customer_leaves_nothing_to_merge() -> None:
    made = plan(identify(), None, nobody("v1"))
    assert made.person is not None
    assert made.person.to_merge == ()


def test_without_merge_people_nothing_waits_to_be_merged() -> None:
    made = plan(identify(), None, customer("v1"), NO_MERGES)
    assert stays(made) == ("u1", "v1")
    assert made.person is not None
    assert made.person.to_merge == ()


ALIASES: dict[str, tuple[Person | None, Person, tuple[str, str | None]]] = {
    "nobody is identified: the named one stays": (nobody("u1"), nobody("v1"), ("u1", "v1")),
    "the named one is identified": (nobody("u1", identified=True), nobody("v1"), ("u1", "v1")),
    "the other one is identified": (nobody("u1"), nobody("v1", identified=True), ("v1", "u1")),
    "both are identified: they stay apart": (
        nobody("u1", identified=True),
        nobody("v1", identified=True),
        ("u1", None),
    ),
}


@pytest.mark.parametrize(("person", "other", "expected"), ALIASES.values(), ids=ALIASES)
def test_an_alias_keeps_whoever_is_identified(
    person: Person | None, other: Person, expected: tuple[str, str | None]
) -> None:
    assert stays(plan(alias("u1", "v1"), person, other)) == expected


def test_an_alias_of_two_unidentified_ones_keeps_the_one_that_is_no_uuid() -> None:
    assert stays(plan(alias(UUID_ID, "u1"), nobody(UUID_ID), nobody("u1"))) == ("u1", UUID_ID)
    assert stays(plan(alias("u1", UUID_ID), nobody("u1"), nobody(UUID_ID))) == ("u1", UUID_ID)


def test_posthogs_refusal_to_join_two_identified_users_is_counted_and_the_event_sent_all_the_same() -> None:
    made = plan(identify("u1", "u2"), customer(), customer("u2", identified=True))
    assert made.adjusted == ("join_refused",)
    assert stays(made) == ("u1", None)
    assert actions(made) == ["event"]


def test_a_dangerous_merge_joins_two_identified_ones_and_is_counted_by_itself() -> None:
    made = plan(dangerously("u1", "u2"), customer(identified=True), customer("u2", identified=True))
    assert (stays(made), made.adjusted) == (("u1", "u2"), ("merged_dangerously",))
    assert made.person is not None
    assert made.person.to_merge == (U2,)


def test_a_dangerous_merge_of_an_unidentified_one_is_a_join_like_others() -> None:
    made = plan(dangerously("u1", "u2"), customer(identified=True), customer("u2"))
    assert (stays(made), made.adjusted) == (("u1", "u2"), ())


def test_a_dangerous_merge_is_refused_without_merge_people() -> None:
    both = customer(identified=True), customer("u2", identified=True)
    made = plan(dangerously("u1", "u2"), *both, NO_MERGES)
    assert (stays(made), made.adjusted) == (("u1", None), ("join_refused",))


def test_whoever_is_joined_to_an_identified_one_is_identified() -> None:
    made = plan(alias("v1", "u1"), nobody("v1"), nobody("u1", identified=True))
    assert made.person is not None
    assert made.person.identified


def test_the_one_who_stays_keeps_their_values_and_gets_what_they_lack() -> None:
    person = customer(accepted={"plan": "pro", "coupon": None})
    other = customer("v1", accepted={"plan": "free", "ref": "ad", "coupon": "X1", "gone": None})
    made = plan(identify(), person, other)
    assert bodies(made)[0]["attributes"] == {"ref": "ad"}
    assert made.person is not None
    assert made.person.unsent == {"ref": "ad"}


def test_the_identify_itself_wins_over_both() -> None:
    made = plan(
        identify(set={"plan": "team"}), customer(accepted={"plan": "pro"}), customer("v1", accepted={"plan": "free"})
    )
    assert bodies(made)[0]["attributes"] == {"plan": "team"}


def test_the_email_comes_along_if_the_one_who_stays_has_none() -> None:
    made = plan(identify(), None, customer("v1", email="ada@example.com", accepted={"email": "ada@example.com"}))
    assert made.person is not None
    assert made.person.email == "ada@example.com"
    assert bodies(made)[0]["attributes"] == {"email": "ada@example.com"}


def test_the_email_of_the_one_who_stays_is_theirs() -> None:
    person = customer(email="ada@example.com", accepted={"email": "ada@example.com"})
    made = plan(identify(), person, customer("v1", email="old@example.com", accepted={"email": "old@example.com"}))
    assert made.person is not None
    assert made.person.email == "ada@example.com"


def test_an_email_that_was_taken_away_does_not_come_back_by_a_join() -> None:
    person = customer(accepted={"email": None})
    made = plan(identify(), person, customer("v1", email="old@example.com", accepted={"email": "old@example.com"}))
    assert made.person is not None
    assert made.person.email is None


def test_no_join_makes_more_attributes_than_a_person_may_have() -> None:
    person = customer(accepted={f"a{n}": n for n in range(290)})
    other = customer("v1", accepted={f"b{n}": n for n in range(290)})
    made = plan(identify(), person, other)
    assert made.person is not None
    assert len(made.person.attributes()) == 300


def test_what_waited_to_be_merged_into_the_visitor_goes_along() -> None:
    older = Identifier("id", "v0")
    made = plan(identify(), customer(), customer("v1", to_merge=(older,)))
    assert made.person is not None
    assert made.person.to_merge == (V1, older)


def test_nobody_is_merged_into_themselves() -> None:
    """Both were one customer already, known by one email."""
    same = Identifier("email", "ada@example.com")
    made = plan(identify(), customer(customer=same), customer("v1", customer=same))
    assert made.person is not None
    assert made.person.to_merge == ()


def test_a_merge_names_primary_and_secondary_and_nothing_else() -> None:
    (merge,) = CUSTOMERIO.due(customer(to_merge=(V1,)), PLAIN).operations
    assert body(merge) == {"type": "person", "action": "merge", "primary": {"id": "u1"}, "secondary": {"id": "v1"}}


def test_a_merge_names_its_customers_as_they_were_created() -> None:
    """Each by the identifier under which Customer.io accepted it."""
    person = customer(
        customer=Identifier("email", "ada@example.com"), to_merge=(V1, Identifier("email", "b@example.com"))
    )
    merges = [body(one) for one in CUSTOMERIO.due(person, options(identify_by_email=True)).operations]
    assert [(one["primary"], one["secondary"]) for one in merges] == [
        ({"email": "ada@example.com"}, {"id": "v1"}),
        ({"email": "ada@example.com"}, {"email": "b@example.com"}),
    ]


def test_nothing_is_due_for_somebody_who_is_no_customer_or_must_not_be_merged() -> None:
    assert CUSTOMERIO.due(nobody("u1", to_merge=(V1,)), PLAIN).operations == ()
    assert CUSTOMERIO.due(customer(to_merge=(V1,)), NO_MERGES).operations == ()


def test_a_joined_visitor_who_qualified_nobody_is_remembered() -> None:
    only_identified = options(anonymous_users="identified")
    made = plan(alias("v1", "v2"), nobody("v1"), nobody("v2"), only_identified)
    assert (made.filtered, stays(made)) == ("not_identified", ("v1", "v2"))


def test_an_alias_that_changes_nothing_at_customerio_is_not_counted_as_sent() -> None:
    made = plan(alias("u1", "v1"), customer(), nobody("v1"))
    assert (made.operations, made.filtered) == ((), "nothing_to_send")


def test_an_alias_makes_no_customer_of_somebody_of_whom_nothing_is_known() -> None:
    made = plan(alias("u1", "v1"), None, nobody("v1"))
    assert (made.operations, made.filtered) == ((), "nothing_to_send")


def test_when_they_were_seen_covers_both() -> None:
    person = customer(first_seen_ms=NOW_MS + 5_000, last_seen_ms=NOW_MS + 9_000)
    made = plan(identify(), person, customer("v1", first_seen_ms=NOW_MS - 7_000, last_seen_ms=NOW_MS - 1_000))
    assert made.person is not None
    assert (made.person.first_seen_ms, made.person.last_seen_ms) == (NOW_MS - 7_000, NOW_MS + 9_000)


def test_whoever_is_suppressed_without_ever_having_been_a_customer_is_blocked_by_their_id() -> None:
    (made,) = CUSTOMERIO.forget(nobody("u1"), PLAIN, suppress=True)
    assert (made.action, body(made)["identifiers"]) == ("suppress", {"id": "u1"})
    assert CUSTOMERIO.forget(nobody("x" * 200), PLAIN, suppress=True) == ()


def test_whoever_is_kept_away_is_blocked_by_what_identifies_them_and_taken_back_by_it() -> None:
    for lift, action in ((False, "suppress"), (True, "unsuppress")):
        (made,) = CUSTOMERIO.suppress(Identifier("email", "a@b.co"), PLAIN, lift=lift)
        assert (made.action, body(made)["identifiers"]) == (action, {"email": "a@b.co"})
        assert CUSTOMERIO.suppress(Identifier("id", "x" * 200), PLAIN, lift=lift) == ()
