"""The soak of forgetting, smaller: visitors, accounts, held events, failures, a removed connection, others' traffic."""

from pathlib import Path

import pytest

from bench.soak import forget


@pytest.mark.parametrize("seed", [1, 2])
def test_whoever_is_forgotten_leaves_no_trace_in_any_file(tmp_path: Path, seed: int) -> None:
    outcome = forget.once(tmp_path / "data", people=120, forget=15, seed=seed)
    assert outcome.hits_before > 60
    assert outcome.good, outcome
