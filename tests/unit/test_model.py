"""What becomes of a person when a destination accepts or refuses what was asked of it."""

from __future__ import annotations

import pytest

from hogline.posthog.entry import decode_event, encode_event
from hogline.model import UNKNOWN, Event, Identifier, Person, Promise, accept, refuse, same_value

ID = Identifier("id", "u1")
EMAIL = Identifier("email", "ann@example.com")


def test_an_event_comes_back_from_the_journal_as_it_went_in() -> None:
    it = Event("u", "n", "d", -5, 7, {"a": [1, {"b": None}]}, set={"x": 1.5}, unset=("y",), personless=True)
    assert decode_event(encode_event(it)) == it


@pytest.mark.parametrize(("value", "raises"), [(2**64, OverflowError), ("\ud800", UnicodeEncodeError)])
def test_what_reading_should_have_repaired_cannot_be_kept(value: object, raises: type[Exception]) -> None:
    with pytest.raises(raises):
        encode_event(Event("u", "n", "d", 0, 0, {"a": value}))


@pytest.mark.parametrize(
    ("person", "newest"),
    [
        (Person(distinct_id="u"), UNKNOWN),
        (Person(distinct_id="u", accepted={"x": 1}), 1),
        (Person(distinct_id="u", accepted={"x": 1}, refused={"x": 2}), 2),
        (Person(distinct_id="u", accepted={"x": 1}, refused={"x": 2}, unsent={"x": None}), None),
    ],
)
def test_the_newest_value_of_an_attribute_counts(person: Person, newest: object) -> None:
    assert person.attribute("x") is newest
    assert person.attributes().get("x", UNKNOWN) is newest


def test_an_attribute_that_is_not_known_is_shown_so() -> None:
    assert repr(UNKNOWN) == "UNKNOWN"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1, True),
        (1, True, False),
        (1, 1.0, False),
        ("a", "a", True),
        ("a", "b", False),
        (None, None, True),
        ([1], [1], True),
        ([1], [True], False),
        ([1], [2], False),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": 1.0}, False),
    ],
)
def test_two_values_are_the_same_if_they_are_the_same_json(one: object, other: object, *, same: bool) -> None:
    assert same_value(one, other) is same


def test_accepting_what_promises_nothing_new_changes_nothing() -> None:
    person = Person(distinct_id="u1", customer=ID, linked_email="a@b.co", unsent={"x": 1})
    assert accept(person, Promise()) is person
    assert accept(person, Promise(customer=ID)) is person
    assert accept(person, Promise(customer=ID, linked_email="a@b.co")) is person


def test_the_first_accepted_operation_makes_the_customer() -> None:
    person = accept(Person(distinct_id="u1"), Promise(customer=ID))
    assert (person.customer, person.to_merge) == (ID, ())


def test_who_becomes_another_customer_still_has_to_be_merged() -> None:
    person = accept(accept(Person(distinct_id="u1"), Promise(customer=ID)), Promise(customer=EMAIL))
    assert (person.customer, person.to_merge) == (EMAIL, (ID,))
    assert accept(person, Promise(merged=ID)).to_merge == ()
    assert accept(person, Promise(merged=ID)).merged == (ID,)


def test_a_refused_merge_is_not_asked_for_again() -> None:
    person = Person(distinct_id="u1", customer=ID, to_merge=(EMAIL,))
    assert refuse(person, Promise(merged=EMAIL)) == Person(distinct_id="u1", customer=ID, not_merged=(EMAIL,))


def test_a_merged_customer_takes_its_email_along_so_it_is_to_be_told_again() -> None:
    person = Person(distinct_id="u1", customer=ID, to_merge=(EMAIL,), accepted={"email": "a@b.co", "x": 1})
    after = accept(person, Promise(merged=EMAIL))
    assert (after.accepted, after.unsent) == ({"x": 1}, {"email": "a@b.co"})


def test_accepted_values_are_no_longer_unsent_unless_they_changed_meanwhile() -> None:
    person = Person(distinct_id="u1", unsent={"x": 1, "y": 2, "z": 3}, refused={"w": 0, "v": 0})
    after = accept(person, Promise(attributes={"x": 1, "y": 1, "w": 0}))
    assert after.accepted == {"x": 1, "y": 1, "w": 0}
    assert after.unsent == {"y": 2, "z": 3}
    assert after.refused == {"v": 0}


def test_accepted_values_are_added_to_what_was_accepted_before() -> None:
    after = accept(Person(distinct_id="u1", accepted={"x": 0, "y": 0}), Promise(attributes={"x": 1}))
    assert (after.accepted, after.unsent, after.refused) == ({"x": 1, "y": 0}, {}, {})


def test_an_email_counts_as_linked_only_once_it_really_was_accepted() -> None:
    promise = Promise(customer=ID, attributes={"email": "a@b.co"}, linked_email="a@b.co")
    person = Person(distinct_id="u1", unsent={"email": "a@b.co"})
    expected = accept(person, promise, only_expected=True)
    assert (expected.linked_email, expected.customer, expected.unsent) == (None, ID, {})
    assert accept(person, promise).linked_email == "a@b.co"


def test_a_linked_email_stays_until_another_is_accepted() -> None:
    person = Person(distinct_id="u1", customer=ID, linked_email="a@b.co")
    assert accept(person, Promise(attributes={"x": 1})).linked_email == "a@b.co"
    assert accept(person, Promise(linked_email="c@d.co")).linked_email == "c@d.co"
    assert accept(person, Promise(linked_email="c@d.co"), only_expected=True) is person


def test_refused_values_are_set_aside_unless_they_changed_meanwhile() -> None:
    person = Person(distinct_id="u1", unsent={"x": 1, "y": 2, "z": 3}, refused={"w": 0})
    after = refuse(person, Promise(customer=ID, attributes={"x": 1, "y": 1, "q": 1}))
    assert after.unsent == {"y": 2, "z": 3}
    assert after.refused == {"w": 0, "x": 1}
    assert after.customer is None


def test_refusing_what_is_not_waiting_changes_nothing() -> None:
    person = Person(distinct_id="u1", unsent={"y": 2})
    assert refuse(person, Promise(attributes={"x": 1, "y": 1})) is person
    assert refuse(person, Promise()) is person


def test_of_values_that_were_taken_away_the_last_300_are_remembered_and_the_emails_always() -> None:
    names = [f"n{n}" for n in range(301)]
    person = accept(Person(distinct_id="u1"), Promise(attributes={"email": None, **dict.fromkeys(names)}))
    assert list(person.accepted) == ["email", *names[1:]]


def test_an_anonymous_id_that_is_refused_is_not_given_again() -> None:
    person = Person(distinct_id="u1", customer=ID, anonymous_ids=("a", "b"))
    assert refuse(person, Promise(known_anonymous_id="a")).anonymous_ids == ("b",)


def test_relationships_that_are_refused_are_not_asked_for_again() -> None:
    person = Person(distinct_id="u1", customer=ID, relationships=("1/a",))
    assert refuse(person, Promise(relationships=("1/b",))).relationships == ("1/a", "1/b")
    many = tuple(f"1/{n}" for n in range(200))
    assert accept(person, Promise(relationships=many)).relationships == many[100:]
