"""Customer.io away for three days, or a key that is wrong for one: it costs time, nothing else. A short version of
`python -m bench.soak outage`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.soak.outage import outage, wrong_key

pytestmark = pytest.mark.anyio

EVENTS = 20_000


async def test_72_hours_without_customerio_lose_nothing_and_fill_neither_disk_nor_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that these few events are many times what may be in memory.
    for room in ("window", "puller"):
        monkeypatch.setattr(f"hogline.delivery.{room}.WINDOW_BYTES", 500_000)
    found = await outage(tmp_path, events=EVENTS)
    assert found.hours >= 72
    assert (found.received, found.delivered, found.failures, found.out_of_order) == (EVENTS, EVENTS, 0, 0)
    assert found.disk_by_payload <= 1.5
    assert found.longest_silence_s < 301  # five minutes, and what it takes to notice
    assert found.memory_growth_bytes <= 8_000_000


async def test_a_wrong_key_for_a_day_stops_within_one_request_and_resumes_where_it_was(tmp_path: Path) -> None:
    found = await wrong_key(tmp_path, events=2_400)
    assert found.requests_with_the_wrong_key == 1
    assert "credentials" in found.reason
    assert (found.delivered, found.failures, found.out_of_order) == (found.received_meanwhile + 100, 0, 0)
