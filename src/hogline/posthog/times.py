"""When an event happened, from the ways senders write it, as milliseconds since 1970 UTC.

Knows no clock: the time of receipt is handed in. Sources: PostHog's documentation of event ingestion and of its batch
exports, and what PostHog's capture service reads (`rust/common/types/src/timestamp.rs`).
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import TypeAlias

from hogline.posthog.received import Receipt, Unreadable

TIMESTAMP_UNREADABLE = "timestamp_unreadable"
TIMESTAMP_MISSING = "timestamp_missing"
TIMESTAMP_AHEAD = "timestamp_ahead"

AHEAD_MS = 23 * 3_600_000
"""PostHog takes an event that lies further ahead than this to have happened on receipt."""


class NoTime(Enum):
    """Why there is no time."""

    NOT_GIVEN = "not_given"
    UNREADABLE = "unreadable"


Time: TypeAlias = int | NoTime
"""Milliseconds since 1970 UTC, or why there are none."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_LEAST_MS = -2_208_988_800_000
"""The year 1900, before which ClickHouse keeps no time. Go writes the year 1 for a time that was never set."""
_GREATEST_MS = 253_402_300_799_999  # year 9999
_MILLISECONDS_FROM = 10**11
"""Numbers below it are seconds (until the year 5138); from here on milliseconds (since 1973)."""
_MICROSECONDS_FROM = 10**14
_NANOSECONDS_FROM = 10**17
_FULL_DATE_AND_TIME = 19
_LONGEST = 100

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ZONES_H = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
"""The zones that RFC 2822 names; all others that are read are UTC."""

_MONTH = r"(?P<name>[A-Z]{3})[A-Z]{0,6}\.?"
_WEEKDAY = r"(?:(?:MON|TUE|WED|THU|FRI|SAT|SUN)[A-Z]{0,6},?\s+)?"
_CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?"
    r"(?:\s?(?P<half>[AP])\.?M\.?)?"
)
_COMPACT_CLOCK = r"(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?"
_ZONE = (
    rf"(?:\s*(?P<zone>Z|UTC|GMT|UT|{'|'.join(_ZONES_H)}))?"
    r"(?:\s*(?P<sign>[+-])(?P<off_h>\d{2})(?::?(?P<off_m>\d{2}))?)?"
)
_REST = rf"(?:[T\s,]\s*{_CLOCK}{_ZONE})?"

_FORMS = tuple(
    re.compile(form)
    for form in (
        # 2026-11-01T10:00:00.123Z, 2026/11/01 10:00:00, 2026-11-01 10:00:00 UTC, 2026-11-01
        rf"(?P<year>\d{{4}})(?P<dash>[-/])(?P<month>\d{{1,2}})(?P=dash)(?P<day>\d{{1,2}}){_REST}",
        # 20261101T100000Z, 20261101
        rf"(?P<year>\d{{4}})(?P<month>\d{{2}})(?P<day>\d{{2}})(?:T{_COMPACT_CLOCK}{_ZONE})?",
        # 11/01/2026 10:00:00: the month comes first
        rf"(?P<month>\d{{1,2}})/(?P<day>\d{{1,2}})/(?P<year>\d{{4}}){_REST}",
        # Sun, 1 Nov 2026 10:00:00 +0200 (RFC 2822), 1 Nov 2026
        rf"{_WEEKDAY}(?P<day>\d{{1,2}})[\s-]{_MONTH}[\s-](?P<year>\d{{4}}){_REST}",
        # Sun Nov 01 2026 11:00:00 GMT+0100 (JavaScript), Nov 1, 2026 10:00 AM
        rf"{_WEEKDAY}{_MONTH}\s+(?P<day>\d{{1,2}}),?\s+(?P<year>\d{{4}}){_REST}",
        # Sun Nov  1 10:00:00 2026 (C), Sun Nov  1 10:00:00 UTC 2026 (Unix)
        rf"{_WEEKDAY}{_MONTH}\s+(?P<day>\d{{1,2}})\s+{_CLOCK}{_ZONE}\s+(?P<year>\d{{4}})",
    )
)
_NUMBER = re.compile(r"[+-]?\d{9,}(?:\.\d*)?")
"""Fewer digits are a day, or a year, or nothing that one could be sure of."""
_ASIDE = re.compile(r"\s*(?:\[[^\[\]]*\]|\([^()]*\))$")
"""A zone's name behind its offset, as Java and JavaScript write it."""


