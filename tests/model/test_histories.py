"""Histories that ended wrong once, by name. The judge is the same as for random ones: what Customer.io has in the end
against what PostHog has."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from .history import (
    Configure,
    Connect,
    Event,
    Fail,
    Forget,
    History,
    Kill,
    Refuse,
    Replay,
    Resend,
    Rest,
    Retry,
    Say,
    Step,
    Switch,
    Wait,
    World,
)  # fmt: skip
from .lives import visitor
from .run import Run, outcome

V, V1, V2 = visitor(1), visitor(1), visitor(2)
BY_EMAIL: dict[str, object] = {"identify_by_email": True}
BY_PROPERTY: dict[str, object] = {"identify_by": "property:user_id"}


def said(name: str, who: str, **values: object) -> Say:
    return Say(Event(name, who, values))


def identify(who: str, anon: object = None, **values: object) -> Say:
    return Say(Event("$identify", who, values, other=anon))


def alias(who: str, other: str, **values: object) -> Say:
    return Say(Event("$create_alias", who, values, other=other))


def late(seconds: int, name: str, who: str, **values: object) -> Say:
    return Say(Event(name, who, values, late_s=seconds))


def taken_away(who: str, *names: str) -> Say:
    return Say(Event("page", who, unset=names))


def lived(*steps: Step, options: dict[str, object] | None = None, **world: object) -> Run:
    """A history that ends as it should."""
    history = History(World(options or {}, **world), steps)  # type: ignore[arg-type]
    wrong, run = outcome(history)
    assert wrong is None, f"{history}\n=> {wrong}"
    return run


def customers(run: Run) -> list[tuple[str | None, str | None]]:
    there = run.connections["connection-1"].customerio
    return sorted(((one.id, one.email) for one in there.customers), key=str)


def test_two_people_with_one_email_are_two_customers() -> None:
    run = lived(
        identify("u1", V1, email="team@x.com", plan="pro"),
        identify("u2", V2, email="team@x.com", plan="free"),
        options=BY_EMAIL,
    )
    assert len(customers(run)) == 2


def test_an_attempt_protects_whoever_made_it_and_a_refused_one_too() -> None:
    """PostHog keeps u1 and u2 apart."""
    run = lived(said("page", V), alias("u1", V), said("page", "u2"), identify("u2", V))
    assert len(customers(run)) == 2
    lived(identify("u1", V), identify("u2", V), identify("u2", V2), Say(Event("$identify", "u3", other="u2")))


def test_one_id_for_everybody_is_one_customer_whose_email_changes() -> None:
    run = lived(*(said("page", "server", email=f"{n}@x.com") for n in range(8)), options=BY_EMAIL)
    assert len(customers(run)) == 1


def test_a_customer_is_never_merged_into_a_visitor_s_own_id() -> None:
    run = lived(said("page", "cookie-1"), said("page", "u1", email="a@x.com"), Rest(), alias("cookie-1", "u1"))
    assert customers(run) == [("u1", "a@x.com")]


@pytest.mark.parametrize("schedule", range(5))
def test_a_restart_with_a_backlog_keeps_one_person_in_one_lane(schedule: int) -> None:
    lived(
        Fail(("503",) * 6), said("page", V, plan=1), said("page", "u1", plan=2), identify("u1", V, email="a@x.com"), Wait(0.1),
        said("page", V, plan=3), taken_away("u1", "plan"), Kill(), said("page", "u1", email="b@x.com"), Wait(1), Kill(),
        options=BY_EMAIL, schedule=schedule, death_rate=0.05,
    )  # fmt: skip


def test_forgetting_somebody_leaves_alone_who_has_their_old_email() -> None:
    for suppress in (False, True):
        run = lived(
            identify("ada", V1, email="team@x.com"), Rest(), identify("ada", V1, email="ada@x.com"), Rest(),
            identify("bob", V2, email="team@x.com"), Rest(), Forget("ada", suppress=suppress), said("page", "bob"),
            options=BY_EMAIL,
        )  # fmt: skip
        assert len(customers(run)) == 1


def test_values_that_come_late_and_change_back() -> None:
    run = lived(
        said("page", "u1", newsletter=True), Rest(), said("page", "u1", city="Ulm"), Rest(), late(3, "page", "u1", newsletter=False),
        Rest(), said("page", "u1", newsletter=True), Rest(),
    )  # fmt: skip
    (customer,) = run.connections["connection-1"].customerio.customers
    assert customer.attributes == {"newsletter": True, "city": "Ulm"}


@pytest.mark.parametrize("again", [Replay(), Retry()])
def test_what_is_sent_again_overwrites_nothing_newer(again: Step) -> None:
    lived(
        Refuse("event", 1), said("page", V, plan="free"), Rest(), identify("u1", V, plan="pro"), Rest(), again, Rest()
    )


def test_an_email_is_nobody_else_s_as_long_as_customerio_has_it() -> None:
    lived(
        said("page", "u1", email="a@x.com"), Rest(), Configure({"identify_by_email": False}, at_rest=True),
        said("page", "u1", email="b@x.com"), said("page", "u2", email="a@x.com"), Rest(), said("page", "u2"), options=BY_EMAIL,
    )  # fmt: skip


@pytest.mark.parametrize("by_email", [False, True])
def test_one_gives_an_email_up_and_another_takes_it(by_email: bool) -> None:  # noqa: FBT001  # a parameter
    lived(
        said("page", "u1", email="a@x.com"), said("page", "u2", email="a@x.com"), Rest(), taken_away("u1", "email"), Rest(),
        said("page", "u2", email="a@x.com"), options={"identify_by_email": by_email},
    )  # fmt: skip


@pytest.mark.parametrize("schedule", range(8))
def test_an_answer_is_lost_while_an_email_moves_and_an_alias_is_turned_round(schedule: int) -> None:
    lived(
        said("page", "u1", email="a@x.com"), said("page", "crm1", plan=1), Rest(), Fail(("reset after", "500 after")),
        said("page", "u1", email="b@x.com"), alias("crm1", "u1"), Wait(0.2), Kill(), options=BY_EMAIL, schedule=schedule,
    )  # fmt: skip


def test_whoever_is_suppressed_stays_away_from_connections_made_later() -> None:
    run = lived(
        identify("u1", V, email="a@x.com"), Rest(), Forget("u1", suppress=True), Connect({}), said("page", "u1"), said("page", V),
        said("page", "u2", email="a@x.com"),
    )  # fmt: skip
    assert not run.connections["connection-2"].customerio.customers


def test_held_events_survive_a_choice_that_is_changed_and_changed_back() -> None:
    lived(
        said("page", V), said("page", V), Rest(), Configure({"anonymous_users": "emails"}, at_rest=True),
        Configure({"anonymous_users": "identified"}, at_rest=True), identify("u1", V),
        options={"anonymous_users": "identified", "hold_days": 30},
    )  # fmt: skip
    lived(
        said("page", V), Rest(), Configure({"anonymous_users": "all", "hold_days": 0}, at_rest=True),
        options={"anonymous_users": "identified", "hold_days": 30},
    )  # fmt: skip


def test_what_is_excluded_later_is_not_sent_any_more() -> None:
    run = lived(
        said("page", V, ssn=7, plan=1), Rest(), Configure({"attribute_names": "-ssn"}, at_rest=True), identify("u1", V),
        options={"anonymous_users": "identified"},
    )  # fmt: skip
    assert not any("ssn" in done.what for done in run.connections["connection-1"].customerio.done)


@pytest.mark.parametrize("orders_by", ["attribute", "person"])
def test_parts_of_a_refused_identify_overwrite_nothing_newer(orders_by: str) -> None:
    lived(
        said("page", "u1", plan=1, code="never taken"), said("page", "u1", plan=2), Wait(0.05), said("page", "u1", plan=3),
        orders_by=orders_by, latency_s=2.0,
    )  # fmt: skip


def test_somebody_deleted_at_customerio_can_be_sent_again() -> None:
    history = History(World({}), (said("page", "u1", email="a@x.com", plan=1), Rest()))
    wrong, run = outcome(history)
    assert wrong is None
    lived(said("page", "u1", email="a@x.com", plan=1), Rest(), Resend("u1"))
    assert run.connections["connection-1"].customerio.customers


def test_held_events_go_to_whom_they_were_of() -> None:
    """Bob signs up on the visitor's device before ada does: what was held is bob's."""
    lived(
        said("page", V), identify("bob", V), identify("ada", V, email="ada@x.com"),
        options={"anonymous_users": "emails", "hold_days": 30},
    )  # fmt: skip


@pytest.mark.parametrize("by_email", [False, True])
def test_two_people_move_on_in_one_go(by_email: bool) -> None:  # noqa: FBT001  # a parameter
    """Bob takes the email that ada leaves in the same breath."""
    run = lived(
        identify("ada", V1, email="x@x.com"), identify("bob", V2, email="y@x.com"), Rest(), said("page", "ada", email="z@x.com"),
        said("page", "bob", email="x@x.com"), Rest(), options={"identify_by_email": by_email},
    )  # fmt: skip
    assert len(customers(run)) == 2


def test_a_forgotten_person_s_email_reaches_whoever_says_it() -> None:
    run = lived(
        said("page", "ada", email="x@x.com"), said("page", "bob", email="x@x.com"), Rest(), Forget("ada", suppress=False),
        said("page", "bob", email="x@x.com"),
    )  # fmt: skip
    assert customers(run) == [("bob", "x@x.com")]


def test_a_value_that_was_refused_with_a_released_event_arrives_by_a_retry() -> None:
    lived(
        said("page", V, plan=1), Rest(), Refuse("identify", 2), identify("u1", V), Rest(), Retry(), Rest(),
        options={"anonymous_users": "identified", "hold_days": 30},
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_long_chains_of_joins_are_one_customer(seed: int) -> None:
    chance, ids = Random(seed), [f"a{n}" for n in range(40)]
    joins = [Say(Event("$merge_dangerously", ids[n + 1], other=ids[n])) for n in range(39)]
    run = lived(*(said("page", one) for one in ids), *chance.sample(joins, len(joins)), Rest(), said("page", "a0"))
    assert len(customers(run)) == 1


# found by the random ones


def test_forgetting_blocks_no_email_that_somebody_else_has() -> None:
    for by_email in (False, True):
        lived(
            said("$set", "u3", email="a@x.com"), said("page", "u2", email="A@X.COM"), Rest(), Forget("u3", suppress=True),
            said("page", "u2"), options={"identify_by_email": by_email},
        )  # fmt: skip


def test_forgetting_does_not_delete_whoever_still_has_that_email_at_customerio() -> None:
    lived(
        said("page", "crm1", email="a@x.com"), Rest(), said("$set", "u2", email="a@x.com"), said("page", "crm1", email="b@x.com"),
        Forget("u2", suppress=True),
    )  # fmt: skip


def test_somebody_joined_in_the_same_breath_as_their_first_event_is_a_customer() -> None:
    lived(
        said("page", "7"), Say(Event("$create_alias", "u1", other=7, person_email="u1@x.com")),
        options={"event_allowlist": "page,final,$identify"},
    )  # fmt: skip


def test_a_retried_failure_releases_nothing_that_is_held_of_somebody_who_does_not_qualify() -> None:
    lived(
        said("page", V, code="never taken"), Rest(), Configure({"anonymous_users": "emails", "hold_days": 30}, at_rest=True),
        identify("u2", V, code=1), Rest(), Retry(), Rest(),
    )  # fmt: skip


def test_anonymous_events_of_somebody_joined_are_the_customer_s() -> None:
    lived(
        said("page", "u1", email="a@x.com"), Wait(6), said("page", "7"), alias("u1", "7"),
        options={"anonymous_users": "anonymous-events"},
    )  # fmt: skip


@pytest.mark.parametrize("schedule", range(6))
@pytest.mark.parametrize("orders_by", ["attribute", "person"])
def test_an_anonymous_id_is_not_said_later_than_the_attributes(schedule: int, orders_by: str) -> None:
    lived(
        said("page", V), alias("u1", "old2", plan=1, code="never taken"), identify("u1", V), said("page", "u1", city=1),
        options={"anonymous_users": "anonymous-events"}, orders_by=orders_by, shuffles=True, schedule=schedule,
    )  # fmt: skip


def test_an_email_that_two_people_had_may_name_their_customer_once_they_are_one() -> None:
    lived(
        identify("u2", V, email="b@x.com"), said("$set", "u2", email="a@x.com"), Rest(),
        said("$set", "u3", email="b@x.com"), Say(Event("$merge_dangerously", "u2", other="u3")),
        said("$set", "u2", email="B@X.COM"),
        options=BY_EMAIL, latency_s=2,
    )  # fmt: skip


def test_an_email_that_a_third_person_had_too_names_nobody_s_customer() -> None:
    """Customer.io may still know somebody else by it: the email is not sent, and nobody gets another's events."""
    run = lived(
        said("page", "u1", email="a@x.com"), Rest(), said("$set", "u1", email="b@x.com"), Rest(),
        said("$set", "u2", email="a@x.com"), Rest(), said("$set", "u2", email="c@x.com"), Rest(),
        said("$set", "u3", email="a@x.com"), Rest(), said("page", "u3"), Rest(),
        options=BY_EMAIL,
    )  # fmt: skip
    assert run is not None


