"""When PostHog joins people: who stays, what they gain, what waits to be merged."""

from __future__ import annotations

import pytest
from customerio_cases import (
    NOW_S,
    PEOPLE,
    PLAIN,
    Life,
    actions,
    bodies,
    body,
    customer,
    event,
    everything,
    history,
    options,
    plan,
)

from hogline.destinations.customerio import Options
from hogline.model import Event, Identifier, Refusal

V1, U1, U2 = Identifier("id", "v1"), Identifier("id", "u1"), Identifier("id", "u2")
UUID_ID = "0190a000-0000-7000-8000-00000000aaaa"
NO_MERGES = options(merge_people="no")
A, B = "ada@example.com", "b@example.com"


def identify(who: str = "u1", anon: object = "v1", **fields: object) -> Event:
    return event("$identify", who, properties={"$anon_distinct_id": anon}, **fields)  # type: ignore[arg-type]


def alias(who: str, other: object) -> Event:
    return event("$create_alias", who, properties={"alias": other})


def dangerously(who: str, other: object) -> Event:
    return event("$merge_dangerously", who, properties={"alias": other})


def known(who: str) -> Event:
    """PostHog's `is_identified`: whoever asked for a join is protected."""
    return identify(who, f"{who}-before")


def people(*events: Event, with_options: Options = PLAIN) -> Life:
    """These became customers one after the other, a minute ago."""
    _, life = history(*events, with_options=with_options)
    return life


def seen(who: str, **said: object) -> Event:
    return event("seen", who, at_s=NOW_S - 60, set=said)


def test_an_identify_makes_the_anonymous_user_part_of_the_identified_one() -> None:
    life = people(seen("v1"), identify())
    assert (life.who("v1"), life.who("u1")) == ("u1", "u1")


def test_the_visitors_customer_waits_to_be_merged() -> None:
    life = people(seen("v1"))
    made = plan(identify(), life)
    assert life.to_merge() == [V1]
    assert "merge" not in actions(made)  # never beside what makes the primary
    assert [one["action"] for one in life.due()] == ["merge"]
    assert life.due() == []


def test_a_visitor_who_is_no_customer_leaves_nothing_to_merge() -> None:
    life = people(identify())
    assert (life.to_merge(), life.due()) == ([], [])


def test_without_merge_people_nothing_is_merged_until_it_is_switched_on() -> None:
    life = people(seen("v1"), identify(), with_options=NO_MERGES)
    assert (life.who("v1"), life.due()) == ("u1", [])
    life.change(PLAIN)
    assert [(one["primary"], one["secondary"]) for one in life.due()] == [({"id": "u1"}, {"id": "v1"})]


ALIASES: dict[str, tuple[list[Event], str, str]] = {
    "nobody is identified: the named one stays": ([], "u1", "u1"),
    "the named one is identified": ([event("$identify", "u1")], "u1", "u1"),
    "the other one is identified": ([event("$identify", "v1")], "v1", "v1"),
    "the other one has an email": ([seen("v1", email=A)], "v1", "v1"),
    "both have asked for a join: they stay apart": ([known("u1"), known("v1")], "u1", "v1"),
    # As in PostHog: an identify that names nobody else protects nobody.
    "both are identified, and nobody is protected": ([event("$identify", "u1"), event("$identify", "v1")], "u1", "u1"),
}


@pytest.mark.parametrize(("before", "whose", "others"), ALIASES.values(), ids=ALIASES)
def test_an_alias_keeps_whoever_is_identified(before: list[Event], whose: str, others: str) -> None:
    life = people(*before, alias("u1", "v1"))
    assert (life.who("u1"), life.who("v1")) == (whose, others)


@pytest.mark.parametrize(("who", "other"), [(UUID_ID, "u1"), ("u1", UUID_ID)])
def test_an_alias_of_two_unidentified_ones_keeps_the_one_that_is_no_uuid(who: str, other: str) -> None:
    life = people(alias(who, other))
    assert (life.who(who), life.who(other)) == ("u1", "u1")


