"""Checking the credentials: what Customer.io answers, and what the user is told."""

from __future__ import annotations

import msgspec
import pytest
from customerio_cases import options

from hogline.destinations.base import Check, Unreachable
from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Request, Response

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def check(status: int, body: object = b"", endpoint: str = "track.customer.io", **headers: str) -> Check:
    async def send(request: Request) -> Response:
        assert (request.method, request.body) == ("GET", b"")
        assert request.url.endswith("/api/v1/accounts/region")
        assert request.headers["authorization"] == "Basic c2l0ZTprZXk="
        return Response(status, headers, body if isinstance(body, bytes) else msgspec.json.encode(body))

    return await CUSTOMERIO.check(options(tracking_endpoint=endpoint), send)


def region(name: object, workspace: object = 123) -> dict[str, object]:
    return {"url": "https://track.customer.io", "region": name, "environment_id": workspace}


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        ("track.customer.io", "us"),
        ("track-eu.customer.io", "eu"),
        ("http://127.0.0.1:8010", "us"),
        ("https://proxy.example.com", "eu"),
    ],
)
async def test_good_credentials_name_region_and_workspace(endpoint: str, name: str) -> None:
    found = await check(200, region(name), endpoint)
    assert (found.outcome, found.region, found.workspace) == ("ok", name, "123")
    assert "123" in found.sentence
    assert name.upper() in found.sentence


@pytest.mark.parametrize("workspace", [None, True, "x"])
async def test_a_workspace_that_is_not_named_is_not_shown(workspace: object) -> None:
    found = await check(200, region("US", workspace))
    assert (found.outcome, found.region, found.workspace) == ("ok", "us", None)
    assert "workspace" not in found.sentence


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credentials_say_what_to_look_at(status: int) -> None:
    found = await check(status, {"meta": {"error": "Unauthorized request"}})
    assert found.outcome == "refused"
    assert "Site ID" in found.sentence


@pytest.mark.parametrize(
    ("endpoint", "name", "says"),
    [
        ("track.customer.io", "eu", "Choose track-eu.customer.io"),
        ("https://track-eu.customer.io/", "us", "Choose track.customer.io"),
        ("track.customer.io", "ap", "Choose another host"),
    ],
)
async def test_a_workspace_in_the_other_region_names_the_endpoint_to_choose(
    endpoint: str, name: str, says: str
) -> None:
    found = await check(200, region(name), endpoint)
    assert (found.outcome, found.region, found.workspace) == ("wrong_region", name, "123")
    assert says in found.sentence


@pytest.mark.parametrize(
    ("location", "says", "name"),
    [
        ("https://track-eu.customer.io/api/v1/accounts/region", "Choose track-eu.customer.io", "eu"),
        ("https://elsewhere.example.com/", "correct the base URL", None),
        ("", "correct the base URL", None),
    ],
)
async def test_a_redirect_is_not_followed_and_names_the_endpoint(location: str, says: str, name: str | None) -> None:
    found = await check(307, location=location)
    assert (found.outcome, found.region) == ("wrong_region", name)
    assert says in found.sentence


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_a_customerio_that_cannot_answer_can_be_tried_again(status: int) -> None:
    found = await check(status)
    assert found.outcome == "unreachable"
    assert "Try again" in found.sentence


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b""),
        (404, b""),
        (200, b"<html>"),
        (200, b"\xff"),
        (200, b"[" * 100_000),
        (200, []),
        (200, {}),
        (200, region(5)),
        (200, region("<b>")),
        (204, b""),
    ],
)
async def test_somebody_else_at_the_endpoint_is_told_from_customerio(status: int, body: object) -> None:
    found = await check(status, body)
    assert found.outcome == "unreachable"
    assert "is not Customer.io's Track API" in found.sentence


async def test_no_answer_names_the_cause_and_the_address() -> None:
    async def send(request: Request) -> Response:
        raise Unreachable("connection refused")

    found = await CUSTOMERIO.check(options(), send)
    assert found.outcome == "unreachable"
    assert "https://track.customer.io: connection refused" in found.sentence
