"""A bounded number of words for one label: Prometheus keeps a series for each, and some words come from outside."""

from __future__ import annotations

from collections.abc import Mapping

MOST_WORDS = 40
OTHER = "other"


class Vocabulary:
    """The first words that it is shown, up to a number; all later ones are `other`."""

    def __init__(self, most: int = MOST_WORDS) -> None:
        self._most = most
        self._words: set[str] = set()

    def bounded(self, counts: Mapping[str, int]) -> dict[str, int]:
        """The same counts by the words it knows, with those of all others together. A word once known stays, so that
        no counter ever goes back.
        """
        found: dict[str, int] = {}
        for word, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            known = self._takes(word)
            found[known] = found.get(known, 0) + n
        return found

    def _takes(self, word: str) -> str:
        if word not in self._words and len(self._words) < self._most:
            self._words.add(word)
        return word if word in self._words else OTHER
