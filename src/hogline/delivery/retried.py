"""What happens to failures that are being retried, for those who watch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hogline.core.settle import Outcome


class Retried:
    """Counts the results of retried failures. One may be settled before it is claimed."""

    def __init__(self, begun_ms: int) -> None:
        self.begun_ms = begun_ms
        self.total = 0
        self.delivered = 0
        self.failed = 0
        self.filtered = 0
        """Or held."""
        self._left: set[int] = set()
        self._expected = 0
        self._early: list[Outcome] = []

    def expect(self) -> None:
        """A claim follows. Until then, everything that is settled may belong to it."""
        self._expected += 1

    def claim(self, positions: Sequence[int]) -> None:
        """These are being retried; maybe none."""
        new = set(positions) - self._left
        self.total += len(new)
        self._left |= new
        self._count(self._early)
        self._expected -= 1
        if not self._expected:
            self._early = []

    def note(self, outcomes: Iterable[Outcome]) -> None:
        """Events were settled."""
        if self.is_over:
            return
        settled = list(outcomes)
        self._count(settled)
        if self._expected:
            self._early += settled

    @property
    def is_over(self) -> bool:
        return not self._left and not self._expected

    def _count(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.position in self._left:
                self._left.remove(outcome.position)
                self.delivered += outcome.kind == "delivered"
                self.failed += outcome.kind == "failed"
                self.filtered += outcome.kind in {"filtered", "held"}

    @property
    def left(self) -> int:
        return len(self._left)