def test_of_somebody_with_nothing_good_the_customer_is_left() -> None:
    lived(alias("crm1", "old1", code="never taken"))


def test_a_retried_failure_is_decided_as_when_it_came() -> None:
    lived(
        alias(V, "u1", code="never taken"), Rest(), Configure({"event_allowlist": "page,final,$identify"}, at_rest=True),
        Retry(), Rest(),
    )  # fmt: skip


def test_a_retried_failure_makes_no_customer_of_somebody_who_no_longer_qualifies() -> None:
    run = lived(
        Refuse("event", 1), said("page", V), Rest(), Configure({"anonymous_users": "emails"}, at_rest=True), Retry(), Rest(),
        options={"anonymous_users": "anonymous-events"},
    )  # fmt: skip
    assert customers(run) == []


def test_forgetting_blocks_no_email_that_is_somebody_s_id() -> None:
    lived(
        Say(Event("$merge_dangerously", V1, {"email": "c@x.com"}, other=V2)), Switch(), said("page", "c@x.com"),
        Forget(V1, suppress=True), said("page", "c@x.com"),
    )  # fmt: skip


def test_forgetting_blocks_no_email_that_is_an_id_only_an_alias_names() -> None:
    lived(
        Say(Event("$merge_dangerously", "crm1", other=V2)), alias("crm1", "c@x.com", email="b@x.com"),
        identify("u2", V, email=" C@x.com "), Forget("u2", suppress=True), said("$set", "old1", email="c@x.com", city=3),
    )  # fmt: skip


