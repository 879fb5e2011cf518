"""What one event says of its user, as PostHog reads it."""

# mypy: allow-untyped-defs, allow-untyped-calls

import json

import pytest

from hogline.model import Event
from hogline.posthog import read_one
from hogline.posthog.email_names import EMAIL_NAMES, emails_elsewhere
from hogline.posthog.entry import encode_event, entry_of
from hogline.posthog.forgetting import without
from hogline.posthog.meaning import id_of, identifies, not_analytics, other_id

UUID = "0199f3a0-0000-7000-8000-000000000001"


def event(name="order completed", properties=None, **fields):
    return Event(UUID, name, "u1", 0, 0, properties or {}, **fields)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("42", "42"),
        (42, "42"),
        (-7, "-7"),
        (12345678901234567890, "12345678901234567890"),
        (42.0, "42"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1.5e-6, "0.0000015"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1.5e-7, "1.5e-7"),
        (1e20, "100000000000000000000"),
        (1.2345678901234567e20, "123456789012345670000"),
        (1e21, "1e+21"),
        (-1.5e300, "-1.5e+300"),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (True, "true"),
        (False, "false"),
        (None, "null"),
        ([1, None, ["a", True]], "1,,a,true"),
        ({"id": 1}, "[object Object]"),
    ],
)
def test_another_id_is_text_as_javascript_writes_it(value, text):
    assert id_of(value) == text


@pytest.mark.parametrize(
    ("name", "key"), [("$identify", "$anon_distinct_id"), ("$create_alias", "alias"), ("$merge_dangerously", "alias")]
)
def test_another_id_that_is_a_number_is_text_from_the_door_on(name, key):
    line = {"event": name, "distinct_id": "u1", "uuid": UUID, "properties": {key: 42, "total": 42}}
    read = read_one(json.dumps(line).encode(), 0).event
    assert read.properties == {key: "42", "total": 42}
    assert read.repaired == ("distinct_id_as_text",)
    assert other_id(name, read.properties) == other_id(name, {key: 42}) == "42"


def test_only_events_about_ids_name_another_id():
    assert other_id("order completed", {"alias": 42, "$anon_distinct_id": 42}) is None
    assert other_id("$identify", {"alias": 42}) is None
    line = {"event": "order completed", "distinct_id": "u1", "properties": {"alias": 42}}
    assert read_one(json.dumps(line).encode(), 0).event.properties == {"alias": 42}


@pytest.mark.parametrize("alias", [42, "42", 42.0, ["42"]])
def test_whoever_is_forgotten_is_taken_out_of_events_that_name_them_in_whatever_form(alias):
    left = without(encode_event(event("$create_alias", {"alias": alias, "total": 1})), {"42"})
    assert left == encode_event(event("$create_alias", {"total": 1}))
    assert without(encode_event(event("$create_alias", {"alias": alias})), {"43"}) is None


@pytest.mark.parametrize("value", [True, "true"])
def test_is_identified_may_be_text(value):
    assert identifies(event(properties={"$is_identified": value}))


@pytest.mark.parametrize("value", [False, "false", 1, "True", None, [True]])
def test_other_values_identify_nobody(value):
    assert not identifies(event(properties={"$is_identified": value}))
    assert identifies(event(" $identify ", {"$is_identified": value}))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("$snapshot", "snapshot"),
        ("$snapshot_items", "snapshot"),
        ("$performance_event", "posthog_internal"),
        ("$$heatmap", "posthog_internal"),
        ("$$client_ingestion_warning", "posthog_internal"),
        ("$$anything", "posthog_internal"),
        ("$web_vitals", None),
        ("$autocapture", None),
        ("order completed", None),
    ],
)
def test_what_posthog_keeps_out_of_its_analytics(name, why):
    assert not_analytics(name) == why


def test_names_that_an_email_may_have():
    assert {"Email", "$email", "EMAIL", "eMail", "e-mail", "E-Mail", "emailAddress", "Email Address", "user_email",
            "USER_EMAIL", "$Email", "mail"} <= EMAIL_NAMES  # fmt: skip
    assert "email" not in EMAIL_NAMES
    assert len(EMAIL_NAMES) < 300


def test_emails_elsewhere():
    everywhere = event(
        set={"Email": "a@x.co", "plan": "a@x.co"},
        set_once={"$email": "a@x.co"},
        person_properties={"mail": "a@x.co", "E-Mail": None, "user_email": 7},
    )
    assert elsewhere(everywhere) == ["$email", "Email", "mail"]
    assert elsewhere(event(set={"email": "a@x.co"}, properties={"Email": "a@x.co"})) == []


def elsewhere(one):
    said = entry_of(one).said
    assert said is not None
    return emails_elsewhere(said)
