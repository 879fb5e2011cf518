"""Rows of files whose columns have types, and times finer than a millisecond."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hogline.posthog.json_text import read_file_line, read_file_row
from hogline.posthog.times import below_ms_us

NOW_MS = 1_793_527_200_000
ROW: dict[str, object] = {
    "uuid": "0199f3a0-0000-7000-8000-000000000001",
    "event": "clicked",
    "distinct_id": "u1",
    "properties": '{"a": 1}',
    "person_properties": None,
    "timestamp": "2026-11-01 09:00:00.123456",
}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-11-01T09:00:00.123456Z", 456),
        ("2026-11-01 09:00:00.1234", 400),
        ("2026-11-01 09:00:00,123456789 UTC", 456),
        ("2026-11-01T09:00:00.123Z", 0),
        ("2026-11-01T09:00:00Z", 0),
        (1_793_523_600_123_456, 456),
        (1_793_523_600_123_456_789, 456),
        (1_793_523_600_123, 0),
        (1_793_523_600.123456, 456),
        (1_793_523_600_123.5, 0),
        (None, 0),
        (True, 0),
        (10**30, 0),
    ],
)
def test_microseconds_beyond_the_millisecond(written: object, expected: int) -> None:
    assert below_ms_us(written) == expected


@pytest.mark.parametrize(
    "line",
    [
        {"event": "e", "distinct_id": "u", "timestamp": "2026-11-01T09:00:00.123456Z", "properties": {}},
        {"event": {"event": "e", "distinct_id": "u", "timestamp": "2026-11-01T09:00:00.123456Z", "properties": {}}},
        {"EVENT": "e", "DISTINCT_ID": "u", "TIMESTAMP": "2026-11-01 09:00:00.123456 Z", "PROPERTIES": "{}"},
    ],
)
def test_every_shape_tells_them(line: dict[str, Any]) -> None:
    (received,) = read_file_line(msgspec.json.encode(line), 1, NOW_MS).received
    assert (received.event.timestamp_ms % 1_000, received.below_ms_us) == (123, 456)


def test_what_is_no_event_has_no_time() -> None:
    assert [problem.reason for _, problem in read_file_line(b"[1]", 1, NOW_MS).problems] == ["not_an_event"]


def test_a_row_is_read_as_the_line_that_says_the_same() -> None:
    (row,) = read_file_row(ROW, 1, NOW_MS).received
    (line,) = read_file_line(msgspec.json.encode(ROW), 1, NOW_MS).received
    assert row == line
    assert row.event.properties == {"a": 1}


@pytest.mark.parametrize(
    ("change", "repaired"),
    [
        ({"distinct_id": "u\x001"}, ("nul_removed",)),
        ({"properties": {"n": float("nan")}}, ()),
        ({"uuid": None}, ("uuid_missing",)),
    ],
)
def test_what_a_row_cannot_keep_is_repaired(change: dict[str, object], repaired: tuple[str, ...]) -> None:
    (first,) = read_file_row(ROW | change, 1, NOW_MS).received
    (again,) = read_file_row(ROW | change, 1, NOW_MS).received
    assert first == again
    assert first.event.distinct_id == "u1"
    assert set(repaired) <= set(first.event.repaired)
