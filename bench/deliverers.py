"""`hogline serve --only deliver`, once, twice and four times on one PostgreSQL: what an event costs, in CPU and in
transactions, and how fast a backlog is delivered.

The events come from visitors who sign up, so joins cross the lanes of several processes.
"""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec
import psycopg

from bench.processes import HOGLINE, environment, get, run
from bench.receivers import _end
from bench.scale import _cpu_s, _of, _stored
from bench.serve import _said, sink
from hogline.testing.postgresql import Server, private
from hogline.testing.processes import post

USERS, EACH, BATCH = 8_000, 18, 200


def main() -> None:
    print("hogline serve --only deliver on one PostgreSQL (fsync on, same machine), a backlog of "
          f"{USERS * (EACH + 2):,} events of {USERS:,} people who sign up")  # fmt: skip
    with private(durable=True) as server:
        for deliverers in (1, 2, 4):
            per_s, own_us, server_us, commits = _once(server, deliverers)
            print(f"    {deliverers}: {per_s:>8,.0f} events/s, CPU per event: Hogline {own_us:.0f} µs, PostgreSQL "
                  f"{server_us:.0f} µs; {commits:.1f} transactions per 1,000 events", flush=True)  # fmt: skip


def _once(server: Server, deliverers: int) -> tuple[float, float, float, float]:
    with tempfile.TemporaryDirectory() as folder, sink(0) as where, _stored(server), ExitStack() as stack:
        data = Path(folder)
        run(data / "a", "connect", "customerio", "--site-id=s", "--api-key=k", f"--tracking-endpoint={where}")
        os.environ["HOGLINE_SHARE_BEHIND_S"] = "0"
        token = msgspec.json.decode(run(data / "a", "token", "--json").output)["token"]
        _receive(data / "r", token)
        processes = [_delivers(data / name) for name in "abcd"[:deliverers]]
        for one in processes:
            stack.callback(_end, one)
        wanted = USERS * (EACH + 1)
        for one in processes:
            _said(one.stderr, "(Ready) to deliver")
        own, postgresql, commits = _cpu_s([one.pid for one in processes]), _of(server), _commits()
        begin, first = time.perf_counter(), get(f"{where}/report")["events"]
        while (sent := get(f"{where}/report")["events"]) < wanted:
            assert time.perf_counter() - begin < 300, sent
            time.sleep(0.05)
        wall_s, events = time.perf_counter() - begin, (wanted - first) / wanted * USERS * (EACH + 2)
        own_s = _cpu_s([one.pid for one in processes]) - own
        server_s, more = _of(server) - postgresql, _commits() - commits
        return events / wall_s, own_s / events * 1e6, server_s / events * 1e6, more / events * 1_000


def _delivers(data: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*HOGLINE, "serve", "--only", "deliver"], env=environment(data), stderr=subprocess.PIPE)


def _receive(data: Path, token: str) -> None:
    """Everything is in the journal before anyone delivers."""
    process = subprocess.Popen([*HOGLINE, "serve", "--only", "receive"], env=environment(data), stderr=subprocess.PIPE)
    try:
        url = _said(process.stderr, r"Receiving at (http://[\d.:]+)")
        events = _events()
        for at in range(0, len(events), BATCH):
            post(f"{url}/batch", {"api_key": token, "batch": events[at : at + BATCH]}, token)
    finally:
        _end(process)


def _events() -> list[dict[str, object]]:
    chance = random.Random(1)
    made: list[tuple[float, dict[str, object]]] = []
    for user in range(USERS):
        visitor, came = f"0190d3a5-7c1e-7d2a-9b1a-{user:012d}", chance.random()
        said = {"$anon_distinct_id": visitor, "$set": {"email": f"u{user}@example.org", "plan": chance.choice("ab")}}
        made.append((came, {"event": "page", "distinct_id": visitor}))
        made.append((came + 0.01, {"event": "$identify", "distinct_id": f"u{user}", "properties": said}))
        made += [
            (came + 0.02 + chance.random() / 2, {"event": "order", "distinct_id": f"u{user}", "properties": {"n": n}})
            for n in range(EACH)
        ]
    return [event for _, event in sorted(made, key=lambda one: one[0])]


def _commits() -> int:
    with psycopg.connect(os.environ["HOGLINE_STORE"]) as link:
        found = link.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()").fetchone()
        assert found is not None
        return int(found[0])
