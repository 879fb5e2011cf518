"""What a desk does with what is no plain event, with mistakes, and with refusals."""

from __future__ import annotations

from typing import Any

import pytest
from desk_bench import LATER_MS, NOW_S, Life, actions, bodies, event
from msgspec.structs import replace

from hogline.core.items import Effect, Item, Origin
from hogline.core.lanes import LANES, lane_of
from hogline.core.share import Share
from hogline.core.told import Customer, Told
from hogline.core.truth import Truth
from hogline.destinations.base import Written
from hogline.destinations.customerio import CUSTOMERIO, Options
from hogline.destinations.customerio.people import CustomerIoPeople
from hogline.destinations.engage import ENGAGE
from hogline.model import Event, Identifier, Refusal
from hogline.posthog.entry import entry_of

INVALID = Refusal("invalid", "no")
A, B = "ada@example.com", "bob@example.com"


def options(**values: object) -> Options:
    return CUSTOMERIO.read_options({"site_id": "site", "api_key": "key", **values})


def life(**values: object) -> Life:
    return Life(CUSTOMERIO, options(**values))


def identify(who: str = "u1", anon: str = "v1") -> Event:
    return event("$identify", who, properties={"$anon_distinct_id": anon})


def again(who: str = "u1") -> Item:
    return Item(Origin.AGAIN, 0, who, None)


def refuses(action: str, name: str = "") -> Any:
    def answer(said: dict[str, Any]) -> Refusal | None:
        return INVALID if said["action"] == action and (not name or name in said.get("attributes", ())) else None

    return answer


def test_a_forgotten_event_is_passed_over() -> None:
    its = life()
    its.feed(event())
    its.journal.append((2, replace(its.journal[0][1], distinct_id="", name=""), 100))
    its.fold.fold(2, its.journal[1][1])
    its.desk.feed(its.journal[1:])
    made = its.say()
    assert [one.position for one in made.items] == [1]
    assert (its.desk.lanes.read, its.store.counts(1)["delivered"]) == (2, 1)


def test_a_mistake_of_ours_over_one_event_costs_that_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    its, told = life(), list[str]()
    its.desk._failed = lambda entry, error: told.append(f"{entry.name}: {error}")
    shipped = CustomerIoPeople.event

    def broken(people: Any, head: bytes, identifier: Identifier, entry: Any, *rest: Any) -> object:
        if entry.name == "bad":
            raise ValueError("a mistake")
        return shipped(people, head, identifier, entry, *rest)

    monkeypatch.setattr(CustomerIoPeople, "event", broken)
    made = its.say(event("good"), event("bad"), event("good"))
    assert (actions(made), made.dead, told) == (["identify", "event", "event"], ["internal_error"], ["bad: a mistake"])
    its.desk._failed = None
    with pytest.raises(ValueError, match="a mistake"):
        its.out(event("bad"))


# people who are sent again


def test_whoever_is_sent_again_is_said_as_a_whole_and_whoever_is_no_customer_is_not() -> None:
    its = life()
    its.say(event(set={"email": A, "plan": "pro"}))
    its.store.connection(1).again.add(("again", "u1"))
    (said,) = bodies(its.again(again()))
    assert (said["identifiers"], said["attributes"]) == ({"id": "u1"}, {"email": A, "plan": "pro"})
    assert its.store.connection(1).again == set()
    assert its.again(again("nobody")).operations == ()


def test_an_email_that_is_refused_when_it_is_said_again_is_still_nobody_elses() -> None:
    """It was theirs: Customer.io may have it."""
    its = life()
    its.say(event(set={"email": A}))
    its.again(again(), refuses=refuses("identify", "email"))
    assert its.say(event(distinct_id="u2", set={"email": A})).adjusted == ("email_taken",)


