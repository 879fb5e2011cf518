"""Whoever sends a file waits for just its events."""

from pathlib import Path

import pytest
from service_bench import GOOD, bench_in, send_lines

pytestmark = pytest.mark.anyio

LINE = b'{"event": "clicked", "distinct_id": "u1", "properties": {}, "timestamp": "2026-11-01T10:00:00Z"}'


async def test_waiting_goes_on_when_the_connection_is_stopped_and_started_meanwhile(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:
        service = bench.service
        await service.connections.add("customerio", GOOD, name="shop")
        handle = await service.sendings.begin()
        await service.connections.pause("shop")
        assert await send_lines(service, handle, [(1, LINE)]) == []
        (waiting,) = await service.sendings.show(handle, 0.05)
        assert (waiting.state, waiting.pending) == ("paused", 1)
        await service.connections.resume("shop")
        (delivery,) = await service.sendings.show(handle, 10.0)
        assert (delivery.events, delivery.delivered, delivery.pending) == (1, 1, 0)
        await service.sendings.end(handle)
