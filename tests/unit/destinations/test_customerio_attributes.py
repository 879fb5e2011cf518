"""What an identify carries, what counts as accepted, and what becomes of attributes beyond the limits."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from customerio_cases import (
    NOW_S,
    Life,
    actions,
    bodies,
    body,
    customer,
    event,
    history,
    no_attribute,
    options,
    plan,
)

from hogline.emails import address
from hogline.model import Event

NAN, INFINITY = float("nan"), float("inf")


def attributes(dates: str = "created_at", /, **said: object) -> tuple[object, tuple[str, ...]]:
    made = plan(event(set=said), None, options(date_attributes=dates))
    return bodies(made)[0]["attributes"], made.adjusted


def test_set_becomes_attributes_and_properties_never_do() -> None:
    made = plan(event(set={"plan": "pro"}, properties={"total": 12}))
    identify, sent = bodies(made)
    assert identify == {
        "type": "person",
        "identifiers": {"id": "u1"},
        "action": "identify",
        "timestamp": NOW_S,
        "attributes": {"plan": "pro"},
    }
    assert sent["attributes"] == {"total": 12}


def test_a_new_customer_without_any_attribute_is_identified_too() -> None:
    assert bodies(plan(event()))[0]["attributes"] == {}


def test_unchanged_attributes_are_not_sent_again() -> None:
    plans, _ = history(event(set={"plan": "pro", "n": 1}), event(set={"plan": "pro"}), event())
    assert [actions(made) for made in plans] == [["identify", "event"], ["event"], ["event"]]


def test_only_what_changes_is_sent_whatever_else_the_event_sets() -> None:
    plans, _ = history(
        event(set={"email": "ann@example.com", "plan": "free", "city": "Oslo"}),
        event(set={"plan": "pro", "city": "Oslo", "seats": 2}),
    )
    assert bodies(plans[1])[0]["attributes"] == {"plan": "pro", "seats": 2}


@pytest.mark.parametrize(
    "old_and_new", [(1, True), (1, 1.0), (0, False), ([1], [True]), ("1", 1), (None, "")], ids=repr
)
def test_values_of_another_type_are_other_values(old_and_new: tuple[object, object]) -> None:
    old, new = old_and_new
    plans, _ = history(event(set={"x": old}), event(set={"x": new}))
    assert actions(plans[1]) == ["identify", "event"]


def test_a_value_that_goes_back_before_it_was_accepted_is_sent() -> None:
    life = customer(plan="free")
    life.out(event(set={"plan": "pro"}))
    life.crash()
    made = life.say(event(set={"plan": "free"}))
    assert bodies(made)[0]["attributes"] == {"plan": "free"}


def test_what_was_not_accepted_is_sent_with_the_next_event() -> None:
    life = customer()
    life.out(event(set={"plan": "pro"}))
    made = life.crash().say(event())
    assert bodies(made)[0]["attributes"] == {"plan": "pro"}


def test_a_refused_value_is_not_sent_again_until_it_changes() -> None:
    life = customer()
    refused = life.say(event(set={"phone": "nonsense", "plan": "pro"}), refuses=no_attribute("phone"))
    assert refused.dead == ["invalid"]
    assert actions(life.say(event(set={"phone": "nonsense"}))) == ["event"]
    made = life.say(event(set={"phone": "+4712345678", "plan": "pro"}))
    assert bodies(made)[0]["attributes"] == {"phone": "+4712345678"}
    assert actions(life.say(event(set={"phone": "+4712345678"}))) == ["event"]


def test_unset_names_become_null_once_and_win_over_set() -> None:
    """Also for a new customer, who may have been there before Hogline was."""
    plans, _ = history(event(set={"plan": "pro"}, unset=("plan",)), event(unset=("plan",)))
    assert bodies(plans[0])[0]["attributes"] == {"plan": None}
    assert actions(plans[1]) == ["event"]


def test_an_unset_name_that_cannot_be_an_attribute_is_left_out_and_counted() -> None:
    made = plan(event(unset=("id", "plan")))
    assert bodies(made)[0]["attributes"] == {"plan": None}
    assert made.adjusted == ("reserved_attribute",)


def test_set_once_is_not_sent_unless_asked_for() -> None:
    its = event()
    with_once = msgspec.structs.replace(its, set_once={"source": "ad"})
    assert bodies(plan(with_once, with_options=options(set_once=False))) == bodies(plan(its))


def older(**said: object) -> Event:
    """Of two minutes ago, when others' values are of one."""
    return event(at_s=NOW_S - 120, set=said)


