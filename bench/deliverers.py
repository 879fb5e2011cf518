"""`hogline serve --only deliver`, once, twice and four times on one PostgreSQL: what an event costs, in CPU and in
statements, and how fast a backlog is delivered.
The events come from visitors who sign up, so joins cross the lanes of several processes. Counting begins when each
process has its lanes.

Each process may use one core only. PostgreSQL and the destination use whatever is left, so on few cores the rate says
little about more processes. The CPU per event says what they could do with a core each: so many cores divided by it.
"""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import LiteralString, NamedTuple

import msgspec
import psycopg

from bench.processes import HOGLINE, environment, get, run
from bench.receivers import _end
from bench.scale import _cpu_s, _of, _stored
from bench.serve import _said, sink
from hogline.testing.postgresql import Server, private
from hogline.testing.processes import post

USERS, EACH, BATCH = 8_000, 18, 200
KINDS = {"sign up right after their first page": 0.01, "sign up later": 0.3}
"""When, as a part of the time in which visitors come."""


class Cost(NamedTuple):
    deliverers: int
    events: float
    own_s: float
    """CPU of all processes."""
    server_s: float
    statements: int
    wall_s: float

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.wall_s

    @property
    def rate_by_cpu(self) -> float:
        """Events per second, if none of them ever waited."""
        return self.deliverers * self.events / self.own_s

    def __str__(self) -> str:
        own_us, server_us = self.own_s / self.events * 1e6, self.server_s / self.events * 1e6
        per_1000 = self.statements / self.events * 1_000
        return (f"{self.rate:>8,.0f} events/s, CPU per event: Hogline {own_us:.0f} µs, PostgreSQL {server_us:.0f} µs; "
                f"{per_1000:.0f} statements per 1,000 events")  # fmt: skip


def main() -> None:
    print("hogline serve --only deliver on one PostgreSQL (fsync on, same machine), a backlog of "
          f"{USERS * (EACH + 2):,} events of {USERS:,} people")  # fmt: skip
    os.environ |= {"HOGLINE_SHARE_BEHIND_S": "0", "HOGLINE_PEOPLE_RETENTION_DAYS": "0"}
    for title, later in KINDS.items():
        print(f"  who {title}")
        costs = {}
        for deliverers in (1, 2, 4):
            with private(durable=True, settings=("shared_preload_libraries=pg_stat_statements",)) as server:
                costs[deliverers] = _once(server, deliverers, later)
            print(f"    {deliverers}: {costs[deliverers]}", flush=True)
        one, two = costs[1], costs[2]
        print(f"    two deliver {two.rate_by_cpu / one.rate_by_cpu:.2f} times as much as one by their CPU, "
              f"{two.rate / one.rate:.2f} times here, on {os.cpu_count()} cores that do all else, too")  # fmt: skip


def _once(server: Server, deliverers: int, later: float) -> Cost:
    with tempfile.TemporaryDirectory() as folder, sink(0) as where, _stored(server), ExitStack() as stack:
        data = Path(folder)
        run(data / "a", "connect", "customerio", "--site-id=s", "--api-key=k", f"--tracking-endpoint={where}")
        token = msgspec.json.decode(run(data / "a", "token", "--json").output)["token"]
        _receive(data / "r", token, later)
        processes = [_delivers(data / name, core) for core, name in enumerate("abcd"[:deliverers])]
        for one in processes:
            stack.callback(_end, one)
        for one in processes:
            _said(one.stderr, "(Ready) to deliver")
        until_spread(os.environ["HOGLINE_STORE"], deliverers)
        wanted, pids = USERS * (EACH + 1), [one.pid for one in processes]
        own, postgresql, statements = _cpu_s(pids), _of(server), _statements()
        begin, first = time.perf_counter(), get(f"{where}/report")["events"]
        while (sent := get(f"{where}/report")["events"]) < wanted:
            assert time.perf_counter() - begin < 300, sent
            time.sleep(0.05)
        return Cost(
            deliverers=deliverers,
            events=(wanted - first) / wanted * USERS * (EACH + 2),
            own_s=_cpu_s(pids) - own,
            server_s=_of(server) - postgresql,
            statements=_statements() - statements,
            wall_s=time.perf_counter() - begin,
        )


def until_spread(url: str, deliverers: int) -> None:
    """Returns when all have their lanes."""
    sql = "SELECT count(*) FROM hand WHERE ordered LIKE '%lanes%' AND (SELECT number = goes FROM orders)"
    while value(url, sql) < deliverers - 1:
        time.sleep(0.05)


def _delivers(data: Path, core: int) -> subprocess.Popen[bytes]:
    cores = sorted(os.sched_getaffinity(0))
    process = subprocess.Popen([*HOGLINE, "serve", "--only", "deliver"], env=environment(data), stderr=subprocess.PIPE)
    os.sched_setaffinity(process.pid, {cores[core % len(cores)]})
    return process


def _receive(data: Path, token: str, later: float) -> None:
    """Everything is in the journal before anyone delivers."""
    process = subprocess.Popen([*HOGLINE, "serve", "--only", "receive"], env=environment(data), stderr=subprocess.PIPE)
    try:
        url = _said(process.stderr, r"Receiving at (http://[\d.:]+)")
        events = _events(later)
        for at in range(0, len(events), BATCH):
            post(f"{url}/batch", {"api_key": token, "batch": events[at : at + BATCH]}, token)
    finally:
        _end(process)


def _events(later: float) -> list[dict[str, object]]:
    chance = random.Random(1)
    made: list[tuple[float, dict[str, object]]] = []
    for user in range(USERS):
        visitor, came = f"0190d3a5-7c1e-7d2a-9b1a-{user:012d}", chance.random()
        said = {"$anon_distinct_id": visitor, "$set": {"email": f"u{user}@example.org", "plan": chance.choice("ab")}}
        made.append((came, {"event": "page", "distinct_id": visitor}))
        made.append((came + later, {"event": "$identify", "distinct_id": f"u{user}", "properties": said}))
        made += [
            (
                came + later + 0.01 + chance.random() / 2,
                {"event": "order", "distinct_id": f"u{user}", "properties": {"n": n}},
            )
            for n in range(EACH)
        ]
    return [event for _, event in sorted(made, key=lambda one: one[0])]


def _statements() -> int:
    with psycopg.connect(os.environ["HOGLINE_STORE"], options="-c search_path=hogline,public") as link:
        link.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public")
    return value(os.environ["HOGLINE_STORE"], "SELECT sum(calls)::bigint FROM pg_stat_statements")


def value(url: str, sql: LiteralString) -> int:
    with psycopg.connect(url, options="-c search_path=hogline,public") as link:
        found = link.execute(sql).fetchone()
        assert found is not None
        return int(found[0])
