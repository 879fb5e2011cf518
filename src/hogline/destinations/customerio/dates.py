"""Date attributes: whatever an app uses for a date becomes whole seconds since 1970, UTC.

Customer.io compares dates as integer seconds; a date as ISO text is just text to it. This module does not know the
machine's time zone: a date without a zone is UTC, so the result is the same everywhere.
"""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Iterable
from datetime import date

from msgspec import Struct

_MILLISECONDS_FROM = 10_000_000_000
"""A number this far from 1970 or farther is in milliseconds: as seconds, it would be before 1653 or after 2286; and as
milliseconds, everything nearer would be within four months of 1970."""
_FIRST, _LAST = -62_135_596_800, 253_402_300_799  # the years 1 to 9999
_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,][0-9]+)?)?"
    r" ?(?:[Zz]|UTC|([+-])([0-9]{2})(?::?([0-9]{2}))?)?)?"
)
_TOO_FINE = re.compile(r"[.,][0-9]{10}")
"""No program writes more than nanoseconds, so this is something else that looks like a date."""
_COMPACT = re.compile(r"((?:19|20)[0-9]{2})([0-9]{2})([0-9]{2})")
_NUMBER = re.compile(r"-?[0-9]{9,14}(?:\.[0-9]+)?")


def whole_seconds(value: object) -> int | None:
    """Seconds since 1970, rounded down, from an ISO text, seconds or milliseconds; None: it cannot be read.

    Digits in a text are a number if there are nine or more, and a day if there are eight that form one.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return _from_number(value)
    return _from_text(value.strip()) if isinstance(value, str) else None


class Dates(Struct, frozen=True):
    """Which values are dates: by name, or by the path of names that leads to them."""

    paths: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()
    """Beginnings of paths. Below them, only ISO texts are dates, because a number may mean anything."""

    def __bool__(self) -> bool:
        return bool(self.paths or self.patterns)

    def converted(self, path: str, value: object) -> object:
        """The value with every date in it as whole seconds. One that cannot be read stays as it is. Objects in a list
        have the list's path."""
        if isinstance(value, dict):
            return {name: self.converted(f"{path}.{name}", inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.converted(path, one) if isinstance(one, (dict, list)) else one for one in value]
        if path in self.paths:
            seconds = whole_seconds(value)
        elif isinstance(value, str) and path.startswith(self.patterns):
            seconds = None if _TOO_FINE.search(value) else _from_iso(value.strip())
        else:
            return value
        return value if seconds is None else seconds


CREATED = Dates(frozenset({"created_at"}))


def dates_of(names: Iterable[str]) -> Dates:
    found = set(names)
    patterns = sorted(name[:-1] for name in found if name.endswith("*"))
    return Dates(frozenset(name for name in found if not name.endswith("*")), tuple(patterns))


def _from_number(number: float) -> int | None:
    if not math.isfinite(number):
        return None
    if abs(number) >= _MILLISECONDS_FROM:
        number = number // 1000
    seconds = math.floor(number)
    return seconds if _FIRST <= seconds <= _LAST else None


def _from_text(text: str) -> int | None:
    if len(text) > 64:
        return None
    if _NUMBER.fullmatch(text):
        return _from_number(float(text) if "." in text else int(text))
    if compact := _COMPACT.fullmatch(text):
        year, month, day = compact.groups()
        return _from_parts((int(year), int(month), int(day)), (0, 0, 0), 0)
    return _from_iso(text)


def _from_iso(text: str) -> int | None:
    if not (iso := _ISO.fullmatch(text)):
        return None
    year, month, day, hour, minute, second, sign, zone_hour, zone_minute = iso.groups("0")
    offset_s = int(zone_hour) * 3600 + int(zone_minute) * 60
    if offset_s >= 86_400 or int(zone_minute) > 59:
        return None
    return _from_parts(
        (int(year), int(month), int(day)),
        (int(hour), int(minute), int(second)),
        -offset_s if sign == "-" else offset_s,
    )


def _from_parts(day: tuple[int, int, int], time: tuple[int, int, int], offset_s: int) -> int | None:
    hour, minute, second = time
    if hour > 23 or minute > 59 or second > 59:
        return None
    try:
        date(*day)
    except ValueError:
        return None
    return calendar.timegm((*day, *time)) - offset_s
