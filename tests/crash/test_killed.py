"""`kill -9` at random moments: real processes, with senders that go on until they are answered."""

from __future__ import annotations

import secrets
import sqlite3
from array import array
from contextlib import closing
from pathlib import Path

import pytest

from bench.soak import storms


@pytest.fixture
def seed() -> int:
    """Another one each time; a failing test shows it."""
    return secrets.randbits(32)


def _counted(folder: Path, file: str, sql: str) -> tuple[int, ...]:
    (path,) = folder.rglob(file)
    with closing(sqlite3.connect(path)) as database:
        found: tuple[int, ...] = database.execute(sql).fetchone()
    return found


def _logged(folder: Path) -> tuple[int, ...]:
    """How many events have an outcome in the event log, of however many attempts."""
    (path,) = folder.rglob("events.db")
    with closing(sqlite3.connect(path)) as database:
        blocks = database.execute("SELECT outcomes FROM results").fetchall()
    return (sum(sum(map(bool, array("H", block))) for (block,) in blocks),)


def test_killed_at_any_moment_nothing_that_was_answered_is_missing(tmp_path: Path, seed: int) -> None:
    outcome = storms.killed(tmp_path, kills=20, people=100, events_each=200, seed=seed)

    assert outcome.verdict.good, (seed, outcome)
    assert outcome.verdict.at_customerio == 20_000, (seed, outcome)
    # Every settled event is in the event log once; repeats of senders are events of the journal too.
    settled = _counted(tmp_path, "state.db", "SELECT sum(n) FROM counters WHERE kind IN ('delivered', 'filtered')")
    assert settled == _logged(tmp_path), seed
    # Some were kept, and the process was killed before it said so: they came again, and are one event.
    assert outcome.sent_again > 0


def test_each_persons_order_outlasts_kills_and_every_fault_of_customerios(tmp_path: Path, seed: int) -> None:
    outcome = storms.in_order(
        tmp_path, kills=3, people=50, events_each=40, per_s=250, faults=6, timeouts=False, seed=seed
    )

    assert outcome.verdict.good, (seed, outcome)
    assert outcome.verdict.refused == 100, (seed, outcome)
    assert outcome.verdict.at_customerio == 1_900, (seed, outcome)
    assert outcome.verdict.retries, (seed, outcome)
