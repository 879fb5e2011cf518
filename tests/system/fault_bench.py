"""A whole Hogline in this process (receiving app, real store, service, real HTTP client) and a Customer.io behind a
real socket that can be told to answer anything. Waiting moves a clock; nobody waits for it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw
import msgspec
from harness import Serviced

from hogline.delivery.client import Client
from hogline.model import Event, Request, Response
from hogline.runtime.housekeeping import Housekeeping
from hogline.sources.http import create_app
from hogline.sources.tokens import TokenCheck
from hogline.store.cleaning import Cleaning
from hogline.testing.clock import ManualClock, SkippingClock
from hogline.testing.processes import assert_adds_up

REGION = b'{"url": "https://track.customer.io", "region": "us", "environment_id": 1}'
PEOPLE = [f"person-{n}" for n in range(12)]
BEGIN_MS = 1_793_000_000_000
WITHIN_S = 20

Operation = dict[str, Any]
Reaction = Callable[["Wire", asyncio.StreamWriter, list[Operation]], Awaitable[None]]
"""Writes what the server says to a request with these operations."""


class Wire:
    """A server that accepts everything, unless `script` says something else for the next deliveries. What took effect
    stands in `accepted`; a repeated id takes none.
    """

    def __init__(self) -> None:
        self.script: list[Reaction] = []
        self.otherwise: Reaction = accepts
        self.accepted: list[Operation] = []
        self.requests: list[list[Operation]] = []
        self.arrived_s: list[float] = []
        self.clock: ManualClock | None = None
        self.port = 0
        self._ids: set[object] = set()
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**24)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for writer in self._open:
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                first = await reader.readexactly(1)
                if self.script and self.script[0] is resets_before:
                    self.script.pop(0)
                    abort(writer)
                    return
                head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                if head.startswith("get"):
                    writer.write(http(200, REGION))
                    continue
                length = int(head.partition("content-length: ")[2].partition("\r")[0])
                await self._answer(writer, await reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, body: bytes) -> None:
        value = msgspec.json.decode(body, type=dict[str, Any])
        operations: list[Operation] = value.get("batch", [value])
        self.requests.append(operations)
        if self.clock is not None:
            self.arrived_s.append(self.clock.at_s)
        answer = self.script.pop(0) if self.script else self.otherwise
        await answer(self, writer, operations)

    def take(self, operations: Sequence[Operation]) -> None:
        for operation in operations:
            id_ = operation.get("id")
            if id_ is None or id_ not in self._ids:
                self._ids.add(id_)
                self.accepted.append(operation)

    def by_person(self) -> dict[str, list[int]]:
        """The numbers of each person's accepted events, in the order of their first acceptance."""
        found: dict[str, list[int]] = defaultdict(list)
        for operation in self.accepted:
            if operation["action"] == "event":
                found[operation["identifiers"]["id"]].append(operation["attributes"]["n"])
        return dict(found)


def http(status: int, body: bytes = b"{}", **headers: str) -> bytes:
    fields = {"content-length": str(len(body))} | {name.replace("_", "-"): text for name, text in headers.items()}
    lines = "".join(f"{name}: {text}\r\n" for name, text in fields.items())
    return f"HTTP/1.1 {status} Said So\r\n{lines}\r\n".encode() + body


def abort(writer: asyncio.StreamWriter) -> None:
    """A reset instead of an orderly end."""
    found: socket.socket = writer.get_extra_info("socket")
    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def accepts(wire: Wire, writer: asyncio.StreamWriter, operations: list[Operation]) -> None:
    wire.take(operations)
    writer.write(http(200))


async def resets_before(wire: Wire, writer: asyncio.StreamWriter, operations: list[Operation]) -> None:
    abort(writer)


async def resets_after(wire: Wire, writer: asyncio.StreamWriter, operations: list[Operation]) -> None:
    wire.take(operations)
    abort(writer)


