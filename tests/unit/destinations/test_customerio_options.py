"""The options: what is asked for, what is understood, and a sentence for each mistake."""

from __future__ import annotations

import base64

import pytest
from customerio_cases import options

from hogline.destinations.base import InvalidOptions
from hogline.destinations.catalogue import DESTINATIONS
from hogline.destinations.customerio import CUSTOMERIO, Options
from hogline.destinations.customerio.declared import PLUMBING
from hogline.destinations.given import begun, grown, over
from hogline.destinations.names import Names

KEYS = {"site_id": "site", "api_key": "key"}


def mistakes(**values: object) -> dict[str, str]:
    with pytest.raises(InvalidOptions) as caught:
        CUSTOMERIO.read_options({**KEYS, **values})
    return {problem.key: problem.sentence for problem in caught.value.problems}


def test_the_catalogue_lists_customerio_under_its_key() -> None:
    assert DESTINATIONS["customerio"] is CUSTOMERIO
    assert DESTINATIONS["customerio"] is CUSTOMERIO
    assert (CUSTOMERIO.key, CUSTOMERIO.title) == ("customerio", "Customer.io")
    assert CUSTOMERIO.summary


def test_the_options_are_asked_for_by_these_keys_with_these_defaults() -> None:
    assert [(o.key, o.kind, o.required, o.secret, o.default) for o in CUSTOMERIO.options if not o.instead] == [
        ("site_id", "text", True, True, ""),
        ("api_key", "text", True, True, ""),
        ("tracking_endpoint", "choice", False, False, "track.customer.io"),
        ("identify_by", "choice", False, False, "id"),
        ("anonymous_users", "choice", False, False, "all"),
        ("hold_days", "whole_number", False, False, 0),
        ("ignore_when", "text", False, False, ""),
        ("merge_people", "choice", False, False, "own"),
        ("delete_on", "text", False, False, ""),
        ("suppress_on", "text", False, False, ""),
        ("protect_emails", "yes_no", False, False, False),
        ("events", "text", False, False, ""),
        ("page_names", "choice", False, False, "url"),
        ("event_properties", "text", False, False, PLUMBING),
        ("attributes_from", "choice", False, False, "set"),
        ("attribute_names", "text", False, False, "-$*"),
        ("attribute_mapping", "text", False, False, ""),
        ("date_attributes", "text", False, False, "created_at"),
        ("set_once", "yes_no", False, False, True),
        ("email_property", "text", False, False, "email"),
        ("group_objects", "text", False, False, ""),
        ("max_requests_per_second", "whole_number", False, False, 100),
    ]
    assert all(option.title and option.hint for option in CUSTOMERIO.options)


def test_what_is_not_given_has_its_default() -> None:
    assert options() == Options(
        base_url="https://track.customer.io",
        authorization="Basic " + base64.b64encode(b"site:key").decode(),
        attribute_names=Names(never=("$*",)),
    )
    nothing = dict.fromkeys(option.key for option in CUSTOMERIO.options)
    assert CUSTOMERIO.read_options({**nothing, **KEYS}) == options()
    assert options(tracking_endpoint="", identify_by_email="", anonymous_users="") == options()


def test_lists_of_names_are_comma_separated_without_blanks_or_empty_names() -> None:
    read = options(event_allowlist=" order completed,, signed up ,", date_attributes="created_at, dob")
    assert read.events.only == ("order completed", "signed up")
    assert read.dates.paths == {"created_at", "dob"}


@pytest.mark.parametrize(
    ("value", "meant"),
    [(True, True), (False, False), ("Yes", True), (" true ", True), ("NO", False), ("false", False)],
)
def test_yes_and_no_are_understood_as_typed_and_as_json(value: object, *, meant: bool) -> None:
    assert options(identify_by_email=value).identify_by_email is meant


@pytest.mark.parametrize("choice", ["all", "identified", "emails"])
def test_each_choice_of_anonymous_users_is_understood(choice: str) -> None:
    assert options(anonymous_users=f" {choice} ").anonymous_users == choice


def test_credentials_are_taken_without_the_blanks_around_them() -> None:
    assert options(site_id=" site ", api_key="key\n") == options()


