"""A small plot: bars in a picture of fixed size. Pure; only numbers come out, for a template to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 240.0
HEIGHT = 40.0
_GAP = 2.0
_LEAST = 2.0
"""The height of a bar for anything but nothing: one event among a million is still seen."""


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Sparkline:
    bars: tuple[Bar, ...]
    total: int


def sparkline(counts: Sequence[int]) -> Sparkline:
    """A bar for each count that is not 0, from left to right, the highest as high as the picture."""
    highest = max(counts, default=0)
    step = WIDTH / max(1, len(counts))
    bars = []
    for place, count in enumerate(counts):
        if count > 0:
            height = round(max(_LEAST, HEIGHT * count / highest), 1)
            bars.append(Bar(round(place * step, 1), round(HEIGHT - height, 1), round(step - _GAP, 1), height))
    return Sparkline(tuple(bars), sum(counts))