def test_an_older_event_teaches_only_names_that_are_not_known() -> None:
    life = customer(plan="pro")
    made = plan(older(plan="free", city="Oslo"), life)
    assert life.values() == {"plan": "pro", "city": "Oslo"}
    assert bodies(made)[0]["attributes"] == {"city": "Oslo"}


def test_what_an_older_event_teaches_is_said_later_than_what_was_said_before() -> None:
    """Customer.io would ignore it otherwise; which value is the newest was decided already."""
    life = customer(plan="pro")
    identify = bodies(plan(older(city="Oslo"), life))[0]
    assert identify["timestamp"] == NOW_S - 60 + 1
    assert actions(plan(event(), life)) == ["event"]


@pytest.mark.parametrize("said", ["pro", "free"])
def test_an_older_event_that_says_nothing_new_sends_no_identify(said: str) -> None:
    assert actions(plan(older(plan=said), customer(plan="pro"))) == ["event"]


def test_an_older_event_of_the_same_second_does_not_overwrite() -> None:
    life = Life()
    life.say(event(at_s=NOW_S + 0.9, set={"plan": "pro"}))
    assert actions(life.say(event(at_s=NOW_S, set={"plan": "free"}))) == ["event"]
    assert life.values() == {"plan": "pro"}


def test_of_two_events_of_the_same_moment_the_later_one_counts() -> None:
    _, life = history(event(set={"plan": "pro"}), event(set={"plan": "free"}))
    assert life.values() == {"plan": "free"}


def test_an_older_event_neither_changes_the_email_nor_the_identifier() -> None:
    life = customer("u1", options(identify_by_email=True), email="new@example.com")
    assert actions(plan(older(email="old@example.com"), life)) == ["event"]
    assert life.person().email == "new@example.com"


def test_an_older_event_may_teach_an_email_that_was_not_known() -> None:
    identify = bodies(plan(older(email="ann@example.com"), customer(plan="pro")))[0]
    assert (identify["timestamp"], identify["attributes"]) == (NOW_S - 59, {"email": "ann@example.com"})


def test_a_first_event_that_is_older_than_what_was_learned_carries_everything_at_the_newest_time() -> None:
    plans, _ = history(
        event("seen", set={"plan": "pro"}),
        event(at_s=NOW_S - 60, set={"plan": "free", "city": "Oslo"}),
        with_options=options(event_allowlist="order completed"),
    )
    identify, sent = bodies(plans[1])
    assert (identify["timestamp"], identify["attributes"]) == (NOW_S, {"plan": "pro", "city": "Oslo"})
    assert sent["timestamp"] == NOW_S - 60


@pytest.mark.parametrize(
    ("it", "email"),
    [
        (event(set={"email": "set@x.co"}, person_properties={"email": "pp@x.co"}), "set@x.co"),
        (event(person_properties={"email": "pp@x.co"}, distinct_id="id@x.co"), "pp@x.co"),
        (event(distinct_id="id@x.co"), "id@x.co"),
        (event(person_properties={"email": "nonsense"}, distinct_id="id@x.co"), "id@x.co"),
        (event(set={"email": " set@x.co\n"}), "set@x.co"),
        (event(set={"email": ["set@x.co"]}, person_properties={"email": "pp@x.co"}), "pp@x.co"),
        (event(person_properties={"plan": "pro"}), None),
    ],
)
def test_the_email_is_the_first_valid_one(it: Event, email: str | None) -> None:
    (made,), life = history(it)
    assert life.person(it.distinct_id).email == email
    assert bodies(made)[0]["attributes"] == ({} if email is None else {"email": email})


@pytest.mark.parametrize(("after_s", "email"), [(60, "b@x.co"), (0, "b@x.co"), (-60, "a@x.co")])
def test_the_newest_email_counts_be_it_said_or_what_posthog_stored(after_s: int, email: str) -> None:
    for first in (event(set={"email": "a@x.co"}), event(person_properties={"email": "a@x.co"})):
        _, life = history(first, event(at_s=NOW_S + after_s, person_properties={"email": "b@x.co"}))
        assert life.person().email == email


