"""Groups of PostHog as objects of Customer.io: only those that `group_objects` names, and only what changes."""

from __future__ import annotations

import pytest
from customerio_cases import NOW_S, PEOPLE, PLAIN, actions, bodies, customer, event, history, options, plan

from hogline.destinations.base import InvalidOptions
from hogline.destinations.customerio import Options
from hogline.model import Event, Refusal

COMPANIES = options(group_objects="company=1, team = 2")


def group(key: object = "acme", kind: object = "company", **group_set: object) -> Event:
    properties = {"$group_type": kind, "$group_key": key, "$group_set": group_set}
    return event("$groupidentify", "u1", properties=properties)


def member(**groups: object) -> Event:
    return event("ordered", "u1", properties={"$groups": groups})


def test_groups_are_not_sent_unless_it_is_asked_for() -> None:
    made = plan(group(plan="pro"), customer(), PLAIN)
    assert (made.operations, made.filtered) == ((), "nothing_to_send")
    assert actions(plan(member(company="acme"), customer(), PLAIN)) == ["event"]


def test_a_groupidentify_becomes_an_object_with_group_set_as_attributes() -> None:
    made = plan(group(plan="pro", seats=5), None, COMPANIES)
    assert bodies(made) == [
        {
            "type": "object",
            "identifiers": {"object_type_id": "1", "object_id": "acme"},
            "action": "identify",
            "timestamp": NOW_S,
            "attributes": {"plan": "pro", "seats": 5},
        }
    ]
    assert made.filtered is None


def test_a_groupidentify_makes_no_customer_of_its_sender() -> None:
    (made,), life = history(group(plan="pro"), with_options=COMPANIES)
    assert actions(made) == ["identify"]
    assert life.told().main is None


def test_group_traits_that_arrive_without_their_wrapper_are_taken_too() -> None:
    properties: dict[str, object] = {"$group_type": "company", "$group_key": "acme", "plan": "pro", "$lib": "web"}
    made = plan(event("$groupidentify", "u1", properties=properties), None, COMPANIES)
    assert bodies(made)[0]["attributes"] == {"plan": "pro"}


@pytest.mark.parametrize("wrong", [None, "text", ["a"], 7])
def test_a_group_set_that_is_no_object_is_taken_for_missing(wrong: object) -> None:
    properties = {"$group_type": "company", "$group_key": "acme", "$group_set": wrong}
    made = plan(event("$groupidentify", "u1", properties=properties), None, COMPANIES)
    assert bodies(made)[0]["attributes"] == {}


@pytest.mark.parametrize(("kind", "key"), [("project", "acme"), (None, "acme"), (["company"], "acme"), ("company", "")])
def test_other_groups_and_groups_without_a_key_are_nothing_to_send(kind: object, key: object) -> None:
    made = plan(group(key, kind, plan="pro"), None, COMPANIES)
    assert (made.operations, made.filtered) == ((), "nothing_to_send")


@pytest.mark.parametrize(("key", "sent"), [(4711, "4711"), (" acme ", "acme"), ("a/b", "a/b"), ("Zoë", "Zoë")])
def test_a_groups_key_is_text(key: object, sent: str) -> None:
    assert bodies(plan(group(key), None, COMPANIES))[0]["identifiers"]["object_id"] == sent


@pytest.mark.parametrize("key", [True, 1.5, None, ["acme"], {"id": 1}], ids=repr)
def test_a_key_that_is_neither_text_nor_a_whole_number_is_none(key: object) -> None:
    assert plan(group(key), None, COMPANIES).operations == ()
    assert actions(plan(member(company=key), customer(), COMPANIES)) == ["event"]


def test_a_groups_key_over_150_bytes_is_a_failure() -> None:
    made = plan(group("k" * 151), None, COMPANIES)
    assert made.reasons == ["identifier_too_long"]


def test_an_objects_attributes_keep_the_same_limits_as_a_persons() -> None:
    its = group(name="x" * 1_001, id="other", nothing=float("nan"), created_at="2026-11-01", bio=["x" * 1_000])
    made = plan(its, None, COMPANIES)
    attributes = bodies(made)[0]["attributes"]
    # (In an event's data what is no number is null; only of `$set` it is told apart.)
    assert attributes == {"name": "x" * 1_000, "nothing": None, "created_at": 1_793_491_200}
    assert sorted(made.adjusted) == ["attribute_cut", "attribute_too_large", "not_a_number", "reserved_attribute"]


def test_an_objects_301st_attribute_is_left_out_and_counted() -> None:
    made = plan(group(**{f"a{n}": n for n in range(302)}), None, COMPANIES)
    assert made.adjusted == ("too_many_attributes",) * 2
    assert len(bodies(made)[0]["attributes"]) == 300


def test_an_object_over_32_000_bytes_is_sent_as_several_operations() -> None:
    made = plan(group(**{f"a{n}": "x" * 900 for n in range(60)}), None, COMPANIES)
    assert len(made.operations) > 1
    assert all(len(one.body) <= 32_000 for one in made.operations)
    assert len({name for one in bodies(made) for name in one["attributes"]}) == 60


def test_a_persons_groups_become_relationships() -> None:
    made = plan(member(company="acme", team="red"), customer(), COMPANIES)
    assert actions(made) == ["add_relationships", "event"]
    assert bodies(made)[0]["cio_relationships"] == [
        {"identifiers": {"object_type_id": "1", "object_id": "acme"}},
        {"identifiers": {"object_type_id": "2", "object_id": "red"}},
    ]


def test_a_new_customer_is_related_too() -> None:
    made = plan(member(company="acme"), None, COMPANIES)
    assert actions(made) == ["identify", "event"]
    assert bodies(made)[0]["cio_relationships"] == [{"identifiers": {"object_type_id": "1", "object_id": "acme"}}]


