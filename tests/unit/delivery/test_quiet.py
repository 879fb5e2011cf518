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
    quiet = Quiet(answered, clock, for_s=3)
    await clock.advance(1)
    sending = asyncio.create_task(quiet.send(REQUEST))
    await asyncio.sleep(0)
    await clock.advance(1.9)
    assert not sending.done()
    await clock.advance(0.1)
    assert (await sending).status == 200
    assert (await quiet.send(REQUEST)).status == 200
    assert clock.slept == [2]
    assert not quiet.gave_up


async def test_a_request_that_is_given_up_is_remembered() -> None:
    async def never(_request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    quiet = Quiet(never, ManualClock(), for_s=0)
    sending = asyncio.create_task(quiet.send(REQUEST))
    await asyncio.sleep(0)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert quiet.gave_up
