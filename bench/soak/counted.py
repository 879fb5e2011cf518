"""A destination in a separate process that takes everything and notes when each request came."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe

from msgspec import Struct

ACCOUNT = b'{"url":"https://track.customer.io","region":"us","environment_id":1}'


class RateFigures(Struct, frozen=True, kw_only=True):
    per_second: int
    latency_ms: int
    seconds: float
    used: float
    """Of the allowed requests, from 0 to 1."""
    most_in_a_second: int
    """In any one-second window at the server."""

    @property
    def good(self) -> bool:
        return self.used >= 0.95 and self.most_in_a_second <= self.per_second

    def __str__(self) -> str:
        return (
            f"{self.per_second} requests/s allowed, {self.latency_ms} ms latency: {self.used:.1%} used in"
            f" {self.seconds:.0f} s, at most {self.most_in_a_second} in any second"
        )


@contextmanager
def counted(latency_ms: int) -> Iterator[tuple[int, Callable[[], list[float]]]]:
    """Its port, and what gives the times of all requests with events, in seconds. Ask for them once."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    server = spawn.Process(target=_serve, args=(theirs, latency_ms / 1_000), daemon=True)
    server.start()

    def came() -> list[float]:
        ours.send("when?")
        times: list[float] = ours.recv()
        return times

    try:
        yield ours.recv(), came
    finally:
        server.kill()
        server.join()


def figures(came_s: list[float], *, settles_s: float, per_second: int, latency_ms: int, seconds: float) -> RateFigures:
    """`settles_s`: at the beginning, which does not count for what is used; it does for what is beyond."""
    begin_s = came_s[0] + settles_s
    inside = bisect_left(came_s, begin_s + seconds) - bisect_left(came_s, begin_s)
    return RateFigures(
        per_second=per_second,
        latency_ms=latency_ms,
        seconds=seconds,
        used=inside / (per_second * seconds),
        most_in_a_second=max(n + 1 - bisect_left(came_s, at_s - 1) for n, at_s in enumerate(came_s)),
    )


def _serve(pipe: Pipe, latency_s: float) -> None:
    asyncio.run(_server(pipe, latency_s))


async def _server(pipe: Pipe, latency_s: float) -> None:
    came_s: list[float] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                if head.startswith(b"get"):  # whether the credentials are right
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(ACCOUNT), ACCOUNT))
                    continue
                came_s.append(time.monotonic())
                await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r")[0]))
                await asyncio.sleep(latency_s)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=2**20)
    pipe.send(server.sockets[0].getsockname()[1])
    await asyncio.to_thread(pipe.recv)
    pipe.send(came_s)
    await asyncio.Event().wait()  # it is killed
