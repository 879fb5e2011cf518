"""What HOGLINE_JOURNAL costs: CPU of a receiver for each event that it puts into Kafka instead of PostgreSQL, and of
the process that takes events out of Kafka and delivers them, instead of finding them in PostgreSQL.

Rows alternate. The events are there before anybody delivers.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple
from uuid import uuid4

import msgspec

from bench.load import Job
from bench.processes import HOGLINE, cpu_s, environment, get, run
from bench.receivers import _end
from bench.scale import _of, _stored
from bench.serve import _load, _said, sink
from hogline.testing import kafka, postgresql

RUNS = 3
JOBS = {
    "webhooks of one event, 32 connections": Job("", "", requests=20_000, connections=32, batch=1),
    "/batch of 50, 8 connections": Job("", "", requests=1_000, connections=8, batch=50),
}


class Cost(NamedTuple):
    """Microseconds of CPU for each event."""

    receiver_us: float
    receiving_server_us: float
    """PostgreSQL's part."""
    deliverer_us: float
    delivering_server_us: float


def main() -> None:
    print(f"hogline serve with the journal in PostgreSQL (fsync on) or first in Kafka: median of {RUNS} runs")
    with postgresql.private(durable=True) as server, kafka.private() as broker:
        for title, job in JOBS.items():
            print(f"  {title}")
            rows: dict[str, list[Cost]] = {"PostgreSQL": [], "Kafka": []}
            for _ in range(RUNS):
                rows["PostgreSQL"].append(_once(server, job, {}))
                journal = {"HOGLINE_JOURNAL": f"kafka://{broker.address}/{uuid4()}"}
                rows["Kafka"].append(_once(server, job, journal))
            for name, found in rows.items():
                cost = Cost(*(median(column) for column in zip(*found, strict=True)))
                print(f"    {name:<10} receives for {cost.receiver_us:.0f} µs of CPU (PostgreSQL "
                      f"{cost.receiving_server_us:.0f} µs), delivers for {cost.deliverer_us:.0f} µs (PostgreSQL "
                      f"{cost.delivering_server_us:.0f} µs)")  # fmt: skip


def _once(server: postgresql.Server, job: Job, journal: dict[str, str]) -> Cost:
    events = job.requests * job.batch
    with tempfile.TemporaryDirectory() as folder, sink(0) as where, _stored(server), ExitStack() as stack:
        data = Path(folder)
        run(data, "connect", "customerio", "--site-id=s", "--api-key=k", f"--tracking-endpoint={where}")
        token = msgspec.json.decode(run(data, "token", "--json").output)["token"]
        env = {**environment(data), **journal}
        receiver = subprocess.Popen([*HOGLINE, "serve", "--only", "receive"], env=env, stderr=subprocess.PIPE)
        stack.callback(_end, receiver)
        url = _said(receiver.stderr, r"Receiving at (http://[\d.:]+)")
        with _load(msgspec.structs.replace(job, url=url, token=token)) as start:
            own, of_server = cpu_s(receiver.pid), _of(server)
            assert start().failed == 0
            receiver_s, receiving_s = cpu_s(receiver.pid) - own, _of(server) - of_server
        deliverer = subprocess.Popen([*HOGLINE, "serve", "--only", "deliver"], env=env, stderr=subprocess.PIPE)
        stack.callback(_end, deliverer)
        _said(deliverer.stderr, "(Ready) to deliver")
        first, own, of_server = get(f"{where}/report")["events"], cpu_s(deliverer.pid), _of(server)
        begin = time.perf_counter()
        while get(f"{where}/report")["events"] < events:
            assert time.perf_counter() - begin < 300
            time.sleep(0.05)
        us, delivered_us = 1e6 / events, 1e6 / (events - first)
        return Cost(
            receiver_s * us,
            receiving_s * us,
            (cpu_s(deliverer.pid) - own) * delivered_us,
            (_of(server) - of_server) * delivered_us,
        )
