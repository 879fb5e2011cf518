"""Two that receive and four that deliver, killed, frozen and restarted at random moments, while PostgreSQL crashes."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hogline.testing.postgresql import Server, private
from hogline.testing.processes import everywhere

sys.path.insert(0, str(Path(__file__).parents[2]))  # the storm is that of `make soak`, shorter

from bench.soak import shared_joins
from bench.soak.households import Households
from bench.soak.restarts import restarts
from bench.soak.shared import rage, settings
from bench.soak.traffic import Traffic


@pytest.fixture
def durable(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with private(durable=True) as server:
        for name, value in settings(server).items():
            monkeypatch.setitem(everywhere, name, value)
        yield server


@pytest.mark.timeout(400)
def test_whatever_is_killed_or_frozen_nothing_is_missing_or_counted_twice(durable: Server, tmp_path: Path) -> None:
    seed = secrets.randbits(32)
    traffic = Traffic(people=40, events_each=100, per_s=120, visits=3)
    outcome = rage(durable, tmp_path, traffic, 8, seed)
    assert outcome.good, (seed, outcome)
    assert outcome.verdict.at_customerio == traffic.events - outcome.verdict.refused, (seed, outcome)
    assert outcome.kills + outcome.freezes + outcome.crashes >= 8


@pytest.mark.timeout(400)
def test_people_who_are_joined_across_processes_are_one_customer_each(durable: Server, tmp_path: Path) -> None:
    seed = secrets.randbits(32)
    households = Households(people=20, events_each=30, batches=0.3, per_s=120, seed=seed)
    outcome = shared_joins.rage(durable, tmp_path, households, deliverers=3, disturbances=3, seed=seed)
    for name, verdict in outcome.verdicts.items():
        assert verdict.good, (seed, name, verdict)
    assert all(outcome.verdicts[name].merges > 20 for name in ("all", "all-by-email")), (seed, outcome)


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("durable")
def test_a_rolling_restart_refuses_no_request(tmp_path: Path) -> None:
    found = restarts(tmp_path, senders=1, rounds=1)
    assert found.refused == []
    assert found.received == found.delivered == found.requests
    assert found.took_s[int(0.99 * found.requests)] < 10, "it waited for something"
