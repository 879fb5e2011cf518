"""The sandbox on a socket: answers, cut connections, slow answers, starting and stopping."""

import asyncio
import json
import logging
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import aiohttp
import pytest
from sandbox_client import event

from hogline.sandbox.server import Sandbox, run

AUTH = {"Authorization": "Basic " + b64encode(b"sandbox-site:sandbox-key").decode()}


def with_sandbox(use: Callable[[Sandbox, aiohttp.ClientSession], Awaitable[None]]) -> None:
    async def main() -> None:
        async with Sandbox() as sandbox, aiohttp.ClientSession(sandbox.url) as session:
            await use(sandbox, session)

    asyncio.run(main())


async def names(session: aiohttp.ClientSession) -> list[str]:
    async with session.get("/sandbox/events") as reply:
        return [found["name"] for found in await reply.json()]


async def send(session: aiohttp.ClientSession, name: str) -> int:
    async with session.post("/api/v2/batch", json={"batch": [event(name)]}, headers=AUTH) as reply:
        await reply.read()
        return reply.status


def test_it_answers_on_its_url() -> None:
    async def use(sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        assert sandbox.url.startswith("http://127.0.0.1:")
        assert await send(session, "order") == 200
        async with session.get("/api/v1/accounts/region", headers=AUTH) as reply:
            assert (await reply.json())["url"] == sandbox.url

    with_sandbox(use)


@pytest.mark.parametrize(("reset", "arrived"), [("before", []), ("after", ["cut"])])
def test_a_connection_can_be_cut_before_or_after_the_request_takes_effect(
    reset: str, arrived: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    async def use(_: Sandbox, session: aiohttp.ClientSession) -> None:
        await session.put("/sandbox/script", data=json.dumps({"answers": [{"reset": reset}]}))
        with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
            await send(session, "cut")
        assert await names(session) == arrived
        assert await send(session, "next") == 200

    with_sandbox(use)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_an_answer_can_come_in_drops() -> None:
    async def use(_: Sandbox, session: aiohttp.ClientSession) -> None:
        body = "x" * 100
        answer = {"status": 200, "body": body, "drip_s": 0.05}
        await session.put("/sandbox/script", data=json.dumps({"answers": [answer]}))
        async with session.post("/api/v2/batch", json={"batch": [event()]}, headers=AUTH) as reply:
            pieces: AsyncIterator[bytes] = reply.content.iter_any()
            received = [piece async for piece in pieces]
        assert len(received) > 3
        assert b"".join(received) == body.encode()

    with_sandbox(use)


def test_what_hangs_does_not_keep_the_sandbox_from_stopping() -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            async with Sandbox() as sandbox:
                script = {"answers": [{"hang_s": 600, "times": 2}]}
                await session.put(f"{sandbox.url}/sandbox/script", data=json.dumps(script))
                delivery = session.post(f"{sandbox.url}/api/v2/batch", json={"batch": [event()]}, headers=AUTH)
                hanging = asyncio.create_task(_status(delivery))
                await _has_arrived(sandbox)
            assert await hanging == 200

    asyncio.run(asyncio.wait_for(main(), 10))


async def _status(delivery: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> int:
    async with delivery as reply:
        return reply.status


async def _has_arrived(sandbox: Sandbox) -> None:
    async with aiohttp.ClientSession(sandbox.url) as session:
        arrived = 0
        while not arrived:
            async with session.get("/sandbox/requests") as reply:
                arrived = (await reply.json())["totals"]["deliveries"]


def test_after_an_outage_it_is_where_it_was_and_holds_what_it_held() -> None:
    async def main() -> None:
        sandbox = Sandbox()
        async with sandbox, aiohttp.ClientSession(sandbox.url) as session:
            url = sandbox.url
            assert await send(session, "before") == 200
        async with aiohttp.ClientSession(url) as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await send(session, "during")
            async with sandbox:
                assert sandbox.url == url
                assert not sandbox.app.track.stopping.is_set()
                assert await send(session, "after") == 200
                assert await names(session) == ["before", "after"]

    asyncio.run(main())


def test_two_run_beside_each_other_and_the_signals_stay_whose_they_were() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    async def main() -> None:
        async with Sandbox() as one, Sandbox() as other:
            assert one.url != other.url
            assert signal.getsignal(signal.SIGTERM) is before[1]

    asyncio.run(main())
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_port_that_is_taken_is_an_error_that_says_so() -> None:
    async def main() -> None:
        async with Sandbox() as sandbox:
            port = int(sandbox.url.rpartition(":")[2])
            with pytest.raises(OSError, match="in use"):
                async with Sandbox(port=port):
                    pass

    asyncio.run(main())


def test_it_logs_no_requests(caplog: pytest.LogCaptureFixture) -> None:
    async def use(_: Sandbox, session: aiohttp.ClientSession) -> None:
        await send(session, "order")

    caplog.set_level(logging.DEBUG, logger="uvicorn.access")
    with_sandbox(use)
    assert [record for record in caplog.records if record.name == "uvicorn.access"] == []


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_as_a_process_it_tells_its_url_and_stops_cleanly_on_a_signal(stop: signal.Signals) -> None:
    code = f"from {run.__module__} import run; run(on_ready=lambda url: print(url, flush=True))"
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(stop)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "", "")
