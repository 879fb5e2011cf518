"""The fourth choice, “Send anonymous events without creating customers”: what is sent of whom, and how it joins."""

from __future__ import annotations

from unittest.mock import ANY

import pytest
from customerio_cases import (
    NOW_S,
    ULID,
    UUID,
    Life,
    actions,
    bodies,
    body,
    customer,
    event,
    history,
    options,
    plan,
)

from hogline.core.gate import not_sent
from hogline.core.told import NOBODY
from hogline.delivery.pack import pack
from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Identifier

ANONYMOUS = options(anonymous_users="anonymous-events")
ROUTE = "/api/v1/events"


def visitor(*ids: str) -> Life:
    """One visitor who was seen under each of these ids."""
    life = Life(ANONYMOUS)
    for one in ids:
        life.say(event("$pageview", one))
    for one in ids[1:]:
        life.say(event("$create_alias", ids[0], properties={"alias": one}))
    return life


def test_somebody_unknown_is_sent_as_an_anonymous_event_by_v1() -> None:
    (sent,) = plan(event("order seen", "v1", properties={"total": 3}), None, ANONYMOUS).operations
    assert sent.path == ROUTE
    assert body(sent) == {
        "name": "order seen",
        "anonymous_id": "v1",
        "id": ULID,
        "type": "event",
        "timestamp": NOW_S,
        "data": {"total": 3},
    }


def test_it_makes_no_customer_and_is_remembered_by_its_id() -> None:
    _, life = history(event("order seen", "v1"), with_options=ANONYMOUS)
    assert (life.customer("v1"), life.told("v1").anonymous) == (None, ("v1",))


@pytest.mark.parametrize(("name", "kind"), [("$pageview", "page"), ("$screen", "screen"), ("ordered", "event")])
def test_pages_and_screens_keep_their_kind(name: str, kind: str) -> None:
    (sent,) = plan(event(name, "v1"), None, ANONYMOUS).operations
    assert (sent.action, body(sent)["type"]) == (kind, kind)


@pytest.mark.parametrize(
    "becoming",
    [
        event("$identify", "v1"),
        event("ordered", "v1", properties={"$is_identified": True}),
        event("ordered", "v1", set={"email": "ada@example.com"}),
        event("ordered", "v1", person_properties={"email": "ada@example.com"}),
    ],
    ids=["$identify", "$is_identified", "an email", "an email of PostHog's person"],
)
def test_whoever_is_identified_or_has_an_email_is_a_customer(becoming: object) -> None:
    made = plan(becoming, None, ANONYMOUS)  # type: ignore[arg-type]
    assert actions(made) == ["identify", "event"]
    assert all(operation.path is None for operation in made.operations)


def test_a_distinct_id_that_is_an_email_is_no_anonymous_user() -> None:
    assert actions(plan(event("ordered", "ada@example.com"), None, ANONYMOUS)) == ["identify", "event"]


def test_the_first_identify_carries_the_anonymous_id_so_that_customerio_joins_both() -> None:
    (_, signed_up), life = history(
        event("$pageview", "v1"), event("$identify", "v1", set={"plan": "pro"}), with_options=ANONYMOUS
    )
    assert [
        (one["action"], one["identifiers"], one["attributes"]) for one in bodies(signed_up) if one["action"] != "event"
    ] == [
        ("identify", {"id": "v1"}, {"plan": "pro"}),
        ("identify", {"id": "v1"}, {"anonymous_id": "v1"}),
    ]
    assert life.told("v1").anonymous == ()
    assert "anonymous_id" not in life.values("v1")


def test_each_anonymous_id_is_an_identify_of_its_own_as_customerio_takes_one_at_a_time() -> None:
    made = plan(event("$identify", "v1"), visitor("v1", "v2"))
    assert [one["attributes"] for one in bodies(made)[:-1]] == [{}, {"anonymous_id": "v1"}, {"anonymous_id": "v2"}]


def test_who_was_never_sent_anonymously_gets_no_anonymous_id() -> None:
    made = plan(event("$identify", "v1"), None, ANONYMOUS)
    assert [one["attributes"] for one in bodies(made)] == [{}, {}]


def test_an_anonymous_id_that_comes_with_a_join_is_told_at_once() -> None:
    """Their customer exists already: only the anonymous id is new."""
    life = customer("u1", ANONYMOUS, email="ada@example.com")
    life.say(event("$pageview", "v1"))
    made = life.say(event("$identify", "u1", properties={"$anon_distinct_id": "v1"}))
    assert [one["attributes"] for one in bodies(made) if one["action"] == "identify"] == [{"anonymous_id": "v1"}]


def test_an_anonymous_id_is_told_behind_the_request_that_brings_its_events() -> None:
    """Operations of one request may take effect in any order, but an anonymous event is a request of its own."""
    life = Life(ANONYMOUS)
    made = life.say(event("$pageview", "v1"), event("$identify", "u1", properties={"$anon_distinct_id": "v1"}))
    (first, second) = pack(made.operations, CUSTOMERIO.limits)
    assert [one.action for one in first] == ["page"]
    assert [body(one).get("attributes") for one in second] == [{}, {"anonymous_id": "v1"}, ANY]


