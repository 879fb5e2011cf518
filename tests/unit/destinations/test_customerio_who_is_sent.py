"""Who is sent, and under which identifier: the tables of the rules, a row each."""

from __future__ import annotations

import pytest
from customerio_cases import (
    INVALID,
    PLAIN,
    Life,
    actions,
    bodies,
    body,
    customer,
    event,
    everything,
    history,
    no_attribute,
    options,
    plan,
)

from hogline.core.gate import not_sent
from hogline.core.known import EVER
from hogline.core.told import NOBODY
from hogline.destinations.customerio import Options
from hogline.model import Event, Identifier

IDENTIFIED = options(anonymous_users="identified")
EMAILS = options(anonymous_users="emails")
BY_EMAIL = options(identify_by_email="Yes")
ORDERS = options(event_allowlist="order completed")


def test_send_all_events_sends_an_anonymous_visitor_and_makes_a_customer() -> None:
    (made,), life = history(event())
    assert actions(made) == ["identify", "event"]
    assert made.filtered is None
    assert life.customer() == Identifier("id", "u1")


@pytest.mark.parametrize(
    ("it", "sent"),
    [
        (event(), False),
        (event("$identify"), True),
        (event(" $identify "), True),
        (event(properties={"$is_identified": True}), True),
        (event(properties={"$is_identified": "true"}), True),
        (event(properties={"$is_identified": "yes"}), False),
        (event(properties={"$is_identified": False}), False),
        (event(set={"email": "ann@example.com"}), False),
    ],
)
def test_only_identified_users_are_sent_once_identified(it: Event, *, sent: bool) -> None:
    made = plan(it, None, IDENTIFIED)
    assert made.filtered == (None if sent else "not_identified")
    assert bool(made.operations) is sent


@pytest.mark.parametrize(
    ("it", "sent"),
    [
        (event(), False),
        (event("$identify"), False),
        (event(set={"email": "ann@example.com"}), True),
        (event(set={"email": "not an address"}), False),
        (event(person_properties={"email": "ann@example.com"}), True),
        (event(distinct_id="ann@example.com"), True),
        (event(distinct_id="ann@example.com", personless=True), True),
        (event(distinct_id="ann", personless=True), False),
    ],
)
def test_only_users_with_emails_are_sent_once_an_email_is_known(it: Event, *, sent: bool) -> None:
    made = plan(it, None, EMAILS)
    assert made.filtered == (None if sent else "no_email")
    assert bool(made.operations) is sent


def test_somebody_identified_stays_so_with_their_next_events() -> None:
    plans, _ = history(
        event("$identify"),
        event(properties={"$is_identified": False}),
        with_options=IDENTIFIED,
    )
    assert [made.filtered for made in plans] == [None, None]


@pytest.mark.parametrize("chosen", [PLAIN, IDENTIFIED, EMAILS])
@pytest.mark.parametrize("distinct_id", ["$posthog_cookieless", "cookieless_a1b2"])
def test_a_cookieless_visitor_is_never_a_customer(distinct_id: str, chosen: Options) -> None:
    it = event("$identify", distinct_id, set={"email": "ann@example.com"})
    (made,), life = history(it, with_options=chosen)
    assert (made.filtered, made.operations) == ("cookieless", ())
    assert not life.known.is_known(distinct_id)


def test_a_session_recording_is_dropped_even_if_the_allowlist_names_it() -> None:
    (made,), life = history(event("$snapshot", set={"plan": "pro"}), with_options=options(event_allowlist="$snapshot"))
    assert (made.filtered, made.operations) == ("snapshot", ())
    assert not life.known.is_known("u1")


def test_an_event_without_a_person_profile_teaches_nothing() -> None:
    life = customer()
    before = life.person()
    made = life.say(event("$identify", personless=True, set={"email": "ann@example.com", "plan": "pro"}))
    assert actions(made) == ["event"]
    assert life.person() == before


