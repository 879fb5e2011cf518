"""A `hogline serve` or `hogline sandbox` that is started, killed and started again on one data directory."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path
from typing import IO

from bench.processes import environment
from hogline.testing import forked

_URL = re.compile(rb"at (http://[\d.:]+)")
WITHIN_S = 60.0

Started = forked.Command | subprocess.Popen[bytes]


class Process:
    def __init__(self, command: str, data: Path, log: Path, *options: str) -> None:
        """`log`: the file that keeps all that it ever says."""
        self._arguments = [command, *options]
        self._data = data
        self._log = log
        self._from = 0
        self._process: Started | None = None
        self.startup_s = 1.0
        """How long the last whole start took."""

    def start(self) -> None:
        with self._log.open("ab") as out:
            self._from = out.tell()
            self._process = self._launched(environment(self._data), out)
        self._started_s = time.monotonic()

    def _launched(self, env: dict[str, str], out: IO[bytes]) -> Started:
        return forked.start(self._arguments, env, stdout=out, stderr=out)

    def wait_ready(self) -> str:
        """The URL at which it listens. Raises AssertionError if it ends, or says nothing for a minute."""
        while True:
            with self._log.open("rb") as log:
                log.seek(self._from)
                match = _URL.search(log.read())
            if match:
                self.startup_s = time.monotonic() - self._started_s
                return match[1].decode()
            assert self._running.poll() is None, f"it ended by itself: {self._log}"
            assert time.monotonic() < self._started_s + WITHIN_S, f"it does not start: {self._log}"
            time.sleep(0.005)

    @property
    def _running(self) -> Started:
        assert self._process is not None, "it was not started"
        return self._process

    def kill(self) -> None:
        """`kill -9`."""
        self._running.kill()
        self._running.wait(WITHIN_S)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self._running.send_signal(signal.SIGTERM)
        return self._running.wait(WITHIN_S)

    def end(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def complaints(self) -> list[str]:
        """What it said that no crash explains."""
        text = self._log.read_text("utf-8", "replace")
        return [line for line in text.splitlines() if "Traceback" in line or "[error" in line]
