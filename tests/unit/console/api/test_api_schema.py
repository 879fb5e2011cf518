"""The API keeps what its description promises, whatever is asked: Schemathesis asks it in hundreds of ways."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from anyio.from_thread import BlockingPortal, start_blocking_portal
from api_client import Client, client_in
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from service_bench import send_lines

from hogline.console.api.app import DESCRIPTION
from hogline.console.api.openapi import describe
from hogline.console.api.resources import ENDPOINTS
from hogline.service import Service

SECRET = secrets.token_hex(8)
"""By chance: what stands in a module is among what is tried."""
LINES = [(n, b'{"event": "refuse me", "distinct_id": "zoe %d", "timestamp": "2026-11-01"}' % n) for n in range(1, 5)]


class Running:
    """The API beside a service that lives in an event loop of its own."""

    def __init__(self) -> None:
        self.portal: BlockingPortal | None = None
        self.client: Client | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI app, for the event loop of whoever asks."""
        assert self.portal is not None
        assert self.client is not None
        if scope["type"] == "lifespan":
            await answer_lifespan(receive, send)
            return
        parts = [await receive()]
        while parts[-1].get("more_body"):
            parts.append(await receive())
        answered: list[Any] = []

        async def given() -> Any:
            return parts.pop(0)

        async def taken(message: Any) -> None:
            answered.append(message)

        asked = self.portal.start_task_soon(self.client.api, scope, given, taken)
        await asyncio.wrap_future(asked)
        for message in answered:
            await send(message)


async def answer_lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


RUNNING = Running()

schema: Any = schemathesis.openapi.from_dict(describe(ENDPOINTS))
schema.app = RUNNING
schema.config.generation.allow_x00 = False  # no text here has a NUL, which a schema does not say
each_operation: Callable[[Callable[..., None]], Callable[..., None]] = schema.parametrize()


@pytest.fixture(autouse=True, scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with start_blocking_portal() as portal:
        limits = {"at_once": 1e9, "per_s": 1e9}
        with portal.wrap_async_context_manager(client_in(tmp_path_factory.mktemp("api"), **limits)) as client:
            client.api._failing._at_once = 10**9
            RUNNING.portal, RUNNING.client = portal, client
            yield


async def as_at_first(service: Service) -> None:
    """A connection `shop` with failures, whatever was done to the one before."""
    for connection in await service.connections.all():
        await service.connections.remove(connection.name)
    await service.connections.add("customerio", {"site_id": SECRET, "api_key": SECRET}, name="shop")
    sending = await service.sendings.begin()
    await send_lines(service, sending, LINES)
    await service.sendings.show(sending, 10)
    await service.sendings.end(sending)


@pytest.fixture
def client() -> Client:
    assert RUNNING.client is not None
    assert RUNNING.portal is not None
    RUNNING.portal.call(as_at_first, RUNNING.client.bench.service)
    return RUNNING.client


# What a body may be is not all in its schema: which options a destination has, and which of them go together.
@each_operation
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
def test_every_answer_is_what_the_description_says(case: Any, client: Client) -> None:
    if "name" in case.path_parameters and case.meta.generation.mode.is_positive:
        case.path_parameters["name"] = "shop"
    case.headers["Authorization"] = f"Bearer {client.token}"
    response = case.call()
    # A range depends on the time and on itself; a source has to be there.
    depends = case.operation.path.endswith("/trends") or "source" in case.path_parameters
    excluded = [positive_data_acceptance] if case.operation.body or depends else []
    if response.status_code == 413:  # too large is refused before anybody looks at what is wrong with it
        excluded.append(negative_data_rejection)
    case.validate_response(response, excluded_checks=excluded)
    assert SECRET not in response.text


def test_every_operation_has_a_summary_and_a_name_of_its_own() -> None:
    described = describe(ENDPOINTS)
    operations = [operation for methods in described["paths"].values() for operation in methods.values()]
    assert all(len(operation["summary"]) > 10 for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations) == len(ENDPOINTS)
    assert DESCRIPTION not in described["paths"]


def test_every_operation_stands_in_the_documentation() -> None:
    page = (Path(__file__).parents[4] / "docs" / "api.md").read_text("utf-8")
    documented = re.findall(r"^\| `([A-Z]+ /api/\S*)` \|", page, re.MULTILINE)
    assert sorted(documented) == sorted(f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS)
