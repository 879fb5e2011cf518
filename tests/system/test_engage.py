"""Engage with real processes: connect, serve, events arrive whole and in order, through failures and a crash."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from posthog import Posthog

from hogline.testing.processes import (
    all_events,
    connect,
    environment,
    get,
    hogline,
    hogline_json,
    post,
    put,
    serving,
    started,
    status,
    until,
)

KEYS = ("--public-key", "sandbox-public", "--secret-key", "sandbox-secret")


def connect_engage(data: Path, sandbox: str, *options: str, code: int = 0, keys: Sequence[str] = KEYS) -> str:
    return hogline(data, "connect", "engage", *keys, "--api-base-url", sandbox, *options, code=code).stderr


def came(sandbox: str) -> list[dict[str, Any]]:
    """Every event that the sandbox's Engage keeps, in the order of their first acceptance."""
    found: list[dict[str, Any]] = get(f"{sandbox}/sandbox/engage/events?limit=100000")
    return found


def told(sandbox: str, *answers: Mapping[str, object], **script: object) -> None:
    put(f"{sandbox}/sandbox/engage/script", {"answers": list(answers), **script})


def webhook(number: int, distinct_id: str = "ada", name: str = "ordered") -> dict[str, object]:
    return {
        "event": {
            "uuid": str(UUID(int=number)),
            "event": name,
            "distinct_id": distinct_id,
            "properties": {"n": number},
            "timestamp": "2026-11-01T10:00:00.000Z",
            "elements_chain": "a:nth-child",
            "url": "https://app.posthog.com/e",
        },
        "person": {"id": "p", "properties": {"email": "ada@example.com"}},
    }


def lines(numbers: range, people: int = 1) -> bytes:
    return b"".join(
        b'{"uuid":"%b","event":"ordered","distinct_id":"user-%d","timestamp":"2026-11-01","properties":{"n":%d}}\n'
        % (str(UUID(int=number + 1)).encode(), number % people, number)
        for number in numbers
    )


def assert_whole_and_in_order(sandbox: str, numbers: range, people: int) -> None:
    """Nothing is missing or changed, and each user's events are there in their order."""
    events = came(sandbox)
    assert len(events) == len(numbers)
    assert [event for event in events if event["altered"]] == []
    for person in range(people):
        theirs = [event["body"]["properties"]["n"] for event in events if event["distinct_id"] == f"user-{person}"]
        assert theirs == [number for number in numbers if number % people == person]


def test_posthogs_webhook_arrives_as_it_was_without_the_person(data: Path, sandbox: str) -> None:
    connect_engage(data, sandbox)
    with serving(data) as running:
        token = hogline_json(data, "token")["token"]
        sent = webhook(1)
        assert post(f"{running.url}/webhook", sent, token) == 200
        until(lambda: status(data, "engage")["delivered"] == 1)
        assert running.stop() == 0
    (event,) = came(sandbox)
    assert event["body"] == sent["event"]


def test_the_sdks_example_arrives_with_what_it_sets_and_page_views_do_not(data: Path, sandbox: str) -> None:
    connect_engage(data, sandbox)
    example = {"event_property": "value", "$set": {"email": "test@example.com", "userProperty": "value"}}
    with serving(data) as running:
        sdk = Posthog(hogline_json(data, "token")["token"], host=running.url, sync_mode=True)
        sdk.capture("$pageview", distinct_id="u1")
        sdk.capture("some_event", distinct_id="u1", properties=example)
        sdk.alias("anonymous", "u1")
        sdk.shutdown()
        until(lambda: status(data, "engage")["pending"] == 0)
        found = status(data, "engage")
    assert (found["delivered"], found["filtered"], found["requests"]) == (2, {"not_for_engage": 1}, 2)
    # The SDK sends the alias under the visitor's id: between two ids no order is promised.
    alias, event = sorted(came(sandbox), key=lambda one: str(one["name"]))
    assert event["name"] == "some_event"
    assert event["body"]["properties"]["event_property"] == "value"
    assert event["body"]["properties"]["$set"] == example["$set"]
    assert (alias["name"], alias["body"]["properties"]["alias"]) == ("$create_alias", "u1")
    assert hogline_json(data, "people")["people"] == []


