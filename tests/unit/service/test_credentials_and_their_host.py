"""Stored credentials are only ever sent to the host that they were entered for, whoever asks and however."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import pytest
from api_client import Client
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from service_bench import GOOD, ServiceBench, bench_in

from hogline.cli.app import app
from hogline.delivery.client import Client as Sender
from hogline.destinations.catalogue import DESTINATIONS
from hogline.model import Request, Response
from hogline.service import CannotDo
from hogline.service.connection_options import SecretsNeeded, over_its_own
from hogline.store.base import Connection

pytestmark = pytest.mark.anyio

ELSEWHERE = "https://evil.example"
KEY = "the-stored-api-key"


class Wire(Struct):
    """Notes where requests go, and answers as Customer.io would."""

    bench: ServiceBench
    seen: list[Request]

    async def send(self, request: Request) -> Response:
        self.seen.append(request)
        return self.bench.customerio.check

    @property
    def hosts(self) -> set[str]:
        return {request.url.split("/")[2] for request in self.seen}


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    async with bench_in(tmp_path) as bench:
        wire = Wire(bench, [])
        bench.customerio.instead = wire.send
        await bench.service.connections.add("customerio", {**GOOD, "api_key": KEY}, name="shop")
        yield wire


Way: TypeAlias = Callable[[Wire, dict[str, object]], Awaitable[object]]


async def service_configure(wire: Wire, options: dict[str, object]) -> object:
    return await wire.bench.service.connections.configure("shop", options)


async def service_test(wire: Wire, options: dict[str, object]) -> object:
    return await wire.bench.service.connections.test("customerio", options, "shop")


async def socket_configure(wire: Wire, options: dict[str, object]) -> object:
    async with wire.bench.remote() as remote:
        return await remote.connections.configure("shop", options)


async def socket_test(wire: Wire, options: dict[str, object]) -> object:
    async with wire.bench.remote() as remote:
        return await remote.connections.test("customerio", options, "shop")


WAYS: dict[str, Way] = {
    "saved": service_configure,
    "tested": service_test,
    "saved over the socket": socket_configure,
    "tested over the socket": socket_test,
}
WITHOUT_THEIR_OWN = {
    "another host": {"tracking_endpoint": ELSEWHERE},
    "another port": {"tracking_endpoint": "https://track.customer.io:444"},
    "this machine": {"tracking_endpoint": "http://127.0.0.1:9"},
    "the other region": {"tracking_endpoint": "track-eu.customer.io"},
    "half of them": {"tracking_endpoint": ELSEWHERE, "site_id": "mine"},
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("options", WITHOUT_THEIR_OWN.values(), ids=WITHOUT_THEIR_OWN.keys())
async def test_another_host_asks_for_them_again(wire: Wire, way: Way, options: dict[str, object]) -> None:
    with pytest.raises(CannotDo, match=r"were entered for https://track\.customer\.io and are not sent to .*API Key"):
        await way(wire, options)
    assert wire.hosts == {"track.customer.io"}
    (connection,) = await wire.bench.service.connections.all()
    assert "tracking_endpoint" not in connection.options


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
async def test_with_credentials_of_its_own_it_is_taken(wire: Wire, way: Way) -> None:
    await way(wire, {"tracking_endpoint": ELSEWHERE, "site_id": "mine", "api_key": "mine-too"})
    assert "evil.example" in wire.hosts


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize(
    "same", ["track.customer.io", "https://track.customer.io", "https://TRACK.customer.io/a", None]
)
async def test_the_same_host_does_not_ask(wire: Wire, way: Way, same: str | None) -> None:
    await way(wire, {"tracking_endpoint": same, "identify_by_email": True})
    assert wire.hosts == {"track.customer.io"}


async def test_over_the_api_it_is_a_sentence(wire: Wire) -> None:
    client = Client(wire.bench, (await wire.bench.service.api_tokens.make("test", "admin")).token)
    reply = await client.ask("PATCH", "/api/connections/shop", {"options": {"tracking_endpoint": ELSEWHERE}})
    assert reply.status == 422
    assert reply.message == (
        "The stored credentials were entered for https://track.customer.io and are not sent to https://evil.example. "
        "Enter Customer.io Site ID and Customer.io API Key again."
    )
    assert wire.hosts == {"track.customer.io"}


def test_at_the_command_line_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    async def send(_: Sender, request: Request) -> Response:
        seen.append(request.url.split("/")[2])
        return Response(200, {}, b'{"url": "https://track.customer.io", "region": "us", "environment_id": 1}')

    monkeypatch.setattr(Sender, "send", send)
    data = str(tmp_path / "data")
    credentials = ["--site-id", "site", "--api-key", KEY]
    app(
        ["connect", "customerio", *credentials, "--name", "shop", "--data", data],
        exit_on_error=False,
        result_action="return_none",
    )
    with pytest.raises(CannotDo, match=r"are not sent to https://evil\.example"):
        app(
            ["configure", "shop", "--tracking-endpoint", ELSEWHERE, "--data", data],
            exit_on_error=False,
            result_action="return_none",
        )
    assert set(seen) == {"track.customer.io"}


SECRETS = {key: [option.key for option in one.options if option.secret] for key, one in DESTINATIONS.items()}
ENDPOINTS = {"customerio": "tracking_endpoint", "engage": "api_base_url"}


@given(
    st.sampled_from(sorted(DESTINATIONS)),
    st.sampled_from(["a.example", "https://a.example", "https://a.example:8443/x", "http://127.0.0.1:9", "b.example"]),
    st.sampled_from(["a.example", "https://A.example/y", "https://a.example:8443", "http://[::1]:9", "b.example", ""]),
    st.sets(st.integers(0, 1)),
)
def test_whatever_is_mixed_no_stored_secret_goes_to_another_host(
    destination: str, before: str, after: str, again: set[int]
) -> None:
    sort, secrets, endpoint = DESTINATIONS[destination], SECRETS[destination], ENDPOINTS[destination]
    stored: dict[str, object] = {**dict.fromkeys(secrets, "stored"), endpoint: before}
    connection = Connection(
        id=1, name="x", destination=destination, options=stored, paused=False, stopped=None, start=0, created_ms=0
    )
    given_now: dict[str, object] = {**{secrets[n]: "new" for n in again}, endpoint: after}
    with suppress(SecretsNeeded):
        used = over_its_own(connection, given_now)
        bases = [sort.base_url(sort.read_options(values)).split("/")[:3] for values in (stored, used)]
        assert bases[0] == bases[1] or "stored" not in used.values()
