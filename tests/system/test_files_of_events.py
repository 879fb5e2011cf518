"""hogline send and hogline preview, with real processes."""

from __future__ import annotations

import gzip
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest

from hogline.testing.processes import all_events, connect, get, hogline, hogline_json, people, serving, status

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.jsonl")), ids=lambda path: path.stem)
def test_every_shape_is_delivered(data: Path, sandbox: str, sample: Path) -> None:
    connect(data, sandbox)
    (sent,) = hogline_json(data, "send", sample)["connections"]
    assert sent["events"] == sent["delivered"] + sum(sent["filtered"].values()) > 0
    assert sent["pending"] == 0
    assert status(data)["pending"] == 0
    assert people(sandbox)


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a running process"])
def test_an_event_in_two_shapes_and_sent_twice_is_one_event(data: Path, sandbox: str, *, beside: bool) -> None:
    connect(data, sandbox)
    uuid = "01890a5d-ac96-774b-bcce-b302099a8057"
    capture = {
        "uuid": uuid,
        "event": "signed up",
        "distinct_id": "u1",
        "properties": {"a": 1},
        "timestamp": "2026-11-01T10:00:00Z",
    }
    webhook = {"event": capture, "person": {"properties": {}}}
    lines = b"\n".join(msgspec.json.encode(line) for line in (capture, webhook))

    def send_twice() -> None:
        for _ in range(2):
            hogline(data, "send", "-", stdin=lines)

    if beside:
        with serving(data):
            send_twice()
    else:
        send_twice()
    (event,) = get(f"{sandbox}/sandbox/events")
    assert event["ulid"] == "01H455VB4PEX5VSKNK084SN02Q"
    assert event["repeats"] == 3
    assert status(data)["delivered"] == 4


def test_of_a_file_with_broken_lines_the_good_ones_are_delivered(data: Path, sandbox: str, tmp_path: Path) -> None:
    connect(data, sandbox)
    file = tmp_path / "events.jsonl.gz"
    lines = [
        b'{"event": "one", "distinct_id": "u1", "properties": {}, "timestamp": "2026-11-01T10:00:00Z"}',
        b'{"event": "two", "distinct_id": "u1", "proper',
        b"",
        b'{"event": "three", "distinct_id": "  ", "properties": {}}',
        b"[]",
        b'{"event": "four", "distinct_id": "u1", "properties": null, "timestamp": "2026-11-01T10:00:00Z"}',
        b'{"event": "five", "distinct_id": "u1", "properties": {}}',
        b'{"event": "six", "distinct_id": "u1", "properties": {}, "timestamp": "yesterday"}',
    ]
    file.write_bytes(gzip.compress(b"\n".join(lines)))
    done = hogline(data, "send", file, code=1)
    assert "2 received, 2 delivered" in done.stdout
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [
        "Sending 2 events",
        *(f"line {number}" for number in (2, 4, 5, 7, 8)),
    ]
    assert [event["name"] for event in get(f"{sandbox}/sandbox/events")] == ["one", "four"]


def test_a_failure_is_said_and_ends_with_exit_code_1(data: Path, sandbox: str) -> None:
    connect(data, sandbox)
    line = msgspec.json.encode(
        {"event": "e", "distinct_id": "u1", "timestamp": "2026-11-01", "properties": {"text": "x" * 200_000}}
    )
    done = hogline(data, "send", "-", stdin=line, code=1)
    assert "event_too_large" in done.stdout
    assert status(data)["failures"] == {"event_too_large": 1}


def test_a_file_that_is_not_there(data: Path, sandbox: str) -> None:
    connect(data, sandbox)
    assert hogline(data, "send", "nowhere.jsonl", code=1).stderr.count("\n") == 1


def test_without_a_connection_there_is_nowhere_to_send(data: Path) -> None:
    assert "connection" in hogline(data, "send", "-", stdin=b"", code=1).stderr


def test_a_preview_sends_nothing_and_changes_nothing(data: Path, sandbox: str) -> None:
    connect(data, sandbox, "--anonymous-users", "identified")
    lines = b"""
        {"event": "browsed", "timestamp": "2026-11-01T10:00:00Z", "distinct_id": "u1", "properties": {"$set": {"plan": "free"}}}
        {"event": "$identify", "timestamp": "2026-11-01T10:00:01Z", "distinct_id": "u1", "properties": {"$set": {"email": "ada@example.com"}}}
    """
    before = status(data)
    shown = hogline(data, "preview", "-", "--json", stdin=lines).stdout
    browsed, identified = [msgspec.json.decode(line) for line in shown.splitlines()]
    assert (browsed["filtered"], browsed["operations"]) == ("not_identified", [])
    assert [operation["action"] for operation in identified["operations"]] == ["identify", "event"]
    assert identified["operations"][0]["body"]["attributes"] == {"plan": "free", "email": "ada@example.com"}
    assert status(data) == before
    assert people(sandbox) == {}
    assert hogline_json(data, "people")["people"] == []


def test_a_preview_before_anything_is_connected_shows_the_defaults(data: Path) -> None:
    line = b'{"event": "clicked", "distinct_id": "u1", "timestamp": "2026-11-01", "properties": {"a": 1}}'
    assert '"name":"clicked"' in hogline(data, "preview", "-", stdin=line).stdout


def test_ten_thousand_events_arrive_whole_and_in_each_persons_order(data: Path, sandbox: str, tmp_path: Path) -> None:
    connect(data, sandbox)
    file = tmp_path / "events.jsonl"
    with file.open("wb") as out:
        for n in range(10_000):
            line = {
                "event": "clicked",
                "distinct_id": f"u{n % 500}",
                "timestamp": 1_793_527_200 + n,
                "properties": {"n": n // 500, "$set": {"n": n // 5_000}},
            }
            out.write(msgspec.json.encode(line) + b"\n")
    (sent,) = hogline_json(data, "send", file)["connections"]
    assert sent["delivered"] == 10_000
    by_person = defaultdict(list)
    for event in all_events(sandbox):
        by_person[event["person"]["id"]].append(event["data"]["n"])
    assert len(by_person) == 500
    assert all(numbers == list(range(20)) for numbers in by_person.values())
    found = status(data)
    assert (found["received"], found["delivered"], found["pending"]) == (10_000, 10_000, 0)