def test_an_email_that_was_refused_is_free_for_somebody_else() -> None:
    its = life()
    its.say(event())
    its.say(event(set={"email": A}), refuses=refuses("identify", "email"))
    assert its.say(event(distinct_id="u2", set={"email": A})).adjusted == ()
    assert its.told("u2").main is not None


def test_an_email_whose_change_was_refused_stays_theirs() -> None:
    its = life()
    its.say(event(set={"email": A}))
    its.say(event(set={"email": B}), refuses=refuses("identify", "email"))
    assert its.say(event(distinct_id="u2", set={"email": A})).adjusted == ("email_taken",)
    assert its.say(event(distinct_id="u3", set={"email": B})).adjusted == ()


def test_an_email_whose_removal_was_refused_stays_theirs() -> None:
    its = life()
    its.say(event(set={"email": A}))
    its.say(event(unset=("email",)), refuses=refuses("identify", "email"))
    assert its.say(event(distinct_id="u2", set={"email": A})).adjusted == ("email_taken",)


def test_to_a_destination_without_people_nobody_is_sent_again_and_nobody_waits_for_it() -> None:
    its = Life(ENGAGE, ENGAGE.read_options({"public_key": "a", "secret_key": "b"}))
    its.store.connection(1).again.add(("again", "u1"))
    assert its.again(again()).operations == ()
    assert its.store.connection(1).again == set()
    assert actions(its.say(event())) == ["event"]


# what is due


def test_what_is_due_waits_if_something_newer_began_the_pause_anew() -> None:
    its = life()
    its.say(event(distinct_id="v1"))
    its.say(identify())
    assert its.told().due_ms > LATER_MS
    assert its.again(Item(Origin.DUE, 0, "u1", None)).operations == ()
    assert [one["action"] for one in its.due()] == ["merge"]


def test_nothing_is_due_of_somebody_of_whom_nothing_is_left() -> None:
    its = life()
    assert its.again(Item(Origin.DUE, 0, "nobody", None)).operations == ()


def test_a_customer_whose_identify_nobody_answered_for_is_said_again_by_itself() -> None:
    """Their events may not be sent any more, and what was claimed has to come to an end."""
    its = life()
    its.out(event())
    its.crash()
    its.now_ms += 60_000
    assert [person for person, at_ms in its.store.due(1) if at_ms <= its.now_ms] == ["u1"]


def test_a_merge_goes_without_anything_else_of_its_person() -> None:
    """Operations of one request may take effect in any order."""
    its = life()
    its.say(event(distinct_id="v1", set={"plan": "pro"}))
    its.say(identify())
    its.now_ms += 60_000
    its.desk.resends.add(Item(Origin.DUE, 0, "u1", None))
    assert actions(its.say(event(unset=("plan",)))) == ["merge"]
    assert [one.get("attributes") for one in bodies(its.say())] == [{"plan": None}, {}]


# other options


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"attribute_mapping": 'source:="a"'}, {"attribute_mapping": 'source:="b"'}, {"source": "b"}),
        ({}, {"date_attributes": "renews"}, {"renews": 1_793_527_200}),
    ],
)
def test_a_value_that_other_options_change_is_said_with_the_next_event(
    before: dict[str, object], after: dict[str, object], said: dict[str, object]
) -> None:
    its = life(**before)
    its.say(event(set={"plan": "pro", "renews": "2026-11-01T10:00:00Z"}))
    its.change(options(**after))
    assert bodies(its.say(event()))[0]["attributes"] == said


def test_a_customer_that_somebody_gets_back_is_said_what_other_options_changed_meanwhile() -> None:
    its = life(identify_by="property:user_id", attribute_mapping='source:="a"')
    its.say(event(distinct_id="v1", set={"user_id": "k1"}), event())
    its.say(event(distinct_id="v1", unset=("user_id",)))
    its.say(identify())
    its.change(options(identify_by="property:user_id", attribute_mapping='source:="b"'))
    its.say(event())
    said, *_ = bodies(its.say(event(set={"user_id": "k1"})))
    assert (said["identifiers"], said["attributes"]) == ({"id": "k1"}, {"source": "b", "user_id": "k1"})


