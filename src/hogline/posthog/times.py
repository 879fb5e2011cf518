"""When an event happened, from the ways senders write it, as milliseconds since 1970 UTC.

Knows no clock: the time of receipt is handed in. Sources: PostHog's documentation of event ingestion and of
its batch exports.
"""

from __future__ import annotations

from datetime import UTC, datetime

TIMESTAMP_UNREADABLE = "timestamp_unreadable"
TIMESTAMP_AHEAD = "timestamp_ahead"

AHEAD_MS = 23 * 3_600_000
"""PostHog takes an event that lies further ahead than this to have happened on receipt."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEAST_MS = -62_135_596_800_000  # year 1
_GREATEST_MS = 253_402_300_799_999  # year 9999
_SECONDS_BELOW = 100_000_000_000
"""Numbers below it are seconds (until the year 5138), others milliseconds (since 1973)."""
_FULL_DATE_AND_TIME = 19
_LONGEST = 64


def read_time(value: object) -> int | None:
    """Milliseconds since 1970 UTC; None if it cannot be read as a time.

    ISO 8601 and ClickHouse's `2026-11-01 10:00:00.123` (any number of digits, the rest of a millisecond is
    dropped), UTC where they name no zone. Numbers, also as text: seconds or milliseconds since 1970.
    """
    if isinstance(value, str):
        if len(value) >= _FULL_DATE_AND_TIME and value[4] == "-" and value[10] in "T ":
            try:
                return _of_datetime(datetime.fromisoformat(value))
            except ValueError:
                pass
        return _read_unusual(value.strip())
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _read_number(value)
    return None


def _of_datetime(moment: datetime) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - _EPOCH
    return since.days * 86_400_000 + since.seconds * 1_000 + since.microseconds // 1_000


def _read_unusual(text: str) -> int | None:
    if len(text) > _LONGEST:
        return None
    try:
        return _read_number(float(text))
    except ValueError:
        pass
    try:
        # Lower-case `t` and `z` are ISO 8601 as well (RFC 3339, 5.6).
        return _of_datetime(datetime.fromisoformat(text.upper()))
    except ValueError:
        return None


def _read_number(number: float) -> int | None:
    # Comparing is safe for NaN, infinities and integers of any size; calculating would not be.
    milliseconds = number * 1_000 if abs(number) < _SECONDS_BELOW else number
    return int(milliseconds) if _LEAST_MS <= milliseconds <= _GREATEST_MS else None


def event_time(timestamp: object, received_ms: int, reasons: list[str]) -> int:
    """The time of an event whose sender's clock is right, or was corrected by PostHog already.

    Missing, unreadable or more than 23 hours ahead: the time of receipt.
    """
    if timestamp is None:
        return received_ms
    read_ms = read_time(timestamp)
    if read_ms is None:
        reasons.append(TIMESTAMP_UNREADABLE)
        return received_ms
    return _not_ahead(read_ms, received_ms, reasons)


def captured_time(timestamp: object, offset: object, sent_ms: int | None, received_ms: int, reasons: list[str]) -> int:
    """The time of an event that a client captured, by our clock.

    `offset` (milliseconds between capture and sending) decides if it is a number. Otherwise the time is
    moved by as much as the client's clock was off when it sent (`sent_ms`, None: taken to be right).
    """
    if (
        isinstance(offset, (int, float))
        and not isinstance(offset, bool)
        and received_ms - _GREATEST_MS <= offset <= received_ms - _LEAST_MS
    ):
        return _not_ahead(int(received_ms - offset), received_ms, reasons)
    if timestamp is None or sent_ms is None:
        return event_time(timestamp, received_ms, reasons)
    read_ms = read_time(timestamp)
    if read_ms is None:
        reasons.append(TIMESTAMP_UNREADABLE)
        return received_ms
    corrected_ms = received_ms + read_ms - sent_ms
    return _not_ahead(max(corrected_ms, _LEAST_MS), received_ms, reasons)


def _not_ahead(happened_ms: int, received_ms: int, reasons: list[str]) -> int:
    if happened_ms <= received_ms + AHEAD_MS:
        return happened_ms
    reasons.append(TIMESTAMP_AHEAD)
    return received_ms
