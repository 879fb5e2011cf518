"""Senders: many connections, each with one request at a time. `python -m bench.load` is a separate process, so its cost
is not counted as Hogline's.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator
from typing import cast
from urllib.parse import urlsplit

import httptools
import msgspec
import uvloop
from msgspec import Struct

from bench.traffic import events


class Job(Struct):
    url: str
    token: str
    requests: int
    connections: int
    batch: int
    """Events in a request: 1 goes to /webhook, more to /batch."""
    people: int = 5_000
    per_second: float = 0.0
    """0: as fast as it goes."""


class Told(Struct):
    wall_s: float
    failed: int
    answered_ms: list[float]


class _Sender(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], told: Told) -> None:
        self._requests = requests
        self._told = told
        self._parser = httptools.HttpResponseParser(self)
        self._begin = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("closed"))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._told.answered_ms.append((time.perf_counter() - self._begin) * 1_000)
        self._told.failed += self._parser.get_status_code() != 200
        self._next()

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._begin = time.perf_counter()
        self._transport.write(request)


def _requests(job: Job) -> list[bytes]:
    host = urlsplit(job.url).netloc.encode()
    path, auth = (
        (b"/webhook", b"authorization: Bearer %s\r\n" % job.token.encode()) if job.batch == 1 else (b"/batch/", b"")
    )
    made = []
    all_events = events(job.requests * job.batch, job.people)
    while some := list(itertools.islice(all_events, job.batch)):
        value: object = some[0] if job.batch == 1 else {"api_key": job.token, "batch": some}
        body = msgspec.json.encode(value)
        head = b"POST %s HTTP/1.1\r\nhost: %s\r\n%scontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        made.append(head % (path, host, auth, len(body)) + body)
    return made


async def run(job: Job) -> Told:
    requests = _requests(job)
    told = Told(0.0, 0, [])
    parts = urlsplit(job.url)
    loop = asyncio.get_running_loop()
    print("ready", flush=True)
    sys.stdin.readline()
    begin = time.perf_counter()
    if job.per_second:
        await _trickle(job, told)
    else:
        shared = iter(requests)
        senders = [
            (await loop.create_connection(lambda: _Sender(shared, told), parts.hostname or "", parts.port or 0))[1]
            for _ in range(job.connections)
        ]
        await asyncio.gather(*(sender.done for sender in senders))
    told.wall_s = time.perf_counter() - begin
    return told


async def _trickle(job: Job, told: Told) -> None:
    """One event at a time at an even pace, each with the moment of its sending."""
    parts = urlsplit(job.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    for number in range(job.requests):
        event = {"event": "clicked", "distinct_id": f"user-{number}", "properties": {"sent_ns": time.time_ns()}}
        body = msgspec.json.encode(event)
        begin = time.perf_counter()
        head = f"POST /webhook/{job.token} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(length)
        told.failed += not answer.startswith(b"HTTP/1.1 200")
        told.answered_ms.append((time.perf_counter() - begin) * 1_000)
        await asyncio.sleep(max(0.0, 1 / job.per_second - (time.perf_counter() - begin)))
    writer.close()


if __name__ == "__main__":
    print(msgspec.json.encode(uvloop.run(run(msgspec.json.decode(sys.argv[1], type=Job)))).decode())