def test_no_secret_stands_in_the_text_form_of_options() -> None:
    read = options()
    shown = f"{read!r} {read} {read.__rich_repr__()}"
    assert read.authorization.removeprefix("Basic ") not in shown
    assert "https://track.customer.io" in shown


@pytest.mark.parametrize(
    ("given", "base_url"),
    [
        ("track.customer.io", "https://track.customer.io"),
        ("track-eu.customer.io", "https://track-eu.customer.io"),
        (" Track.Customer.io ", "https://track.customer.io"),
        ("https://track.customer.io/", "https://track.customer.io"),
        ("HTTPS://proxy.example.com:8443/customerio//", "https://proxy.example.com:8443/customerio"),
        ("proxy.example.com/a/b", "https://proxy.example.com/a/b"),
        ("http://127.0.0.1:8010", "http://127.0.0.1:8010"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("http://localhost:8010/", "http://localhost:8010"),
        ("http://[::1]:8010", "http://[::1]:8010"),
        ("https://10.0.0.1", "https://10.0.0.1"),
        ("https://sandbox", "https://sandbox"),
    ],
)
def test_a_tracking_endpoint_is_a_host_or_a_base_url(given: str, base_url: str) -> None:
    assert options(tracking_endpoint=given).base_url == base_url


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("http://track.customer.io", "https://"),
        ("http://10.0.0.1", "https://"),
        ("http://localhost.evil.example", "https://"),
        ("ftp://track.customer.io", "https://"),
        ("https://me:secret@track.customer.io", "credentials"),
        ("https://@track.customer.io", "credentials"),
        ("https://track.customer.io?x=1", "?"),
        ("https://track.customer.io#x", "?"),
        ("https://track.customer.io/../x", "path"),
        ("https://track.customer.io/.", "path"),
        ("https://track.customer.io/a//b", "path"),
        ("https://track.customer.io/%2e%2e/x", "path"),
        ("https://track.customer.io\\x", "characters"),
        ("https://track.customer.io/a b", "characters"),
        ("https://track.\ncustomer.io", "characters"),
        ("https://träck.customer.io", "characters"),
        ("https://", "not an address"),
        ("https://:443", "not an address"),
        ("https://a..b", "not an address"),
        ("https://track.customer.io:0", "not an address"),
        ("https://track.customer.io:99999", "not an address"),
        ("https://track.customer.io:x", "not an address"),
        ("https://[::1", "not an address"),
    ],
)
def test_any_other_tracking_endpoint_is_a_mistake(given: str, says: str) -> None:
    sentence = mistakes(tracking_endpoint=given)["tracking_endpoint"]
    assert sentence.startswith("Tracking Endpoint ")
    assert says in sentence
    assert "secret" not in sentence


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("site_id", "", "Customer.io Site ID is missing"),
        ("site_id", None, "Customer.io Site ID is missing"),
        ("site_id", "a b", "blanks"),
        ("site_id", "a\tb", "blanks"),
        ("site_id", "ä", "blanks"),
        ("site_id", "\ud800", "blanks"),
        ("api_key", "\ud800", "blanks"),
        ("site_id", "site:key", "colon"),
        ("site_id", 5, "must be a text"),
        ("api_key", "", "Customer.io API Key is missing"),
        ("api_key", "a\nb", "blanks"),
        ("api_key", ["x"], "must be a text"),
        ("tracking_endpoint", 5, "must be a text"),
        ("identify_by", "maybe", "must be one of: id, email"),
        ("protect_emails", 1, "must be Yes or No"),
        ("anonymous_users", "some", "must be one of: all, identified, emails"),
        ("anonymous_users", True, "must be a text"),
        ("events", ["a"], "must be a text"),
        ("date_attributes", 7, "must be a text"),
        ("colour", "red", "Customer.io has no option “colour”."),
    ],
)
def test_each_mistake_has_a_sentence(key: str, value: object, says: str) -> None:
    found = mistakes(**{key: value})
    assert list(found) == [key]
    assert says in found[key]


def test_all_mistakes_are_named_at_once() -> None:
    found = mistakes(site_id="", api_key="a b", anonymous_users="x", tracking_endpoint="http://x", hue=1)
    assert set(found) == {"hue", "site_id", "api_key", "tracking_endpoint", "anonymous_users"}


