"""How often somebody may try a password: few times from one address, and not very often in all.

A pure counter over a clock that is passed in. Knows no passwords.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

WITHIN_S = 300.0
FROM_ONE_ADDRESS = 5
IN_ALL = 50


class Attempts:
    """Attempts of the last five minutes; those that succeeded are taken back."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._made: deque[tuple[float, str]] = deque()

    def begin(self, address: str) -> float:
        """Count an attempt. Returns how many seconds it has to wait, 0.0: it may be made. One that has to wait is not
        counted.
        """
        now_s = self._now_s()
        while self._made and self._made[0][0] <= now_s - WITHIN_S:
            self._made.popleft()
        own = [at_s for at_s, whose in self._made if whose == address]
        waits_s = [0.0]
        if len(own) >= FROM_ONE_ADDRESS:
            waits_s.append(own[-FROM_ONE_ADDRESS] + WITHIN_S - now_s)
        if len(self._made) >= IN_ALL:
            waits_s.append(self._made[-IN_ALL][0] + WITHIN_S - now_s)
        if max(waits_s) == 0.0:
            self._made.append((now_s, address))
        return max(waits_s)

    def succeeded(self, address: str) -> None:
        """Whoever knows the password starts anew."""
        self._made = deque(attempt for attempt in self._made if attempt[1] != address)
