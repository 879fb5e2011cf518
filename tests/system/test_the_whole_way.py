"""What a new user does, with real processes: connect, serve, PostHog's own SDK sends, people appear."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from posthog import Posthog

from hogline.testing.processes import connect, get, hogline, hogline_json, people, post, put, serving, status, until

EXAMPLE = {"event_property": "this will not get sent", "$set": {"email": "test@example.com", "userProperty": "value"}}
"""The example of the product page."""


def test_the_sdks_events_become_people_and_events(data: Path, sandbox: str) -> None:
    connect(data, sandbox)
    uuid, moment = str(uuid4()), datetime(2026, 11, 1, 10, 0, 0, 500_000, tzinfo=UTC)
    with serving(data) as running:
        sdk = Posthog(hogline_json(data, "token")["token"], host=running.url, sync_mode=True)
        sdk.capture("some_event", distinct_id="u1", properties=EXAMPLE, timestamp=moment, uuid=uuid)
        sdk.shutdown()
        until(lambda: status(data)["pending"] == 0)
        assert status(data)["delivered"] == 1
        assert status(data)["state"] == "delivering"
        assert running.stop() == 0
    person = people(sandbox)["u1"]
    assert person["email"] == "test@example.com"
    assert person["attributes"]["userProperty"] == "value"
    assert "event_property" not in person["attributes"]
    (event,) = get(f"{sandbox}/sandbox/events")
    assert event["name"] == "some_event"
    assert event["data"]["event_property"] == "this will not get sent"
    assert "userProperty" not in event["data"]
    assert "$set" not in event["data"]
    assert event["timestamp"] == int(moment.timestamp())
    (known,) = hogline_json(data, "people", "TEST@example")["people"]
    assert known["distinct_id"] == "u1"
    assert known["customer"] == {"kind": "id", "value": "u1"}


def test_the_webhook_url_is_all_that_posthog_needs(data: Path, sandbox: str) -> None:
    connect(data, sandbox)
    with serving(data) as running:
        token = hogline_json(data, "token")
        assert token["webhook_url"] == f"{running.url}/webhook/{token['token']}"
        event = {
            "event": {
                "uuid": str(uuid4()),
                "event": "order completed",
                "distinct_id": "u1",
                "properties": {"total": 5},
            },
            "person": {"id": "p", "properties": {"email": "ada@example.com"}},
        }
        assert post(token["webhook_url"], event, "not looked at") == 200
        assert post(f"{running.url}/webhook", event, token["token"]) == 200
        until(lambda: status(data)["delivered"] == 2)
    assert people(sandbox)["u1"]["email"] == "ada@example.com"
    (kept,) = get(f"{sandbox}/sandbox/events")
    assert kept["repeats"] == 1  # sent twice by PostHog, one event at Customer.io


def test_a_wrong_key_is_refused_with_a_sentence_and_nothing_is_kept(data: Path, sandbox: str) -> None:
    refused = hogline(
        data, "connect", "customerio", "--site-id", "sandbox-site", "--api-key", "wrong", "--tracking-endpoint", sandbox, code=1
    )  # fmt: skip
    assert "Site ID" in refused.stderr
    assert "wrong" not in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert hogline_json(data, "connections") == {"connections": []}


def test_nobody_there_is_said_and_can_be_tried_again(data: Path, sandbox: str) -> None:
    closed = "http://127.0.0.1:1"
    refused = hogline(
        data, "connect", "customerio", "--site-id", "s", "--api-key", "k", "--tracking-endpoint", closed, code=1
    )  # fmt: skip
    assert "reach" in refused.stderr
    assert hogline_json(data, "connections") == {"connections": []}
    connect(data, sandbox)


def test_commands_do_the_same_beside_a_running_process_and_without(data: Path, sandbox: str) -> None:
    def play() -> list[object]:
        connect(data, sandbox, "--name", "one", "--no-enable")
        seen = [hogline_json(data, "connections")["connections"][0]["paused"]]
        hogline(data, "resume", "one")
        seen.append(hogline_json(data, "check", "one"))
        seen.append(hogline_json(data, "configure", "one", "--event-allowlist", "a, b"))
        hogline(data, "pause", "one")
        seen.append(status(data, "one"))
        seen.append(hogline(data, "enable", "nobody", code=1).stderr)
        hogline(data, "disconnect", "one")
        seen.append(hogline_json(data, "connections"))
        return seen

    alone = play()
    with serving(data):
        beside = play()
    alone[2]["state"] = beside[2]["state"] = ""  # type: ignore[index]  # `not_running` and `delivering`
    alone[2]["reason"] = beside[2]["reason"] = None  # type: ignore[index]
    del alone[3]["since_ms"], beside[3]["since_ms"]  # type: ignore[index]  # they were paused one after the other
    assert alone == beside


def test_a_paused_connection_gets_its_events_when_it_is_resumed(data: Path, sandbox: str) -> None:
    connect(data, sandbox, "--no-enable")
    with serving(data) as running:
        token = hogline_json(data, "token")["token"]
        post(f"{running.url}/webhook", {"event": "clicked", "distinct_id": "u1", "properties": {}}, token)
        assert status(data)["pending"] == 1
        assert status(data)["state"] == "paused"
        hogline(data, "resume", "customerio")
        until(lambda: status(data)["delivered"] == 1)


def test_a_connection_that_loses_its_credentials_stops_and_goes_on_with_better_ones(data: Path, sandbox: str) -> None:
    connect(data, sandbox)
    with serving(data) as running:
        token = hogline_json(data, "token")["token"]
        put(f"{sandbox}/sandbox/script", {"answers": [{"status": 401, "times": 1}]})
        post(f"{running.url}/webhook", {"event": "clicked", "distinct_id": "u1", "properties": {}}, token)
        until(lambda: status(data)["state"] == "stopped")
        assert "API Key" in status(data)["reason"]
        assert status(data)["pending"] == 1
        hogline(data, "resume", "customerio")
        until(lambda: status(data)["delivered"] == 1)
        assert running.stop() == 0


def test_two_processes_on_one_directory_are_refused(data: Path) -> None:
    with serving(data):
        refused = hogline(data, "serve", code=1)
    assert "already running" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_stopping_settles_what_is_in_flight(data: Path, sandbox: str) -> None:
    connect(data, sandbox)
    with serving(data) as running:
        token = hogline_json(data, "token")["token"]
        put(f"{sandbox}/sandbox/script", {"latency_ms": 500})
        post(f"{running.url}/webhook", {"event": "clicked", "distinct_id": "u1", "properties": {}}, token)
        time.sleep(0.1)  # the request is under way
        assert running.stop() == 0
    assert status(data)["delivered"] == 1
    assert len(get(f"{sandbox}/sandbox/events")) == 1


def test_secrets_stand_in_no_output(data: Path, sandbox: str) -> None:
    connect(data, sandbox)
    for command in ("connections", "status", "check customerio", "people"):
        done = hogline(data, *command.split())
        assert "sandbox-key" not in done.stdout + done.stderr
        assert "sandbox-site" not in done.stdout + done.stderr


def test_the_demo_ends_with_people(data: Path) -> None:
    told = hogline(data, "demo").stdout
    assert "ada@example.com" in told
    assert "not_identified 3" in told
    assert re.search(r"pending +0", told)
