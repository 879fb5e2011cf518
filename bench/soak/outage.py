"""Customer.io away for days of moved clock, and a key that is wrong for one, while events come in.

Receiving is the real journal, delivering the real service; the destination is a function that responds immediately, and
waiting moves the clock. Knows nothing of the network.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct

from hogline.model import Event, Request, Response
from hogline.posthog.entry import encode_event
from hogline.service import Service
from hogline.settings import Settings
from hogline.store.datadir.secrets import Vault
from hogline.store.sqlite.journal import SqliteJournal
from hogline.store.sqlite.state import SqliteState
from hogline.testing.clock import SkippingClock
from hogline.views.connections import ConnectionStatus

BEGIN_MS = 1_793_000_000_000
REGION = Response(200, {}, b'{"url": "https://track.customer.io", "region": "us", "environment_id": 1}')
OK = Response(200, {}, b"{}")
AWAY = Response(503, {}, b"")
WRONG_KEY = Response(401, {}, b'{"meta": {"error": "Unauthorized request"}}')
MB = 1_000_000


class CustomerIo:
    """Answers as `says`; of what it accepts it remembers each person's last number, and whether one came too early."""

    def __init__(self, clock: SkippingClock) -> None:
        self._clock = clock
        self._asked_s = 0.0
        self.longest_silence_s = 0.0
        """Between two requests."""
        self.says = OK
        self.requests = 0
        self.accepted = 0
        self.out_of_order = 0
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        """Set by the test for every request while it is away: time stands still as long as it is not."""
        self._last: dict[str, int] = defaultdict(lambda: -1)

    async def send(self, request: Request) -> Response:
        await asyncio.sleep(0)
        if request.method == "GET":
            return REGION
        self.requests += 1
        self.longest_silence_s = max(self.longest_silence_s, self._clock.at_s - self._asked_s)
        self._asked_s = self._clock.at_s
        self.asked.set()
        if self.says is AWAY:
            await self.go.wait()
            self.go.clear()
        if self.says is OK:
            for operation in msgspec.json.decode(request.body)["batch"]:
                if operation["action"] == "event":
                    self._take(operation["identifiers"]["id"], operation["attributes"]["n"])
        return self.says

    def _take(self, who: str, n: int) -> None:
        self.accepted += 1
        self.out_of_order += n != self._last[who] + 1
        self._last[who] = n


class Senders:
    """Events of many people in any order, each with the next number of its person."""

    def __init__(self, people: int, seed: int) -> None:
        self._random = Random(seed)
        self._people = people
        self._next: dict[str, int] = defaultdict(int)
        self.payload_bytes = 0
        """What PostHog sent, as JSON."""

    def events(self, how_many: int, time_ms: int) -> list[bytes]:
        return [self._event(time_ms) for _ in range(how_many)]

    def _event(self, time_ms: int) -> bytes:
        who = f"user-{self._random.randrange(self._people)}"
        n = self._next[who]
        self._next[who] += 1
        event = Event(
            uuid=str(UUID(int=self._random.getrandbits(128), version=4)),
            name="order completed",
            distinct_id=who,
            timestamp_ms=time_ms,
            received_ms=time_ms,
            properties={
                "n": n,
                "total": round(self._random.uniform(5, 500), 2),
                "currency": "EUR",
                "$current_url": f"https://shop.example/orders/{self._random.getrandbits(48):x}",
                "$browser": "Chrome",
                "$os": "Mac OS X",
                "$session_id": str(UUID(int=self._random.getrandbits(128))),
                "items": [{"sku": f"sku-{self._random.randrange(10_000)}", "quantity": 1} for _ in range(3)],
            },
        )
        self.payload_bytes += len(_as_posthog_sends(event))
        return encode_event(event)


def _as_posthog_sends(event: Event) -> bytes:
    return msgspec.json.encode(
        {
            "uuid": event.uuid,
            "event": event.name,
            "distinct_id": event.distinct_id,
            "properties": event.properties,
            "timestamp": "2026-11-01T10:00:00.000Z",
        }
    )


class Hogline:
    def __init__(self, folder: Path, clock: SkippingClock, customerio: CustomerIo) -> None:
        self.folder = folder
        self.clock = clock
        self.journal = SqliteJournal(folder / "journal.db", clock.time_ms)
        self.state = SqliteState(folder / "state.db", Vault(Vault.new_key()))
        self.service = Service(
            Settings(data=folder),
            journal=self.journal,
            state=self.state,
            send=customerio.send,
            clock=clock,
            delivers=True,
        )

    async def status(self) -> ConnectionStatus:
        (status,) = (await self.service.status.show()).connections
        settled = status.delivered + sum(status.filtered.values()) + sum(status.failures.values()) + status.held
        if status.received != settled + status.pending:
            raise AssertionError(status)
        return status

    async def settled(self) -> ConnectionStatus:
        while (status := await self.status()).pending:
            await asyncio.sleep(0.01)
        return status

    @property
    def disk_bytes(self) -> int:
        """Without the write-ahead logs, which end at 4 MB each."""
        files = [file for file in self.folder.iterdir() if file.is_file() and not file.name.endswith("-wal")]
        return sum(file.stat().st_size for file in files)


@asynccontextmanager
async def hogline(folder: Path, clock: SkippingClock, customerio: CustomerIo) -> AsyncIterator[Hogline]:
    async with AsyncExitStack() as stack:
        made = Hogline(folder, clock, customerio)
        stack.push_async_callback(made.journal.close)
        stack.push_async_callback(made.state.close)
        stack.push_async_callback(made.service.close, 0)
        await made.service.start()
        await made.service.connections.add("customerio", {"site_id": "site", "api_key": "key"})
        yield made


