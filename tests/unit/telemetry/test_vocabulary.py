"""Labels have a bounded number of words, and no counter ever goes back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hogline.telemetry.vocabulary import OTHER, Vocabulary

counts = st.dictionaries(st.text("abcdef", max_size=2), st.integers(0, 1_000), max_size=20)


@given(counts, st.integers(0, 10))
def test_nothing_is_lost_and_there_are_never_more_words(given_counts: dict[str, int], most: int) -> None:
    found = Vocabulary(most).bounded(given_counts)
    assert sum(found.values()) == sum(given_counts.values())
    assert len(found.keys() - {OTHER}) <= most


@given(st.lists(counts, max_size=5), st.integers(0, 5))
def test_what_only_grows_still_only_grows_by_its_words(steps: list[dict[str, int]], most: int) -> None:
    vocabulary, total, before = Vocabulary(most), dict[str, int](), dict[str, int]()
    for step in steps:
        total = {word: total.get(word, 0) + step.get(word, 0) for word in total | step}
        after = vocabulary.bounded(total)
        assert all(after[word] >= n for word, n in before.items())
        before = after


def test_the_words_that_count_most_come_first() -> None:
    assert Vocabulary(1).bounded({"a": 1, "b": 5, "c": 2}) == {"b": 5, OTHER: 3}
