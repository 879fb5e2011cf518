"""The processes of a benchmark: real `hogline` commands and what they cost."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec
from msgspec import Struct

HOGLINE = [sys.executable, "-m", "hogline"]


class Cost(Struct, frozen=True):
    wall_s: float
    cpu_s: float
    peak_mb: float
    output: bytes


def environment(data: Path) -> dict[str, str]:
    return {**os.environ, "HOGLINE_DATA": str(data), "HOGLINE_LISTEN": "127.0.0.1:0", "HOGLINE_CONSOLE": "127.0.0.1:0"}


def run(data: Path, *arguments: str) -> Cost:
    """Run one command to its end; raises if it fails."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [*HOGLINE, *arguments],
        env=environment(data),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if "--json" in arguments else None,
    )
    output = process.stdout.read() if process.stdout else b""
    _, code, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code)
    if process.stdout:
        process.stdout.close()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    wall_s = time.perf_counter() - begin
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


@contextmanager
def sandbox() -> Iterator[str]:
    """A sandbox process; gives its URL."""
    process = subprocess.Popen([*HOGLINE, "sandbox", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE)
    try:
        said = process.stdout.readline().decode() if process.stdout else ""
        match = re.search(r"at (http://[\d.:]+)", said)
        if not match:
            raise RuntimeError(said)
        yield match[1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def get(url: str) -> Any:  # noqa: ANN401  # JSON
    with urlopen(url, timeout=60) as answer:  # loopback
        return msgspec.json.decode(answer.read())


def cpu_s(pid: int) -> float:
    """What a running process has used so far, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(process: subprocess.Popen[bytes]) -> float:
    """The most memory that a running process had so far."""
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024