def test_posthogs_refusal_to_join_two_protected_users_is_counted_and_the_event_sent_all_the_same() -> None:
    life = people(seen("u1"), known("u2"))
    made = plan(identify("u1", "u2"), life)
    assert made.adjusted == ("join_refused",)
    assert (life.who("u1"), life.who("u2")) == ("u1", "u2")
    assert actions(made) == ["event"]


def test_a_refused_join_protects_whoever_asked_for_it() -> None:
    life = people(known("u2"), identify("u1", "u2"), alias("u3", "u1"))
    assert life.who("u1") == "u1"


def test_a_dangerous_merge_joins_two_protected_ones_and_is_counted_by_itself() -> None:
    life = people(seen("u1"), seen("u2"), known("u1"), known("u2"))
    made = plan(dangerously("u1", "u2"), life)
    assert (life.who("u2"), made.adjusted) == ("u1", ("merged_dangerously",))
    assert life.to_merge() == [U2]


def test_a_dangerous_merge_of_an_unprotected_one_is_a_join_like_others() -> None:
    life = people(known("u1"), seen("u2"))
    made = plan(dangerously("u1", "u2"), life)
    assert (life.who("u2"), made.adjusted) == ("u1", ())


def test_without_merge_people_a_dangerous_merge_joins_two_people_and_leaves_two_customers() -> None:
    life = people(known("u1"), known("u2"), with_options=NO_MERGES)
    life.say(dangerously("u1", "u2"))
    assert (life.who("u2"), life.due()) == ("u1", [])
    assert bodies(life.say(event(distinct_id="u2")))[-1]["identifiers"] == {"id": "u1"}


def test_whoever_is_joined_to_an_identified_one_is_identified() -> None:
    only_identified = options(anonymous_users="identified")
    life = people(event("$identify", "u1"), alias("v1", "u1"), with_options=only_identified)
    assert plan(event(distinct_id="v1"), life).filtered is None


def test_the_one_who_stays_keeps_their_values_and_gets_what_they_lack_or_lost_as_in_posthog() -> None:
    life = people(
        seen("u1", plan="pro", coupon="X0"),
        event("seen", at_s=NOW_S - 50, unset=("coupon",)),
        seen("v1", plan="free", ref="ad", coupon="X1"),
    )
    made = plan(identify(), life)
    assert bodies(made)[0]["attributes"] == {"ref": "ad", "coupon": "X1"}


def test_the_identify_itself_wins_over_both() -> None:
    life = people(seen("u1", plan="pro"), seen("v1", plan="free"))
    assert bodies(plan(identify(set={"plan": "team"}), life))[0]["attributes"] == {"plan": "team"}


def test_the_email_comes_along_if_the_one_who_stays_has_none() -> None:
    """Their own customer has it, and an email reaches one customer: it moves once they are merged."""
    life = people(seen("v1", email=A))
    plan(identify(), life)
    assert life.person().email == A
    merge, says = life.due()
    assert (merge["action"], merge["secondary"]) == ("merge", {"id": "v1"})
    assert (says["identifiers"], says["attributes"]) == ({"id": "u1"}, {"email": A})


def test_the_email_of_the_one_who_stays_is_theirs() -> None:
    life = people(seen("u1", email=A), seen("v1", email=B), identify())
    assert life.person().email == A


def test_an_email_that_was_taken_away_comes_back_by_a_join_as_in_posthog() -> None:
    life = people(
        seen("u1", email=A), event("seen", at_s=NOW_S - 50, unset=("email",)), seen("v1", email=B), identify()
    )
    assert life.person().email == B


