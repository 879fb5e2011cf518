"""The processes of a benchmark: real `hogline` commands and what they cost."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec
from msgspec import Struct

HOGLINE = [sys.executable, "-m", "hogline"]
_LOOK_EVERY_S = 0.2


class Cost(Struct, frozen=True):
    wall_s: float
    cpu_s: float
    peak_mb: float
    """Of one process: the largest."""
    output: bytes
    together_mb: float
    """Of the command's processes at one time, with each page that they share counted once."""


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
    with together(process.pid) as memory:
        output = process.stdout.read() if process.stdout else b""
    _, code, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code)
    if process.stdout:
        process.stdout.close()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    wall_s = time.perf_counter() - begin
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output, memory.most_mb)


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


class Memory:
    """Of a process and its children; looked at now and then."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.most_mb = 0.0

    def look(self) -> None:
        self.most_mb = max(self.most_mb, sum(map(_own_mb, (self._pid, *_children(self._pid)))))


@contextmanager
def together(pid: int) -> Iterator[Memory]:
    memory, over = Memory(pid), threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_EVERY_S):
            memory.look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        over.set()
        thread.join()


def _children(pid: int) -> list[int]:
    found = []
    for folder in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in folder.read_text("ascii").split()]
    return found


def _own_mb(pid: int) -> float:
    """Its part of the pages that it shares, and all others."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:  # it has ended
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)
