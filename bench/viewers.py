"""Live events: what fifty viewers cost those who send, as CPU. Runs with and without them take turns."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from bench.load import Job
from bench.processes import HOGLINE, cpu_s, environment, get, run
from bench.serve import _close, _load, _said, sink

VIEWERS = 50
PAIRS = 3
REQUESTS = 30_000
MOST = 0.1
"""Of a core, for all viewers together."""


class Taken(NamedTuple):
    """What `hogline serve` needed to receive and deliver everything."""

    wall_s: float
    cpu_s: float


def main() -> None:
    print(f"webhooks of one event, 64 connections, with 0 and with {VIEWERS} viewers of the live page, in turns")
    shares = []
    for number in range(PAIRS):
        order = (0, VIEWERS) if number % 2 == 0 else (VIEWERS, 0)
        taken = {viewers: _once(viewers) for viewers in order}
        alone, seen = taken[0], taken[VIEWERS]
        # Delivery costs the same CPU however long it takes, and viewers the same in each second. So this is right on a
        # busy machine, too: speeds are not.
        shares.append((seen.cpu_s - alone.cpu_s) / seen.wall_s)
        took = [f"CPU {one.cpu_s:.1f} s in {one.wall_s:.1f} s" for one in (alone, seen)]
        print(f"  {took[0]} without, {took[1]} with: viewers take {shares[-1]:.1%} of a core", flush=True)
    print(f"  median: {median(shares):.1%} of a core ({MOST:.0%} allowed)")


def _once(viewers: int) -> Taken:
    with (
        tempfile.TemporaryDirectory() as folder,
        sink(0) as where,
        _serve(Path(folder), where) as (url, token, console, pid),
    ):
        job = Job(url, token, requests=REQUESTS, connections=64, batch=1)
        with _load(job) as start, _watch(console, viewers):
            begin_s, before_s = time.perf_counter(), cpu_s(pid)
            assert start().failed == 0
            while get(f"{where}/report")["events"] < REQUESTS:
                time.sleep(0.05)
            return Taken(time.perf_counter() - begin_s, cpu_s(pid) - before_s)


@contextmanager
def _serve(data: Path, sink: str) -> Iterator[tuple[str, str, str, int]]:
    """Where it receives, the token, where its console is, and its process."""
    run(data, "connect", "customerio", "--site-id=s", "--api-key=k", f"--tracking-endpoint={sink}")
    token = msgspec.json.decode(run(data, "token", "--json").output)["token"]
    own = {**environment(data), "HOGLINE_CONSOLE": "127.0.0.1:0", "HOGLINE_CONSOLE_PASSWORD": PASSWORD}
    process = subprocess.Popen([*HOGLINE, "serve"], env=own, stderr=subprocess.PIPE)
    try:
        url = _said(process.stderr, r"at (http://[\d.:]+)")
        yield url, token, _said(process.stderr, r"at (http://[\d.:]+)"), process.pid
    finally:
        process.terminate()
        process.wait(30)
        _close(process)


PASSWORD = "looking on"  # noqa: S105  # of a Hogline that lives for seconds


@contextmanager
def _watch(console: str, viewers: int) -> Iterator[None]:
    """Viewers in a separate process; each must have seen events at the end."""
    if not viewers:
        with nullcontext():
            yield
        return
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.watchers", console, PASSWORD, str(viewers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        _said(process.stdout, "(ready)")
        yield
        out, _ = process.communicate(b"\n", timeout=60)
        seen = re.findall(rb"\d+", out)
        assert len(seen) == viewers
        assert all(int(one) > 0 for one in seen)
    finally:
        process.kill()
        process.wait(10)
        _close(process)
