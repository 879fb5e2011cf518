"""A service with a real store in a folder, for the tests of who calls it; Customer.io answers in a few lines.

Its time is moved, not waited for, so that the same calls give the same on two benches.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
from declared import assert_declared

from hogline.backfill.views import BadLine, Row
from hogline.destinations.base import Send
from hogline.model import Request, Response
from hogline.posthog.json_text import read_file_line
from hogline.posthog.received import Unreadable
from hogline.runtime.control_socket import offered, reached
from hogline.service import Service
from hogline.service.trail import Trail
from hogline.settings import Settings
from hogline.store.datadir.directory import DataDirectory
from hogline.store.datadir.sources import Sources
from hogline.store.sqlite.audit import SqliteAudit
from hogline.store.sqlite.event_log import SqliteEventLog
from hogline.store.sqlite.figures import SqliteFigures
from hogline.store.sqlite.journal import SqliteJournal
from hogline.store.sqlite.state import SqliteState
from hogline.testing.clock import SkippingClock

RECEIVED_MS = 1_793_527_200_000
TOKEN = "hog_bench"
PUBLIC_TOKEN = "hog_pub_bench"
GOOD: dict[str, object] = {"site_id": "site", "api_key": "key"}
REGION = Response(200, {}, b'{"url": "https://track.customer.io", "region": "us", "environment_id": 1}')


def rows_in(lines: Iterable[tuple[int, bytes]]) -> tuple[list[Row], dict[str, int], list[BadLine]]:
    """Numbered lines of a file as rows, in their own order; what cannot be kept, by reason; and why."""
    rows: list[Row] = []
    refused: Counter[str] = Counter()
    bad: list[BadLine] = []
    for number, line in lines:
        try:
            batch = read_file_line(line, number, RECEIVED_MS)
        except Unreadable as problem:
            refused[problem.reason] += 1
            bad.append(BadLine(number, problem.sentence))
            continue
        refused.update(batch.refused)
        rows += [Row("", number, each.body) for each in batch.received]
        several = len(batch.received) + len(batch.problems) > 1
        bad += [
            BadLine(number, f"Event {place}: {why.sentence}" if several else why.sentence)
            for place, why in batch.problems
        ]
    return rows, dict(refused), bad


async def send_lines(service: Service, handle: str, lines: Iterable[tuple[int, bytes]]) -> list[BadLine]:
    """Send these lines of a file as they come; returns what cannot be kept."""
    rows, refused, bad = rows_in(lines)
    await service.sendings.send(handle, rows, refused)
    return bad


class CustomerIo:
    """Accepts the credentials, and all operations but events named `refuse me`, once it is `open`. `asked` is set
    by every request.
    """

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()
        self.check = REGION
        self.instead: Send | None = None
        """Answers everything."""

    async def send(self, request: Request) -> Response:
        self.asked.set()
        if self.instead is not None:
            return await self.instead(request)
        await self.open.wait()
        return self.check if request.method == "GET" else _answer(request.body)


def _answer(body: bytes) -> Response:
    batch = msgspec.json.decode(body, type=dict[str, list[dict[str, object]]])["batch"]
    errors = [
        {"batch_index": index, "reason": "invalid", "field": "name", "message": "It asks for it."}
        for index, operation in enumerate(batch)
        if operation.get("name") == "refuse me"
    ]
    return Response(207, {}, msgspec.json.encode({"errors": errors})) if errors else Response(200, {}, b"{}")


class ServiceBench:
    """`service` is called directly; `socket` is where it is offered to others."""

    def __init__(self, service: Service, customerio: CustomerIo, directory: DataDirectory) -> None:
        self.service = service
        self.customerio = customerio
        self.folder = directory.path
        self.socket = directory.control

    @asynccontextmanager
    async def offered(self) -> AsyncIterator[None]:
        async with offered(self.service, self.socket):
            yield

    @asynccontextmanager
    async def remote(self) -> AsyncIterator[Service]:
        """The service as another process reaches it."""
        async with self.offered(), reached(self.socket) as remote:
            yield remote


@asynccontextmanager
async def bench_in(folder: Path, **settings: object) -> AsyncIterator[ServiceBench]:
    directory = DataDirectory(folder)
    async with AsyncExitStack() as stack:
        stack.enter_context(directory)
        clock = SkippingClock(RECEIVED_MS, date_moves=False)
        journal = SqliteJournal(directory.journal, clock.time_ms)
        stack.push_async_callback(journal.close)
        vault = directory.vault(None)
        state = SqliteState(directory.state, vault)
        stack.push_async_callback(state.close)
        await state.add_token(TOKEN)
        await state.add_token(PUBLIC_TOKEN, "public")
        customerio = CustomerIo()
        events = SqliteEventLog(directory.events)
        stack.push_async_callback(events.close)
        figures = SqliteFigures(directory.history)
        stack.push_async_callback(figures.close)
        audit = SqliteAudit(directory.audit)
        stack.push_async_callback(audit.close)
        chosen = Settings(data=folder, **settings)  # type: ignore[arg-type]  # as the caller wants them
        service = Service(
            chosen,
            journal=journal,
            state=state,
            send=customerio.send,
            clock=clock,
            delivers=True,
            figures=figures,
            events=events if chosen.event_log else None,
            sources=Sources(directory.path, vault),
            trail=Trail(audit, vault.fingerprint, clock.time_ms),
        )
        stack.push_async_callback(service.close)
        await service.start()
        yield ServiceBench(service, customerio, directory)
        await assert_declared(journal, state)