def test_customerio_and_engage_side_by_side_each_get_theirs(data: Path, sandbox: str) -> None:
    connect(data, sandbox)
    connect_engage(data, sandbox, "--event-allowlist", "ordered")
    hogline(
        data,
        "send",
        "-",
        stdin=lines(range(1, 4)) + b'{"event":"$pageview","distinct_id":"user-0","timestamp":"2026-11-01"}\n',
    )
    assert [event["name"] for event in all_events(sandbox)] == ["ordered", "ordered", "ordered", "$pageview"]
    assert [event["name"] for event in came(sandbox)] == ["ordered"] * 3
    assert status(data)["delivered"] == 4
    assert status(data, "engage")["filtered"] == {"not_for_engage": 1}


def test_wrong_keys_are_refused_with_a_sentence_and_nothing_is_kept(data: Path, sandbox: str) -> None:
    refused = connect_engage(data, sandbox, code=1, keys=("--public-key", "canary", "--secret-key", "canary"))
    assert "Engage rejected the keys (401). Check the public key and the secret key." in refused
    assert "canary" not in refused
    assert refused.count("\n") == 1
    assert hogline_json(data, "connections") == {"connections": []}


def test_options_of_the_other_destination_are_refused_by_name(data: Path, sandbox: str) -> None:
    assert "Unknown option: --site-id." in connect_engage(data, sandbox, "--site-id", "canary", code=2)
    connect_engage(data, sandbox)
    refused = hogline(data, "configure", "engage", "--site-id", "canary", code=1).stderr
    assert "Engage has no option “site_id”." in refused
    assert "canary" not in refused


def test_the_keys_may_come_from_the_environment_and_the_key_of_the_data_directory_is_none(
    data: Path, sandbox: str, tmp_path: Path
) -> None:
    file = tmp_path / "engage.key"
    file.write_text("sandbox-secret\n")
    connecting = ("connect", "engage", "--api-base-url", sandbox)
    public = "sandbox-public"
    hogline(data, *connecting, HOGLINE_ENGAGE_PUBLIC_KEY=public, HOGLINE_ENGAGE_SECRET_KEY_FILE=str(file))
    other = tmp_path / "other"
    key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    refused = hogline(other, *connecting, HOGLINE_ENGAGE_PUBLIC_KEY=public, HOGLINE_SECRET_KEY=key, code=1).stderr
    assert "Engage Secret Key is missing" in refused
    totals = get(f"{sandbox}/sandbox/engage/summary")["totals"]
    assert (totals["requests"], totals["unauthorized"]) == (1, 0)


def test_what_passes_is_tried_again_and_the_events_behind_it_wait(data: Path, sandbox: str) -> None:
    connect_engage(data, sandbox)
    told(sandbox, {"status": 503}, {"reset": "after"})
    hogline(data, "send", "-", stdin=lines(range(1, 6)))
    assert_whole_and_in_order(sandbox, range(1, 6), people=1)
    found = status(data, "engage")
    assert (found["delivered"], found["retries"]) == (5, {"503": 1, "unreachable": 1})
    assert came(sandbox)[0]["repeats"] == 1, "it was accepted, and the answer was lost"


def test_a_refused_event_is_a_failure_with_engages_reason_and_harms_no_other(data: Path, sandbox: str) -> None:
    connect_engage(data, sandbox)
    told(sandbox, {"status": 422, "body": {"error": "invalid_event"}})
    hogline(data, "send", "-", stdin=lines(range(1, 4)), code=1)
    found = status(data, "engage")
    assert (found["delivered"], found["failures"]) == (2, {"invalid_event": 1})
    (failure,) = hogline_json(data, "failures", "engage")["failures"]
    assert (failure["event"], failure["reason"]) == ("ordered", "invalid_event")
    hogline(data, "failures", "retry", "engage", "--all")
    assert [event["body"]["properties"]["n"] for event in came(sandbox)] == [2, 3, 1]
    assert status(data, "engage")["delivered"] == 3


