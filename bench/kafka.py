"""What an event from Kafka costs `hogline serve`, against one in a /batch of 50: CPU for each, until it is delivered.

Rows alternate. The topic is full before Hogline starts to read it, so this is the rate at which it catches up.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from uuid import UUID

import msgspec
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bench.load import Job
from bench.processes import cpu_s, environment, get, peak_mb
from bench.serve import _load, serving_to, sink
from bench.traffic import events
from hogline.testing.kafka import Broker, private

RUNS = 3
EVENTS = 40_000
PEOPLE = 5_000
PARTITIONS = 8


def main() -> None:
    print(f"{EVENTS:,} events through hogline serve: median of {RUNS} runs")
    rows: dict[str, list[tuple[float, float, float]]] = {"Kafka": [], "/batch of 50": []}
    with private() as broker:
        _fill(broker)
        for _ in range(RUNS):
            rows["Kafka"].append(_once(broker))
            rows["/batch of 50"].append(_once(None))
    for name, found in rows.items():
        per_s, own_us, peak = (median(column) for column in zip(*found, strict=True))
        print(f"  {name:<12} {per_s:>8,.0f} events/s, CPU per event {own_us:.0f} µs, "
              f"{1e6 / own_us:,.0f} events per CPU second, peak memory {peak:.0f} MB")  # fmt: skip


def _fill(broker: Broker) -> None:
    admin = AdminClient({"bootstrap.servers": broker.address})
    admin.create_topics([NewTopic("clickhouse_events_json", PARTITIONS, 1)])["clickhouse_events_json"].result(30)
    producer = Producer({"bootstrap.servers": broker.address, "linger.ms": 20, "queue.buffering.max.messages": 200_000})
    source = random.Random(1)
    for event in events(EVENTS, PEOPLE):
        properties = msgspec.json.encode(event["properties"]).decode()
        kafka_row = event | {
            "properties": properties,
            "timestamp": str(event["timestamp"]).replace("T", " ").rstrip("Z"),
            "team_id": 1,
            "project_id": 1,
            "elements_chain": "",
            "created_at": "2026-11-01 10:00:00.000",
            "person_id": str(UUID(int=source.getrandbits(128))),
            "person_properties": f'{{"email": "{event["distinct_id"]}@example.com", "plan": "free", "visits": 0}}',
            "person_created_at": "2026-10-01 00:00:00.000",
            "person_mode": "full",
        }
        producer.produce("clickhouse_events_json", key=str(event["uuid"]), value=msgspec.json.encode(kafka_row))
        producer.poll(0)
    producer.flush(60)


def _once(broker: Broker | None) -> tuple[float, float, float]:
    """Events per second, microseconds of CPU for each, and peak memory in MB."""
    with (
        tempfile.TemporaryDirectory() as folder,
        sink(0) as where,
        serving_to(Path(folder), where) as (serve, url, token),
    ):
        before, begin = cpu_s(serve.pid), time.perf_counter()
        if broker is None:
            job = Job(url, token, requests=EVENTS // 50, connections=16, batch=50, people=PEOPLE)
            with _load(job) as start:
                before, begin = cpu_s(serve.pid), time.perf_counter()
                assert start().failed == 0
        else:
            added = ["--brokers", broker.address, "--project", "1", "--since", "2026-01-01"]
            command = [sys.executable, "-m", "hogline", "source", "add", "kafka", *added]
            subprocess.run(command, env=environment(Path(folder)), check=True, stdout=subprocess.DEVNULL)
        while get(f"{where}/report")["events"] < EVENTS:
            assert time.perf_counter() - begin < 300
            time.sleep(0.05)
        wall_s = time.perf_counter() - begin
        return EVENTS / wall_s, (cpu_s(serve.pid) - before) / EVENTS * 1e6, peak_mb(serve)