# held events


def test_what_is_held_of_both_goes_in_order_when_they_are_joined() -> None:
    its = life(anonymous_users="identified", hold_days=30)
    for who, name in (("v1", "one"), ("v2", "two"), ("v1", "three")):
        its.say(event(name, who))
    its.say(event("$create_alias", "v2", properties={"alias": "v1"}))
    made = its.say(event("$identify", "v1"))
    assert [one["name"] for one in bodies(made) if one["action"] == "event"] == ["one", "two", "three", "$identify"]
    assert its.store.counts(1) == {"delivered": 4, "filtered": 1, "held": 0, "failures": 0}


def test_held_events_of_a_visitor_go_as_anonymous_ones_if_the_options_say_so() -> None:
    its = life(anonymous_users="identified", hold_days=30)
    its.say(event("one", "v1"))
    its.change(options(anonymous_users="anonymous-events"))
    made = its.say()
    assert [(one.path, said["anonymous_id"]) for one, said in zip(made.operations, bodies(made), strict=True)] == [
        ("/api/v1/events", "v1")
    ]


def test_nothing_goes_of_somebody_who_still_does_not_qualify() -> None:
    its = life(anonymous_users="identified", hold_days=30)
    its.say(event("one", "v1"))
    its.change(options(anonymous_users="emails"))
    assert its.say().operations == ()
    assert its.store.counts(1)["held"] == 1


def test_what_is_held_of_a_customer_goes_before_their_next_event() -> None:
    its = life()
    its.say(event())
    its.change(options(anonymous_users="emails", hold_days=30))
    its.say(event("one"))
    its.say(event("$set", set={"email": A}), event("two"))
    its.change(options())
    assert its.store.counts(1) == {"delivered": 4, "filtered": 0, "held": 0, "failures": 0}


def test_a_plain_event_lets_go_what_is_held_of_somebody_who_qualifies_by_now() -> None:
    its = life()
    its.say(event())
    its.change(options(anonymous_users="emails", hold_days=30))
    its.say(event("one"))
    its.restart(options(anonymous_users="all", hold_days=30))
    made = its.say(event("two", "u2"), event("two"))
    assert [one["name"] for one in bodies(made) if one["identifiers"] == {"id": "u1"}] == ["one", "two"]


def test_events_of_a_customer_are_theirs_although_the_options_would_make_them_anonymous() -> None:
    its = life()
    its.say(event(distinct_id="v1"))
    its.change(options(anonymous_users="anonymous-events"))
    made = its.say(event(distinct_id="v1"))
    assert (actions(made), bodies(made)[-1].get("identifiers")) == (["event"], {"id": "v1"})


# joins within a shipment


def test_a_join_behind_its_customers_event_gives_the_anonymous_id_at_once() -> None:
    its = life(anonymous_users="anonymous-events")
    its.say(event("$pageview", "v1"))
    its.say(event("$identify", "u1"))
    made = its.say(event(), identify())
    assert {"anonymous_id": "v1"} in [one.get("attributes") for one in bodies(made)]


def test_somebody_who_becomes_a_customer_in_a_shipment_is_told_what_a_join_in_it_says() -> None:
    """Even if the join itself is not sent: nothing else may come for long."""
    its = life(event_allowlist="page")
    made = its.say(event("page", "v1"), event("$create_alias", properties={"alias": "v1"}, set={"email": A}))
    assert A in [one.get("attributes", {}).get("email") for one in bodies(made)]


def test_an_email_of_the_absorbed_person_is_that_of_whoever_stays() -> None:
    its = life()
    its.say(event(distinct_id="v1", set={"email": A}))
    its.say(identify())
    its.due()
    its.due()
    row = its.store.ledger(1, [A])[A]
    assert (row.person, row.customer, row.state) == ("u1", Identifier("id", "u1"), "accepted")


