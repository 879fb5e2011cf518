"""`hogline serve --only receive`, one to three times on one PostgreSQL: what they keep, and what that costs in CPU.

Nobody delivers. CPU seconds say more than rates on a machine that does other things.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import msgspec
import psycopg

from bench.load import Job
from bench.processes import HOGLINE, environment
from bench.scale import _cpu_s, _of, _stored
from bench.serve import _load, _said
from hogline.testing.postgresql import Server, private

MOST = 3
JOBS = {
    "webhooks of one event, 32 connections each": Job("", "", requests=6_000, connections=32, batch=1),
    "/batch of 50, 8 connections each": Job("", "", requests=800, connections=8, batch=50),
}


def main() -> None:
    print("hogline serve --only receive on one PostgreSQL (fsync on, same machine), nobody delivers")
    with private(durable=True) as server:
        for title, job in JOBS.items():
            print(f"  {title}")
            for receivers in range(1, MOST + 1):
                per_s, own_us, server_us = _once(server, job, receivers)
                print(f"    {receivers}: {per_s:>8,.0f} events/s, CPU per event: Hogline {own_us:.0f} µs, "
                      f"PostgreSQL {server_us:.0f} µs")  # fmt: skip


def _once(server: Server, job: Job, receivers: int) -> tuple[float, float, float]:
    """Events per second, and microseconds of CPU for each: of all receivers, and of PostgreSQL."""
    with tempfile.TemporaryDirectory() as folder, _stored(server), ExitStack() as stack:
        env = environment(Path(folder))
        out = subprocess.run([*HOGLINE, "token", "--json"], env=env, check=True, capture_output=True).stdout
        token = msgspec.json.decode(out)["token"]
        processes, urls = [], []
        for _ in range(receivers):
            process = subprocess.Popen([*HOGLINE, "serve", "--only", "receive"], env=env, stderr=subprocess.PIPE)
            stack.callback(_end, process)
            processes.append(process)
            urls.append(_said(process.stderr, r"Receiving at (http://[\d.:]+)"))
        starts = [stack.enter_context(_load(msgspec.structs.replace(job, url=url, token=token))) for url in urls]
        own, postgresql = _cpu_s([one.pid for one in processes]), _of(server)
        begin = time.perf_counter()
        with ThreadPoolExecutor(receivers) as pool:
            told = list(pool.map(lambda start: start(), starts))
        wall_s = time.perf_counter() - begin
        own_s, server_s = _cpu_s([one.pid for one in processes]) - own, _of(server) - postgresql
        assert not any(one.failed for one in told)
        events = job.requests * job.batch * receivers
        with psycopg.connect(os.environ["HOGLINE_STORE"]) as link:
            assert link.execute("SELECT count(*), max(position) FROM hogline.journal").fetchone() == (events, events)
        return events / wall_s, own_s / events * 1e6, server_s / events * 1e6


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    if process.stderr is not None:
        process.stderr.close()
