"""After a kill, nothing is sent for a moment; and it is remembered if nobody waited for an answer."""

from __future__ import annotations

import asyncio

import pytest

from hogline.delivery.quiet import Quiet
from hogline.model import Request, Response
from hogline.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

REQUEST = Request("POST", "https://customerio.example", {}, b"")


async def answered(_request: Request) -> Response:
    return Response(200, {}, b"")


async def test_requests_wait_until_the_time_is_over_and_go_at_once_after_it() -> None:
    clock = ManualClock()
    quiet = Quiet(answered, clock, for_s=3, was_killed=True)
    await clock.advance(1)
    assert not quiet.is_over  # a process that ends now leaves it to the next one
    sending = asyncio.create_task(quiet.send(REQUEST))
    await asyncio.sleep(0)
    await clock.advance(1.9)
    assert not sending.done()
    await clock.advance(0.1)
    assert (await sending).status == 200
    assert (await quiet.send(REQUEST)).status == 200
    assert clock.slept == [2]
    assert quiet.is_over


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_after_a_request_that_was_given_up_the_next_one_waits_unless_it_only_asked(method: str) -> None:
    asked: list[str] = []

    async def never(request: Request) -> Response:
        asked.append(request.method)
        await asyncio.Event().wait()
        raise AssertionError

    clock = ManualClock()
    quiet = Quiet(never, clock, for_s=3, was_killed=False)
    assert quiet.is_over
    sending = asyncio.create_task(quiet.send(Request(method, "https://customerio.example", {}, b"")))
    await asyncio.sleep(0)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert quiet.is_over == (method == "GET")
    next_one = asyncio.create_task(quiet.send(REQUEST))
    await asyncio.sleep(0)
    assert (asked == [method]) == (method == "POST")
    await clock.advance(3)
    assert asked == [method, "POST"]
    assert quiet.is_over
    next_one.cancel()
    await asyncio.gather(next_one, return_exceptions=True)
