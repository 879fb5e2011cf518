"""What rows of `clickhouse_events_json` are, and under which numbers it is kept how far they are read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hogline.sources.kafka.log import Record
from hogline.sources.kafka.positions import Position, all_numbers, encoded, read_positions, run_of
from hogline.sources.kafka.rows import Rows

RECEIVED_MS = 1_793_527_200_000
ROW: dict[str, Any] = {
    "uuid": "0199f3a0-0000-0000-0000-000000000001",
    "event": "ordered",
    "properties": json.dumps({"n": 1, "$set": {"plan": "pro"}}),
    "timestamp": "2026-11-01 10:00:00.123456",
    "team_id": 1,
    "project_id": 1,
    "distinct_id": "ada",
    "elements_chain": "",
    "created_at": "2026-11-01 10:00:01.000",
    "person_id": "0199f3a0-0000-0000-0000-0000000000aa",
    "person_properties": json.dumps({"email": "ada@example.org", "plan": "pro"}),
    "person_created_at": "2026-10-01 00:00:00",
    "person_mode": "full",
}


def read(*values: bytes | None, project: int = 1) -> Rows:
    rows = Rows(project)
    rows.read([Record(3, offset, 0, value) for offset, value in enumerate(values)], RECEIVED_MS)
    return rows


def test_a_row_as_posthog_writes_it() -> None:
    (received,) = read(json.dumps(ROW).encode()).received
    event = received.event
    assert (event.uuid, event.name, event.distinct_id) == (ROW["uuid"], "ordered", "ada")
    assert event.timestamp_ms == 1_793_527_200_123
    assert event.properties == {"n": 1}
    assert event.set == {"plan": "pro"}
    assert event.person_properties == {"email": "ada@example.org", "plan": "pro"}
    assert not event.personless


@pytest.mark.parametrize(
    ("mode", "personless"), [("full", False), ("propertyless", True), ("force_upgrade", False), (None, False)]
)
def test_only_propertyless_events_have_no_person(mode: str | None, personless: bool) -> None:  # noqa: FBT001
    (received,) = read(json.dumps(ROW | {"person_mode": mode}).encode()).received
    assert received.event.personless is personless


@pytest.mark.parametrize("time", ["2026-11-01 10:00:00", "2026-11-01 10:00:00.000000", "2026-11-01T10:00:00Z"])
def test_times_with_any_number_of_digits(time: str) -> None:
    (received,) = read(json.dumps(ROW | {"timestamp": time}).encode()).received
    assert received.event.timestamp_ms == RECEIVED_MS


def test_rows_of_other_projects_are_left_out_and_counted() -> None:
    rows = read(*(json.dumps(ROW | {"team_id": team}).encode() for team in (1, 2, "2", "1", None, 3)))
    assert len(rows.received) == 3
    assert rows.others == 3
    assert rows.refused == {}


def test_what_holds_no_event_is_counted_with_its_place_and_the_rest_is_kept() -> None:
    good = json.dumps(ROW).encode()
    rows = read(good, b"{nonsense", None, json.dumps(ROW | {"event": ""}).encode(), b"\xff\xfe", b"[]", good)
    assert len(rows.received) == 2
    assert [(bad.partition, bad.offset) for bad in rows.bad] == [(3, 1), (3, 2), (3, 3), (3, 4), (3, 5)]
    assert sum(rows.refused.values()) == 5
    assert rows.refused["event_without_name"] == 1
    assert rows.batch.refused == rows.refused
    assert all("nonsense" not in bad.sentence for bad in rows.bad)


def test_a_row_that_is_nested_too_deep_is_left_out() -> None:
    deep = b'{"team_id": 1, "properties": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    rows = read(deep, json.dumps(ROW).encode())
    assert (len(rows.received), rows.refused) == (1, {"too_deep": 1})


def test_a_row_without_a_uuid_gets_the_same_one_each_time() -> None:
    row = json.dumps(ROW | {"uuid": ""}).encode()
    first, again = read(row).received[0], read(row).received[0]
    assert first.entry.uuid == again.entry.uuid


def test_positions_of_all_partitions_are_found_again() -> None:
    positions = {0: Position(7, 1_000), 5: Position(0, 0), 4_000: Position(2**53, 2**45)}
    kept = {-1: 5, -3: 9} | encoded(-3, positions) | encoded(-30_000, {0: Position(1, 1)})
    assert read_positions(-3, kept, [0, 1, 5, 4_000]) == positions
    assert set(all_numbers(-3, kept)) == set(encoded(-3, positions))
    assert {run_of(number) for number in kept} == {-1, -3, -30_000}
    assert all(abs(number) < 2**63 for number in kept)
