"""When an event happened."""

# mypy: allow-untyped-defs, allow-untyped-calls

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hogline.posthog.received import Receipt, Unreadable
from hogline.posthog.times import AHEAD_MS, NoTime, captured_time, event_time, known_time, read_time

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
        (1_793_527_200_123_456, 123),
        (1_793_527_200_123_456_789, 123),
        ("1793527200.123", 123),
        ("2026-11-01 10:00:00 UTC", 0),
        ("2026-11-01 10:00:00.123 UTC", 123),
        ("2026-11-01 10:00:00.123456 UTC", 123),
        ("2026-11-01 10:00:00.000 Z", 0),
        ("2026-11-01 10:00:00.123 +0000", 123),
        ("2026-11-01 03:00:00.000 -0700", 0),
        ("2026-11-01T13:00:00.805+03", 805),
        ("2026-11-01T10:00:00,123Z", 123),
        ("2026-11-01T10:00:00.123456789Z", 123),
        ("2026-11-01T10:00:00Z[UTC]", 0),
        ("2026-11-01T11:00:00+01:00[Europe/Berlin]", 0),
        ("2026-10-31T24:00:00Z", -36_000_000),
        ("2026-11-01T09:59:60Z", 0),
        ("2026/11/01 10:00:00", 0),
        ("2026/11/1", -36_000_000),
        ("11/01/2026", -36_000_000),
        ("11/01/2026 10:00:00", 0),
        ("11/1/2026, 10:00:00\u202fAM", 0),
        ("10/31/2026, 12:00:00 PM", -22 * 3_600_000),
        ("11/1/2026, 12:00:00 a.m.", -36_000_000),
        ("20261101T100000Z", 0),
        ("20261101T100000.5+0000", 500),
        ("20261101", -36_000_000),
        ("Sun, 01 Nov 2026 10:00:00 GMT", 0),
        ("Sun, 1 Nov 2026 12:00:00 +0200", 0),
        ("Sun, 1 Nov 2026 05:00:00 EST", 0),
        ("1 Nov 2026 10:00:00", 0),
        ("01-Nov-2026 10:00:00", 0),
        ("1 November 2026", -36_000_000),
        ("Sun Nov 01 2026 11:00:00 GMT+0100 (Central European Standard Time)", 0),
        ("Sun Nov 01 2026 11:00:00 GMT+0100 (Mitteleuropäische Normalzeit)", 0),
        ("Sunday, November 1, 2026 10:00 AM", 0),
        ("Nov 1, 2026 10:00 AM", 0),
        ("Sun Nov  1 10:00:00 2026", 0),
        ("Sun Nov  1 10:00:00 UTC 2026", 0),
    ],
)
def test_all_ways_to_write_a_time(text, after_ms):
    assert read_time(text) == NOW_MS + after_ms


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "Invalid Date",
        "[optional timestamp in ISO 8601 format]",
        "NaN",
        "0001-01-01T00:00:00Z",
        "1899-12-31T23:59:59Z",
        "31/12/2026",
        "2026-02-30",
        "2026-11-01T24:00:01Z",
        "2026-11-01T10:60:00Z",
        "2026-11-01T10:00:61Z",
        "2026-11-01T10:00:00+24:00",
        "Nov 1, 2026 10:00:00 +01:60",
        "Nov 1, 2026 13:00 PM",
        "Nov 1, 2026 0:00 AM",
        "1 Foo 2026",
        "2026-11/01",
        "2026",
        "12345",
        "1 Nov 26",
        "2026-13-01T00:00:00Z",
        "2026-11-01T25:00:00Z",
        "nan",
        "inf",
        "1e300",
        "9" * 70,
        "9" * 101,
        True,
        [],
        {},
        float("nan"),
        float("inf"),
        1e300,
        -1e300,
        10**400,
        -(10**16),
    ],
)
def test_what_is_no_time(value):
    assert read_time(value) is NoTime.UNREADABLE
    assert known_time(value) is None


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_time_that_is_not_given_is_something_else(value):
    assert read_time(value) is NoTime.NOT_GIVEN
    assert known_time(value) is None


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("1900-01-01T00:00:00Z", -2_208_988_800_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        (-86_400, -86_400_000),
    ],
)
def test_times_far_away(text, ms):
    assert read_time(text) == ms


@given(
    st.datetimes(
        min_value=datetime(1900, 1, 2),  # noqa: DTZ001  # hypothesis gives it one of the zones
        max_value=datetime(9999, 12, 30),  # noqa: DTZ001  # as above
        timezones=st.just(timezone(timedelta(hours=5, minutes=45))),
    )
)
def test_every_time_that_can_be_written_is_read_exactly(moment):
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert read_time(moment.isoformat()) == expected


def receipt(*, from_file=False):
    return Receipt(NOW_MS, lambda _: "made", from_file)


def corrected(timestamp, *, offset=None, sent=None, from_file=False):
    reasons: list[str] = []
    event = {} if timestamp is None else {"timestamp": timestamp}
    if offset is not None:
        event["offset"] = offset
    at_ms = captured_time(event, known_time(sent), receipt(from_file=from_file), reasons)
    assert isinstance(at_ms, int)
    return at_ms - NOW_MS, reasons


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
    assert event_time({"timestamp": at_the_edge}, receipt(), reasons) == at_the_edge
    assert reasons == []
    assert event_time({"timestamp": at_the_edge + 1}, receipt(), reasons) == NOW_MS
    assert reasons == ["timestamp_ahead"]
    assert corrected(None, offset=-AHEAD_MS - 1) == (0, ["timestamp_ahead"])


def test_an_unreadable_time_is_now():
    assert corrected("tea time") == (0, ["timestamp_unreadable"])
    assert corrected("tea time", sent="2026-11-01T10:00:00Z") == (0, ["timestamp_unreadable"])
    assert corrected("", sent="2026-11-01T10:00:00Z") == (0, ["timestamp_unreadable"])


def test_without_a_time_it_is_now_and_there_is_nothing_to_count():
    assert corrected(None) == (0, [])
    assert corrected(None, sent="2026-11-01T10:00:05Z") == (0, [])


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({}, "timestamp_missing"),
        ({"timestamp": None}, "timestamp_missing"),
        ({"timestamp": " "}, "timestamp_missing"),
        ({"timestamp": "tea time"}, "timestamp_unreadable"),
        ({"timestamp": "0001-01-01T00:00:00Z"}, "timestamp_unreadable"),
    ],
)
def test_in_a_file_an_event_without_its_time_is_refused(event, reason):
    for refused in (
        event_time(event, receipt(from_file=True), []),
        captured_time(event, NOW_MS, receipt(from_file=True), []),
    ):
        assert isinstance(refused, Unreadable)
        assert refused.reason == reason
        assert "timestamp" in refused.sentence


def test_in_a_file_nothing_is_corrected_by_todays_clock():
    year_ms = 365 * 86_400_000
    sent = "2025-11-01T10:00:00Z"
    assert corrected("2025-11-01T09:00:00Z", offset=5, sent=sent, from_file=True) == (-year_ms - 3_600_000, [])
    assert corrected(None, offset=5, sent=sent, from_file=True) == (-year_ms - 5, [])


def test_no_correction_leaves_the_calendar():
    shifted, reasons = corrected("1900-01-01T00:00:00Z", sent="9999-01-01T00:00:00Z")
    assert NOW_MS + shifted == -2_208_988_800_000
    assert reasons == []
