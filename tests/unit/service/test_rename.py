"""Another name for a connection, and a second one like it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from service_bench import GOOD, ServiceBench, bench_in

from hogline.service import CannotDo

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with bench_in(tmp_path) as made:
        await made.service.connections.add("customerio", GOOD, name="shop")
        yield made


async def test_a_renamed_connection_keeps_everything_else(bench: ServiceBench) -> None:
    (before,) = await bench.service.state.connections()
    renamed = await bench.service.connections.rename("shop", "store")
    (after,) = await bench.service.state.connections()
    assert (renamed.name, renamed.state, after.name) == ("store", "delivering", "store")
    assert (after.id, after.options, after.start) == (before.id, before.options, before.start)


async def test_a_twin_is_paused_and_has_the_same_options_and_credentials(bench: ServiceBench) -> None:
    await bench.service.connections.configure("shop", {"hold_days": 7})
    twin = await bench.service.connections.duplicate("shop")
    one, other = await bench.service.state.connections()
    assert (twin.name, twin.state) == ("customerio", "paused")
    assert (other.options["api_key"], other.options["hold_days"]) == (one.options["api_key"], 7)
    assert other.options == one.options


@pytest.mark.parametrize("name", ["shop", "", "Not a name", "x" * 65])
async def test_a_name_that_is_taken_or_none_is_an_error(bench: ServiceBench, name: str) -> None:
    with pytest.raises(CannotDo):
        await bench.service.connections.rename("shop", name)
    assert [one.name for one in await bench.service.connections.all()] == ["shop"]
