"""A short version of `python -m bench.soak rate`. How much of the rate is used depends on the machine, so only the soak
asks for that."""

from __future__ import annotations

from pathlib import Path

from bench.soak.rate import rate


def test_requests_leave_as_long_as_events_wait(tmp_path: Path) -> None:
    found = rate(tmp_path, per_second=50, latency_ms=20, seconds=1)
    assert found.used > 0
    assert found.most_in_a_second > 0
