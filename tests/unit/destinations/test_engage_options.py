"""Reading the options of an Engage connection: what is taken, and the sentence for each mistake."""

from __future__ import annotations

import pytest
from engage_cases import GOLDEN_HEADER, KEYS, options

from hogline.destinations.base import InvalidOptions
from hogline.destinations.engage import ENGAGE


def test_the_keys_alone_suffice() -> None:
    made = options()
    assert (made.authorization, made.base_url, made.allowlist) == (GOLDEN_HEADER, "https://api.engage.so", frozenset())
    assert ENGAGE.requests_per_second(made) == 100


def test_everything_can_be_set() -> None:
    made = options(
        event_allowlist=" a, b,,", api_base_url="https://Proxy.example.com:8443/x/", max_requests_per_second="7"
    )
    assert made.allowlist == {"a", "b"}
    assert made.base_url == "https://proxy.example.com:8443/x"
    assert ENGAGE.requests_per_second(made) == 7


@pytest.mark.parametrize(
    "url",
    ["https://api.engage.so", "api.engage.so", "http://127.0.0.1:8010", "http://localhost", "http://[::1]:8010", ""],
)
def test_a_base_url_is_https_or_on_this_machine(url: str) -> None:
    assert options(api_base_url=url).base_url


MISTAKES = (
    ({"public_key": None}, "public_key", "Engage Public Key is missing."),
    ({"public_key": " "}, "public_key", "Engage Public Key is missing."),
    ({"secret_key": ""}, "secret_key", "Engage Secret Key is missing."),
    ({"public_key": 5}, "public_key", "Engage Public Key must be a text."),
    ({"public_key": "canary key"}, "public_key", "Engage Public Key contains blanks or characters"),
    ({"secret_key": "canary\n\nkey"}, "secret_key", "Engage Secret Key contains blanks or characters"),
    ({"public_key": "canary:key"}, "public_key", "Engage Public Key has a colon in it."),
    ({"api_base_url": "http://api.engage.so"}, "api_base_url", "API base URL must begin with https://"),
    ({"api_base_url": "https://canary:key@api.engage.so"}, "api_base_url", "must not contain credentials"),
    ({"api_base_url": "https://"}, "api_base_url", "such as api.engage.so"),
    ({"api_base_url": "https://a b"}, "api_base_url", "such as api.engage.so"),
    ({"api_base_url": "https://a:b:c"}, "api_base_url", "such as api.engage.so"),
    ({"api_base_url": "https://a?canary"}, "api_base_url", "without ? or #"),
    ({"api_base_url": "https://a/../b"}, "api_base_url", "plain names between the slashes"),
    ({"max_requests_per_second": 0}, "max_requests_per_second", "from 1 to 1000"),
    ({"site_id": "canary"}, "site_id", "Engage has no option “site_id”."),
)


@pytest.mark.parametrize(("given", "key", "says"), MISTAKES)
def test_each_mistake_gets_a_sentence_that_repeats_no_value(given: dict[str, object], key: str, says: str) -> None:
    with pytest.raises(InvalidOptions) as raised:
        ENGAGE.read_options(KEYS | given)
    (problem,) = raised.value.problems
    assert problem.key == key
    assert says in problem.sentence
    assert "canary" not in problem.sentence


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(InvalidOptions) as raised:
        ENGAGE.read_options({"api_base_url": "http://a"})
    assert [problem.key for problem in raised.value.problems] == ["public_key", "secret_key", "api_base_url"]


def test_both_keys_are_secret_and_shown_nowhere() -> None:
    assert [option.key for option in ENGAGE.options if option.secret] == ["public_key", "secret_key"]
    made = options()
    assert GOLDEN_HEADER not in repr(made)
    assert GOLDEN_HEADER not in str(made.__rich_repr__())


def test_the_pace_says_what_it_means_for_engage() -> None:
    (pace,) = [option for option in ENGAGE.options if option.key == "max_requests_per_second"]
    assert "a separate request" in pace.hint