@pytest.mark.parametrize(("answer", "says"), [(401, "rejected the keys"), (404, "is not Engage"), (308, "a redirect")])
def test_a_wrong_connection_stops_with_its_reason_and_goes_on_where_it_was(
    data: Path, sandbox: str, answer: int, says: str
) -> None:
    connect_engage(data, sandbox)
    with serving(data) as running:
        token = hogline_json(data, "token")["token"]
        told(sandbox, {"status": answer, "times": 1_000, "path": "/posthog"})
        for number in range(1, 4):
            post(f"{running.url}/webhook", webhook(number, "user-0"), token)
        until(lambda: status(data, "engage")["state"] == "stopped")
        found = status(data, "engage")
        assert says in found["reason"]
        assert (found["pending"], found["failures"]) == (3, {})
        told(sandbox)
        hogline(data, "resume", "engage")
        until(lambda: status(data, "engage")["delivered"] == 3)
    assert_whole_and_in_order(sandbox, range(1, 4), people=1)


def test_each_users_order_is_kept_while_many_requests_are_out(data: Path, sandbox: str) -> None:
    connect_engage(data, sandbox, "--max-requests-per-second", "1000")
    faults = (
        {"status": 500},
        {"reset": "before"},
        {"reset": "after"},
        {"hang_s": 0.3},
        {"status": 500, "apply": "before"},
    )
    told(sandbox, *faults, latency_ms=40)
    hogline(data, "send", "-", stdin=lines(range(300), people=10))
    assert_whole_and_in_order(sandbox, range(300), people=10)
    found = status(data, "engage")
    assert (found["delivered"], found["failures"]) == (300, {})


def test_after_a_kill_nothing_that_was_answered_is_missing(data: Path, sandbox: str) -> None:
    connect_engage(data, sandbox, "--max-requests-per-second", "1000")
    token = hogline_json(data, "token")["token"]
    told(sandbox, latency_ms=100)
    answered = 0
    for kept in (150, 300):
        with serving(data) as running:
            batch = [
                {"uuid": str(UUID(int=n)), "event": "ordered", "distinct_id": f"user-{n % 20}", "properties": {"n": n}}
                for n in range(answered, kept)
            ]
            assert post(f"{running.url}/batch", {"api_key": token, "batch": batch}, token) == 200
            until(lambda at_least=answered + 40: len(came(sandbox)) > at_least)  # type: ignore[misc]
            running.kill()
        assert len(came(sandbox)) < kept, "it was killed when all was done"
        answered = kept
    told(sandbox)
    with serving(data):
        until(lambda: status(data, "engage")["pending"] == 0)
        found = status(data, "engage")
    assert (found["received"], found["delivered"]) == (300, 300)
    assert_whole_and_in_order(sandbox, range(300), people=20)


def test_the_sandbox_prints_the_command_that_connects_to_it(data: Path) -> None:
    running_sandbox = started(
        ["sandbox", "--listen", "127.0.0.1:0", "--public-key", "mine"],
        environment(data),
        "stdout",
        r"at (http://[\d.:]+)",
    )
    with running_sandbox as running:
        assert running.process.stdout is not None
        said = [running.process.stdout.readline().decode() for _ in range(3)]
        assert said[1] == f"Sandbox Engage at {running.url} (public key mine, secret key sandbox-secret)\n"
        program, *command = shlex.split(said[2])
        assert program == "hogline"
        hogline(data, *command)
        hogline(data, "send", "-", stdin=lines(range(1, 2)))
        assert len(came(running.url)) == 1
