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
        self._early: list[Outcome] = []

    def claim(self, positions: Sequence[int]) -> None:
        """These are being retried."""
        new = set(positions) - self._left
        self.total += len(new)
        self._left |= new
        early, self._early = self._early, []
        self._count(early)

    def note(self, outcomes: Iterable[Outcome]) -> None:
        """Events were settled."""
        if self.total:
            self._count(outcomes)
        else:
            self._early += outcomes

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
