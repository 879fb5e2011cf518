"""A connection belongs to one workspace: what was accepted there is true there only."""

from pathlib import Path

import pytest
from service_bench import GOOD, ServiceBench, bench_in

from hogline.model import Response
from hogline.service import CannotDo

pytestmark = pytest.mark.anyio


def in_workspace(bench: ServiceBench, number: int) -> None:
    body = b'{"url": "https://track.customer.io", "region": "us", "environment_id": %d}' % number
    bench.customerio.check = Response(200, {}, body)


async def test_a_new_key_of_the_same_workspace_is_taken(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:
        await bench.service.connections.add("customerio", GOOD, name="shop")
        changed = await bench.service.connections.configure("shop", {"site_id": "rotated", "api_key": "rotated"})
        assert not changed.paused


async def test_credentials_of_another_workspace_are_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:
        await bench.service.connections.add("customerio", GOOD, name="shop")
        in_workspace(bench, 2)
        with pytest.raises(CannotDo, match=r"workspace 2, but .* workspace 1\. Create a separate connection"):
            await bench.service.connections.configure("shop", {"site_id": "other"})
        with pytest.raises(CannotDo, match="workspace 2, but"):
            await bench.service.connections.resume("shop")
        in_workspace(bench, 1)
        assert (await bench.service.connections.check("shop")).ok


async def test_a_connection_that_was_made_without_a_check_belongs_where_it_is_enabled_first(tmp_path: Path) -> None:
    async with bench_in(tmp_path) as bench:
        bench.customerio.check = Response(503, {}, b"")
        await bench.service.connections.add("customerio", GOOD, name="shop", paused=True)
        in_workspace(bench, 7)
        await bench.service.connections.resume("shop")
        await bench.service.connections.pause("shop")
        in_workspace(bench, 8)
        with pytest.raises(CannotDo, match=r"workspace 8.*workspace 7"):
            await bench.service.connections.resume("shop")