async def drips(wire: Wire, writer: asyncio.StreamWriter, operations: list[Operation]) -> None:
    """A byte now and then, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await asyncio.sleep(0.02)


async def hangs(wire: Wire, writer: asyncio.StreamWriter, operations: list[Operation]) -> None:
    while not writer.is_closing():
        await asyncio.sleep(0.02)


def says(answer: bytes, *, ends: bool = False, took_effect: bool = False) -> Reaction:
    """These bytes; `ends`: and nothing more on this connection."""

    async def say(wire: Wire, writer: asyncio.StreamWriter, operations: list[Operation]) -> None:
        if took_effect:
            wire.take(operations)
        writer.write(answer)
        if ends:
            await writer.drain()
            writer.close()

    return say


class FaultBench(Serviced):
    def __init__(self, folder: Path, vfs: str | None = None) -> None:
        self.wire = Wire()
        self.detours: list[str] = []
        """The next deliveries go to these addresses instead."""
        self.client = Client()
        super().__init__(folder, SkippingClock(BEGIN_MS + 1_000_000), send=self.send, vfs=vfs)
        self.wire.clock = self.clock
        self.housekeeping = Housekeeping(
            self.journal,
            self.state,
            self.settings,
            self.clock,
            Cleaning(self.journal, self.state),
            people=self.service.retention,
        )
        self.app = create_app(
            self.housekeeping, TokenCheck(["token"]), self.service.status.problems, self.clock.time_ms
        )

    async def send(self, request: Request) -> Response:
        if self.detours and request.method == "POST":
            detour = self.detours.pop(0)
            request = msgspec.structs.replace(request, url=request.url.replace(self.wire.url, detour))
        return await self.client.send(request)

    async def receive_from_all(self, first: int, last: int) -> None:
        """Everybody's events with these numbers, in turn."""
        await self.receive(*(event(who, n) for n in range(first, last) for who in PEOPLE))

    async def status(self) -> Any:
        (status,) = (await self.service.status.show()).connections
        assert_adds_up(msgspec.to_builtins(status))
        return status

    async def until(self, true: Callable[[Any], bool]) -> Any:
        """The status as soon as that is true of it."""
        async with asyncio.timeout(WITHIN_S):
            while not true(status := await self.status()):
                await asyncio.sleep(0.002)
        return status

    async def post(self, value: object) -> tuple[int, dict[bytes, bytes]]:
        """The status and the headers that a sender of one webhook gets."""
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": msgspec.json.encode(value), "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/webhook/token", "query_string": b"", "headers": []}
        await self.app(scope, receive, send)
        return sent[0]["status"], dict(sent[0]["headers"])


@asynccontextmanager
async def bench_in(folder: Path, vfs: str | None = None, **options: object) -> AsyncIterator[FaultBench]:
    """A bench with one running connection to its wire."""
    async with AsyncExitStack() as stack:
        bench = FaultBench(folder, vfs)
        stack.push_async_callback(bench.client.close)
        await stack.enter_async_context(bench.wire.listening())
        stack.push_async_callback(bench.close)
        await bench.service.start()
        await bench.service.connections.add(
            "customerio", {"site_id": "site", "api_key": "key", "tracking_endpoint": bench.wire.url} | options
        )
        yield bench


def event(who: str, n: int, **fields: object) -> Event:
    values: dict[str, object] = {
        "uuid": str(UUID(int=abs(hash((who, n))) % 2**128)),
        "name": "clicked",
        "distinct_id": who,
        "timestamp_ms": BEGIN_MS + n,
        "received_ms": BEGIN_MS + n,
        "properties": {"n": n},
    }
    return Event(**(values | fields))  # type: ignore[arg-type]


class Disk:
    """`trouble`: what `fails` (`write`, `sync`) gives from now on; None: all is well."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.trouble: type[apsw.Error] | None = None
        self.fails = {"write", "sync"}

    def check(self, call: str) -> None:
        if self.trouble is not None and call in self.fails:
            raise self.trouble("/secret/path: canary")


_numbers = count()


@contextmanager
def faulty_disk() -> Iterator[Disk]:
    """A disk for SQLite (`vfs=disk.name`) that fails when it is told to."""
    disk = Disk(f"faulty-{next(_numbers)}")

    class File(apsw.VFSFile):
        def __init__(self, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
            super().__init__("", name, flags)

        def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # SQLite's name for it
            disk.check("write")
            super().xWrite(data, offset)

        def xSync(self, flags: int) -> None:  # noqa: N802  # as above
            super().xSync(flags)
            disk.check("sync")

    class Files(apsw.VFS):
        def __init__(self) -> None:
            super().__init__(disk.name, "")

        def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> File:  # noqa: N802  # as above
            return File(name, flags)

    files = Files()
    try:
        yield disk
    finally:
        files.unregister()