# groups


def test_a_refused_relationship_is_a_failure_and_not_tried_with_every_event() -> None:
    its = life(group_objects="company=1")
    member = event(properties={"$groups": {"company": "acme"}})
    its.say(event())  # they are a customer
    made = its.say(member, refuses=refuses("add_relationships"))
    assert made.dead == ["invalid"]
    assert actions(its.say(member)) == ["event"]


def test_a_retry_of_a_failure_says_what_was_refused_once_more() -> None:
    its = life()
    its.say(event(set={"plan": "pro"}), refuses=refuses("identify", "plan"))
    retry = Item(Origin.RETRY, 1, "u1", entry_of(event(set={"plan": "pro"})), again=frozenset({"plan"}))
    its.store.connection(1).failures.setdefault(1, its.store.connection(1).failures[1])
    made = its.again(retry)
    assert bodies(made)[0]["attributes"] == {"plan": "pro"}
    assert its.store.counts(1)["failures"] == 0


def test_an_email_that_moved_is_not_used_before_it_is_accepted_even_by_who_goes_by_it() -> None:
    its = life(identify_by_email=True)
    its.say(event())
    its.say(event(set={"email": A}))
    moving = its.say(event(at_s=NOW_S + 1, set={"email": B}))
    assert {str(one["identifiers"]) for one in bodies(moving)} == {"{'id': 'u1'}"}
    assert [one["identifiers"] for one in bodies(its.say(event()))] == [{"email": B}]


# emails that are in between


def test_an_email_that_goes_back_and_forth_around_a_crash_and_is_refused_is_nobody_elses() -> None:
    """What was sent before the crash may have been done: either email may be theirs at Customer.io."""
    its = life()
    its.say(event(set={"email": A}))
    its.out(event(set={"email": B}))
    its.crash()
    its.say(event(set={"email": A}), refuses=refuses("identify", "email"))
    for who, email in (("u2", A), ("u3", B)):
        assert its.say(event(distinct_id=who, set={"email": email})).adjusted == ("email_taken",)


def test_a_refused_email_is_not_said_again_with_something_else() -> None:
    its = life()
    its.say(event())
    its.say(event(set={"email": A}), refuses=refuses("identify", "email"))
    assert bodies(its.say(event(set={"plan": "pro"})))[0]["attributes"] == {"plan": "pro"}


def test_an_email_that_was_another_persons_is_linked_but_never_gone_by() -> None:
    its = life(identify_by_email=True)
    its.say(event(distinct_id="u2"))
    its.say(event(distinct_id="u2", set={"email": A}))
    its.say(event(distinct_id="u2", set={"email": B}))
    its.say(event())
    its.say(event(set={"email": A}))
    assert its.told().main is not None
    assert [one["identifiers"] for one in bodies(its.say(event()))] == [{"id": "u1"}]


def test_an_email_of_the_absorbed_person_that_is_somebody_elses_now_stays_theirs() -> None:
    its = life()
    its.say(event(distinct_id="v1", set={"email": A}))
    its.say(event(distinct_id="v1", set={"email": B}))
    its.say(event(distinct_id="u2", set={"email": A}))
    its.say(identify())
    rows = its.store.ledger(1, [A, B])
    assert (rows[A].person, rows[B].person) == ("u2", "u1")


def test_whoever_moves_to_the_email_of_whom_they_absorb_takes_their_customer_over() -> None:
    its = life(identify_by_email=True)
    its.say(event("$identify", set={"email": A}))
    its.say(event(distinct_id="v1", set={"email": B}))
    its.say(event("$identify", properties={"$anon_distinct_id": "v1"}, set={"email": B}))
    assert (its.customer(), its.to_merge()) == (Identifier("email", B), [Identifier("email", A)])
    assert [(one["primary"], one["secondary"]) for one in its.due() if one["action"] == "merge"] == [
        ({"email": B}, {"email": A})
    ]


