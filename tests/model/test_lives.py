"""Two thousand random histories end as PostHog has it. `make soak ARGS=lives` lives through a hundred thousand."""

from __future__ import annotations

import pytest

from bench.soak.mutants import problems

from .__main__ import live

HISTORIES, AT_ONCE = 2_000, 125
WITH_MATES = 300


@pytest.mark.parametrize("first", range(0, HISTORIES, AT_ONCE))
def test_random_lives_end_as_posthog_has_it(first: int) -> None:
    """A seed that fails is shown, shrunk, by `python -m tests.model SEED`."""
    assert not live(range(first, first + AT_ONCE)).wrong


@pytest.mark.measured
@pytest.mark.parametrize("first", range(0, WITH_MATES, WITH_MATES // 3))
def test_lives_end_the_same_if_three_processes_deliver(first: int) -> None:
    assert not live(range(first, first + WITH_MATES // 3), mates=2).wrong


def test_every_rule_that_the_soak_takes_away_is_there() -> None:
    """Else its row in docs/reliability.md would say nothing."""
    assert not problems()