def test_a_failure_from_before_a_deletion_does_not_bring_the_customer_back() -> None:
    run = lived(
        Refuse("event", 1), identify("u1", V, code="never taken"), said("page", "u1"), said("gone", "u1"), Rest(), Retry(),
        Rest(), options={"delete_on": "gone"},
    )  # fmt: skip
    assert customers(run) == []


def test_an_email_that_is_given_up_reaches_whoever_waits_for_it_without_another_event() -> None:
    lived(
        said("$set", "u1", email="a@x.com"), said("$set", "u3", email="c@x.com"), said("$set", "u2", email="A@X.COM"),
        said("page", "u1", email="C@X.COM"), Rest(), said("$set", "u3", email="d@x.com"),
        schedule=1,
    )  # fmt: skip


def test_an_email_that_is_free_before_what_is_known_is_on_disk_reaches_them_too() -> None:
    lived(
        said("$set", "u1", email="a@x.com"), Rest(), said("$set", "u2", email="a@x.com"), Wait(6), said("page", "u1", email="b@x.com"),
        flush_s=60, schedule=1,
    )  # fmt: skip


def test_an_email_of_somebody_forgotten_reaches_whoever_waits_for_it() -> None:
    lived(
        said("$set", "u1", email="a@x.com"), said("$set", "u2", email="a@x.com"), Rest(), Forget("u1", suppress=False)
    )