def test_taking_a_customer_over_says_nothing_again() -> None:
    its = life(identify_by_email=True)
    its.say(event(distinct_id="v1", set={"email": A, "plan": "pro"}))
    its.say(identify())
    assert its.customer() == Identifier("email", A)
    assert bodies(its.say(event(set={"city": "Ulm"})))[0]["attributes"] == {"email": A, "city": "Ulm"}


def test_an_email_that_is_taken_while_a_join_is_being_written_is_nobody_elses() -> None:
    its = life()
    its.say(event(set={"email": A}))
    its.say(event(at_s=NOW_S + 1, set={"email": B}))
    joins = its.out(event("$merge_dangerously", "u0", properties={"alias": "u1"}))
    settled = its.desk.settle(joins, [None] * len(joins.operations), its.now_ms)
    its.feed(event(distinct_id="u2", set={"email": A}))
    takes = its.desk.plan(its.now_ms)
    assert takes is not None
    assert takes.intent is not None
    its.store.settle(settled.settlement)
    its.store.intend(takes.intent)
    its.desk.settled(joins, settled)
    assert its.out(event(distinct_id="u3", set={"email": A})).items[0].adjusted == ("email_taken",)
    its.land(takes)
    assert its.store.ledger(1, [A])[A].person == "u2"


# anonymous ids


def test_an_anonymous_id_that_was_refused_is_said_again_when_somebody_asks_for_it() -> None:
    its = life(anonymous_users="anonymous-events")
    its.say(event("$pageview", "v1"))
    made = its.say(event("$identify", "v1"), refuses=refuses("identify", "anonymous_id"))
    assert made.dead == ["invalid"]
    assert actions(its.say(event(distinct_id="v1"))) == ["event"]
    assert {"anonymous_id": "v1"} in [one["attributes"] for one in bodies(its.again(again("v1")))]


def test_somebody_who_was_told_everything_still_gets_an_anonymous_id() -> None:
    its = life(anonymous_users="anonymous-events")
    its.say(event("$pageview", "v1"))
    its.say(event("$identify", "v1"), refuses=refuses("identify", "anonymous_id"))
    told = its.told("v1")
    its.store.connection(1).told["v1"] = replace(told, anonymous=("v1",))
    its.restart(its.options)
    assert {"anonymous_id": "v1"} in [one.get("attributes") for one in bodies(its.say(event(distinct_id="v1")))]


def test_an_anonymous_id_of_somebody_who_cannot_be_a_customer_waits() -> None:
    long = "x" * 151
    its = life(anonymous_users="anonymous-events")
    its.say(event("$pageview", "v1"))
    made = its.say(event("$identify", long), identify(long))
    assert (made.operations, made.dead) == ((), ["identifier_too_long"] * 2)
    assert its.told(long).anonymous == ("v1",)


def test_what_is_held_of_a_visitor_goes_with_whom_they_become() -> None:
    its = life(anonymous_users="emails", hold_days=30)
    its.say(event("one", "v1"))
    its.say(identify())
    made = its.say(event(set={"email": A}))
    assert [one["name"] for one in bodies(made) if one["action"] == "event"] == ["one", "$identify", "order completed"]


def test_a_shipment_holds_and_releases_what_is_its_own() -> None:
    its = life(anonymous_users="identified", hold_days=30)
    made = its.say(event("one", "v1"), event("two", "u1"), identify(), event("three"))
    assert [one["name"] for one in bodies(made) if one["action"] == "event"] == ["one", "two", "$identify", "three"]
    assert its.store.counts(1) == {"delivered": 4, "filtered": 0, "held": 0, "failures": 0}


# groups, retries, replays


