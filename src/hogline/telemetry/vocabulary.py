"""A limited number of values for one label: Prometheus keeps a series for each, and some come from outside."""

from __future__ import annotations

from collections.abc import Mapping

MOST_WORDS = 40
OTHER = "other"


class Vocabulary:
    """Keeps the first words up to a number; all later ones become `other`."""

    def __init__(self, most: int = MOST_WORDS) -> None:
        self._most = most
        self._words: set[str] = set()

    def bounded(self, counts: Mapping[str, int]) -> dict[str, int]:
        """The same counts by known words, with all others added up. A word stays known, so counters never go back."""
        found: dict[str, int] = {}
        for word, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            known = self._takes(word)
            found[known] = found.get(known, 0) + n
        return found

    def _takes(self, word: str) -> str:
        if word not in self._words and len(self._words) < self._most:
            self._words.add(word)
        return word if word in self._words else OTHER