def test_no_join_makes_more_attributes_than_a_person_may_have() -> None:
    life = people(seen("u1", **{f"a{n}": n for n in range(290)}), seen("v1", **{f"b{n}": n for n in range(290)}))
    made = plan(identify(), life)
    assert len(bodies(made)[0]["attributes"]) == 10
    assert made.adjusted == ("too_many_attributes",) * 280


def test_what_waited_to_be_merged_into_the_visitor_goes_along() -> None:
    life = people(seen("v1"), seen("v0"), identify("v1", "v0"), seen("u1"), dangerously("u1", "v1"))
    assert sorted(life.to_merge()) == [Identifier("id", "v0"), V1]
    assert {one["secondary"]["id"] for one in life.due()} == {"v0", "v1"}


def test_nobody_is_merged_into_themselves() -> None:
    """The visitor's customer is taken over."""
    by_email = options(identify_by_email=True)
    life = people(seen("v1", email=A), identify(), with_options=by_email)
    assert (life.customer(), life.to_merge(), life.due()) == (Identifier("email", A), [], [])


def test_a_merge_names_primary_and_secondary_and_nothing_else() -> None:
    assert body(PEOPLE.merge(U1, V1)) == {
        "type": "person",
        "action": "merge",
        "primary": {"id": "u1"},
        "secondary": {"id": "v1"},
    }


def test_a_merge_names_its_customers_as_they_were_created() -> None:
    """Each by the identifier under which Customer.io accepted it."""
    by_email = options(identify_by_email=True)
    life = people(seen("u1", email=A), seen("v1"), seen("v2", email=B), with_options=by_email)
    life.say(identify("u1", "v1"))
    life.say(identify("u1", "v2"))
    assert sorted(str((one["primary"], one["secondary"])) for one in life.due() if one["action"] == "merge") == [
        str(({"email": A}, {"email": B})),
        str(({"email": A}, {"id": "v1"})),
    ]


def test_a_merge_that_was_refused_is_not_tried_again_and_counted() -> None:
    life = people(seen("v1"), identify())
    assert [one["action"] for one in life.due(refuses=everything)] == ["merge"]
    assert life.store.connection(1).adjusted == {"merge_refused": 1}
    life.say(event())
    assert life.due() == []


def test_a_merge_waits_until_the_one_who_stays_is_accepted() -> None:
    life = people(seen("v1"))
    shipment = life.out(identify())
    life.land(shipment, everything)
    assert (life.customer(), life.due()) == (None, [])
    life.say(event())
    assert [one["action"] for one in life.due()] == ["merge"]


def test_a_joined_visitor_who_qualified_nobody_is_remembered() -> None:
    only_identified = options(anonymous_users="identified")
    life = Life(only_identified)
    made = life.say(alias("v1", "v2"))
    assert made.filtered == "not_identified"
    assert life.who("v2") == "v1"


def test_an_alias_that_changes_nothing_at_customerio_is_not_counted_as_sent() -> None:
    made = plan(alias("u1", "v1"), customer())
    assert (made.operations, made.filtered) == ((), "nothing_to_send")


def test_an_alias_makes_no_customer_of_somebody_of_whom_nothing_is_known() -> None:
    made = plan(alias("u1", "v1"))
    assert (made.operations, made.filtered) == ((), "nothing_to_send")


def test_whoever_is_kept_away_is_blocked_by_what_identifies_them_and_taken_back_by_it() -> None:
    for action in ("delete", "suppress", "unsuppress"):
        made = PEOPLE.remove(Identifier("email", "a@b.co"), action)
        assert (made.action, body(made)["identifiers"]) == (action, {"email": "a@b.co"})
    assert not PEOPLE.takes(Identifier("id", "x" * 200))


# customers that another tool made

ALL = options(merge_people="all")
VISITOR = "0190a000-0000-7000-8000-0000000000aa"
"""As posthog-js makes it."""


def merged(life: Life) -> list[tuple[dict[str, str], dict[str, str]]]:
    return [(one["primary"], one["secondary"]) for one in life.due() if one["action"] == "merge"]