def test_a_filtered_event_without_groups_tells_of_none() -> None:
    its = life(group_objects="company=1", event_allowlist="order completed")
    its.say(event())
    assert actions(its.say(event("another", set={"plan": "pro"}))) == ["identify"]


def test_what_is_replayed_is_counted_beside_and_ends_the_replay() -> None:
    its = life()
    its.say(event(), event("$snapshot"))
    desk = its.desk
    desk.resends.begin_replay(0, 3)
    items = [Item(Origin.REPLAY, position, "u1", entry) for position, entry, _ in its.journal]
    desk.resends.replaying(items, 3)
    its.say()
    assert its.store.connection(1).replayed == {"delivered": 1, "snapshot": 1}
    assert its.store.counts(1)["delivered"] == 1
    assert desk.resends.replay_read is None


def test_a_retry_that_is_refused_again_stays_a_failure() -> None:
    its = life()
    its.say(event(set={"plan": "pro"}), refuses=refuses("identify", "plan"))
    retry = Item(Origin.RETRY, 1, "u1", entry_of(event(set={"plan": "pro"})), again=frozenset({"plan"}))
    assert its.again(retry, refuses=refuses("identify", "plan")).dead == ["invalid"]
    assert its.store.counts(1)["failures"] == 1


def test_somebody_who_was_refused_is_identified_again_although_their_event_was_accepted() -> None:
    """The event may be a repeat from before a crash, which creates nobody."""
    its = life()
    its.say(event(set={"plan": "pro"}), refuses=refuses("identify"))
    assert its.customer() is None
    assert actions(its.say(event())) == ["identify", "event"]
    assert its.customer() == Identifier("id", "u1")


def test_a_retry_of_a_visitor_waits_for_what_is_sent_about_them_before_they_are_somebody_else() -> None:
    """It would create the customer of the one whom they become, who is merged with theirs a moment later."""
    its = life()
    its.say(event(distinct_id="v1"), refuses=refuses("event"))
    shipment = its.out(event(distinct_id="v1"))
    its.feed(identify())
    its.desk.resends.add(Item(Origin.RETRY, 1, "v1", entry_of(event(distinct_id="v1"))))
    assert its.desk.plan(its.now_ms) is None
    its.land(shipment)
    made = its.say()
    assert [one.origin for one in made.items] == [Origin.RETRY, Origin.JOURNAL]


def test_what_waits_already_is_not_asked_for_twice() -> None:
    its = life()
    its.say(event())
    assert its.desk.resends.add(again())
    assert not its.desk.resends.add(again())


def test_a_forwarder_may_refuse_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    its = Life(ENGAGE, ENGAGE.read_options({"public_key": "a", "secret_key": "b"}))
    monkeypatch.setattr(ENGAGE, "forward", lambda entry, options: Written(None, ("cut",), INVALID))
    made = its.say(event())
    assert (made.dead, made.adjusted, made.operations) == (["invalid"], ("cut",), ())


def test_a_merge_of_a_customer_that_is_none_of_theirs_changes_nothing() -> None:
    told = Told(main=Customer("id", "u1", "accepted"))
    merge = Effect("u1", Identifier("id", "u1"), None, "merge", merged=Identifier("id", "v1"))
    assert Truth({}).after(told, told, [(merge, True)], uncertain=False) == told


def test_what_is_said_to_a_customer_that_they_are_not_any_more_changes_nothing() -> None:
    told = Told(main=Customer("id", "u1", "accepted"))
    effect = Effect("u1", Identifier("id", "old"), None, "identify", email=A)
    assert Truth({A: None}).after(told, told, [(effect, True)], uncertain=False) == told


def test_an_email_without_a_row_gets_none_by_being_accepted() -> None:
    told = Told(main=Customer("id", "u1", "accepted"), emails=(A,))
    effect = Effect("u1", Identifier("id", "u1"), None, "identify", unlinks=(A,))
    truth = Truth({A: None})
    truth.after(told, told, [(effect, True)], uncertain=False)
    assert truth.rows == {A: None}