@pytest.mark.parametrize(
    ("before", "chosen", "rule"),
    [
        ([], IDENTIFIED, "not_identified"),
        ([event("$identify")], IDENTIFIED, None),
        ([event(set={"email": "ann@example.com"})], EMAILS, None),
    ],
)
def test_whether_an_event_without_a_person_profile_is_sent_is_decided_by_what_is_known(
    before: list[Event], chosen: Options, rule: str | None
) -> None:
    plans, _ = history(*before, event(personless=True), with_options=chosen)
    assert plans[-1].filtered == rule


@pytest.mark.parametrize("it", [event(), event(personless=True, set={"plan": "pro"})])
def test_of_a_user_who_taught_nothing_and_was_not_sent_nothing_is_kept(it: Event) -> None:
    (made,), life = history(it, with_options=IDENTIFIED)
    assert not life.known.is_known("u1")
    assert made.settled.settlement.told == {}


@pytest.mark.parametrize(
    "it",
    [event("$identify"), event(set={"plan": "pro"}), event(unset=("plan",)), event(set={"email": "a@b.co"})],
)
def test_what_a_filtered_event_teaches_is_remembered(it: Event) -> None:
    (made,), life = history(it, with_options=options(event_allowlist="another"))
    assert made.filtered == "not_in_allowlist"
    assert made.operations == ()
    assert life.known.is_known("u1")


def test_an_event_outside_the_allowlist_is_not_sent_and_makes_no_customer() -> None:
    made = plan(event("page left", set={"plan": "pro"}), None, ORDERS)
    assert (made.filtered, made.operations) == ("not_in_allowlist", ())


def test_blanks_around_names_are_no_difference_to_the_allowlist() -> None:
    chosen = options(event_allowlist=" order completed ,, signed up ")
    assert plan(event(" order completed "), None, chosen).filtered is None
    assert plan(event("signed up"), None, chosen).filtered is None
    assert plan(event(""), None, chosen).filtered == "not_in_allowlist"


def test_an_allowlist_without_identify_still_learns_who_is_identified() -> None:
    chosen = options(event_allowlist="order completed", anonymous_users="identified")
    plans, _ = history(
        event("$identify", set={"email": "ann@example.com", "plan": "pro"}), event(), with_options=chosen
    )
    assert plans[0].filtered == "not_in_allowlist"
    assert actions(plans[1]) == ["identify", "event"]
    assert bodies(plans[1])[0]["attributes"] == {"email": "ann@example.com", "plan": "pro"}


def test_the_first_event_filtered_then_identified_makes_the_customer() -> None:
    plans, life = history(event(), event("$identify"), event(), with_options=IDENTIFIED)
    assert [actions(made) for made in plans] == [[], ["identify", "event"], ["event"]]
    assert life.customer() == Identifier("id", "u1")


def test_a_customer_gets_a_changed_attribute_at_once_without_the_filtered_event() -> None:
    made = plan(event("page left", set={"plan": "pro"}), customer(), ORDERS)
    assert made.filtered == "not_in_allowlist"
    assert actions(made) == ["identify"]
    assert bodies(made)[0]["attributes"] == {"plan": "pro"}


def test_a_customer_who_no_longer_qualifies_gets_changed_attributes_and_no_events() -> None:
    made = plan(event(set={"plan": "pro"}), customer(), EMAILS)
    assert (made.filtered, actions(made)) == ("no_email", ["identify"])
    assert plan(event(), customer(), EMAILS).operations == ()


def test_an_email_present_only_on_the_first_event_makes_one_customer() -> None:
    plans, _ = history(event(set={"email": "ann@example.com"}), event(), event(), with_options=BY_EMAIL)
    assert [b["identifiers"] for made in plans for b in bodies(made)] == [{"email": "ann@example.com"}] * 4


