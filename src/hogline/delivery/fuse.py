"""The fuse: if most recent operations were rejected, the configuration is wrong, not that many events."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

LOOKS_BACK = 1_000
AT_LEAST = 100


class Fuse:
    """Looks at the last 1,000 operations. Blown if more than half of them, and at least 100, were rejected."""

    def __init__(self) -> None:
        self._refused: deque[bool] = deque(maxlen=LOOKS_BACK)

    def note(self, refused: Iterable[bool]) -> None:
        self._refused.extend(refused)

    @property
    def blown(self) -> bool:
        return len(self._refused) >= AT_LEAST and sum(self._refused) * 2 > len(self._refused)
