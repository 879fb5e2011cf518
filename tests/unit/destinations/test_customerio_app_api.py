"""Customer.io's App API: what is asked, and what the answers mean."""

from __future__ import annotations

import msgspec
import pytest

from hogline.destinations.customerio import app_api
from hogline.destinations.customerio.app_api import Failed, NotAnswered, same
from hogline.model import Response

KEY = "app-key-0123"


def answer(value: object, status: int = 200) -> Response:
    return Response(status, {}, msgspec.json.encode(value))


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("https://track.customer.io", "https://api.customer.io"),
        ("https://track-eu.customer.io", "https://api-eu.customer.io"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
    ],
)
def test_the_region_of_the_tracking_endpoint_decides_which_host_is_asked(base_url: str, host: str) -> None:
    request = app_api.people_request(base_url, KEY, "email", ["a+b@x.co"])
    assert (request.method, request.url) == ("POST", f"{host}/v1/customers/attributes?id_type=email")
    assert (request.headers["authorization"], request.body) == (f"Bearer {KEY}", b'{"ids":["a+b@x.co"]}')
    assert app_api.failures_request(base_url, KEY, "").url == (
        f"{host}/v1/activities?type=failed_attribute_change&limit=100"
    )
    assert app_api.failures_request(base_url, KEY, "abc").url.endswith("&start=abc")


def test_people_come_by_their_identifier_and_unknown_ones_not_at_all() -> None:
    customers = [{"customer": {"id": "u1", "attributes": {"id": "u1", "email": "Ann@x.co", "plan": "pro"}}}]
    customers.append({"customer": {"id": "", "attributes": {"cio_id": "c"}}})
    answered = answer({"customers": customers})
    assert list(app_api.read_people("id", answered)) == ["u1"]
    assert app_api.read_people("email", answered)["ann@x.co"]["plan"] == "pro"


def test_failed_changes_come_page_by_page() -> None:
    activities = [
        {"customer_id": "u1", "customer_identifiers": {"id": "u1", "email": None}, "data": {"email": {"to": "x"}}},
        {"customer_id": "u2", "data": None},
        {"customer_identifiers": {"email": "a@x.co"}},
    ]
    assert app_api.read_failures(answer({"activities": activities, "next": "7"})) == (
        [Failed("u1", None, ("email",)), Failed("u2", None, ()), Failed(None, "a@x.co", ())],
        "7",
    )
    assert app_api.read_failures(answer({"activities": None, "next": ""})) == ([], "")


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "App API key"), (403, "App API key"), (400, "identify people"), (404, "404"), (500, "500")],
)
def test_any_other_answer_is_a_sentence(status: int, words: str) -> None:
    for read in (lambda given: app_api.read_people("id", given), app_api.read_failures):
        with pytest.raises(NotAnswered, match=words):
            read(answer({}, status))


def test_what_is_no_answer_of_the_app_api_is_a_sentence() -> None:
    for read in (lambda given: app_api.read_people("id", given), app_api.read_failures):
        with pytest.raises(NotAnswered, match="App API"):
            read(Response(200, {}, b"<html>"))


def test_when_it_is_busy_it_is_asked_again() -> None:
    assert [app_api.is_busy(Response(status, {}, b"")) for status in (200, 401, 429, 500, 503)] == [
        False, False, True, True, True,
    ]  # fmt: skip


def test_a_key_is_printable_and_not_short() -> None:
    assert [app_api.is_key(text) for text in (KEY, "short", "with space in it", "")] == [True, False, False, False]


@pytest.mark.parametrize(
    ("believed", "found", "expected"),
    [
        ("pro", "pro", True),
        ("pro", "free", False),
        (10, "10", True),
        (10, 10.0, True),
        (10, "11", False),
        (1.5, "1.5", True),
        (True, "true", True),
        (True, "1", False),
        (True, 1, False),
        (1, "true", False),
        ("007", "007", True),
        ("007", "7", False),
        ("1.0", "1", True),
        ([1, "a"], '[1,"a"]', True),
        ([1, "a"], [1, "a"], True),
        ([1], [2], False),
        ({"a": None}, '{"a": null}', True),
        ({"a": 1}, {"a": "2"}, False),
        ("null", "null", True),
        (None, None, True),
        (None, "", True),
        ("", None, True),
        (None, "x", False),
        ("x", None, False),
        ('"x"', '"x"', True),
        ("\ud800", "\ud800", True),
    ],
)
def test_a_value_is_the_same_although_it_comes_back_as_text(believed: object, found: object, expected: bool) -> None:  # noqa: FBT001
    assert same(believed, found) is expected
