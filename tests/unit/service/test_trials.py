"""A test event: it is sent for real, what was asked and answered is shown without secrets, and nothing is remembered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from service_bench import GOOD, REGION, ServiceBench, bench_in

from hogline.destinations.base import Unreachable
from hogline.model import Event, Request, Response
from hogline.posthog.entry import encode_event
from hogline.service import CannotDo

pytestmark = pytest.mark.anyio

EVENT = '{"event": "ordered", "distinct_id": "ada", "properties": {"total": 5, "$set": {"email": "ada@example.com"}}}'


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with bench_in(tmp_path) as made:
        yield made


def answering(bench: ServiceBench, response: Response | Unreachable) -> list[Request]:
    """Customer.io answers this to what is not a check. Returns what it was asked."""
    asked: list[Request] = []

    async def instead(request: Request) -> Response:
        if request.method == "GET":
            return REGION
        asked.append(request)
        if isinstance(response, Unreachable):
            raise response
        return response

    bench.customerio.instead = instead
    return asked


async def test_it_is_sent_with_options_that_are_not_saved_and_both_sides_are_shown(bench: ServiceBench) -> None:
    asked = answering(bench, Response(200, {}, b"{}"))
    trial = await bench.service.trials.send("customerio", GOOD, EVENT)
    assert (trial.event, trial.distinct_id, trial.not_sent) == ("ordered", "ada", "")
    (sent,), (request,) = trial.requests, asked
    assert (sent.method, sent.url, sent.status, sent.accepted) == ("POST", request.url, 200, True)
    assert sent.sentence == "Accepted."
    assert sent.body == msgspec.json.decode(request.body)
    assert "ada@example.com" in request.body.decode()
    assert await bench.service.connections.all() == []
    assert bench.service.journal.end == 0


async def test_no_secret_is_shown(bench: ServiceBench) -> None:
    answering(bench, Response(400, {}, b'{"meta": {"error": "api_key secret-key is wrong"}}'))
    trial = await bench.service.trials.send("customerio", {**GOOD, "api_key": "secret-key"}, EVENT)
    shown = msgspec.json.encode(trial).decode()
    assert "secret-key" not in shown
    assert "Basic " not in shown
    assert "•••" in shown


@pytest.mark.parametrize(
    ("response", "status", "said"),
    [
        (Response(503, {}, b"later"), 503, "503"),
        (Response(401, {}, b"{}"), 401, "credentials"),
        (Response(429, {}, b""), 429, "429"),
        (Unreachable("timeout"), None, "No response (timeout)."),
        (
            Response(207, {}, b'{"errors": [{"batch_index": 0, "reason": "invalid", "message": "It asks for it."}]}'),
            207,
            "Rejected: invalid. It asks for it.",
        ),
    ],
)
async def test_what_is_not_accepted_says_why(
    bench: ServiceBench, response: Response | Unreachable, status: int | None, said: str
) -> None:
    answering(bench, response)
    (sent,) = (await bench.service.trials.send("customerio", GOOD, EVENT)).requests
    assert (sent.accepted, sent.status) == (False, status)
    assert said in sent.sentence


async def test_an_event_that_would_not_be_sent_says_so_and_sends_nothing(bench: ServiceBench) -> None:
    asked = answering(bench, Response(200, {}, b"{}"))
    options = {**GOOD, "anonymous_users": "identified"}
    trial = await bench.service.trials.send("customerio", options, '{"event": "seen", "distinct_id": "visitor"}')
    assert "was not identified" in trial.not_sent
    assert (trial.requests, asked) == ([], [])


@pytest.mark.parametrize(
    ("event", "more", "said"),
    [
        ("{", {}, "not valid JSON"),
        (f"[{EVENT}, {EVENT}]", {}, "One event was expected"),
        (EVENT, {"hold_days": "x"}, "whole number"),
    ],
)
async def test_what_cannot_be_tried_sends_nothing(
    bench: ServiceBench, event: str, more: dict[str, object], said: str
) -> None:
    asked = answering(bench, Response(200, {}, b"{}"))
    with pytest.raises(CannotDo, match=said):
        await bench.service.trials.send("customerio", {**GOOD, **more}, event)
    assert asked == []


async def test_an_event_that_would_delete_a_customer_is_not_sent(bench: ServiceBench) -> None:
    await bench.service.connections.add("customerio", {**GOOD, "delete_on": "left"}, name="shop")
    await bench.service.journal.append([encode_event(Event(str(uuid4()), "$identify", "ada", 1, 1, {}))])
    async with asyncio.timeout(10):
        while not (await bench.service.status.show()).connections[0].delivered:
            await asyncio.sleep(0)
    asked = answering(bench, Response(200, {}, b"{}"))
    with pytest.raises(CannotDo, match="would delete or merge"):
        await bench.service.trials.send("customerio", {}, '{"event": "left", "distinct_id": "ada"}', "shop")
    assert asked == []


async def test_rejected_credentials_send_nothing(bench: ServiceBench) -> None:
    bench.customerio.check = Response(401, {}, b"{}")
    with pytest.raises(CannotDo, match=r"Nothing was sent\."):
        await bench.service.trials.send("customerio", GOOD, EVENT)


async def test_a_connections_own_credentials_and_people_are_used_and_it_remembers_nothing(bench: ServiceBench) -> None:
    await bench.service.connections.add("customerio", GOOD, name="shop", paused=True)
    asked = answering(bench, Response(200, {}, b"{}"))
    options: dict[str, Any] = {"anonymous_users": "all"}
    trial = await bench.service.trials.send("customerio", options, EVENT, "shop")
    assert [sent.accepted for sent in trial.requests] == [True]
    assert len(asked) == 1
    (connection,) = await bench.service.state.connections()
    assert bench.service.state.told(connection.id, ["ada"]) == {}
    (entry, _) = await bench.service.audit.newest(limit=2)
    assert (entry.action, entry.connection, entry.details) == ("event_tried", "shop", {"event": "ordered"})