def test_what_posthog_stored_says_nothing_new_in_other_capitals() -> None:
    plans, life = history(
        event(set={"email": "a@x.co"}), event(at_s=NOW_S + 1, person_properties={"email": " A@x.co "})
    )
    assert actions(plans[1]) == ["event"]
    assert life.person().email == "a@x.co"


@pytest.mark.parametrize("stored", [{}, {"email": None}, {"email": "none"}])
def test_what_posthog_stored_takes_no_email_away(stored: dict[str, object]) -> None:
    _, life = history(event(set={"email": "a@x.co"}), event(at_s=NOW_S + 1, person_properties=stored))
    assert life.person().email == "a@x.co"


def once(email: object, **named: Any) -> Event:
    return msgspec.structs.replace(event(**named), set_once={"email": email})


def test_the_email_in_set_once_is_learned_if_none_is_known() -> None:
    only_emails = options(anonymous_users="emails")
    plans, life = history(once("dan@x.co"), once("other@x.co", at_s=NOW_S + 1), with_options=only_emails)
    assert [made.filtered for made in plans] == [None, None]
    assert bodies(plans[0])[0]["attributes"] == {"email": "dan@x.co"}
    assert actions(plans[1]) == ["event"]
    assert life.person().email == "dan@x.co"


def test_what_is_set_or_stored_comes_before_set_once() -> None:
    for named in ({"set": {"email": "a@x.co"}}, {"person_properties": {"email": "a@x.co"}}):
        _, life = history(once("b@x.co", **named))
        assert life.person().email == "a@x.co"


def test_set_once_gives_an_email_back_that_was_taken_away_but_not_from_before() -> None:
    taken = (event(set={"email": "a@x.co"}), event(at_s=NOW_S + 10, unset=("email",)))
    _, life = history(*taken, once("old@x.co", at_s=NOW_S + 5))
    assert life.person().email is None
    _, life = history(*taken, once("new@x.co", at_s=NOW_S + 20))
    assert life.person().email == "new@x.co"


@pytest.mark.parametrize("wrong", [None, "dan", 7])
def test_what_is_no_email_in_set_once_teaches_nothing(wrong: object) -> None:
    _, life = history(once(wrong))
    assert life.person().email is None


class TestAnEmailUnderAnotherName:
    NAMED = options(email_property="Email", anonymous_users="emails")

    @pytest.mark.parametrize("place", ["set", "set_once", "person_properties"])
    def test_is_the_email_wherever_it_stands(self, place: str) -> None:
        its = msgspec.structs.replace(event(), **{place: {"Email": "ada@x.co"}})
        made = plan(its, None, self.NAMED)
        assert bodies(made)[0]["attributes"] == {"email": "ada@x.co"}
        assert made.adjusted == ()

    def test_is_taken_away_under_that_name(self) -> None:
        _, life = history(
            event(set={"Email": "ada@x.co"}), event(at_s=NOW_S + 1, unset=("Email",)), with_options=self.NAMED
        )
        assert life.person().email is None

    def test_leaves_no_room_for_a_property_called_email(self) -> None:
        made = plan(event(set={"Email": "ada@x.co", "email": "x@y.co"}, unset=("email",)), None, self.NAMED)
        assert bodies(made)[0]["attributes"] == {"email": "ada@x.co"}
        assert made.adjusted == ("reserved_attribute", "reserved_attribute")

    def test_is_no_attribute_any_more_if_it_was_one_before(self) -> None:
        life = Life()
        life.say(event(set={"Email": "old@x.co", "plan": "pro"}))
        made = plan(event(set={"Email": "ada@x.co", "plan": "team"}), life, self.NAMED)
        assert bodies(made)[0]["attributes"] == {"email": "ada@x.co", "plan": "team"}

    def test_what_was_learned_under_that_name_before_is_not_said(self) -> None:
        life = Life(options(event_allowlist="another"))
        life.say(event(set={"Email": "old@x.co", "plan": "pro"}))
        made = plan(event(set={"Email": "ada@x.co"}), life, self.NAMED)
        assert bodies(made)[0]["attributes"] == {"email": "ada@x.co", "plan": "pro"}

    @pytest.mark.parametrize("name", ["Email", "$email", "userEmail", "E-Mail", "EMAIL_ADDRESS"])
    @pytest.mark.parametrize("place", ["set", "set_once", "person_properties"])
    def test_is_hinted_at_as_long_as_none_is_known(self, name: str, place: str) -> None:
        its = msgspec.structs.replace(event(), **{place: {name: "ada@x.co"}})
        assert plan(its, None).adjusted == (f"email_under:{name}",)
        known = msgspec.structs.replace(its, set={**its.set, "email": "ada@x.co"})
        assert plan(known, None).adjusted == ()

    def test_is_not_hinted_at_where_it_was_looked_for_and_is_no_address(self) -> None:
        assert plan(event(set={"Email": "ada at @"}), None, self.NAMED).adjusted == ("invalid_email",)

    @pytest.mark.parametrize("properties", [{"Email": "none"}, {"Email": None}, {"company": "a@x.co"}])
    def test_is_not_hinted_at_where_there_is_none(self, properties: dict[str, object]) -> None:
        assert plan(event(set=properties), None).adjusted == ()


