"""Live events: what fifty who look on cost those who send. Runs with and without them take turns."""

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

import msgspec

from bench.load import Job
from bench.processes import HOGLINE, environment, get, run
from bench.serve import _close, _load, _said, sink

VIEWERS = 50
PAIRS = 3
REQUESTS = 30_000


def main() -> None:
    print(f"webhooks of one event, 64 connections, with 0 and with {VIEWERS} viewers of the live page, in turns")
    pairs = []
    for number in range(PAIRS):
        order = (0, VIEWERS) if number % 2 == 0 else (VIEWERS, 0)
        speeds = {viewers: _once(viewers) for viewers in order}
        pairs.append((speeds[0], speeds[VIEWERS]))
        print(
            f"  {speeds[0]:>8,.0f} webhooks/s without, {speeds[VIEWERS]:>8,.0f} with: {speeds[VIEWERS] / speeds[0]:.0%}"
        )
    print(f"  median of the pairs: {median(seen / alone for alone, seen in pairs):.1%} (at least 90 % is wanted)")


def _once(viewers: int) -> float:
    """Webhooks a second: kept on disk and answered."""
    with (
        tempfile.TemporaryDirectory() as folder,
        sink(0) as where,
        _serve(Path(folder), where) as (url, token, console),
    ):
        job = Job(url, token, requests=REQUESTS, connections=64, batch=1)
        with _load(job) as start, _watch(console, viewers):
            told = start()
        assert told.failed == 0
        while get(f"{where}/report")["events"] < REQUESTS:
            time.sleep(0.05)
        return float(REQUESTS / told.wall_s)


@contextmanager
def _serve(data: Path, sink: str) -> Iterator[tuple[str, str, str]]:
    """Receives at the first, with the token; its console is at the last."""
    run(data, "connect", "customerio", "--site-id=s", "--api-key=k", f"--tracking-endpoint={sink}")
    token = msgspec.json.decode(run(data, "token", "--json").output)["token"]
    own = {**environment(data), "HOGLINE_CONSOLE": "127.0.0.1:0", "HOGLINE_CONSOLE_PASSWORD": PASSWORD}
    process = subprocess.Popen([*HOGLINE, "serve"], env=own, stderr=subprocess.PIPE)
    try:
        url = _said(process.stderr, r"at (http://[\d.:]+)")
        yield url, token, _said(process.stderr, r"at (http://[\d.:]+)")
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
