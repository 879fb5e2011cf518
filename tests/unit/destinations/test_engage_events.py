"""Which events go to Engage, and that they go as PostHog's webhook gives them."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest
from desk_bench import Life
from engage_cases import GOLDEN_HEADER, event, options
from hypothesis import given
from hypothesis import strategies as st

from hogline import __version__
from hogline.destinations.base import Written
from hogline.destinations.catalogue import DESTINATIONS
from hogline.destinations.engage import ENGAGE
from hogline.model import Event, Operation
from hogline.posthog.entry import entry_of

DOCUMENTED = (Path(__file__).parents[3] / "docs" / "engage.md").read_text("utf-8")


def forward(sent: Event, **values: object) -> Written | str:
    return ENGAGE.forward(entry_of(sent), options(**values))


def operation_of(sent: Event) -> Operation:
    made = forward(sent)
    assert isinstance(made, Written)
    assert made.operation is not None
    return made.operation


def filtered(sent: Event, **values: object) -> str | None:
    made = forward(sent, **values)
    return made if isinstance(made, str) else None


def body(sent: Event) -> dict[str, object]:
    return msgspec.json.decode(operation_of(sent).body, type=dict[str, object])


def test_engage_is_in_the_catalogue() -> None:
    assert DESTINATIONS["engage"] is ENGAGE


def test_the_request_is_the_one_that_posthogs_own_template_makes() -> None:
    operation = operation_of(event(elements_chain="a:nth-child", url="https://app.posthog.com/e/1"))
    request = ENGAGE.request([operation], options(), 0)
    assert (request.method, request.url) == ("POST", "https://api.engage.so/posthog")
    assert request.headers == {
        "authorization": GOLDEN_HEADER,
        "content-type": "application/json",
        "user-agent": f"hogline/{__version__}",
    }
    assert request.body == (
        b'{"uuid":"0199f3a0-0000-7000-8000-000000000001","event":"order completed","distinct_id":"u1",'
        b'"properties":{"total":5},"timestamp":"2026-11-01T10:00:00.123Z","elements_chain":"a:nth-child",'
        b'"url":"https://app.posthog.com/e/1"}'
    )


def test_another_base_url_is_asked_at_the_same_path() -> None:
    operation = operation_of(event())
    request = ENGAGE.request([operation], options(api_base_url="http://127.0.0.1:8010/engage/"), 0)
    assert request.url == "http://127.0.0.1:8010/engage/posthog"
    assert ENGAGE.base_url(options(api_base_url="http://127.0.0.1:8010/engage/")) == "http://127.0.0.1:8010/engage"


def test_what_an_event_sets_stands_among_its_properties_as_in_posthogs_webhook() -> None:
    sent = event("$identify", set={"plan": "pro"}, set_once={"first": 1}, unset=("trial",))
    assert body(sent)["properties"] == {
        "total": 5,
        "$set": {"plan": "pro"},
        "$set_once": {"first": 1},
        "$unset": ["trial"],
    }
    assert sent.properties == {"total": 5}


def test_what_is_not_set_is_not_made_up() -> None:
    assert body(event())["properties"] == {"total": 5}


@pytest.mark.parametrize("name", ["recipient", "$groups", "email", "$ip", ""])
def test_properties_go_along_under_their_own_names(name: str) -> None:
    assert body(event(properties={name: {"deep": [1, None, "x"]}}))["properties"] == {name: {"deep": [1, None, "x"]}}


def test_what_posthog_knows_of_the_person_is_not_sent() -> None:
    assert "secret@example.com" not in str(body(event(person_properties={"email": "secret@example.com"})))


@pytest.mark.parametrize(
    ("at_ms", "written"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_793_527_200_000, "2026-11-01T10:00:00.000Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_times_are_written_in_utc_with_milliseconds(at_ms: int, written: str) -> None:
    assert body(event(timestamp_ms=at_ms))["timestamp"] == written


SENT = ("order completed", "Order", "a$b", "$identify", "$set", "$unset", "$groupidentify", "$create_alias", " $set ")
NOT_SENT = (
    "$pageview",
    "$pageleave",
    "$screen",
    "$autocapture",
    "$snapshot",
    "$set_once",
    "$merge_dangerously",
    "$feature_flag_called",
    "$",
    "$Identify",
    " $pageview",
)


@pytest.mark.parametrize("name", SENT)
def test_own_events_and_what_is_said_of_people_and_groups_are_sent(name: str) -> None:
    operation = operation_of(event(name))
    assert (operation.action, operation.path) == ("event", "/posthog")
    assert body(event(name))["event"] == name


@pytest.mark.parametrize("name", NOT_SENT)
def test_posthogs_other_events_are_not_sent(name: str) -> None:
    assert forward(event(name)) == "not_for_engage"


@pytest.mark.parametrize("distinct_id", ["$posthog_cookieless", "cookieless_abc"])
def test_cookieless_visitors_are_not_sent(distinct_id: str) -> None:
    assert forward(event(distinct_id=distinct_id)) == "cookieless"


@pytest.mark.parametrize(
    ("allowlist", "name", "rule"),
    [
        ("", "order completed", None),
        (" , ,", "order completed", None),
        ("order completed, $identify", "order completed", None),
        ("order completed, $identify", " order completed ", None),
        ("order completed, $identify", "$identify", None),
        ("order completed", "$identify", "not_in_allowlist"),
        ("order completed", "Order completed", "not_in_allowlist"),
        ("$pageview", "$pageview", "not_for_engage"),
    ],
)
def test_the_allowlist_chooses_among_what_engage_takes(allowlist: str, name: str, rule: str | None) -> None:
    assert filtered(event(name), event_allowlist=allowlist) == rule


def test_engage_has_no_people_to_be_told_of() -> None:
    assert ENGAGE.people is None
    assert "delete" in ENGAGE.cannot_forget


def test_what_is_no_number_is_null_and_counted_at_each_place() -> None:
    sent = event(properties={"a": math.nan, "b": [math.inf, None, {"c": -math.inf}]}, set={"d": math.nan})
    assert body(sent)["properties"] == {"a": None, "b": [None, None, {"c": None}], "$set": {"d": None}}
    assert Life(ENGAGE, options()).say(sent).adjusted == ("not_a_number",) * 4
    assert Life(ENGAGE, options()).say(event(properties={"a": None})).adjusted == ()


@pytest.mark.parametrize("name", ["order completed", "$pageview"])
def test_what_was_repaired_on_receipt_is_counted(name: str) -> None:
    assert Life(ENGAGE, options()).say(event(name, repaired=("nul_removed",))).adjusted == ("nul_removed",)


def test_an_event_of_somebody_suppressed_is_not_sent() -> None:
    def suppressed(text: str) -> bool:
        return text == "ada@example.com"

    life = Life(ENGAGE, options(), suppressed=suppressed)  # type: ignore[arg-type]  # a function is true
    made = life.say(event(set={"email": "ada@example.com"}, repaired=("nul_removed",)))
    assert (made.filtered, made.operations, made.adjusted) == ("suppressed", (), ("nul_removed",))


def test_a_large_event_is_sent_whole() -> None:
    text = "x" * 2_000_000
    assert body(event(properties={"text": text}))["properties"] == {"text": text}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=5))
def test_whatever_the_properties_the_same_event_is_always_the_same_json(properties: dict[str, object]) -> None:
    sent = event(properties=properties)
    operation = operation_of(sent)
    msgspec.json.decode(operation.body)
    assert operation == operation_of(sent)


@pytest.mark.parametrize("reason", ["not_for_engage", "not_in_allowlist", "cookieless", "not_a_number"])
def test_every_reason_is_explained(reason: str) -> None:
    assert f"`{reason}`" in DOCUMENTED


def test_every_option_is_documented() -> None:
    for option in ENGAGE.options:
        assert f"| {option.title} | `{option.key}` | `--{option.key.replace('_', '-')}` |" in DOCUMENTED
