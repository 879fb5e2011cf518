"""How long the others need to deliver everything after one of four processes froze. It is thawed only then: it may hold
whatever it held. Real processes and a real PostgreSQL.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from random import Random
from statistics import median

from bench.soak.restarts import PAUSE_S, Steady
from bench.soak.shared import LEASE_S, RECEIVERS, all_members, settings
from hogline.testing.postgresql import private
from hogline.testing.processes import connect, everywhere, hogline_json, sandbox, status, until

FREEZES = 200
SENDERS = 4
FRESH_S = 1.0
"""Usually, nothing waits for so long."""


def frozen(folder: Path, *, freezes: int, seed: int) -> list[float]:
    """Seconds, one for each time. Raises AssertionError if it takes far too long, or an event is missing."""
    source, here, took_s = Random(seed), folder / "here", list[float]()
    with sandbox() as customerio, all_members(folder) as members:
        connect(here, customerio.url)
        token = hogline_json(here, "token")["token"]
        senders = [Steady(members[:RECEIVERS], token) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        until(lambda: status(here)["delivered"] > 0)
        for _ in range(freezes):
            until(lambda: _all_there(here, len(members)))
            time.sleep(source.uniform(0, SENDERS * PAUSE_S))
            victim = source.choice(members[RECEIVERS:]).running
            assert victim is not None
            victim.process.send_signal(signal.SIGSTOP)
            began_s = time.monotonic()
            time.sleep(1.5 * FRESH_S)  # now something waits for it
            until(lambda: _lag_s(here) < FRESH_S)
            took_s.append(time.monotonic() - began_s)
            victim.process.send_signal(signal.SIGCONT)
        for sender in senders:
            sender.over.set()
        for sender in senders:
            sender.join()
        until(lambda: status(here)["pending"] == 0)
        found, sent = status(here), sum(len(sender.took_s) for sender in senders)
    assert found["delivered"] == found["received"] >= sent, found
    return sorted(took_s)


def _all_there(here: Path, members: int) -> bool:
    workers = hogline_json(here, "workers")["workers"]
    return len(workers) == members and all(one["alive"] for one in workers) and _lag_s(here) < FRESH_S


def _lag_s(here: Path) -> float:
    return max(float(one["lag_s"] or 0) for one in hogline_json(here, "workers")["connections"])


def print_figures(work: Path, seed: int, part: float) -> None:
    with private(durable=True) as server:
        everywhere.update(settings(server))
        took_s = frozen(work, freezes=max(3, int(FREEZES * part)), seed=seed)
    print(f"  {len(took_s)} freezes, with a lease of {LEASE_S:.0f} s; everything was delivered again after"
          f" {median(took_s):.1f} s (median), {took_s[-1]:.1f} s (all)")  # fmt: skip
    if took_s[-1] > 10 * LEASE_S:
        sys.exit("That took too long.")
