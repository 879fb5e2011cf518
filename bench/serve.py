"""`hogline serve` under load: events received durably and delivered to a sink, all on this machine.

Each row: a fresh Hogline, a sink process, a sender process. The time runs until the sink has every event.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import msgspec

from bench import yardstick
from bench.load import Job, Told
from bench.processes import HOGLINE, environment, get, peak_mb, run

RUNS = 3


def main() -> None:
    single = Job("", "", requests=30_000, connections=64, batch=1)
    batches = Job("", "", requests=3_000, connections=16, batch=50)
    print(f"hogline serve, received durably and delivered: median of {RUNS} runs (all)")
    one = _row("webhooks of one event, 64 connections", single, 0)
    at_once = _row("/batch of 50, 16 connections", batches, 0)
    delayed = _row("/batch of 50, 50 ms latency at the sink", batches, 50)
    print(f"  with 50 ms latency / without: {delayed / at_once:.0%}")
    _yardstick(one, at_once)
    _trickle(Job("", "", requests=300, connections=1, batch=1, per_second=10))


def _yardstick(one: float, at_once: float) -> None:
    """The official client, which keeps nothing, in the same run."""
    with sink(0) as where:
        alone = median(yardstick.one_by_one(where, 3_000) for _ in range(RUNS))
        together = median(yardstick.batches(where, 30_000, 5_000) for _ in range(RUNS))
    print("  the official customerio client, from memory, without storage")
    for figure, how, ours, row in (
        (alone, "one by one", one, "webhooks of one event"),
        (together, "in batches of 500", at_once, "/batch of 50"),
    ):
        print(f"    {figure:>8,.0f} events/s {how}; Hogline, {row}: {ours / figure:.2f} times as many")


def _row(title: str, job: Job, latency_ms: int) -> float:
    results = [_once(job, latency_ms) for _ in range(RUNS)]
    speeds = [result["events"] / result["wall_s"] for result in results]
    p99_ms, p50_ms = median(result["p99_ms"] for result in results), median(result["p50_ms"] for result in results)
    size, peak = median(r["events"] / r["requests"] for r in results), max(r["peak_mb"] for r in results)
    print(f"  {title}")
    print(f"    {median(speeds):>8,.0f} events/s   ({', '.join(f'{speed:,.0f}' for speed in speeds)})")
    print(f"    answered within {p99_ms:.0f} ms (99 %), {p50_ms:.1f} ms (median)")
    print(f"    {size:.0f} events a request, peak memory {peak:.0f} MB")
    return median(speeds)


def _once(job: Job, latency_ms: int) -> dict[str, float]:
    with (
        tempfile.TemporaryDirectory() as folder,
        sink(latency_ms) as where,
        serving_to(Path(folder), where) as (serve, url, token),
    ):
        job = msgspec.structs.replace(job, url=url, token=token)
        with _load(job) as start:
            begin = time.perf_counter()
            told = start()
        assert told.failed == 0
        events = job.requests * job.batch
        while (report := get(f"{where}/report"))["events"] < events:
            assert time.perf_counter() - begin < 300
            time.sleep(0.02)
        wall_s = time.perf_counter() - begin
        hundredths = quantiles(told.answered_ms, n=100)
        return {
            "events": events,
            "wall_s": wall_s,
            "requests": report["requests"],
            "p50_ms": hundredths[49],
            "p99_ms": hundredths[98],
            "peak_mb": peak_mb(serve),
        }


def _trickle(job: Job) -> None:
    with tempfile.TemporaryDirectory() as folder, sink(0) as where, serving_to(Path(folder), where) as (_, url, token):
        job = msgspec.structs.replace(job, url=url, token=token)
        with _load(job) as start:
            told = start()
        assert told.failed == 0
        while len(under_way_ms := get(f"{where}/report")["under_way_ms"]) < job.requests:
            time.sleep(0.02)
    hundredths = quantiles(under_way_ms, n=100)
    print(f"  a trickle of {job.per_second:.0f} events/s: accepted at the sink {hundredths[49]:.1f} ms after sending "
          f"(median), {hundredths[98]:.1f} ms (99 %)")  # fmt: skip


@contextmanager
def sink(latency_ms: int) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-m", "bench.sink", str(latency_ms)], stdout=subprocess.PIPE)
    try:
        yield _said(process.stdout, r"at (http://\S+)")
    finally:
        process.terminate()
        process.wait(10)
        _close(process)


@contextmanager
def serving_to(data: Path, where: str) -> Iterator[tuple[subprocess.Popen[bytes], str, str]]:
    run(data, "connect", "customerio", "--site-id=s", "--api-key=k", f"--tracking-endpoint={where}")
    token = msgspec.json.decode(run(data, "token", "--json").output)["token"]
    process = subprocess.Popen([*HOGLINE, "serve"], env=environment(data), stderr=subprocess.PIPE)
    try:
        yield process, _said(process.stderr, r"at (http://[\d.:]+)"), token
    finally:
        process.terminate()
        process.wait(30)
        _close(process)


@contextmanager
def _load(job: Job) -> Iterator[Any]:
    """Prepares the sender; what it gives is called to let it go, and returns what it tells."""
    argument = msgspec.json.encode(job).decode()
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load", argument], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )

    def start() -> Told:
        out, _ = process.communicate(b"\n", timeout=300)
        return msgspec.json.decode(out, type=Told)

    try:
        _said(process.stdout, "(ready)")
        yield start
    finally:
        process.kill()
        process.wait(10)
        _close(process)


def _said(stream: Any, pattern: str) -> str:  # noqa: ANN401  # a pipe
    said = ""
    while line := stream.readline().decode():  # lines of the log may come before
        said += line
        if match := re.search(pattern, line):
            return match[1]
    raise RuntimeError(said)


def _close(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
