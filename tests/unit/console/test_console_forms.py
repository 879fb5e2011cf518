"""Forms from what a destination declares: what a field shows, what was typed becomes, and that no secret comes out."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.datastructures import FormData

from hogline.console.forms import Field, fields, problems_of, typed
from hogline.destinations.base import Destination
from hogline.destinations.catalogue import DESTINATIONS
from hogline.destinations.customerio import CUSTOMERIO

SECRET = {"site_id": "canary", "api_key": "canary"}


def field_of(key: str, **values: object) -> Field:
    return next(field for field in fields(CUSTOMERIO, values) if field.option.key == key)


@pytest.mark.parametrize("destination", DESTINATIONS.values(), ids=DESTINATIONS.keys())
def test_every_option_of_every_destination_has_its_field_in_order(destination: Destination[Any]) -> None:
    assert [field.option for field in fields(destination, {})] == [
        one for one in destination.options if not one.instead
    ]


def test_what_was_given_under_an_older_name_is_shown_under_todays() -> None:
    assert field_of("events", event_allowlist="signed up").value == "signed up"
    assert field_of("identify_by", identify_by_email=True).value == "email"


def test_no_field_holds_a_secret() -> None:
    assert "canary" not in repr(fields(CUSTOMERIO, SECRET, secrets_are_set=True))


SHOWN = [
    ("protect_emails", True, "yes"),
    ("protect_emails", False, ""),
    ("max_requests_per_second", 50, "50"),
    ("events", "signed up", "signed up"),
    ("anonymous_users", "emails", "emails"),
]


@pytest.mark.parametrize(("key", "value", "text"), SHOWN)
def test_a_value_is_shown_as_it_is_typed(key: str, value: object, text: str) -> None:
    assert field_of(key, **{key: value}).value == text


def test_what_has_no_value_shows_its_default() -> None:
    assert field_of("date_attributes").value == "created_at"
    assert field_of("max_requests_per_second").value == "100"


def test_only_choices_that_are_suggestions_take_another_value() -> None:
    assert field_of("identify_by", identify_by="property:user_id").is_other
    assert field_of("tracking_endpoint", tracking_endpoint="https://proxy.example.org").is_other
    assert not field_of("tracking_endpoint", tracking_endpoint="track-eu.customer.io").is_other


TYPED = [
    ({"protect_emails": "yes"}, "protect_emails", True),
    ({}, "protect_emails", False),
    ({"events": " a, b "}, "events", "a, b"),
    ({"events": ""}, "events", ""),
    ({"tracking_endpoint": "track-eu.customer.io", "tracking_endpoint-other": "x"}, "tracking_endpoint",
     "track-eu.customer.io"),
    ({"tracking_endpoint": "other", "tracking_endpoint-other": "https://x.example"}, "tracking_endpoint",
     "https://x.example"),
    ({"identify_by": "other", "identify_by-other": "property:user_id"}, "identify_by", "property:user_id"),
    ({"api_key": "key"}, "api_key", "key"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "key", "value"), TYPED)
def test_what_is_typed_becomes_a_value(form: dict[str, str], key: str, value: object) -> None:
    assert typed(CUSTOMERIO, FormData(form))[key] == value


def test_a_secret_that_is_left_empty_is_left_out() -> None:
    assert not typed(CUSTOMERIO, FormData({"site_id": "", "api_key": " "})).keys() & SECRET.keys()


def test_what_is_no_option_is_not_taken() -> None:
    assert "odd" not in typed(CUSTOMERIO, FormData({"odd": "1", "do": "save"}))


def test_the_first_problem_of_a_field_is_told() -> None:
    problems = problems_of(CUSTOMERIO, {"site_id": "", "api_key": "key"})
    assert list(problems) == ["site_id"]
    assert problems_of(CUSTOMERIO, {}, secrets_are_set=True) == {}
