"""Who is sent, and as whom: the tables of the rules, a row each."""

from __future__ import annotations

import pytest
from customerio_cases import (
    NOW_MS,
    NOW_S,
    PLAIN,
    accepted,
    actions,
    bodies,
    customer,
    event,
    history,
    options,
    plan,
)

from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Event, Identifier, Person, Refusal, refuse

IDENTIFIED = options(anonymous_users="identified")
EMAILS = options(anonymous_users="emails")
BY_EMAIL = options(identify_by_email="Yes")
ORDERS = options(event_allowlist="order completed")


def test_send_all_events_sends_an_anonymous_visitor_and_makes_a_customer() -> None:
    made = plan(event())
    assert actions(made) == ["identify", "event"]
    assert made.filtered is None
    person = accepted(made)
    assert person is not None
    assert person.customer == Identifier("id", "u1")


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
def test_a_cookieless_visitor_is_never_a_customer(distinct_id: str, chosen: object) -> None:
    it = event("$identify", distinct_id, set={"email": "ann@example.com"})
    made = CUSTOMERIO.plan(it, None, chosen)  # type: ignore[arg-type]
    assert (made.filtered, made.operations, made.person) == ("cookieless", (), None)


def test_a_session_recording_is_dropped_even_if_the_allowlist_names_it() -> None:
    made = plan(event("$snapshot", set={"plan": "pro"}), None, options(event_allowlist="$snapshot"))
    assert (made.filtered, made.operations, made.person) == ("snapshot", (), None)


def test_an_event_without_a_person_profile_teaches_nothing() -> None:
    it = event("$identify", personless=True, set={"email": "ann@example.com", "plan": "pro"})
    made = plan(it, customer())
    assert actions(made) == ["event"]
    assert made.person == customer()


def test_whether_an_event_without_a_person_profile_is_sent_is_decided_by_what_is_known() -> None:
    it = event(personless=True)
    assert plan(it, None, IDENTIFIED).filtered == "not_identified"
    assert plan(it, Person(distinct_id="u1", identified=True), IDENTIFIED).filtered is None
    assert plan(it, Person(distinct_id="u1", email="ann@example.com"), EMAILS).filtered is None


def test_of_a_user_who_taught_nothing_and_was_not_sent_nothing_is_kept() -> None:
    assert plan(event(), None, IDENTIFIED).person is None
    assert plan(event(personless=True, set={"plan": "pro"}), None, IDENTIFIED).person is None


@pytest.mark.parametrize(
    "it",
    [event("$identify"), event(set={"plan": "pro"}), event(unset=("plan",)), event(set={"email": "a@b.co"})],
)
def test_what_a_filtered_event_teaches_is_remembered(it: Event) -> None:
    made = plan(it, None, options(event_allowlist="another"))
    assert made.filtered == "not_in_allowlist"
    assert made.operations == ()
    assert made.person is not None


def test_seen_is_from_the_first_to_the_last_event_in_whatever_order() -> None:
    _, person = history(event(), event(at_s=NOW_S + 5), event(at_s=NOW_S - 5), event())
    assert person is not None
    assert (person.first_seen_ms, person.last_seen_ms) == (NOW_MS - 5000, NOW_MS + 5000)


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
    plans, person = history(event(), event("$identify"), event(), with_options=IDENTIFIED)
    assert [actions(made) for made in plans] == [[], ["identify", "event"], ["event"]]
    assert person is not None
    assert person.customer == Identifier("id", "u1")


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
    with_email = event(set={"email": "ann@example.com"})
    made = plan(with_email, customer(), BY_EMAIL)
    assert [b["identifiers"] for b in bodies(made)] == [{"id": "u1"}, {"id": "u1"}]
    assert bodies(made)[0]["attributes"] == {"email": "ann@example.com"}
    assert made.person is not None
    not_yet = plan(event(), made.person, BY_EMAIL)
    assert bodies(not_yet)[-1]["identifiers"] == {"id": "u1"}
    person = accepted(made)
    assert person is not None
    assert person.linked_email == "ann@example.com"
    assert bodies(plan(event(), person, BY_EMAIL))[0]["identifiers"] == {"email": "ann@example.com"}