def test_an_id_that_is_an_email_goes_out_as_one_kind_of_identifier_everywhere() -> None:
    its = [
        event(distinct_id="ann@example.com", personless=True),
        event("$identify", "ann@example.com"),
        event(distinct_id="ann@example.com", set={"plan": "pro"}),
        event("$pageview", "ann@example.com"),
    ]
    for chosen, identifier in ((PLAIN, "id"), (BY_EMAIL, "email")):
        plans, _ = history(*its, with_options=chosen)
        found = [b["identifiers"] for made in plans for b in bodies(made)]
        assert found == [{identifier: "ann@example.com"}] * len(found)


def test_nobody_is_skipped_for_want_of_an_email() -> None:
    made = plan(event(), None, BY_EMAIL)
    assert [b["identifiers"] for b in bodies(made)] == [{"id": "u1"}, {"id": "u1"}]


def test_a_customer_gets_the_email_under_the_id_first_and_only_then_is_the_email_used() -> None:
    life = customer("u1", BY_EMAIL)
    shipment = life.out(event(set={"email": "ann@example.com"}))
    made = [body(one) for one in shipment.operations]
    assert [one["identifiers"] for one in made] == [{"id": "u1"}, {"id": "u1"}]
    assert made[0]["attributes"] == {"email": "ann@example.com"}
    life.crash()  # nobody knows what became of it
    assert {str(one["identifiers"]) for one in bodies(life.say(event()))} == {"{'id': 'u1'}"}
    assert [one["identifiers"] for one in bodies(life.say(event()))] == [{"email": "ann@example.com"}]


def test_an_email_linked_while_the_option_was_off_is_used_once_it_is_on() -> None:
    _, life = history(event(set={"email": "ann@example.com"}))
    assert bodies(plan(event(), life, BY_EMAIL))[0]["identifiers"] == {"email": "ann@example.com"}


def test_a_customer_created_under_the_email_keeps_it_when_the_option_is_switched_off() -> None:
    _, life = history(event(set={"email": "ann@example.com"}), with_options=BY_EMAIL)
    assert bodies(plan(event(), life, PLAIN))[0]["identifiers"] == {"email": "ann@example.com"}


def test_an_email_taken_away_gives_a_customer_created_under_the_id_its_id_back() -> None:
    linked = customer(email="ann@example.com")
    plans, _ = history(
        event(unset=("email",)),
        event(),
        event(set={"email": "ann@example.com"}),
        event(),
        life=linked,
        with_options=BY_EMAIL,
    )
    found = [[b["identifiers"] for b in bodies(made)] for made in plans]
    by_id, by_email = {"id": "u1"}, {"email": "ann@example.com"}
    assert found == [[by_id, by_id], [by_id], [by_id, by_id], [by_email]]
    assert bodies(plans[0])[0]["attributes"] == {"email": None}


def test_an_email_taken_away_leaves_a_customer_created_under_it_where_it_is() -> None:
    plans, life = history(
        event(set={"email": "ann@example.com"}), event(unset=("email",)), event(), with_options=BY_EMAIL
    )
    assert actions(plans[1]) == ["event"]
    assert plans[1].adjusted == ("email_change_not_sent",)
    assert bodies(plans[2])[0]["identifiers"] == {"email": "ann@example.com"}
    assert life.person().email is None


def test_a_customer_created_under_an_email_moves_to_a_changed_one_and_the_old_is_to_be_merged() -> None:
    plans, life = history(
        event("$identify", set={"email": "old@example.com", "plan": "free"}),
        event(set={"email": "new@example.com"}),
        with_options=BY_EMAIL,
    )
    assert [b["identifiers"] for b in bodies(plans[1])] == [{"email": "new@example.com"}] * 2
    assert bodies(plans[1])[0]["attributes"] == {"email": "new@example.com", "plan": "free"}
    assert life.customer() == Identifier("email", "new@example.com")
    assert life.to_merge() == [Identifier("email", "old@example.com")]