def test_an_email_taken_away_does_not_come_back_by_itself() -> None:
    who = "ann@example.com"
    plans, life = history(
        event(distinct_id=who),
        event(distinct_id=who, unset=("email",)),
        event(distinct_id=who),
        event(distinct_id=who, at_s=NOW_S - 9, person_properties={"email": who}),
        event("personless", who, personless=True),
        with_options=options(anonymous_users="emails"),
    )
    # Whose email was known once qualifies for ever.
    assert [made.filtered for made in plans] == [None] * 5
    assert life.person(who).email is None
    life.say(event(distinct_id=who, person_properties={"email": "ann@b.co"}))
    assert life.person(who).email == "ann@b.co"


@pytest.mark.parametrize("value", [None, "", "nobody", ["a@b.co"], {"a": "a@b.co"}, 5, True, "a b@c.de", "x" * 300])
def test_an_email_that_is_no_address_is_left_out_and_counted(value: object) -> None:
    found, adjusted = attributes(email=value, plan="pro")
    assert (found, adjusted) == ({"plan": "pro"}, ("invalid_email",))


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("ann@example.com", True),
        ("Ann.O'Neil+shop@mail.example.co.uk", True),
        ("a@b.co", True),
        ("1@2.io", True),
        (f"{'a' * 64}@example.com", True),
        (f"{'a' * 65}@example.com", False),
        (f"a@{'b' * 63}.com", True),
        (f"a@{'b' * 64}.com", False),
        (f"a@{'.'.join(['b' * 49] * 5)}.co", True),
        (f"a@{'.'.join(['b' * 49] * 5)}.com", False),
        ("a@b", False),
        ("@b.co", False),
        ("a@", False),
        ("a@@b.co", False),
        ("a@b@c.co", False),
        (".a@b.co", False),
        ("a.@b.co", False),
        ("a..b@c.co", False),
        ("a@-b.co", False),
        ("a@b-.co", False),
        ("a@b..co", False),
        ("a@b.co.", False),
        ("a@127.0.0.1", False),
        ("a b@c.de", False),
        (" a@b.co", False),
        ("a@b.co\n", False),
        ("a\x00@b.co", False),
        ('"a b"@c.de', False),
        ("<a@b.co>", False),
        ("ä@b.co", False),
        ("a@ä.co", False),
    ],
)
def test_what_is_an_email_address(text: str, *, valid: bool) -> None:
    assert (address(text) == text) is valid


@pytest.mark.parametrize("name", ["id", "cio_id", "_update", "_timestamp", "cio_relationships", "anonymous_id"])
def test_names_that_mean_something_else_to_customerio_are_left_out_and_counted(name: str) -> None:
    for spelt in (name, f" {name} "):
        assert attributes(**{spelt: "x", "plan": "pro"}) == ({"plan": "pro"}, ("reserved_attribute",))


