"""Households before two processes that receive and several that deliver on one PostgreSQL, killed and frozen, while
PostgreSQL crashes and Customer.io fails: people are joined across processes, at eight connections with other options.
In the end, all is as with one process.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

import psycopg
from msgspec import Struct

from bench.soak import faults
from bench.soak.households import Households
from bench.soak.joined import Verdict
from bench.soak.joins import CONNECTIONS, Witness, follow, judged
from bench.soak.shared import RECEIVERS, SENDERS, Either, all_members, disturb, settings
from bench.soak.storm import STANDSTILL_S
from bench.soak.traffic import Sender
from hogline.testing.postgresql import Server, private
from hogline.testing.processes import everywhere, hogline, hogline_json

DELIVERERS = (2, 3, 4)
HOUSEHOLDS = 625
EVENTS_EACH = 40
FAULTS = 120
"""Of processes and PostgreSQL; and about as many of Customer.io's at each connection."""
FAULTS_AT_ONCE = 4
SENT_PER_S = 150
"""So that all faults happen while events arrive."""
LONGEST_HANG_S = 3


class Outcome(Struct, frozen=True):
    done: dict[str, int]
    """What was done to processes and PostgreSQL, how often."""
    seconds: float
    verdicts: dict[str, Verdict]

    @property
    def good(self) -> bool:
        return all(verdict.good for verdict in self.verdicts.values())


def rage(
    server: Server, folder: Path, traffic: Households, *, deliverers: int, disturbances: int, seed: int
) -> Outcome:
    """Send everything, disturbing all the while; then let Hogline finish, and judge. Raises AssertionError if it does
    not finish."""
    source, here, begin_s, done = Random(seed), folder / "here", time.monotonic(), Counter[str]()
    customerio = Witness("sandbox", folder / "witness", folder / "witness.log")
    customerio.start()
    try:
        url = customerio.wait_ready()
        for one in CONNECTIONS:
            hogline(here, "connect", "customerio", "--tracking-endpoint", url, *one.arguments())
        with all_members(folder, deliverers=deliverers) as members:
            target = Either(hogline_json(here, "token")["token"], members[:RECEIVERS], source)
            senders = [Sender(traffic, number, SENDERS, target, Random(source.random())) for number in range(SENDERS)]
            for sender in senders:
                sender.start()
            while done.total() < disturbances or any(sender.is_alive() for sender in senders):
                if done.total() % FAULTS_AT_ONCE == 0:
                    _let_fail(url, source)
                done[disturb(server, members, source, None)] += 1
                time.sleep(source.uniform(0, 1))
            wrong = [sender.wrong for sender in senders if sender.wrong is not None]
            assert not wrong, wrong
            _finish(server, here)
            verdicts = judged(traffic, url, here)
    finally:
        customerio.end()
    return Outcome(dict(done), time.monotonic() - begin_s, verdicts)


def _let_fail(url: str, source: Random) -> None:
    for one in CONNECTIONS:
        follow(url, one, faults.script(source, FAULTS_AT_ONCE, LONGEST_HANG_S))


def _finish(server: Server, here: Path) -> None:
    before, since_s = (-1, -1), time.monotonic()
    while (left := _left(server, here)) != (0, 0):
        if left != before:
            before, since_s = left, time.monotonic()
        assert time.monotonic() < since_s + STANDSTILL_S, f"{left[0]} events stay pending, {left[1]} things due"
        time.sleep(0.5)


def _left(server: Server, here: Path) -> tuple[int, int]:
    """How many events are pending, and for how many people something is due."""
    pending = sum(int(one["pending"]) for one in hogline_json(here, "status")["connections"])
    with psycopg.connect(server.url("postgres")) as link:
        # What waits for other options is due in some hundred million years.
        sql = "SELECT count(*) FROM hogline.told WHERE due_ms BETWEEN 1 AND 1::bigint << 60"
        (due,) = link.execute(sql).fetchone() or (-1,)
    return pending, due


def print_figures(work: Path, seed: int, part: float) -> None:
    good = True
    for deliverers in DELIVERERS:
        (folder := work / str(deliverers)).mkdir()
        traffic = Households(
            people=max(20, int(HOUSEHOLDS * part)), events_each=EVENTS_EACH, batches=0.3, seed=seed, per_s=SENT_PER_S
        )
        with private(durable=True) as server:
            everywhere.update(settings(server))
            outcome = rage(
                server, folder, traffic, deliverers=deliverers, disturbances=max(5, int(FAULTS * part)), seed=seed
            )
        print(
            f"  {deliverers} processes that deliver, {traffic.events:,} events: {outcome.seconds:.0f} s, {outcome.done}"
        )
        for name, verdict in outcome.verdicts.items():
            print(f"    {name}: {verdict}", flush=True)
        good &= outcome.good
    if not good:
        sys.exit("Somebody is two, or nobody, or something of theirs is missing.")