def test_whoever_is_not_identified_does_not_move_as_many_may_share_the_id() -> None:
    plans, life = history(
        event(set={"email": "old@example.com"}), event(set={"email": "new@example.com"}), with_options=BY_EMAIL
    )
    assert [b["identifiers"] for b in bodies(plans[1])] == [{"email": "old@example.com"}]
    assert plans[1].adjusted == ("email_change_not_sent",)
    assert life.due() == []


def test_without_merging_a_changed_email_does_not_split_a_customer_created_under_the_old_one() -> None:
    plans, life = history(
        event(set={"email": "old@example.com"}),
        event(set={"email": "new@example.com", "plan": "pro"}),
        event(set={"email": "new@example.com"}),
        event(set={"email": "old@example.com"}),
        with_options=options(identify_by_email="yes", merge_people="no"),
    )
    found = [b["identifiers"] for made in plans for b in bodies(made)]
    assert found == [{"email": "old@example.com"}] * len(found)
    assert bodies(plans[1])[0]["attributes"] == {"plan": "pro"}
    assert [made.adjusted for made in plans] == [(), ("email_change_not_sent",), ("email_change_not_sent",), ()]
    assert life.person().email == "old@example.com"
    assert actions(life.say(event())) == ["event"]


def test_a_changed_email_of_a_customer_created_under_the_id_is_linked_before_it_is_used() -> None:
    plans, _ = history(
        event(),
        event(set={"email": "old@example.com"}),
        event(set={"email": "new@example.com"}),
        event(),
        with_options=BY_EMAIL,
    )
    assert bodies(plans[2])[0]["identifiers"] == {"id": "u1"}
    assert bodies(plans[2])[0]["attributes"] == {"email": "new@example.com"}
    assert bodies(plans[3])[0]["identifiers"] == {"email": "new@example.com"}


def test_an_email_that_differs_only_in_its_capitals_is_the_same_email() -> None:
    plans, life = history(
        event(set={"email": "ann@example.com"}), event(set={"email": "Ann@Example.com"}), with_options=BY_EMAIL
    )
    assert actions(plans[1]) == ["event"]
    assert life.person().email == "ann@example.com"


def test_an_email_that_customerio_refused_is_no_identifier_and_is_not_sent_again() -> None:
    life = Life(BY_EMAIL)
    life.say(event())
    life.say(event(set={"email": "ann@example.com"}), refuses=no_attribute("email"))
    again = life.say(event(set={"email": "ann@example.com"}))
    assert [(b["action"], b["identifiers"]) for b in bodies(again)] == [("event", {"id": "u1"})]


def test_a_customer_that_customerio_refuses_by_the_email_is_tried_again_by_it() -> None:
    """Who they are stays: another customer, by the id, would be somebody else."""
    life = Life(BY_EMAIL)
    life.say(event(set={"email": "ann@example.com"}), refuses=everything)
    assert life.customer() is None
    again = life.say(event())
    assert [b["identifiers"] for b in bodies(again)] == [{"email": "ann@example.com"}] * 2


def test_only_an_accepted_identify_proves_that_a_customer_is_there() -> None:
    """An event may be a repeat, which creates nobody."""
    life = Life()
    life.say(event(), refuses=lambda said: INVALID if said["action"] == "identify" else None)
    assert life.customer() is None
    assert actions(life.say(event())) == ["identify", "event"]
    assert life.customer() == Identifier("id", "u1")


@pytest.mark.parametrize(("size", "kind"), [(150, "email"), (151, "id")])
def test_an_email_too_long_for_an_identifier_leaves_the_customer_under_the_id(size: int, kind: str) -> None:
    email = f"{'a' * 50}@{'x' * 60}.{'y' * (size - 115)}.co"
    assert len(email) == size
    (made, after), _ = history(event(set={"email": email}), event(), with_options=BY_EMAIL)
    assert [list(one["identifiers"]) for one in bodies(made) + bodies(after)] == [[kind]] * 3
    assert bodies(made)[0]["attributes"] == {"email": email}