def read_time(value: object) -> Time:
    """Milliseconds since 1970 UTC; the rest of a millisecond is dropped. What names no zone is UTC.

    A text in one of the forms above, or a number, also as text: seconds, milli-, micro- or nanoseconds since 1970.
    """
    if isinstance(value, str):
        if len(value) >= _FULL_DATE_AND_TIME and value[4] == "-" and value[10] in "T ":
            try:
                return _within(_of_datetime(datetime.fromisoformat(value)))
            except ValueError:
                pass
        return _read_text(value.strip())
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _read_number(value)
    return NoTime.NOT_GIVEN if value is None else NoTime.UNREADABLE


def known_time(value: object) -> int | None:
    """The same where it does not matter why there is none."""
    read = read_time(value)
    return read if isinstance(read, int) else None


_FINE = re.compile(r":\d{2}[.,]\d{3}(\d{1,3})")


def below_ms_us(value: object) -> int:
    """Microseconds beyond the whole millisecond of a time that `read_time` reads; 0 if it has none.

    Server SDKs send events that are microseconds apart, and exports keep them.
    """
    if isinstance(value, str):
        found = _FINE.search(value[:_LONGEST])
        return int(found[1].ljust(3, "0")) if found else 0
    if isinstance(value, int) and _MICROSECONDS_FROM <= abs(value) < 1_000 * _NANOSECONDS_FROM:
        return (value if abs(value) < _NANOSECONDS_FROM else value // 1_000) % 1_000
    if isinstance(value, float) and abs(value) < _MILLISECONDS_FROM:
        return round(value * 1_000_000) % 1_000
    return 0


def _of_datetime(moment: datetime) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MILLISECOND


def _within(read_ms: int) -> Time:
    return read_ms if _LEAST_MS <= read_ms <= _GREATEST_MS else NoTime.UNREADABLE


def _read_text(text: str) -> Time:
    if not text:
        return NoTime.NOT_GIVEN
    if len(text) > _LONGEST:
        return NoTime.UNREADABLE
    if _NUMBER.fullmatch(text):
        return _read_number(float(text))
    text = _ASIDE.sub("", text.upper())
    for form in _FORMS:
        if found := form.fullmatch(text):
            return _of_parts(found.groupdict())
    return NoTime.UNREADABLE


def _of_parts(parts: dict[str, str | None]) -> Time:
    """24:00 is the next day's midnight, and a leap second the next minute's first."""
    numbers = {name: int(text) for name, text in parts.items() if text is not None and text.isdecimal()}
    hour, minute, second = (numbers.get(name, 0) for name in ("hour", "minute", "second"))
    name, half = parts.get("name"), parts.get("half")
    if half is not None:
        if not 1 <= hour <= 12:
            return NoTime.UNREADABLE
        hour = hour % 12 + 12 * (half == "P")
    offset_h, offset_m = numbers.get("off_h", 0), numbers.get("off_m", 0)
    if hour > 24 or (hour == 24 and (minute or second)) or minute > 59 or second > 60 or offset_h > 23 or offset_m > 59:
        return NoTime.UNREADABLE
    try:
        month = numbers["month"] if name is None else _MONTHS.index(name.lower()) + 1
        day = date(numbers["year"], month, numbers["day"]).toordinal() - _EPOCH_DAY
    except ValueError:
        return NoTime.UNREADABLE
    ahead_m = 60 * _ZONES_H.get(parts.get("zone") or "", 0)
    ahead_m += (60 * offset_h + offset_m) * (-1 if parts.get("sign") == "-" else 1)
    milliseconds = int(((parts.get("fraction") or "") + "000")[:3])
    return _within((((day * 24 + hour) * 60 + minute - ahead_m) * 60 + second) * 1_000 + milliseconds)


def _read_number(number: float) -> Time:
    # Comparing is safe for NaN, infinities and integers of any size; calculating would not be.
    size = abs(number)
    if not size < 1_000 * _NANOSECONDS_FROM:
        return NoTime.UNREADABLE
    if size < _MILLISECONDS_FROM:
        # Rounded to microseconds first: 0.123 is a little less than that in binary.
        return _within(round(number * 1_000_000) // 1_000)
    if size >= _MICROSECONDS_FROM:
        number = number // 1_000 if size < _NANOSECONDS_FROM else number // 1_000_000
    return _within(int(number))


def event_time(holder: dict[str, object], receipt: Receipt, reasons: list[str]) -> int | Unreadable:
    """The time of an event whose sender's clock is right, or was corrected by PostHog already; `holder` has its
    `timestamp`.

    An event that just came and has none, or one that is unreadable or more than 23 hours ahead, happened on receipt.
    One in a file would be dated years too late by that: it cannot be kept, and why is what comes back.
    """
    read = read_time(holder.get("timestamp"))
    if isinstance(read, int):
        return _not_ahead(read, receipt.received_ms, reasons)
    if receipt.from_file:
        return _without_time(read)
    if "timestamp" in holder:
        reasons.append(TIMESTAMP_UNREADABLE)
    return receipt.received_ms


def _without_time(why: NoTime) -> Unreadable:
    if why is NoTime.NOT_GIVEN:
        return Unreadable("The event has no time: `timestamp` is missing or blank.", reason=TIMESTAMP_MISSING)
    return Unreadable(
        "The event's `timestamp` is not a valid time. Use a format like 2026-11-01T10:00:00Z.",
        reason=TIMESTAMP_UNREADABLE,
    )


def captured_time(
    holder: dict[str, object], sent_ms: int | None, receipt: Receipt, reasons: list[str]
) -> int | Unreadable:
    """The time of an event that a client captured, by our clock; `holder` has its `timestamp` and `offset`.

    `offset` (milliseconds between capture and sending) decides if it is a number. Otherwise the time is moved by as
    much as the client's clock was off when it sent (`sent_ms`, None: taken to be right). In a file nothing is known of
    that: `offset` counts from `sent_ms`, and only where there is no time; without both it is as with `event_time`.
    """
    received_ms, offset = receipt.received_ms, _offset(holder.get("offset"))
    if receipt.from_file:
        if offset is not None and sent_ms is not None and read_time(holder.get("timestamp")) is NoTime.NOT_GIVEN:
            return _not_ahead(sent_ms - offset, received_ms, reasons)
        return event_time(holder, receipt, reasons)
    if offset is not None and _LEAST_MS <= received_ms - offset <= _GREATEST_MS:
        return _not_ahead(received_ms - offset, received_ms, reasons)
    read_ms = None if sent_ms is None else known_time(holder.get("timestamp"))
    if sent_ms is None or read_ms is None:
        return event_time(holder, receipt, reasons)
    return _not_ahead(max(received_ms + read_ms - sent_ms, _LEAST_MS), received_ms, reasons)


def _offset(value: object) -> int | None:
    """An offset in whole milliseconds, rounded up; None if it is no number that can be one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= _GREATEST_MS:
        return None
    return -int(-value // 1)


def _not_ahead(happened_ms: int, received_ms: int, reasons: list[str]) -> int:
    if happened_ms <= received_ms + AHEAD_MS:
        return happened_ms
    reasons.append(TIMESTAMP_AHEAD)
    return received_ms