def test_an_email_that_was_refused_to_the_absorbed_person_is_whose_says_it_next() -> None:
    its = life()
    its.say(event(distinct_id="v1"))
    its.say(event(distinct_id="v1", set={"email": A}), refuses=refuses("identify", "email"))
    its.say(event(set={"email": B}))
    its.say(identify())
    assert set(its.store.ledger(1, [A, B])) == {B}
    its.say(event(distinct_id="u2", set={"email": A}))
    assert its.store.ledger(1, [A])[A].person == "u2"


def test_a_full_shipment_takes_nothing_more_of_what_is_sent_again() -> None:
    its = life()
    its.say(event(), event(distinct_id="u2"))
    for who in ("u1", "u2"):
        its.desk.resends.add(again(who))
    taken = its.desk.plan(its.now_ms, most_events=1)
    assert taken is not None
    assert [one.who for one in taken.items] == ["u1"]


def test_what_is_replayed_already_is_not_replayed_twice() -> None:
    its = life()
    its.say(event())
    its.desk.resends.begin_replay(0, 1)
    item = Item(Origin.REPLAY, 1, "u1", its.journal[0][1])
    its.desk.resends.replaying([item, item], 1)
    assert [one.origin for one in its.say().items] == [Origin.REPLAY]


def test_a_settlement_says_who_was_denied_an_email() -> None:
    its = life()
    its.say(event(distinct_id="u1", set={"email": "a@x.co"}))
    its.say(event(distinct_id="u2", set={"email": "a@x.co"}), event(distinct_id="u3", set={"email": "c@x.co"}))
    leaves = its.out(event(distinct_id="u1", set={"email": "b@x.co"}))
    its.desk.resends.add(Item(Origin.FREED, 0, "u2", None))
    its.desk.resends.add(Item(Origin.FREED, 0, "u3", None))
    too_early = its.out()
    assert too_early.operations == []
    assert its.land(leaves).settled.settlement.freed == ["a@x.co"]
    settlement = its.land(too_early).settled.settlement
    assert (settlement.denied, settlement.again_done) == ({"u2": "a@x.co"}, [("freed", "u2"), ("freed", "u3")])
    made = its.again(Item(Origin.FREED, 0, "u2", None))
    assert [body["attributes"] for body in bodies(made)] == [{"email": "a@x.co"}]


def test_a_shipment_that_came_second_is_planned_again_with_what_it_released() -> None:
    its = life(anonymous_users="identified", hold_days=30)
    its.say(event(distinct_id="v1"))
    shipment = its.out(identify())
    assert Origin.HELD in {item.origin for item in shipment.items}
    sent = [one.body for one in shipment.operations]
    its.desk.give_back(shipment, {})
    anew = its.desk.plan(its.now_ms)
    assert anew is not None
    assert [one.body for one in anew.operations] == sent


def test_what_is_another_process_s_is_left_to_it() -> None:
    its = life()
    its.say(event(distinct_id="u1"))
    its.desk.share = Share(range(LANES), begun=0)
    its.desk.lanes.all[lane_of("u1")].mine = False
    its.desk.resends.add(again("u1"))
    assert its.desk.plan(its.now_ms) is None
    assert not its.desk.resends.is_waiting  # the other one finds it on disk


def test_a_retry_of_somebody_who_is_another_process_s_waits_until_they_are_not() -> None:
    its = life()
    its.say(event(), refuses=refuses("event"))
    its.desk.share = Share(range(LANES), begun=0)
    its.desk.lanes.all[lane_of("u1")].mine = False
    its.desk.resends.add(Item(Origin.RETRY, 1, "u1", entry_of(event())))
    assert its.desk.plan(its.now_ms) is None
    its.desk.lanes.all[lane_of("u1")].mine = True
    assert [one.origin for one in its.say().items] == [Origin.RETRY]