@pytest.mark.parametrize("name", ["$set", "$set_once", "$unset", "$create_alias", "$merge_dangerously"])
def test_an_event_that_is_applied_only_is_not_sent_itself(name: str) -> None:
    its = event(name, set={"plan": "pro"})
    (made, same), _ = history(its, its)
    assert (made.filtered, actions(made)) == (None, ["identify"])
    # What it says is true at Customer.io: that counts as delivered.
    assert (same.filtered, same.operations) == (None, ())


@pytest.mark.parametrize("name", ["$set", "$create_alias"])
def test_an_event_that_is_applied_only_and_says_nothing_has_nothing_to_send(name: str) -> None:
    made = plan(event(name), customer())
    assert (made.filtered, made.operations) == ("nothing_to_send", ())


@pytest.mark.parametrize("name", ["$set", "$create_alias", "$merge_dangerously", "$groupidentify"])
def test_an_applied_event_that_the_allowlist_names_is_also_sent(name: str) -> None:
    assert actions(plan(event(name), None, options(event_allowlist=name))) == ["identify", "event"]
    assert plan(event(name, set={"a": 1}), None, ORDERS).filtered == "not_in_allowlist"


def test_a_group_under_a_made_up_id_creates_nobody() -> None:
    (made,), life = history(event("$groupidentify", "$company_acme", properties={"$group_set": {"name": "Acme"}}))
    assert (made.filtered, made.operations) == ("nothing_to_send", ())
    assert life.told("$company_acme") == NOBODY


@pytest.mark.parametrize("distinct_id", ["x" * 151, "ü" * 76])
def test_an_id_over_150_bytes_is_a_failure_and_no_customer(distinct_id: str) -> None:
    (made,), life = history(event("$identify", distinct_id, set={"plan": "pro"}))
    assert (made.reasons, made.dead) == (["identifier_too_long"], ["identifier_too_long"])
    assert (made.operations, made.filtered, life.told(distinct_id).main) == ((), None, None)


def test_an_id_of_150_bytes_is_none() -> None:
    assert plan(event(distinct_id="ü" * 75)).reasons == []


def test_an_id_over_150_bytes_does_no_harm_when_the_email_is_the_identifier() -> None:
    long = "x" * 151
    (made, after), _ = history(
        event(distinct_id=long, set={"email": "ann@example.com"}),
        event(distinct_id=long, unset=("email",)),
        with_options=BY_EMAIL,
    )
    assert [b["identifiers"] for b in bodies(made) + bodies(after)] == [{"email": "ann@example.com"}] * 3


def test_of_an_id_over_150_bytes_a_filtered_event_asks_nothing_of_customerio() -> None:
    (made,), life = history(event(distinct_id="x" * 151, set={"plan": "pro"}), with_options=IDENTIFIED)
    assert (made.filtered, made.operations, life.told("x" * 151)) == ("not_identified", (), NOBODY)


@pytest.mark.parametrize(
    ("its", "chosen", "rule"),
    [
        ([event()], PLAIN, None),
        ([event()], IDENTIFIED, "not_identified"),
        ([event("$identify")], IDENTIFIED, None),
        ([event()], EMAILS, "no_email"),
        ([event(distinct_id="ann@example.com")], EMAILS, None),
    ],
)
def test_the_list_of_people_says_which_rule_keeps_somebody_from_being_a_customer(
    its: list[Event], chosen: Options, rule: str | None
) -> None:
    _, life = history(*its, with_options=chosen)
    who = its[0].distinct_id
    assert not_sent(life.person(who), life.told(who), EVER - 1, life.desk.rules) == rule
    assert not_sent(life.person(who), customer(who).told(who), EVER - 1, life.desk.rules) is None
