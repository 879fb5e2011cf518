"""When an event happened."""

# mypy: allow-untyped-defs, allow-untyped-calls

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hogline.posthog.times import AHEAD_MS, captured_time, event_time, read_time

NOW_MS = 1_793_527_200_000  # 2026-11-01T10:00:00Z


@pytest.mark.parametrize(
    ("text", "after_ms"),
    [
        ("2026-11-01T10:00:00Z", 0),
        ("2026-11-01T10:00:00.5Z", 500),
        ("2026-11-01T10:00:00.123456Z", 123),
        ("2026-11-01T10:00:00.1239999Z", 123),
        ("2026-11-01T12:00:00+02:00", 0),
        ("2026-11-01T12:00:00+0200", 0),
        ("2026-11-01T04:30:00-05:30", 0),
        ("2026-11-01T10:00:00", 0),
        ("2026-11-01 10:00:00", 0),
        ("2026-11-01 10:00:00.1", 100),
        ("2026-11-01 10:00:00.12", 120),
        ("2026-11-01 10:00:00.123", 123),
        ("2026-11-01 10:00:00.1234", 123),
        ("2026-11-01 10:00:00.12345", 123),
        ("2026-11-01 10:00:00.123456", 123),
        ("2026-11-01t10:00:00z", 0),
        (" 2026-11-01T10:00:00Z ", 0),
        ("2026-11-01T10:00Z", 0),
        ("2026-11-01", -36_000_000),
        ("1793527200", 0),
        ("1793527200000", 0),
        ("1793527200.5", 500),
        (1_793_527_200, 0),
        (1_793_527_200_000, 0),
        (1_793_527_200.25, 250),
    ],
)
def test_all_ways_to_write_a_time(text, after_ms):
    assert read_time(text) == NOW_MS + after_ms


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "2026-13-01T00:00:00Z",
        "2026-11-01T25:00:00Z",
        "nan",
        "inf",
        "1e300",
        "9" * 70,
        None,
        True,
        [],
        {},
        float("nan"),
        float("inf"),
        1e300,
        -1e300,
        10**400,
        -(10**15),
    ],
)
def test_what_is_no_time(value):
    assert read_time(value) is None


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        (-86_400, -86_400_000),
    ],
)
def test_times_far_away(text, ms):
    assert read_time(text) == ms


@given(st.datetimes(timezones=st.just(timezone(timedelta(hours=5, minutes=45)))))
def test_every_time_that_can_be_written_is_read_exactly(moment):
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert read_time(moment.isoformat()) == expected


def corrected(timestamp, *, offset=None, sent=None):
    reasons: list[str] = []
    return captured_time(timestamp, offset, read_time(sent), NOW_MS, reasons) - NOW_MS, reasons


def test_without_sent_at_the_clients_clock_is_taken_to_be_right():
    assert corrected("2026-11-01T09:00:00Z") == (-3_600_000, [])


def test_a_clock_that_is_wrong_is_corrected_by_when_it_sent():
    assert corrected("2026-11-01T12:59:50Z", sent="2026-11-01T13:00:00Z") == (-10_000, [])
    assert corrected("2020-01-01T00:00:00Z", sent="2020-01-01T00:00:01Z") == (-1_000, [])


def test_an_offset_overrides_the_rest():
    assert corrected("2020-01-01T00:00:00Z", offset=1_500, sent="2020-01-01T00:00:01Z") == (-1_500, [])
    assert corrected(None, offset=0) == (0, [])
    assert corrected(None, offset=2.5) == (-3, [])


@pytest.mark.parametrize("offset", ["1500", True, float("nan"), float("inf"), 1e300, 10**400, []])
def test_an_offset_that_is_none_is_ignored(offset):
    assert corrected("2026-11-01T09:00:00Z", offset=offset) == (-3_600_000, [])


def test_more_than_23_hours_ahead_is_now():
    at_the_edge = NOW_MS + AHEAD_MS
    reasons: list[str] = []
    assert event_time(at_the_edge, NOW_MS, reasons) == at_the_edge
    assert reasons == []
    assert event_time(at_the_edge + 1, NOW_MS, reasons) == NOW_MS
    assert reasons == ["timestamp_ahead"]
    assert corrected(None, offset=-AHEAD_MS - 1) == (0, ["timestamp_ahead"])


def test_an_unreadable_time_is_now():
    assert corrected("tea time") == (0, ["timestamp_unreadable"])
    assert corrected("tea time", sent="2026-11-01T10:00:00Z") == (0, ["timestamp_unreadable"])


def test_no_correction_leaves_the_calendar():
    shifted, reasons = corrected("0001-01-01T00:00:00Z", sent="9999-01-01T00:00:00Z")
    assert NOW_MS + shifted == -62_135_596_800_000
    assert reasons == []