def test_an_email_linked_while_the_option_was_off_is_used_once_it_is_on() -> None:
    _, person = history(event(set={"email": "ann@example.com"}))
    assert bodies(plan(event(), person, BY_EMAIL))[0]["identifiers"] == {"email": "ann@example.com"}


def test_a_customer_created_under_the_email_keeps_it_when_the_option_is_switched_off() -> None:
    _, person = history(event(set={"email": "ann@example.com"}), with_options=BY_EMAIL)
    assert bodies(plan(event(), person))[0]["identifiers"] == {"email": "ann@example.com"}


def test_an_email_taken_away_gives_a_customer_created_under_the_id_its_id_back() -> None:
    linked = customer(email="ann@example.com", linked_email="ann@example.com", accepted={"email": "ann@example.com"})
    plans, person = history(
        event(unset=("email",)),
        event(),
        event(set={"email": "ann@example.com"}),
        event(),
        person=linked,
        with_options=BY_EMAIL,
    )
    found = [[b["identifiers"] for b in bodies(made)] for made in plans]
    by_id, by_email = {"id": "u1"}, {"email": "ann@example.com"}
    assert found == [[by_id, by_id], [by_id], [by_id, by_id], [by_email]]
    assert bodies(plans[0])[0]["attributes"] == {"email": None}
    assert person is not None


def test_an_email_taken_away_leaves_a_customer_created_under_it_where_it_is() -> None:
    plans, person = history(
        event(set={"email": "ann@example.com"}), event(unset=("email",)), event(), with_options=BY_EMAIL
    )
    assert actions(plans[1]) == ["event"]
    assert plans[1].adjusted == ("email_change_not_sent",)
    assert bodies(plans[2])[0]["identifiers"] == {"email": "ann@example.com"}
    assert person is not None
    assert person.email is None


def test_a_customer_created_under_an_email_moves_to_a_changed_one_and_the_old_is_to_be_merged() -> None:
    plans, person = history(
        event(set={"email": "old@example.com", "plan": "free"}),
        event(set={"email": "new@example.com"}),
        with_options=BY_EMAIL,
    )
    assert [b["identifiers"] for b in bodies(plans[1])] == [{"email": "new@example.com"}] * 2
    assert bodies(plans[1])[0]["attributes"] == {"email": "new@example.com", "plan": "free"}
    assert person is not None
    assert person.customer == Identifier("email", "new@example.com")
    assert person.to_merge == (Identifier("email", "old@example.com"),)


def test_without_merging_a_changed_email_does_not_split_a_customer_created_under_the_old_one() -> None:
    plans, person = history(
        event(set={"email": "old@example.com"}),
        event(set={"email": "new@example.com", "plan": "pro"}),
        event(set={"email": "new@example.com"}),
        event(set={"email": "old@example.com"}),
        with_options=options(identify_by_email="yes", merge_people="no"),
    )
    found = [b["identifiers"] for made in plans for b in bodies(made)]
    assert found == [{"email": "old@example.com"}] * len(found)
    assert bodies(plans[1])[0]["attributes"] == {"plan": "pro"}
    assert [made.adjusted for made in plans] == [(), ("email_change_not_sent",), (), ()]
    assert person is not None
    assert person.email == "old@example.com"
    assert person.unsent == {}


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
    plans, person = history(
        event(set={"email": "ann@example.com"}), event(set={"email": "Ann@Example.com"}), with_options=BY_EMAIL
    )
    assert actions(plans[1]) == ["event"]
    assert person is not None
    assert person.email == "ann@example.com"


def test_an_email_that_customerio_refused_is_no_identifier_and_is_not_sent_again() -> None:
    first = plan(event(set={"email": "ann@example.com"}), None, BY_EMAIL)
    assert first.person is not None
    person = refuse(first.person, first.operations[0].promise)
    again = plan(event(set={"email": "ann@example.com"}), person, BY_EMAIL)
    assert [b["identifiers"] for b in bodies(again)] == [{"id": "u1"}, {"id": "u1"}]
    assert bodies(again)[0]["attributes"] == {}


