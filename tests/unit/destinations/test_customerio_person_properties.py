"""`attributes_from` and `attribute_names`: which of what PostHog knows of somebody becomes attributes."""

from __future__ import annotations

import pytest
from customerio_cases import PLAIN, actions, bodies, customer, event, history, options, plan

ALL = options(attributes_from="person", attribute_names="")
KNOWN: dict[str, object] = {"plan": "free", "$initial_referrer": "ad", "city": "Ulm"}


def attributes(made: object) -> dict[str, object]:
    return dict(bodies(made)[0]["attributes"])  # type: ignore[arg-type]


def test_unless_asked_for_only_set_becomes_attributes() -> None:
    made = plan(event(set={"plan": "pro"}, person_properties=KNOWN), None, PLAIN)
    assert attributes(made) == {"plan": "pro"}


def test_all_person_properties_become_attributes_as_posthog_knows_them() -> None:
    assert attributes(plan(event(person_properties=KNOWN), None, ALL)) == KNOWN


def test_what_the_event_sets_wins_over_the_persons_stored_value() -> None:
    made = plan(event(set={"plan": "pro"}, person_properties=KNOWN), None, ALL)
    assert attributes(made) == {**KNOWN, "plan": "pro"}


def test_unset_wins_over_the_persons_stored_value() -> None:
    made = plan(event(unset=("city",), person_properties=KNOWN), None, ALL)
    assert attributes(made) == {**KNOWN, "city": None}


def test_a_shape_without_a_person_says_nothing_more_than_its_set() -> None:
    assert attributes(plan(event(set={"plan": "pro"}), None, ALL)) == {"plan": "pro"}


def test_unchanged_person_properties_are_not_sent_with_every_event() -> None:
    plans, _ = history(
        event(person_properties=KNOWN),
        event(person_properties=KNOWN),
        event(person_properties={**KNOWN, "plan": "pro"}),
        with_options=ALL,
    )
    assert [actions(made) for made in plans] == [["identify", "event"], ["event"], ["identify", "event"]]
    assert attributes(plans[2])["plan"] == "pro"


def test_a_property_that_posthog_no_longer_has_stays_until_it_is_unset() -> None:
    plans, life = history(event(person_properties=KNOWN), event(person_properties={"plan": "free"}), with_options=ALL)
    assert actions(plans[1]) == ["event"]
    main = life.told().main
    assert main is not None
    assert set(main.names) == set(KNOWN)


def test_the_email_of_posthogs_person_is_an_email_like_one_that_is_set() -> None:
    made = plan(event(person_properties={"email": "ada@example.com"}), None, ALL)
    assert attributes(made) == {"email": "ada@example.com"}


def test_the_email_of_the_events_set_wins_over_the_persons() -> None:
    made = plan(event(set={"email": "new@example.com"}, person_properties={"email": "ada@example.com"}), None, ALL)
    assert attributes(made)["email"] == "new@example.com"


def test_person_properties_keep_the_limits_and_are_counted() -> None:
    made = plan(event(person_properties={"id": "other", "text": "x" * 1_001, "nan": float("nan")}), None, ALL)
    assert sorted(made.adjusted) == ["attribute_cut", "not_a_number", "reserved_attribute"]


def test_an_event_without_a_person_profile_teaches_nothing_of_it() -> None:
    assert attributes(plan(event(person_properties=KNOWN, personless=True), None, ALL)) == {}


NAMES: dict[str, tuple[str, set[str]]] = {
    "only these": ("plan, city", {"plan", "city"}),
    "a * stands for any rest": ("$initial_*", {"$initial_referrer"}),
    "all but one": ("-city", {"plan", "$initial_referrer"}),
    "all but some": ("-$initial_*", {"plan", "city"}),
    "these but not that": ("*, -plan", {"$initial_referrer", "city"}),
    "a name that nobody has": ("nothing", set()),
    "capitals are another name": ("Plan", set()),
}


@pytest.mark.parametrize(("names", "expected"), NAMES.values(), ids=NAMES)
def test_attribute_names_include_or_leave_out(names: str, expected: set[str]) -> None:
    only = options(attributes_from="person", attribute_names=names)
    assert set(attributes(plan(event(person_properties=KNOWN), None, only))) == expected


def test_attribute_names_hold_for_set_and_unset_too() -> None:
    only = options(attribute_names="plan")
    made = plan(event(set={"plan": "pro", "city": "Ulm"}, unset=("coupon",)), None, only)
    assert attributes(made) == {"plan": "pro"}


@pytest.mark.parametrize("names", ["plan", "-email", "-*"])
def test_the_email_is_always_sent(names: str) -> None:
    only = options(attribute_names=names)
    (said, gone), _ = history(event(set={"email": "ada@example.com"}), event(unset=("email",)), with_options=only)
    assert attributes(said) == {"email": "ada@example.com"}
    assert attributes(gone) == {"email": None}


def test_a_name_that_is_left_out_makes_no_identify() -> None:
    only = options(attribute_names="-last_seen")
    assert actions(plan(event(set={"last_seen": 7}), customer(), only)) == ["event"]


def test_a_name_that_is_left_out_is_neither_said_nor_counted() -> None:
    (made,), life = history(
        event(set={"city": "x" * 2_000, "plan": "pro"}), with_options=options(attribute_names="plan")
    )
    main = life.told().main
    assert main is not None
    assert (attributes(made), set(main.names), made.adjusted) == ({"plan": "pro"}, {"plan"}, ())


def test_a_name_that_is_left_out_later_is_not_said_any_more_and_one_that_is_let_in_is() -> None:
    _, life = history(event(set={"city": "Ulm", "plan": "pro"}), with_options=options(attribute_names="plan"))
    made = plan(event(set={"plan": "team"}), life, options(attribute_names="city"))
    assert attributes(made) == {"city": "Ulm"}


def test_event_properties_never_become_attributes_whatever_is_chosen() -> None:
    made = plan(event(properties={"total": 3}, person_properties=KNOWN), None, ALL)
    assert attributes(made) == KNOWN
