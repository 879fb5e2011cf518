"""A connection whose destination's package was uninstalled: everything else goes on, and it can be seen and deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from service_bench import GOOD, RECEIVED_MS, ServiceBench, bench_in, send_lines

from hogline.destinations.catalogue import destination_of
from hogline.service import CannotDo, Service

pytestmark = pytest.mark.anyio

SENTENCE = "The destination 'gone' is not installed. Install its package, or disconnect this connection."


async def send(service: Service, line: bytes) -> None:
    handle = await service.sendings.begin()
    await send_lines(service, handle, [(1, line)])
    await service.sendings.show(handle, 10)
    await service.sendings.end(handle)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with bench_in(tmp_path) as made:
        await made.service.connections.add("customerio", GOOD, name="shop")
        await made.service.state.add_connection(
            name="old", destination="gone", options={"key": "secret"}, paused=False, start=0, now_ms=RECEIVED_MS
        )
        await made.service.start()
        yield made


async def test_it_has_stopped_and_says_what_to_do(bench: ServiceBench) -> None:
    shop, old = (await bench.service.status.show()).connections
    assert (shop.state, old.state, old.reason) == ("delivering", "stopped", SENTENCE)


async def test_its_options_are_not_shown_since_nobody_knows_which_are_secret(bench: ServiceBench) -> None:
    assert (await bench.service.connections.all())[1].options == {}


async def test_others_deliver(bench: ServiceBench) -> None:
    await send(
        bench.service,
        b'{"event": "clicked", "distinct_id": "ada", "properties": {}, "timestamp": "2026-11-01T10:00:00Z"}',
    )
    assert (await bench.service.people.find("ada"))[0].connection == "shop"


async def test_what_needs_its_options_says_so(bench: ServiceBench) -> None:
    for ask in (bench.service.connections.check, bench.service.connections.resume, bench.service.previews.begin):
        with pytest.raises(CannotDo, match="is not installed"):
            await ask("old")
    with pytest.raises(CannotDo, match="is not installed"):
        await bench.service.connections.configure("old", {})
    (found,) = [finding for finding in await bench.service.doctor.examine() if finding.sentence == SENTENCE]
    assert found.to_do == "Install its package, then `hogline resume old`. Or delete it: `hogline disconnect old`."


async def test_forgetting_says_that_the_destination_may_still_have_them(bench: ServiceBench) -> None:
    await send(
        bench.service,
        b'{"event": "$identify", "distinct_id": "ada", "properties": {}, "timestamp": "2026-11-01T10:00:00Z", "$set": {"email": "ada@example.com"}}',
    )
    forgotten = await bench.service.forgetting.forget("ada")
    assert [one.not_reached for one in forgotten.connections if one.connection == "old"] == [
        "The package of gone cannot be used. Delete them there yourself."
    ]


async def test_it_can_be_disconnected(bench: ServiceBench) -> None:
    await bench.service.connections.remove("old")
    assert [one.name for one in await bench.service.connections.all()] == ["shop"]


def test_the_stand_in_has_no_options() -> None:
    assert (destination_of("gone").title, destination_of("gone").options) == ("gone", ())
