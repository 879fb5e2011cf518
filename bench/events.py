"""The event log: what writing it costs delivery, runs with and without it in turns; and how long searches take in one
with 10,000,000 events.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import apsw

from bench.processes import run, sandbox
from bench.traffic import lines
from hogline.store.event_log import Query, checksum
from hogline.store.sqlite.event_log import SqliteEventLog

EVENTS, PEOPLE, PAIRS = 100_000, 5_000, 3
LOGGED = 10_000_000
LOGGED_PEOPLE = 1_000_000
RUNS = 9
WITHIN_MS = 500

# A hundred names, the first one half of all; one event in 50 filtered, one in 100,000 failed.
_OUTCOMES = (
    "INSERT INTO outcomes VALUES (1, 'delivered', ''), (2, 'filtered', 'not_identified'), (3, 'failed', 'invalid')"
)
_MAKE = """
INSERT INTO events
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
SELECT 1, n, n / 500 + 1, 1793527200000 + n, CASE WHEN n % 2 THEN ?3 ELSE n % 100 END, (n * 7919) % ?2,
  CASE WHEN n % 100000 = 0 THEN 3 WHEN n % 50 = 0 THEN 2 ELSE 1 END
FROM numbers
"""


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
    print(
        f"  median of the pairs: {median(log[0] / none[0] - 1 for none, log in pairs):+.1%} (at most 5 % are allowed)"
    )
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
    path = folder / "events.db"
    await SqliteEventLog(path).close()
    database = apsw.Connection(str(path))
    database.pragma("synchronous", "off")
    database.execute(_OUTCOMES)
    database.execute(_MAKE, (LOGGED, LOGGED_PEOPLE, checksum("$pageview")))
    database.close()
    log = SqliteEventLog(path)
    size_gb = sum(each.stat().st_size for each in folder.iterdir()) / 1e9
    print(
        f"a log of {LOGGED:,} events ({size_gb:.1f} GB): milliseconds, median (slowest) of {RUNS}; {WITHIN_MS} allowed"
    )
    for title, asked in (
        ("the newest", {}),
        ("a frequent name", {"names": ["$pageview"]}),
        ("a frequent name, a rare outcome", {"names": ["$pageview"], "kind": "failed"}),
        ("a rare outcome", {"kind": "failed"}),
        ("a reason", {"reason": "not_identified"}),
        ("a name that never came", {"names": ["never"]}),
        ("from the middle", {"before": LOGGED // 2, "kind": "filtered"}),
    ):
        print(f"  {title:<34} {_timed(log, Query(connections=[1], **asked))}")
    for title, people in (("a person", 1), ("a person with 20 ids", 20), ("somebody who never came", 0)):
        ids = [_with_checksum(number) for number in range(people)] or ["never"]
        print(f"  {title:<34} {_timed(log, Query(connections=[1], people=ids))}")
    await log.close()


def _with_checksum(number: int) -> str:
    """A text whose checksum is one of those in the log."""
    return next(text for n in range(10**9) if checksum(text := f"{number}-{n}") < LOGGED_PEOPLE)


def _timed(log: SqliteEventLog, query: Query) -> str:
    took = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        found = log.find(query, 51)
        took.append((time.perf_counter() - begin) * 1_000)
    return f"{len(found):>3} found   {median(took):>6.1f} ({max(took):.1f})"
