"""How much everybody may ask of the API in a time: enough for any program, and no room for trying out tokens or for
keeping Hogline from its events.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

MOST_CALLERS = 1_000


class Allowance:
    """`at_once` requests of each caller, and `per_s` more with every second."""

    def __init__(self, now_s: Callable[[], float], *, at_once: int, per_s: float) -> None:
        """`now_s`: seconds that never go back."""
        self._now_s = now_s
        self._at_once = at_once
        self._per_s = per_s
        self._used: dict[str, tuple[float, float]] = {}
        """By caller: how much was used up, and when that was."""

    def wait_s(self, caller: str) -> int:
        """Seconds that this caller has to wait before it may ask; 0: now."""
        return max(0, ceil((self._left_over(caller) + 1 - self._at_once) / self._per_s))

    def used(self, caller: str) -> None:
        """It has asked."""
        left_over = self._left_over(caller)
        self._used.pop(caller, None)
        self._used[caller] = (left_over + 1, self._now_s())
        if len(self._used) > MOST_CALLERS:  # the one that was quiet for longest
            del self._used[next(iter(self._used))]

    def _left_over(self, caller: str) -> float:
        used, at_s = self._used.get(caller, (0.0, 0.0))
        return max(0.0, used - (self._now_s() - at_s) * self._per_s)