def test_one_mistake_is_one_sentence() -> None:
    with pytest.raises(InvalidOptions) as caught:
        CUSTOMERIO.read_options({**KEYS, "anonymous_users": 5, "tracking_endpoint": 5})
    assert [problem.key for problem in caught.value.problems] == ["tracking_endpoint", "anonymous_users"]


@pytest.mark.parametrize(
    ("given", "read"), [("yes", True), ("True", True), (" no ", False), ("false", False), ("", False)]
)
def test_yes_and_no_may_be_text(given: str, read: bool) -> None:  # noqa: FBT001  # a parameter
    assert options(protect_emails=given).protect_emails is read


def test_a_colon_may_stand_in_the_api_key() -> None:
    assert options(api_key="a:b").authorization == "Basic " + base64.b64encode(b"site:a:b").decode()


@pytest.mark.parametrize("given", [1, 50, 1_000, "50", " 50 "])
def test_the_pace_is_a_whole_number_of_requests_per_second(given: object) -> None:
    assert options(max_requests_per_second=given).requests_per_second == int(str(given))


@pytest.mark.parametrize("given", [0, -1, 1_001, 1.5, True, "", "many", "5.0", "٣", "9" * 30, [5]])
def test_another_pace_is_one_sentence(given: object) -> None:
    with pytest.raises(InvalidOptions, match=r"^Requests per second must be a whole number from 1 to 1000\.$"):
        options(max_requests_per_second=given)


def test_an_option_may_be_given_under_its_older_name_but_not_under_both() -> None:
    assert options(identify_by_email="yes") == options(identify_by="email")
    assert options(identify_by_email=False) == options(identify_by_email=" ") == options(identify_by="id")
    assert "must be one of" in mistakes(identify_by_email="maybe")["identify_by"]
    assert "must be a text" in mistakes(identify_by_email=1)["identify_by"]
    assert options(event_allowlist="paid") == options(events="paid")
    assert mistakes(event_allowlist="paid", events="paid") == {
        "event_allowlist": "PostHog Event Allowlist is an older name of Events. Give only one of them."
    }


def test_conditions_and_mappings_that_cannot_be_read_are_told() -> None:
    assert mistakes(ignore_when="$host contains x")["ignore_when"].startswith("Ignore events when needs a property")
    for wrong in ("first_name", "=x", "a=", "id=x", "email=mail", ":=1"):
        assert "such as firstname=first_name" in mistakes(attribute_mapping=wrong)["attribute_mapping"]
    assert "Put text in quotes" in mistakes(attribute_mapping="source:=posthog")["attribute_mapping"]


STORED = {"identify_by_email": True, "page_names": "event", "hold_days": 3}


@pytest.mark.parametrize(
    ("given", "after"),
    [
        ({"identify_by": "id"}, {"identify_by": "id", "page_names": "event", "hold_days": 3}),
        ({"identify_by_email": False}, {"identify_by_email": False, "page_names": "event", "hold_days": 3}),
        ({"identify_by": None}, {"page_names": "event", "hold_days": 3}),
        ({"page_names": None}, {"identify_by_email": True, "page_names": "url", "hold_days": 3}),
        ({"hold_days": 0}, {"identify_by_email": True, "page_names": "event", "hold_days": 0}),
    ],
)
def test_what_is_given_goes_over_what_is_stored_under_any_of_its_names(
    given: dict[str, object], after: dict[str, object]
) -> None:
    new = {"event_properties": PLUMBING, "attribute_names": "-$*", "set_once": True}
    assert over(CUSTOMERIO.options, {**STORED, **{key: new[key] for key in new}}, given) == {**after, **new}


def test_a_connection_goes_by_what_it_went_by_before_an_option_existed() -> None:
    old = {"page_names": "event", "event_properties": "", "attribute_names": "", "set_once": False}
    assert grown(CUSTOMERIO.options, {"hold_days": 3}) == {"hold_days": 3, **old}
    assert grown(CUSTOMERIO.options, {"page_names": "path"}) == {**old, "page_names": "path"}
    begins = begun(CUSTOMERIO.options, {"page_names": "path"})
    assert grown(CUSTOMERIO.options, begins) == begins
    assert CUSTOMERIO.read_options({**KEYS, **begins}) == options(page_names="path")