def test_an_accepted_event_makes_the_customer_even_if_its_identify_was_refused() -> None:
    made = plan(event())
    assert made.operations[1].promise.customer == Identifier("id", "u1")


@pytest.mark.parametrize(("size", "kind"), [(150, "email"), (151, "id")])
def test_an_email_too_long_for_an_identifier_leaves_the_customer_under_the_id(size: int, kind: str) -> None:
    email = f"{'a' * 50}@{'x' * 60}.{'y' * (size - 115)}.co"
    assert len(email) == size
    made = plan(event(set={"email": email}), None, BY_EMAIL)
    assert list(bodies(made)[0]["identifiers"]) == [kind]
    assert bodies(made)[0]["attributes"] == {"email": email}


@pytest.mark.parametrize("name", ["$set", "$create_alias", "$merge_dangerously", "$groupidentify"])
def test_an_event_that_is_applied_only_is_not_sent_itself(name: str) -> None:
    its = event(name, set={"plan": "pro"})
    made = plan(its)
    assert (made.filtered, actions(made)) == (None, ["identify"])
    again = plan(its, accepted(made))
    assert (again.filtered, again.operations) == ("nothing_to_send", ())


@pytest.mark.parametrize("name", ["$set", "$create_alias", "$merge_dangerously", "$groupidentify"])
def test_an_applied_event_that_the_allowlist_names_is_also_sent(name: str) -> None:
    assert actions(plan(event(name), None, options(event_allowlist=name))) == ["identify", "event"]
    assert plan(event(name, set={"a": 1}), None, ORDERS).filtered == "not_in_allowlist"


def test_a_group_under_a_made_up_id_creates_nobody() -> None:
    made = plan(event("$groupidentify", "$company_acme", properties={"$group_set": {"name": "Acme"}}))
    assert (made.filtered, made.operations, made.person) == ("nothing_to_send", (), None)


def test_an_id_over_150_bytes_is_a_dead_letter_and_nothing_is_kept() -> None:
    for distinct_id in ("x" * 151, "ü" * 76):
        made = plan(event("$identify", distinct_id, set={"plan": "pro"}))
        assert [refusal.reason for refusal in made.refusals] == ["identifier_too_long"]
        assert (made.operations, made.filtered, made.person) == ((), None, None)
    assert plan(event(distinct_id="ü" * 75)).refusals == ()


def test_somebody_known_stays_known_when_only_an_id_that_is_too_long_is_left() -> None:
    known = Person(distinct_id="x" * 151, email="ann@example.com")
    made = plan(event(distinct_id="x" * 151, unset=("email",)), known, BY_EMAIL)
    assert isinstance(made.refusals[0], Refusal)
    assert made.person is not None
    assert made.person.email is None


def test_an_id_over_150_bytes_does_no_harm_when_the_email_is_the_identifier() -> None:
    made = plan(event(distinct_id="x" * 151, set={"email": "ann@example.com"}), None, BY_EMAIL)
    assert bodies(made)[1]["identifiers"] == {"email": "ann@example.com"}


def test_of_an_id_over_150_bytes_a_filtered_event_leaves_nothing_behind() -> None:
    made = plan(event(distinct_id="x" * 151, set={"plan": "pro"}), None, IDENTIFIED)
    assert (made.filtered, made.person) == ("not_identified", None)


@pytest.mark.parametrize(
    ("person", "chosen", "rule"),
    [
        (customer(), EMAILS, None),
        (Person(distinct_id="u1"), PLAIN, None),
        (Person(distinct_id="u1"), IDENTIFIED, "not_identified"),
        (Person(distinct_id="u1", identified=True), IDENTIFIED, None),
        (Person(distinct_id="u1"), EMAILS, "no_email"),
        (Person(distinct_id="ann@example.com"), EMAILS, None),
        (Person(distinct_id="cookieless_x"), PLAIN, "cookieless"),
        (Person(distinct_id="x" * 151), PLAIN, "identifier_too_long"),
    ],
)
def test_the_list_of_people_says_which_rule_keeps_somebody_from_being_a_customer(
    person: Person, chosen: object, rule: str | None
) -> None:
    assert CUSTOMERIO.not_sent(person, chosen) == rule  # type: ignore[arg-type]
