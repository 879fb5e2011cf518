"""Spans of time and shares as people type them: 72h, 3d, 30m, 50%."""

from __future__ import annotations

import re

from hogline.service import CannotDo

_UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


def milliseconds(text: str) -> int:
    """Raises `CannotDo`."""
    found = re.fullmatch(r"(\d{1,6})\s*([mhd])", text.strip())
    if found is None:
        raise CannotDo(f"{text!r} is not a span of time. Write it like 72h, 3d or 30m.")
    return int(found[1]) * _UNIT_MS[found[2]]


def percent(text: str) -> int:
    """Raises `CannotDo`."""
    number = text.removesuffix("%")
    if not number.isdecimal() or not 1 <= int(number) <= 100:
        raise CannotDo("--share is a percentage from 1% to 100%.")
    return int(number)