def test_an_email_of_a_customer_who_was_joined_in_the_same_breath_is_given_up() -> None:
    """A property names both people's customer, so the email of the one is the other's to give up."""
    for schedule in range(4):
        lived(
            said("page", V, email="b@x.com", user_id="k1"), said("$set", "u2", email="b@x.com"), identify("u3", V, email="c@x.com"),
            options={"identify_by": "property:user_id"}, latency_s=2, schedule=schedule,
        )  # fmt: skip


def test_what_a_killed_process_said_by_an_email_creates_nobody_once_the_email_moved_on() -> None:
    run = lived(
        said("page", "u1"), Rest(), said("$set", "u1", email="c@x.com"), Rest(), said("page", "u1", plan=1), Wait(0.2), Kill(),
        said("$set", "u1", email="b@x.com"),
        options=BY_EMAIL, latency_s=2, schedule=52,
    )  # fmt: skip
    assert len(customers(run)) == 1


def test_an_email_that_is_given_up_right_after_a_join_is_free() -> None:
    """Someone who is sent nothing yet takes over the customer of a visitor, made a moment ago, with another email."""
    run = lived(
        said("page", "u3", email="c@x.com"), said("page", "u1"), said("page", V, email="a@x.com", user_id="7"),
        identify("u1", V, email="b@x.com"), said("page", "u2", email="a@x.com"), Rest(),
        options={"identify_by": "property:user_id", "anonymous_users": "emails"}, latency_s=2,
    )  # fmt: skip
    assert customers(run) == [("7", "b@x.com"), ("u2", "a@x.com"), ("u3", "c@x.com")]


# rules that random ones need too rarely