def test_a_visitors_customer_that_another_tool_made_is_merged_if_the_options_say_so() -> None:
    life = people(identify(anon=VISITOR), with_options=ALL)
    assert life.to_merge() == [Identifier("id", VISITOR)]
    assert merged(life) == [({"id": "u1"}, {"id": VISITOR})]
    assert (life.to_merge(), merged(life)) == ([], [])


@pytest.mark.parametrize("choice", ["own", "no"])
def test_otherwise_a_customer_that_hogline_did_not_make_is_left_alone(choice: str) -> None:
    life = people(identify(anon=VISITOR), with_options=options(merge_people=choice))
    assert (life.to_merge(), merged(life)) == ([], [])


def test_a_customer_that_hogline_made_is_merged_once() -> None:
    life = people(seen(VISITOR), identify(anon=VISITOR), with_options=ALL)
    assert merged(life) == [({"id": "u1"}, {"id": VISITOR})]


NOT_A_VISITOR = {
    "a user": "u2",
    "an email": A,
    "a UUID of an older kind, which may be a user": "5f8a3bbe-1f0a-4a55-9e3c-2f4f64a1c001",
    "in capitals": VISITOR.upper(),
}


@pytest.mark.parametrize("other", NOT_A_VISITOR.values(), ids=NOT_A_VISITOR)
def test_only_ids_that_nobody_can_guess_are_merged_unseen(other: str) -> None:
    """Anyone can send, with the public token of a page, that another user's id was theirs."""
    for join in (identify(anon=other), alias("u1", other), dangerously("u1", other)):
        assert merged(people(join, with_options=ALL)) == []


def test_a_join_that_is_refused_merges_nobody() -> None:
    life = people(known(VISITOR), alias("u1", VISITOR), with_options=ALL)
    assert {"id": VISITOR} not in [secondary for _, secondary in merged(life)]


def test_it_waits_until_the_user_is_a_customer() -> None:
    options_ = options(merge_people="all", anonymous_users="emails")
    life = people(identify(anon=VISITOR), with_options=options_)
    assert merged(life) == []
    life.say(event("$identify", "u1", set={"email": A}))
    assert merged(life) == [({"id": "u1"}, {"id": VISITOR})]


def test_it_waits_through_a_crash_for_a_user_who_is_no_customer_yet() -> None:
    life = people(with_options=options(merge_people="all", anonymous_users="emails"))
    life.out(identify(anon=VISITOR))
    life.crash()
    life.say()
    assert merged(life) == []
    life.say(event("$identify", "u1", set={"email": A}))
    assert merged(life) == [({"id": "u1"}, {"id": VISITOR})]


def test_a_customer_known_by_an_email_is_merged_with_nobody_unseen() -> None:
    """Another tool may have made one customer with both identifiers, and nothing says what merging it with itself
    does."""
    life = people(
        event("$identify", "u1", set={"email": A}),
        identify(anon=VISITOR),
        with_options=options(merge_people="all", identify_by="email"),
    )
    assert (merged(life), life.to_merge()) == ([], [])


def test_after_a_change_of_the_option_nobody_is_merged_unseen() -> None:
    life = people(identify(anon=VISITOR), with_options=ALL)
    life.change(PLAIN)
    assert (merged(life), life.to_merge()) == ([], [])


def test_without_such_a_customer_nothing_is_kept() -> None:
    """Customer.io rejects the merge, because there is none."""
    life = people(identify(anon=VISITOR), with_options=ALL)
    life.due(lambda one: Refusal("not_found", "No such person") if one["action"] == "merge" else None)
    assert life.told().others == ()


def test_it_is_asked_for_once_even_after_a_crash() -> None:
    life = people(with_options=ALL)
    life.out(identify(anon=VISITOR))
    life.crash()
    life.say()
    assert merged(life) == [({"id": "u1"}, {"id": VISITOR})]
