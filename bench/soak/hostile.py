"""A stranger with the public token and a thousand connections beside a normal sender: ten minutes. What the process
takes at most, how long the normal sender waits, and whether anything of theirs is lost.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

import apsw
import msgspec

from bench.processes import peak_mb, run
from bench.serve import serving_to, sink
from hogline.posthog.entry import decode_event

SECONDS = 600.0
SENDERS = 4
PER_S = 10.0
"""Of each sender: what a middling shop sends, with all its visitors."""
MOST_MB = 400.0
WITHIN_MS = 1_000.0


class _Sender(threading.Thread):
    """Sends an event now and then over one connection, and sends again what was not answered 200, as SDKs do."""

    def __init__(self, url: str, token: str, name: str, until_s: float) -> None:
        super().__init__()
        self._address = urlsplit(url).netloc
        self._token = token
        self._name = name
        self._until_s = until_s
        self.sent: list[str] = []
        self.answered_ms: list[float] = []
        self.again: Counter[str] = Counter()

    def run(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        while time.monotonic() < self._until_s:
            begin_s = time.monotonic()
            name = f"{self._name}-{len(self.sent)}"
            body = msgspec.json.encode(
                {"api_key": self._token, "event": "normal", "distinct_id": name, "properties": {"text": "x" * 500}}
            )
            while not self._answered(connection, body):
                time.sleep(0.05)
            self.sent.append(name)
            self.answered_ms.append((time.monotonic() - begin_s) * 1_000)
            time.sleep(max(0.0, begin_s + 1 / PER_S - time.monotonic()))
        connection.close()

    def _answered(self, connection: http.client.HTTPConnection, body: bytes) -> bool:
        try:
            connection.request("POST", "/e/", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as gone:
            connection.close()
            self.again[type(gone).__name__] += 1
            return False
        if answer.status != 200:
            self.again[str(answer.status)] += 1
        return answer.status == 200


def print_figures(work: Path, seed: int, part: float) -> None:
    seconds = SECONDS * part
    with sink(0) as where, serving_to(work, where) as (serve, url, _):
        tokens = msgspec.json.decode(run(work, "token", "--json").output)
        said: list[bytes] = []
        assert serve.stderr is not None
        threading.Thread(target=said.extend, args=(serve.stderr,), daemon=True).start()
        stranger = subprocess.Popen(
            [sys.executable, "-m", "bench.soak.stranger", url, tokens["public_token"], str(seconds), str(seed)],
            stdout=subprocess.PIPE,
        )
        try:
            assert stranger.stdout is not None
            stranger.stdout.readline()
            until_s = time.monotonic() + seconds
            senders = [_Sender(url, tokens["token"], f"sender-{n}", until_s) for n in range(SENDERS)]
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join()
            told, _ = stranger.communicate(timeout=120)
        finally:
            stranger.kill()
            stranger.wait(10)
        peak = peak_mb(serve)
        pending = _pending(work)
    print(f"  {seconds:.0f} s; lines in the log: {len(said)}")
    for line in said:
        if b"error" in line:
            print(f"    {line.decode().strip()}")
    _print(senders, msgspec.json.decode(told), peak, pending, _kept(work))


def _pending(work: Path) -> int:
    """Events still not settled a while after the senders stopped."""
    pending = -1
    for _ in range(60):
        status = msgspec.json.decode(run(work, "status", "--json").output)
        pending = sum(connection["pending"] for connection in status["connections"])
        if not pending:
            break
        time.sleep(1)
    return pending


def _kept(work: Path) -> set[str]:
    """Whose events are in the journal."""
    database = apsw.Connection(str(next(work.rglob("journal.db"))), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return {decode_event(body).distinct_id for (body,) in database.execute("SELECT body FROM events")}
    finally:
        database.close()


def _print(senders: list[_Sender], told: dict[str, int], peak: float, pending: int, kept: set[str]) -> None:
    times_ms = sorted(ms for sender in senders for ms in sender.answered_ms)
    lost = sum(name not in kept for sender in senders for name in sender.sent)
    again = sum((sender.again for sender in senders), Counter[str]())
    hundredths = quantiles(times_ms, n=100)
    answers = ", ".join(f"{status} {n:,}" for status, n in _by_status(told).most_common())
    print(f"  the stranger: {sum(told.values()):,} requests: {answers}")
    print(f"  normal sender: {len(times_ms):,} events, answered within {hundredths[98]:.0f} ms (99 %), "
          f"{hundredths[49]:.1f} ms (median), {times_ms[-1]:.0f} ms (all)")  # fmt: skip
    print(f"  sent again: {dict(again) or 'none'}; lost: {lost}; pending at the end: {pending}")
    print(f"  peak memory {peak:.0f} MB")
    if lost or pending or peak >= MOST_MB or hundredths[98] >= WITHIN_MS:
        sys.exit("A stranger had more than is promised.")


def _by_status(told: dict[str, int]) -> Counter[str]:
    statuses: Counter[str] = Counter()
    for name, n in told.items():
        statuses[name.rpartition(" ")[2]] += n
    return statuses