def test_an_email_that_was_refused_goes_to_the_next_person_who_says_it() -> None:
    run = lived(
        said("page", "u1"), Rest(), Refuse("identify", 2), said("$set", "u1", email="a@x.com"), Rest(),
        said("page", "u2", email="a@x.com"), Rest(),
    )  # fmt: skip
    assert customers(run) == [("u1", None), ("u2", "a@x.com")]


@pytest.mark.parametrize("schedule", range(12))
def test_an_email_that_is_taken_while_a_join_is_being_written_is_one_person_s(schedule: int) -> None:
    lived(
        said("page", "u1", email="a@x.com"), Rest(), said("page", "u1", email="b@x.com"), Rest(),
        Say(Event("$merge_dangerously", "crm1", other="u1")), Wait(0.2), said("page", "u2", email="a@x.com"), Wait(1),
        said("page", "u3", email="a@x.com"),
        commit_s=3, schedule=schedule,
    )  # fmt: skip


@pytest.mark.parametrize("more", [{"set": {"user_id": "k2"}}, {"unset": ("user_id",)}], ids=["another", "none"])
def test_after_a_join_the_customer_with_an_id_of_yours_stays(more: dict[str, Any]) -> None:
    """Your other tools know them by it."""
    run = lived(
        said("page", V, user_id="k1", plan=1), Rest(), Say(Event("$identify", "u1", other=V, **more)), said("page", "u1"),
        options=BY_PROPERTY,
    )  # fmt: skip
    assert customers(run) == [("k1", None)]


def test_customers_are_merged_one_way_whatever_a_property_says_later() -> None:
    run = lived(
        said("page", V, user_id="k1"), taken_away(V, "user_id"), said("page", "u1"), Rest(), identify("u1", V), Rest(),
        said("page", "u1", user_id="k1"), Rest(),
        options=BY_PROPERTY,
    )  # fmt: skip
    assert customers(run) == [("u1", None)]


@pytest.mark.parametrize("schedule", range(30))
def test_customers_are_merged_one_way_whatever_a_property_says_meanwhile(schedule: int) -> None:
    """The merge may have been done when Hogline is killed, and whoever is sent again goes before it is repeated."""
    lived(
        said("page", V, user_id="k1"), taken_away(V, "user_id"), said("page", "u1"), Rest(), identify("u1", V),
        Wait(3.5 + schedule / 15), said("page", "u1", user_id="k1"), Resend("u1"), Kill(),
        options=BY_PROPERTY, merge_delay_s=3, latency_s=2, schedule=schedule,
    )  # fmt: skip


@pytest.mark.parametrize("schedule", range(12))
def test_a_value_that_is_removed_while_a_merge_is_due_does_not_come_back(schedule: int) -> None:
    """The operations of one request may take effect in any order."""
    lived(
        said("page", V, plan=1), said("page", "u1"), Rest(), identify("u1", V), Wait(2.5), said("page", "u1"), Wait(0.1),
        taken_away("u1", "plan"),
        merge_delay_s=3, latency_s=2, shuffles=True, schedule=schedule,
    )  # fmt: skip


@pytest.mark.parametrize("schedule", range(6))
@pytest.mark.parametrize("options", [BY_EMAIL, BY_PROPERTY], ids=["email", "property"])
def test_nobody_speaks_for_a_visitor_before_their_join_is_settled(options: dict[str, object], schedule: int) -> None:
    """What the visitor said last was never answered for. After more than a minute, it is sent again."""
    lived(
        said("page", V, email="a@x.com", user_id="k1"), Rest(), Fail(("503",) * 12), said("page", V, plan=5),
        identify("u1", V, plan=7), Wait(70), Kill(),
        options=options, latency_s=2, schedule=schedule,
    )  # fmt: skip


@pytest.mark.parametrize("schedule", range(20))
@pytest.mark.parametrize("late_s", [0, 1])
def test_what_a_killed_process_said_last_is_older_than_what_the_next_says(late_s: int, schedule: int) -> None:
    """Both values are of the same second, and the killed process's request arrives after the next one's."""
    lived(
        said("page", "u1", plan=1), Rest(), said("page", "u1", plan=2), Wait(0.3), late(late_s, "page", "u1", plan=3),
        Wait(0.01), Kill(),
        latency_s=2, schedule=schedule,
    )  # fmt: skip


def test_a_refused_value_is_not_said_with_all_that_comes_later() -> None:
    later = (step for plan in range(5) for step in (Rest(), said("page", "u1", plan=plan)))
    run = lived(said("page", "u1", code="never taken"), *later)
    refused = [one for one in run.connections["connection-1"].customerio.done if not one.accepted]
    assert len(refused) == 2  # with its event, and once more when that is retried in the end