class OutageFigures(Struct, frozen=True, kw_only=True):
    hours: float
    received: int
    requests_in_vain: int
    longest_silence_s: float
    """Between two requests while it was away: soon after it is back it is found out."""
    delivered: int
    failures: int
    out_of_order: int
    payload_bytes: int
    disk_bytes: int
    """All files of the data directory when it was over, before anything was delivered."""
    memory_growth_bytes: int
    """Of the process, from a tenth of the outage to its end; 0 if it is not told."""

    @property
    def disk_by_payload(self) -> float:
        return self.disk_bytes / self.payload_bytes


async def outage(folder: Path, *, events: int, people: int = 500, hours: float = 72, seed: int = 1) -> OutageFigures:
    """Customer.io goes away, events come in evenly for so many hours, then it is back."""
    clock, senders = SkippingClock(BEGIN_MS, now_s=0.0), Senders(people, seed)
    customerio = CustomerIo(clock)
    async with hogline(folder, clock, customerio) as running:
        customerio.says = AWAY
        received, memory = 0, 0
        end_s = hours * 3_600
        await running.journal.append(senders.events(1, clock.time_ms()))
        received += 1
        while clock.at_s < end_s:
            await customerio.asked.wait()
            customerio.asked.clear()
            due = min(events, int(events * clock.at_s / end_s)) - received
            if due > 0:
                await running.journal.append(senders.events(due, clock.time_ms()))
                received += due
            if not memory and clock.at_s >= end_s / 10:
                memory = resident_bytes()
            customerio.go.set()
        status = await running.status()
        if status.delivered or status.failures or status.state != "retrying":
            raise AssertionError(status)
        growth, disk_bytes, in_vain = resident_bytes() - memory, running.disk_bytes, customerio.requests
        away_s = clock.at_s
        customerio.says = OK
        customerio.go.set()
        status = await running.settled()
    return OutageFigures(
        hours=away_s / 3_600,
        received=received,
        requests_in_vain=in_vain,
        longest_silence_s=customerio.longest_silence_s,
        delivered=status.delivered,
        failures=sum(status.failures.values()),
        out_of_order=customerio.out_of_order,
        payload_bytes=senders.payload_bytes,
        disk_bytes=disk_bytes,
        memory_growth_bytes=growth if memory else 0,
    )


class WrongKeyFigures(Struct, frozen=True, kw_only=True):
    received_meanwhile: int
    requests_with_the_wrong_key: int
    delivered: int
    failures: int
    out_of_order: int
    reason: str


async def wrong_key(folder: Path, *, events: int, people: int = 100, seed: int = 1) -> WrongKeyFigures:
    """The key is taken back; for a day events come in; then the right one is given."""
    clock, senders = SkippingClock(BEGIN_MS, now_s=0.0), Senders(people, seed)
    customerio = CustomerIo(clock)
    async with hogline(folder, clock, customerio) as running:
        await running.journal.append(senders.events(people, clock.time_ms()))
        await running.settled()
        before, customerio.says = customerio.requests, WRONG_KEY
        for _ in range(24):
            await running.journal.append(senders.events(events // 24, clock.time_ms()))
            while (status := await running.status()).state != "stopped":
                await asyncio.sleep(0)
            await clock.sleep(3_600)
        requests, customerio.says = customerio.requests - before, OK
        reason = status.reason or ""
        await running.service.connections.configure("customerio", {"api_key": "right"})
        status = await running.settled()
    return WrongKeyFigures(
        received_meanwhile=events // 24 * 24,
        requests_with_the_wrong_key=requests,
        delivered=status.delivered,
        failures=sum(status.failures.values()),
        out_of_order=customerio.out_of_order,
        reason=reason,
    )


def resident_bytes() -> int:
    """What the process has in memory now, or at its peak where the system tells no more."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024
    return pages * resource.getpagesize()


def print_figures(folder: Path, seed: int, part: float = 1.0) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    for name in ("outage", "key"):
        (folder / name).mkdir()
    found = asyncio.run(outage(folder / "outage", events=int(1_000_000 * part), seed=seed))
    print(f"  {found.hours:.1f} h away, {found.received:,} events received, {found.requests_in_vain:,} failed requests")
    print(f"  longest time without a try: {found.longest_silence_s:.0f} s")
    print(f"  delivered {found.delivered:,}, failures {found.failures}, out of order {found.out_of_order}")
    disk = f"{found.disk_bytes / MB:.0f} MB for {found.payload_bytes / MB:.0f} MB"
    print(f"  on disk {disk}: {found.disk_by_payload:.2f} times")
    print(f"  memory at the end less at a tenth: {found.memory_growth_bytes / MB:+.0f} MB")
    key = asyncio.run(wrong_key(folder / "key", events=int(100_000 * part), seed=seed))
    print(
        f"  wrong key for a day: {key.received_meanwhile:,} events, {key.requests_with_the_wrong_key} request with it,"
    )
    print(f"  then delivered {key.delivered:,}, failures {key.failures}, out of order {key.out_of_order}")
    good = (
        found.delivered == found.received,
        not found.failures,
        not found.out_of_order,
        not key.failures,
    )
    if not all(good) or key.requests_with_the_wrong_key != 1 or key.out_of_order or found.disk_by_payload > 1.5:
        sys.exit("Something is missing, out of order or too large.")