def test_relationships_are_sent_when_they_change() -> None:
    plans, _ = history(
        member(company="acme"),
        member(company="acme"),
        member(company="other"),
        life=customer(),
        with_options=COMPANIES,
    )
    assert [actions(made) for made in plans] == [
        ["add_relationships", "event"],
        ["event"],
        ["add_relationships", "event"],
    ]


def test_groups_that_no_option_names_are_left_out() -> None:
    made = plan(member(company="acme", project="p1"), customer(), COMPANIES)
    assert len(bodies(made)[0]["cio_relationships"]) == 1


def test_groups_stay_in_the_event() -> None:
    made = plan(member(company="acme"), customer(), COMPANIES)
    assert bodies(made)[-1]["attributes"] == {"$groups": {"company": "acme"}}


@pytest.mark.parametrize("wrong", [None, "acme", ["acme"], 7])
def test_groups_that_are_no_object_are_none(wrong: object) -> None:
    made = plan(event("ordered", "u1", properties={"$groups": wrong}), customer(), COMPANIES)
    assert actions(made) == ["event"]


def test_a_filtered_event_of_a_customer_still_tells_of_their_groups() -> None:
    """As it does of their attributes."""
    only = options(group_objects="company=1", event_allowlist="other")
    made = plan(member(company="acme"), customer(), only)
    assert (actions(made), made.filtered) == (["add_relationships"], "not_in_allowlist")


def test_a_visitor_without_a_customer_is_related_to_nothing() -> None:
    only: Options = options(group_objects="company=1", anonymous_users="anonymous-events")
    assert actions(plan(member(company="acme"), None, only)) == ["event"]


@pytest.mark.parametrize(
    "text", ["company", "company=", "=1", "company=one", "company=1, team", "company=-1", "company=1=2"]
)
def test_a_mistake_in_group_objects_is_one_clear_sentence(text: str) -> None:
    with pytest.raises(InvalidOptions) as invalid:
        options(group_objects=text)
    assert [problem.key for problem in invalid.value.problems] == ["group_objects"]
    assert "company=1" in str(invalid.value)


# relationships with attributes, and in the identify

ROLES = options(group_objects="company=1, company.role=company_role, company.since=since, team=2")


def working(role: object = None, kind: str = "company", **more: object) -> Event:
    properties = {"$groups": {kind: "acme"}, **({} if role is None else {"company_role": role}), **more}
    return event("ordered", "u1", properties=properties)


def edges(*events: Event, with_options: Options = ROLES) -> list[object]:
    """The relationships that these lead to, for somebody who is a customer."""
    plans, _ = history(*events, life=customer(), with_options=with_options)
    return [
        [edge.get("relationship_attributes") for edge in one["cio_relationships"]]
        for made in plans
        for one in bodies(made)
        if "cio_relationships" in one
    ]


def test_a_relationship_has_the_attributes_that_the_options_name() -> None:
    assert edges(working("admin", since=2020)) == [[{"role": "admin", "since": 2020}]]


def test_it_is_sent_again_when_they_change_and_change_back() -> None:
    assert edges(*(working(role) for role in ("admin", "admin", "user", "admin"))) == [
        [{"role": "admin"}],
        [{"role": "user"}],
        [{"role": "admin"}],
    ]


def test_an_event_that_does_not_say_them_changes_nothing() -> None:
    assert edges(working("admin"), working(), working(since=2020)) == [
        [{"role": "admin"}],
        [{"role": "admin", "since": 2020}],
    ]


def test_other_groups_have_none() -> None:
    assert edges(working("admin", kind="team")) == [[None]]


def test_attributes_that_customer_io_does_not_take_are_left_out() -> None:
    assert edges(working(float("nan")), working("x" * 1_001)) == [[None], [{"role": "x" * 1_000}]]


def test_a_customer_that_is_told_something_is_related_in_the_same_operation() -> None:
    both = event("ordered", "u1", set={"plan": "pro"}, properties={"$groups": {"company": "acme"}})
    made = plan(both, customer(), COMPANIES)
    assert actions(made) == ["identify", "event"]
    assert bodies(made)[0]["attributes"] == {"plan": "pro"}
    assert bodies(made)[0]["cio_relationships"] == [{"identifiers": {"object_type_id": "1", "object_id": "acme"}}]


def test_a_rejected_identify_is_tried_without_its_relationships() -> None:
    """An object type that does not exist must not keep the customer from being made."""
    operation = plan(member(company="acme"), None, COMPANIES).operations[0]
    identify, relate = PEOPLE.parts(operation, Refusal("invalid", "no such type"))
    assert (identify.action, relate.action) == ("identify", "add_relationships")
    assert b"cio_relationships" not in identify.body
    assert PEOPLE.parts(identify, Refusal("invalid", "no")) == ()


def test_relationships_that_do_not_fit_into_the_identify_go_by_themselves() -> None:
    large: dict[str, object] = {f"a{n}": "x" * 980 for n in range(32)}
    groups = {"company": "c" * 140, "team": "t" * 140}
    made = plan(event("ordered", "u1", set=large, properties={"$groups": groups}), customer(), COMPANIES)
    assert actions(made) == ["identify", "add_relationships", "event"]


def test_a_line_break_in_a_groups_key_is_not_taken_for_its_attributes() -> None:
    assert edges(event("ordered", "u1", properties={"$groups": {"company": "a\n{}"}})) == []


@pytest.mark.parametrize("wrong", ["company.role=role", "company=1, company.=role", "company=1, company.role="])
def test_attributes_need_a_group_type_a_name_and_a_property(wrong: str) -> None:
    with pytest.raises(InvalidOptions):
        options(group_objects=wrong)
