"""A short version of `python -m bench.soak scale-rate`: four processes share the rate limit of a connection. How much of
it they use depends on the machine, so only the soak asks for that.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.soak import shared_rate
from bench.soak.shared import settings
from hogline.testing.postgresql import Server
from hogline.testing.processes import everywhere


def test_four_processes_that_share_a_rate_deliver(
    postgresql: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings(postgresql).items():
        monkeypatch.setitem(everywhere, name, value)
    found = shared_rate.rate(tmp_path, postgresql.url("postgres"), per_second=20, latency_ms=20, seconds=1)
    assert found.used > 0
