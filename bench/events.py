"""The event log: what writing it costs delivery, runs with and without it in turns; and how long searches take in one
with 10,000,000 events.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median

from bench.processes import run, sandbox
from bench.traffic import lines
from hogline.core.changes import Noted
from hogline.core.lanes import checksum
from hogline.store.event_log import EventLog, Query, Unlogged, packed
from hogline.store.sqlite.event_log import SqliteEventLog

EVENTS, PEOPLE, PAIRS = 100_000, 5_000, 7
LOGGED = 10_000_000
LOGGED_PEOPLE = 1_000_000
RUNS = 9
WITHIN_MS = 500
SHIPMENT = 500
FILTERED, FAILED = ("filtered", "not_identified"), ("failed", "invalid")


def logged(events: int, people: int) -> Iterator[Unlogged]:
    """A log's worth of shipments. A hundred names, the first one half of all; one event in 50 filtered, one in 100,000
    failed."""
    names = [checksum("$pageview") if n % 2 else n % 100 for n in range(100)]
    for number, first in enumerate(range(1, events + 1, SHIPMENT), 1):
        positions = range(first, min(first + SHIPMENT, events + 1))
        noted = Noted(
            began_ms=1_793_527_200_000 + first,
            at_ms=1_793_527_200_100 + first,
            positions=list(positions),
            names=[names[n % 100] for n in positions],
            people=[n * 7_919 % people for n in positions],
            others={n: FAILED if n % 100_000 == 0 else FILTERED for n in positions if n % 50 == 0},
        )
        yield Unlogged(number, 1, *packed(noted))


def main() -> None:
    print(f"hogline send: {EVENTS:,} events without and with the event log, in turns")
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "events.jsonl"
        file.write_bytes(b"".join(lines(EVENTS, PEOPLE)))
        for number in range(PAIRS):
            order = ("no", "yes") if number % 2 == 0 else ("yes", "no")
            took = {log: _send(Path(folder) / f"{number}-{log}", file, log) for log in order}
            pairs.append((took["no"], took["yes"]))
            print(
                f"  {EVENTS / took['no'][0]:>8,.0f} events/s without, {EVENTS / took['yes'][0]:>8,.0f} with"
                f" ({took['yes'][0] / took['no'][0] - 1:+.1%}); CPU {took['no'][1]:.1f} s, {took['yes'][1]:.1f} s"
            )
    for what, place in (("wall time", 0), ("CPU", 1)):
        none, log = (median(pair[way][place] for pair in pairs) for way in (0, 1))
        each = median(pair[1][place] / pair[0][place] - 1 for pair in pairs)
        print(f"  {what}: {log / none - 1:+.1%} between the medians, {each:+.1%} median of the pairs")
    print("  at most +5 % are allowed")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_search(Path(folder)))


def _send(data: Path, file: Path, log: str) -> tuple[float, float]:
    """Seconds of the whole command, and of CPU."""
    os.environ["HOGLINE_EVENT_LOG"] = log
    with sandbox() as url:
        given = ("--site-id=sandbox-site", "--api-key=sandbox-key", f"--tracking-endpoint={url}")
        run(data, "connect", "customerio", *given)
        cost = run(data, "send", str(file))
    del os.environ["HOGLINE_EVENT_LOG"]
    return cost.wall_s, cost.cpu_s


async def _search(folder: Path) -> None:
    log = SqliteEventLog(folder / "events.db")
    took_s = await fill(log)
    size_gb = sum(each.stat().st_size for each in folder.iterdir()) / 1e9
    print(f"a log of {LOGGED:,} events ({size_gb:.1f} GB, taken in {took_s:.0f} s)")
    await search(log)
    await log.close()


async def fill(log: EventLog) -> float:
    """Returns the seconds that it took."""
    begin_s = time.perf_counter()
    rows = logged(LOGGED, LOGGED_PEOPLE)
    while news := list(islice(rows, 500)):
        await log.take(news, 0)
    return time.perf_counter() - begin_s


async def search(log: EventLog) -> None:
    print(f"  milliseconds, median (slowest) of {RUNS}; {WITHIN_MS} allowed")
    for title, asked in (
        ("the newest", {}),
        ("a frequent name", {"names": ["$pageview"]}),
        ("a frequent name, a rare outcome", {"names": ["$pageview"], "kind": "failed"}),
        ("a rare outcome", {"kind": "failed"}),
        ("a reason", {"reason": "not_identified"}),
        ("a name that never came", {"names": ["never"]}),
        ("from the middle", {"before": LOGGED // 2, "kind": "filtered"}),
    ):
        print(f"  {title:<34} {await _timed(log, Query(connections=[1], **asked))}")
    for title, people in (("a person", 1), ("a person with 20 ids", 20), ("somebody who never came", 0)):
        ids = [_with_checksum(number) for number in range(people)] or ["never"]
        print(f"  {title:<34} {await _timed(log, Query(connections=[1], people=ids))}")


def _with_checksum(number: int) -> str:
    """A text whose checksum is one of those in the log."""
    return next(text for n in range(10**9) if checksum(text := f"{number}-{n}") < LOGGED_PEOPLE)


async def _timed(log: EventLog, query: Query) -> str:
    took = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        found = await log.find(query, 51)
        took.append((time.perf_counter() - begin) * 1_000)
    return f"{len(found):>3} found   {median(took):>6.1f} ({max(took):.1f})"