@pytest.mark.parametrize(
    ("name", "value", "kept", "reason"),
    [
        ("text", "x" * 1000, "x" * 1000, None),
        ("text", "x" * 1001, "x" * 1000, "attribute_cut"),
        ("text", "ü" * 500, "ü" * 500, None),
        ("text", "x" + "ü" * 500, "x" + "ü" * 499, "attribute_cut"),
        ("text", "😀" * 251, "😀" * 250, "attribute_cut"),
        ("n" * 150, 1, 1, None),
        ("n" * 151, 1, ..., "attribute_name_too_long"),
        ("ü" * 75, 1, 1, None),
        ("ü" * 76, 1, ..., "attribute_name_too_long"),
        ("", 1, ..., "attribute_name_blank"),
        (" ", 1, ..., "attribute_name_blank"),
        (" email", "a@b.co", ..., "reserved_attribute"),
        ("list", ["x" * 996], ["x" * 996], None),
        ("list", ["x" * 997], ..., "attribute_too_large"),
        ("object", {"k": "x" * 992}, {"k": "x" * 992}, None),
        ("object", {"k": "x" * 993}, ..., "attribute_too_large"),
        ("nan", NAN, ..., "not_a_number"),
        ("infinity", INFINITY, ..., "not_a_number"),
        ("inner", {"k": [NAN]}, ..., "not_a_number"),
        ("inner", {"k": [None, "null"]}, {"k": [None, "null"]}, None),
        ("whole", 2**64 - 1, 2**64 - 1, None),
        ("half", 0.5, 0.5, None),
        ("none", None, None, None),
        ("yes", True, True, None),
    ],
)
def test_attributes_beyond_a_limit_are_cut_or_left_out_and_counted(
    name: str, value: object, kept: object, reason: str | None
) -> None:
    found, adjusted = attributes(**{name: value})
    assert found == ({} if kept is ... else {name: kept})
    assert adjusted == (() if reason is None else (reason,))


def test_the_301st_attribute_is_left_out_and_counted() -> None:
    found, adjusted = attributes(**{f"a{n}": n for n in range(302)})
    assert found == {f"a{n}": n for n in range(300)}
    assert adjusted == ("too_many_attributes",) * 2


def test_the_301st_attribute_over_several_events_is_left_out_but_known_ones_still_change() -> None:
    plans, life = history(
        event(set={f"a{n}": n for n in range(299)}),
        event(set={"b": 1, "c": 1, "email": "ann@example.com"}),
        event(set={"a1": "new", "c": 1}),
    )
    assert [made.adjusted for made in plans] == [(), ("too_many_attributes",) * 2, ()]
    assert bodies(plans[1])[0]["attributes"] == {"email": "ann@example.com"}
    assert bodies(plans[2])[0]["attributes"] == {"a1": "new"}
    main = life.told().main
    assert main is not None
    assert len(main.names) == 300  # with the email


def test_one_that_is_taken_away_makes_room_for_another_and_finds_none_when_it_comes_back() -> None:
    plans, _ = history(
        event(set={f"a{n}": n for n in range(301)}),
        event(unset=("a0",)),
        event(set={"a0": 7}),
    )
    assert [made.adjusted for made in plans] == [("too_many_attributes",), (), ("too_many_attributes",)]
    assert bodies(plans[1])[0]["attributes"] == {"a0": None, "a300": 300}
    assert actions(plans[2]) == ["event"]


def test_what_was_repaired_when_reading_is_counted_too() -> None:
    made = plan(event(repaired=("integer_as_text",), set={"id": 1}))
    assert made.adjusted == ("integer_as_text", "reserved_attribute")
    assert plan(event("$snapshot", repaired=("nul_removed",))).adjusted == ("nul_removed",)


def test_an_identify_over_32_000_bytes_is_split_and_each_part_is_accepted_by_itself() -> None:
    said: dict[str, object] = {f"a{n}": "\x01" * 1000 for n in range(20)}
    life = Life()
    made = life.say(event(set={**said, "email": "ann@example.com"}), refuses=no_attribute("a19"))
    identifies = [operation for operation in made.operations if operation.action == "identify"]
    assert len(identifies) > 1
    assert all(len(operation.body) <= 32_000 for operation in identifies)
    found: dict[str, object] = {}
    for operation in identifies:
        assert body(operation)["timestamp"] == NOW_S
        found |= body(operation)["attributes"]
    assert found == {**said, "email": "ann@example.com"}
    main = life.told().main
    assert main is not None
    assert (set(main.names), set(main.refused), main.email) == (found.keys() - {"a19"}, {"a19"}, "ann@example.com")


