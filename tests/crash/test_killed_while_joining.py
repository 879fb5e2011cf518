"""`kill -9` while people are joined, at connections of every choice, before a Customer.io that fails too."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from bench.soak import joins


@pytest.fixture
def seed() -> int:
    """Another one each time; a failing test shows it."""
    return secrets.randbits(32)


def test_killed_while_people_are_joined_each_is_one_customer_with_all_they_did(tmp_path: Path, seed: int) -> None:
    outcome = joins.killed(tmp_path, kills=6, households=60, events_each=40, faults_each=2, seed=seed)

    for name, verdict in outcome.verdicts.items():
        assert verdict.good, (seed, name, verdict)
    # Some were kept, and the process was killed before it said so: they came again, and are one event.
    assert outcome.sent_again > 0, (seed, outcome)
    verdicts = outcome.verdicts
    assert all(verdicts[name].merges > 100 for name in ("all", "all-by-email")), (seed, outcome)
    assert all(verdicts[name].visitors > 50 for name in verdicts if not name.startswith("all")), (seed, outcome)
    # A rejected value is only sent if no newer one came meanwhile, so how many there are depends on this machine.
    assert all(verdict.failures > 0 for verdict in verdicts.values()), (seed, outcome)
