"""The configuration of PostHog's old Customer.io app becomes a connection's options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from cyclopts import CycloptsError

from hogline.cli import connections
from hogline.cli.app import app
from hogline.destinations.base import Imported, InvalidOptions
from hogline.destinations.customerio import CUSTOMERIO
from hogline.destinations.customerio.old_app import read_old_app
from hogline.service import CannotDo

SECRET = "canary-secret"
WHOLE = {
    "customerioSiteId": "canary-site",
    "customerioToken": SECRET,
    "host": "track-eu.customer.io",
    "identifyByEmail": "Yes",
    "sendEventsFromAnonymousUsers": "Only send events from users with emails",
    "eventsToSend": "order completed, $identify",
}
AS_IT_DID: dict[str, object] = {"page_names": "event", "attribute_mapping": "identifier=distinct_id"}
OPTIONS: dict[str, object] = {
    **AS_IT_DID,
    "site_id": "canary-site",
    "api_key": SECRET,
    "tracking_endpoint": "track-eu.customer.io",
    "identify_by": "email",
    "anonymous_users": "emails",
    "events": "order completed, $identify",
}
HIDDEN = "**************** POSTHOG SECRET FIELD ****************"


def read(config: object, **beside: object) -> Imported:
    return read_old_app(msgspec.json.encode(config), beside)


@pytest.mark.parametrize(
    "config",
    [WHOLE, {"config": WHOLE}, {"id": 7, "plugin": 3, "enabled": True, "order": 1, "config": WHOLE}],
    ids=["alone", "under config", "as PostHog's API gives it"],
)
def test_a_configuration_becomes_options_that_a_connection_takes(config: object) -> None:
    app_options = read(config)
    assert app_options == Imported(OPTIONS, {}, ())
    CUSTOMERIO.read_options(app_options.options)


def test_a_byte_order_mark_is_no_part_of_it() -> None:
    assert read_old_app(b"\xef\xbb\xbf" + msgspec.json.encode(WHOLE)).options == OPTIONS


@pytest.mark.parametrize(
    ("key", "value", "option", "expected"),
    [
        ("host", "track.customer.io", "tracking_endpoint", "track.customer.io"),
        ("identifyByEmail", "No", "identify_by", "id"),
        ("identifyByEmail", " yes ", "identify_by", "email"),
        ("identifyByEmail", True, "identify_by", "email"),
        ("sendEventsFromAnonymousUsers", "Send all events", "anonymous_users", "all"),
        (
            "sendEventsFromAnonymousUsers",
            "Only send events from users that have been identified",
            "anonymous_users",
            "identified",
        ),
        ("sendEventsFromAnonymousUsers", "only send  events from users with emails ", "anonymous_users", "emails"),
        ("eventsToSend", " a,,b ", "events", "a,,b"),
        ("customerioToken", " key\n", "api_key", "key"),
    ],
)
def test_the_apps_own_words_are_understood(key: str, value: object, option: str, expected: object) -> None:
    assert read({key: value}).options == {**AS_IT_DID, option: expected}


@pytest.mark.parametrize("nothing", [None, ""], ids=repr)
def test_what_the_configuration_leaves_open_is_left_to_the_defaults(nothing: object) -> None:
    assert read({**dict.fromkeys(WHOLE, nothing), "host": "track.customer.io"}).options == {
        **AS_IT_DID,
        "tracking_endpoint": "track.customer.io",
    }


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("customerioToken", 5, "customerioToken must be a text."),
        ("customerioSiteId", [SECRET], "customerioSiteId must be a text."),
        ("host", f"https://{SECRET}", "host must be track.customer.io or track-eu.customer.io"),
        ("host", 1, "host must be a text."),
        ("identifyByEmail", SECRET, "identifyByEmail must be Yes or No."),
        ("identifyByEmail", 1, "identifyByEmail must be a text."),
        ("sendEventsFromAnonymousUsers", SECRET, "sendEventsFromAnonymousUsers must be one of: Send all events, Only"),
        ("eventsToSend", [SECRET], "eventsToSend must be a text."),
    ],
)
def test_each_mistake_is_a_sentence_with_the_apps_key_and_no_value(key: str, value: object, says: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        read({**WHOLE, key: value})
    (problem,) = caught.value.problems
    assert problem.sentence.startswith(says)
    assert "canary" not in problem.sentence


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(InvalidOptions) as caught:
        read({**WHOLE, "host": "x", "identifyByEmail": "perhaps"})
    assert [problem.sentence.split()[0] for problem in caught.value.problems] == ["host", "identifyByEmail"]


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b'"canary"', b"\xff", b"{}", b'{"config": 5}', b'{"config": {}}', b'{"site_id": "canary"}'],
    ids=repr,
)
def test_what_is_no_configuration_of_the_app_is_told(text: bytes) -> None:
    with pytest.raises(InvalidOptions, match=r"This is not a configuration of PostHog's Customer\.io app") as caught:
        read_old_app(text)
    assert "canary" not in str(caught.value)


def test_a_configuration_nested_without_end_is_told() -> None:
    with pytest.raises(InvalidOptions, match="not a configuration"):
        read_old_app(b'{"config":' * 50_000)


def test_keys_that_the_app_does_not_have_are_named_and_ignored() -> None:
    assert read({**WHOLE, "apiVersion": 2, "colour": "red"}) == Imported(OPTIONS, {}, ("apiVersion", "colour"))


@pytest.mark.parametrize("shown", [HIDDEN, "••••••••", "abc***", {"type": "secret"}, {"type": "secret", "set": True}])
def test_a_secret_that_posthog_hides_is_told_and_not_taken(shown: object) -> None:
    app_options = read({**WHOLE, "customerioToken": shown})
    assert app_options.hidden == {"customerioToken": "api_key"}
    assert "api_key" not in app_options.options


def test_what_is_given_beside_is_not_asked_of_the_configuration() -> None:
    config = {**WHOLE, "customerioToken": HIDDEN, "host": "odd", "identifyByEmail": "Yes"}
    app_options = read(config, api_key="k", tracking_endpoint="http://localhost", identify_by="id", page_names="url")
    assert app_options.hidden == {}
    assert sorted(app_options.options) == ["anonymous_users", "attribute_mapping", "events", "site_id"]


def test_the_text_form_shows_no_secret() -> None:
    assert "canary" not in repr(read(WHOLE))


class Connected:
    """Instead of a service: with which options it was asked to connect."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.options: Mapping[str, object] = {}
        monkeypatch.setattr(connections, "ask", self._ask)

    def _ask(self, _: object, call: Any) -> None:
        call(SimpleNamespace(connections=self))
        raise CannotDo("Enough.")

    def add(self, _: str, options: Mapping[str, object], **__: object) -> None:
        self.options = options


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Connected:
    for name in ("HOGLINE_SITE_ID", "HOGLINE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return Connected(monkeypatch)


def connect(file: Path, *arguments: str, destination: str = "customerio") -> str:
    """What the command says it cannot do."""
    with pytest.raises(CannotDo) as caught:
        app(["connect", destination, "--from-app", str(file), *arguments], exit_on_error=False, print_error=False)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_bytes(msgspec.json.encode(WHOLE))
    return path


def test_the_command_takes_the_configuration_and_what_is_typed_wins(
    file: Path, connected: Connected, capsys: pytest.CaptureFixture[str]
) -> None:
    connect(file)
    assert connected.options == OPTIONS
    connect(file, "--identify-by", "id", "--events", "", "--hold-days", "3")
    assert connected.options == {**OPTIONS, "identify_by": "id", "events": "", "hold_days": 3}
    connect(file, "--event-allowlist", "paid")
    assert {**connected.options, "events": OPTIONS["events"]} == {"event_allowlist": "paid", **OPTIONS}
    assert capsys.readouterr().err == ""


def test_the_configuration_named_now_wins_over_the_environment(
    file: Path, connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOGLINE_API_KEY", "another")
    connect(file)
    assert connected.options["api_key"] == SECRET


def test_the_command_says_what_it_ignores_and_what_is_to_be_given_beside(
    file: Path, connected: Connected, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_bytes(msgspec.json.encode({**WHOLE, "customerioToken": HIDDEN, "colour": "red"}))
    connect(file)
    said = capsys.readouterr().err
    assert "ignored, because the app has no such keys: colour" in said
    assert "PostHog hides customerioToken. Set HOGLINE_API_KEY or HOGLINE_API_KEY_FILE, or use --api-key." in said
    monkeypatch.setenv("HOGLINE_API_KEY", "from the environment")
    connect(file)
    assert connected.options["api_key"] == "from the environment"
    assert "hides" not in capsys.readouterr().err


def test_a_mistake_names_the_file_and_connects_nothing(file: Path, connected: Connected) -> None:
    file.write_bytes(msgspec.json.encode({**WHOLE, "identifyByEmail": "perhaps"}))
    assert connect(file) == f"{file}: identifyByEmail must be Yes or No."
    assert "cannot be read" in connect(file.parent / "nowhere.json")
    assert "cannot be read" in connect(file.parent)
    assert connected.options == {}


def test_another_destination_has_no_configuration_of_the_app(file: Path, connected: Connected) -> None:
    with pytest.raises(CycloptsError, match="--from-app"):
        connect(file, destination="engage")
    assert connected.options == {}