@pytest.fixture(params=["UTC", "Pacific/Auckland", "America/St_Johns"])
def server_time_zone(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


DATES = [
    ("1990-05-04", 641_779_200),
    ("19900504", 641_779_200),
    ("1955-11-05", -446_774_400),
    ("1969-12-31T23:59:59.5", -1),
    ("2026-11-01T10:00:00Z", 1_793_527_200),
    ("2026-11-01T10:00:00.123456Z", 1_793_527_200),
    ("2026-11-01 10:00:00", 1_793_527_200),
    ("2026-11-01 10:00", 1_793_527_200),
    (" 2026-11-01 10:00:00 UTC ", 1_793_527_200),
    ("2026-11-01T10:00:00+02:00", 1_793_520_000),
    ("2026-11-01T10:00:00-0330", 1_793_539_800),
    ("2026-11-01T10:00:00+02", 1_793_520_000),
    (1_793_527_200, 1_793_527_200),
    (1_793_527_200.9, 1_793_527_200),
    (-0.5, -1),
    (1_793_527_200_123, 1_793_527_200),
    (1_793_527_200_123.5, 1_793_527_200),
    ("1793527200", 1_793_527_200),
    ("1793527200123", 1_793_527_200),
    ("1793527200.75", 1_793_527_200),
    (-446_601_600, -446_601_600),
    (-446_601_600_001, -446_601_601),
    ("-446601600000", -446_601_600),
    (0, 0),
    (9_999_999_999, 9_999_999_999),
    (10_000_000_000, 10_000_000),
    (-9_999_999_999, -9_999_999_999),
    (253_402_300_799_999, 253_402_300_799),
    (-62_135_596_800_000, -62_135_596_800),
]
UNREADABLE = [
    "soon",
    "",
    "2026",
    "20260230",
    "2026-13-01",
    "2026-02-30",
    "2026-11-01T25:00",
    "2026-11-01T10:60",
    "2026-11-01T10:00:60",
    "2026-11-01T10:00:00+24:00",
    "2026-11-01T10:00:00+02:60",
    "0000-01-01",
    "x" * 65,
    253_402_300_800_000,
    -62_135_596_801_000,
    10**18,
    -(10**18),
    True,
    None,
    ["2026-11-01"],
]


@pytest.mark.usefixtures("server_time_zone")
@pytest.mark.parametrize(("written", "seconds"), DATES)
def test_a_date_attribute_is_whole_seconds_the_same_on_every_server(written: object, seconds: int) -> None:
    found, adjusted = attributes("created_at, dob", dob=written)
    assert (found, adjusted) == ({"dob": seconds}, ())
    assert attributes(created_at=written) == ({"created_at": seconds}, ())


@pytest.mark.parametrize("written", UNREADABLE)
def test_a_date_attribute_that_cannot_be_read_is_sent_as_it_is(written: object) -> None:
    assert attributes(created_at=written) == ({"created_at": written}, ())


def test_a_date_attribute_that_is_no_number_is_left_out() -> None:
    assert attributes(created_at=NAN) == ({}, ("not_a_number",))


def test_a_date_like_text_under_another_name_stays_text() -> None:
    assert attributes(sku="2026-11-01") == ({"sku": "2026-11-01"}, ())


def test_no_name_is_a_date_if_none_is_chosen() -> None:
    assert attributes("", created_at="2026-11-01") == ({"created_at": "2026-11-01"}, ())


def test_an_email_of_this_request_is_not_yet_an_identifier_in_it() -> None:
    """Operations of one request may take effect in any order."""
    life = customer("u1", options(identify_by_email=True))
    together = life.say(event(set={"email": "ann@example.com"}), event())
    assert [one["identifiers"] for one in bodies(together)] == [{"id": "u1"}] * 3
    assert [one["identifiers"] for one in bodies(life.say(event()))] == [{"email": "ann@example.com"}]


def test_an_email_that_cannot_be_sent_is_counted_once() -> None:
    """Who is known by an email alone moves to another one only once they are identified."""
    life = Life(options(identify_by_email=True))
    life.say(event(set={"email": "ann@example.com"}))
    plans, _ = history(event(set={"email": "other@example.com"}), event(), life=life)
    assert [actions(made) for made in plans] == [["event"], ["event"]]
    assert [made.adjusted for made in plans] == [("email_change_not_sent",), ()]
