"""How much of the allowed rate is used in real time while events wait, counted at a server in a separate process.

The worker, its state and the HTTP client are the real ones; the journal is in memory and never ends.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from bench.soak.counted import RateFigures, counted, figures
from hogline.clock import SystemClock
from hogline.delivery.client import Client
from hogline.delivery.folder import Folder
from hogline.delivery.gate import Gate, Rate
from hogline.delivery.worker import Worker
from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Event
from hogline.posthog.entry import encode_event
from hogline.store.backfilled import Backfilled
from hogline.store.datadir.secrets import Vault
from hogline.store.sqlite.state import SqliteState

PEOPLE = 400
EVENT_BYTES = 20_000
BEGIN_MS = 1_793_000_000_000
SETTLES_S = 2.0


class LongJournal:
    """Has more than can be sent: events of one size, of people in turn. As much of a journal as is needed here."""

    end = 0
    """Of when it is opened."""
    backfilled = Backfilled((), {})

    def __init__(self, events: int) -> None:
        self._events = events
        self._bodies = [encode_event(_event(n)) for n in range(PEOPLE)]

    async def wait(self, after: int) -> None:
        if after >= self._events:
            await asyncio.Event().wait()  # nothing more comes

    async def read(self, after: int, limit: int, _most_bytes: int) -> list[tuple[int, bytes]]:
        last = min(after + min(limit, 50), self._events)
        return [(n, self._bodies[n % PEOPLE]) for n in range(after + 1, last + 1)]

    async def received_at(self, _position: int) -> int | None:
        return None


def _event(n: int) -> Event:
    return Event(
        uuid=f"0199f3a0-0000-7000-8000-{n:012d}",
        name="clicked",
        distinct_id=f"person-{n}",
        timestamp_ms=BEGIN_MS,
        received_ms=BEGIN_MS,
        properties={"text": "x" * EVENT_BYTES},
    )


def rate(folder: Path, *, per_second: int, latency_ms: int, seconds: float) -> RateFigures:
    with counted(latency_ms) as (port, came):
        asyncio.run(_deliver(folder, port, per_second, SETTLES_S + seconds))
        return figures(came(), settles_s=SETTLES_S, per_second=per_second, latency_ms=latency_ms, seconds=seconds)


async def _deliver(folder: Path, port: int, per_second: int, seconds: float) -> None:
    clock, client = SystemClock(), Client()
    state = SqliteState(folder / "state.db", Vault(Vault.new_key()))
    options: dict[str, object] = {
        "site_id": "site",
        "api_key": "key",
        "tracking_endpoint": f"http://127.0.0.1:{port}",
        "max_requests_per_second": per_second,
    }
    connection = await state.add_connection(
        name="customerio", destination="customerio", options=options, paused=False, start=0, now_ms=BEGIN_MS
    )
    # A request has room for 500,000 bytes.
    journal: Any = LongJournal(int(per_second * seconds * 1.5 * 500_000 / EVENT_BYTES))
    folder_of_events = Folder(journal, state, clock)
    folder_of_events.start()
    worker = Worker(
        connection,
        CUSTOMERIO,
        CUSTOMERIO.read_options(options),
        folder=folder_of_events,
        journal=journal,
        state=state,
        send=client.send,
        gate=Gate(Rate(per_second, clock), clock, lambda: 0.5),
        clock=clock,
    )
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(seconds + 0.5)
    await worker.close(within_s=2)
    await running
    await folder_of_events.close()
    await client.close()
    await state.close()


def print_figures(folder: Path, _: int, part: float = 1.0) -> None:
    good = True
    for per_second, latency_ms in ((20, 50), (20, 200), (50, 50), (50, 200)):
        (own := folder / f"{per_second}-{latency_ms}").mkdir()
        found = rate(own, per_second=per_second, latency_ms=latency_ms, seconds=max(3.0, 20 * part))
        print(f"  {found}")
        good &= found.good
    if not good:
        sys.exit("Less than 95 % was used, or more than allowed.")
