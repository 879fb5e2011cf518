"""A range of days, chosen with two date fields: in UTC, the last one is part of it. For several pages; knows none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

PROBLEM = "A day must look like 2026-11-01."


@dataclass(frozen=True)
class Days:
    since: str = ""
    until: str = ""
    """As a browser's date field writes them; empty: no bound."""
    problem: str = ""
    """Why what was asked for is not shown."""

    @property
    def since_ms(self) -> int:
        """0: no bound."""
        return _day_ms(self.since)

    @property
    def until_ms(self) -> int:
        return _day_ms(self.until, 1)

    @property
    def query(self) -> str:
        """For links; empty if there is no bound."""
        return urlencode({name: day for name, day in (("since", self.since), ("until", self.until)) if day})


def days_of(values: Mapping[str, object]) -> Days:
    """What a link or a form says. What is no day is told as a problem, and nothing is bounded then."""
    days = Days(str(values.get("since", "")), str(values.get("until", "")))
    try:
        bounds = days.since_ms, days.until_ms
    except (ValueError, OverflowError):
        return Days(problem=PROBLEM)
    return days if min(bounds) >= 0 else Days(problem=PROBLEM)


def _day_ms(day: str, more: int = 0) -> int:
    """When it begins, with `more` days. Raises `ValueError` and `OverflowError`."""
    if not day:
        return 0
    return int((datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=more)).timestamp() * 1_000)