def test_an_anonymous_id_that_was_told_with_a_join_is_not_told_again() -> None:
    life = customer("u1", ANONYMOUS, email="ada@example.com")
    life.say(event("$pageview", "v1"))
    life.say(event("$identify", "u1", properties={"$anon_distinct_id": "v1"}))
    assert life.told().anonymous == ()
    assert life.due() == []


def test_what_an_anonymous_event_teaches_arrives_with_the_customer() -> None:
    (first, second), _ = history(
        event("$pageview", "v1", set={"plan": "free"}), event("$identify", "v1"), with_options=ANONYMOUS
    )
    assert actions(first) == ["page"]
    assert b"free" not in first.operations[0].body
    assert bodies(second)[0]["attributes"] == {"plan": "free"}


def test_events_that_are_only_applied_send_nothing_of_an_anonymous_user() -> None:
    (made, signed_up), _ = history(
        event("$set", "v1", set={"plan": "pro"}), event("$identify", "v1"), with_options=ANONYMOUS
    )
    assert (made.operations, made.filtered) == ((), "nothing_to_send")
    assert bodies(signed_up)[0]["attributes"] == {"plan": "pro"}


def test_the_allowlist_holds_for_anonymous_events_too() -> None:
    made = plan(event("$pageview", "v1"), None, options(anonymous_users="anonymous-events", event_allowlist="ordered"))
    assert (made.operations, made.filtered) == ((), "not_in_allowlist")


def test_a_customer_of_before_the_option_stays_one() -> None:
    assert actions(plan(event("$pageview", "u1"), customer(), ANONYMOUS)) == ["page"]


def test_a_personless_event_of_an_unknown_user_is_anonymous() -> None:
    made = plan(event("$pageview", "v1", personless=True, set={"email": "ada@example.com"}), None, ANONYMOUS)
    assert made.operations[0].path == ROUTE


@pytest.mark.parametrize("distinct_id", ["cookieless_7f3", "$posthog_cookieless"])
def test_a_cookieless_visitor_is_not_even_sent_anonymously(distinct_id: str) -> None:
    assert plan(event("$pageview", distinct_id), None, ANONYMOUS).filtered == "cookieless"


def test_an_anonymous_event_of_too_much_data_is_a_failure() -> None:
    made = plan(event("order seen", "v1", properties={"text": "x" * 100_001}), None, ANONYMOUS)
    assert made.reasons == ["event_too_large"]


def test_an_anonymous_event_of_40_kb_is_no_problem_for_v1() -> None:
    (sent,) = plan(event("order seen", "v1", properties={"text": "x" * 40_000}), None, ANONYMOUS).operations
    assert sent.path == ROUTE


def test_an_anonymous_id_that_is_too_long_is_a_failure() -> None:
    made = plan(event("order seen", "v" * 151), None, ANONYMOUS)
    assert made.reasons == ["identifier_too_long"]


@pytest.mark.parametrize("name", ["", " "])
def test_an_anonymous_event_without_a_name_is_a_failure(name: str) -> None:
    made = plan(event(name, "v1"), None, ANONYMOUS)
    assert (made.operations, made.reasons) == ((), ["event_name_blank"])


def test_an_anonymous_event_cannot_redirect_mail_either() -> None:
    (sent,) = plan(event("x", "v1", properties={"recipient": "m@example.com"}), None, ANONYMOUS).operations
    assert body(sent)["data"] == {"posthog_recipient": "m@example.com"}


def test_nothing_is_held_with_this_choice_as_nothing_is_kept_from_customerio() -> None:
    made = plan(event("x", "v1"), None, options(anonymous_users="anonymous-events", hold_days=30))
    assert (made.held, made.filtered, len(made.operations)) == (False, None, 1)


def test_the_people_page_says_that_they_are_anonymous() -> None:
    life = visitor("v1")
    rules = life.desk.rules
    assert not_sent(life.person("v1"), life.told("v1"), 1, rules) == "anonymous"
    life.say(event("$identify", "v1"))
    assert not_sent(life.person("v1"), NOBODY, 2, rules) is None
    assert not_sent(life.person("v1"), life.told("v1"), 1, rules) is None


def test_identified_by_email_the_anonymous_id_goes_under_the_email() -> None:
    by_email = options(anonymous_users="anonymous-events", identify_by_email=True)
    (_, made), life = history(
        event("$pageview", "v1"), event("ordered", "v1", set={"email": "ada@example.com"}), with_options=by_email
    )
    assert {tuple(one["identifiers"].items()) for one in bodies(made)} == {(("email", "ada@example.com"),)}
    assert (life.customer("v1"), life.told("v1").anonymous) == (Identifier("email", "ada@example.com"), ())


def test_the_same_event_has_the_same_ulid_as_a_customers() -> None:
    (sent,) = plan(event("x", "v1", uuid=UUID), None, ANONYMOUS).operations
    assert body(sent)["id"] == ULID
