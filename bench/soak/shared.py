"""Two that receive and four that deliver on one PostgreSQL, killed and frozen. PostgreSQL crashes, too. Visitors sign
up, so people move between those that deliver.

No broker is restarted: Kafka is a source, and receiving from it is not part of this.
"""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import msgspec
import psycopg
from msgspec import Struct

from bench.soak.traffic import Sender, Target, Traffic
from bench.soak.verdict import Verdict, judge, visitors
from hogline.store.datadir.secrets import Vault
from hogline.testing.postgresql import Server, private
from hogline.testing.processes import Running, connect, everywhere, hogline_json, sandbox, serving, status, until

LEASE_S = 2.0
SENDERS = 4
SAYS = {
    "console": r"Console at (http://[\d.:]+)",
    "deliver": r"(Ready) to deliver",
    "receive": r"Receiving at (http://[\d.:]+)",
    "": r"Receiving at (http://[\d.:]+)",
}
RECEIVERS, DELIVERERS = 2, 4
CRASHES = 0.07
"""This part of all faults is a crash of PostgreSQL."""
FAULTS = 320
EVENTS = 1_000_000
PEOPLE = 2_000
VISITS = 3
SENT_PER_S = 700
"""So that all faults happen while events arrive."""
SLOWEST_PER_S = 200


class Outcome(Struct, frozen=True):
    kills: int
    freezes: int
    """Most of them for longer than a lease."""
    crashes: int
    """Of PostgreSQL."""
    seconds: float
    gaps: int
    """Among the journal's positions."""
    verdict: Verdict

    @property
    def good(self) -> bool:
        return self.verdict.good and self.gaps == 0


class Member:
    """One process, in one life after the other."""

    def __init__(self, data: Path, only: str) -> None:
        self._data, self.only = data, only
        self._life = ExitStack()
        self.running: Running | None = None

    def start(self) -> None:
        self.running = self._life.enter_context(serving(self._data, only=self.only, says=SAYS[self.only]))

    def end(self, *, kill: bool) -> None:
        running, self.running = self.running, None
        if running is not None:
            if kill:
                running.kill()
            else:
                assert running.stop() == 0
        self._life.close()


@contextmanager
def all_members(folder: Path) -> Iterator[list[Member]]:
    """Those that receive, and those that deliver."""
    roles = ["receive"] * RECEIVERS + ["deliver"] * DELIVERERS
    members = [Member(folder / f"{only}-{number}", only) for number, only in enumerate(roles)]
    try:
        for member in members:
            member.start()
        yield members
    finally:
        for member in members:
            member.end(kill=True)


class _Either(Target):
    """One of the receivers that are there, another one each time."""

    def __init__(self, token: str, receivers: list[Member], source: Random) -> None:
        self._receivers, self._source = receivers, source
        super().__init__(token)

    @property
    def url(self) -> str | None:
        there = [one.running.url for one in self._receivers if one.running is not None]
        return self._source.choice(there) if there else None

    @url.setter
    def url(self, value: str | None) -> None:
        """They say it themselves."""


def settings(server: Server) -> dict[str, str]:
    """Variables of all processes, and an empty database."""
    url = server.url("postgres")
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(b"DROP SCHEMA IF EXISTS hogline CASCADE")
    return {
        "HOGLINE_STORE": url,
        "HOGLINE_SECRET_KEY": Vault.new_key(),
        "HOGLINE_STORE_LEASE_S": str(LEASE_S),
        "HOGLINE_LOG_LEVEL": "error",
        "HOGLINE_QUIET_AFTER_KILL_S": "0.5",
        "HOGLINE_SHARE_BEHIND_S": "0",
        "HOGLINE_MERGE_DELAY_S": "1",
    }


def rage(server: Server, folder: Path, traffic: Traffic, faults: int, seed: int) -> Outcome:
    """Send everything, disturbing all the while; then let Hogline finish, and judge."""
    source, here, begin_s = Random(seed), folder / "here", time.monotonic()
    done = Counter[str]()
    with sandbox() as customerio:
        connect(here, customerio.url)
        with all_members(folder) as members:
            target = _Either(hogline_json(here, "token")["token"], members[:RECEIVERS], source)
            senders = [Sender(traffic, number, SENDERS, target, Random(source.random())) for number in range(SENDERS)]
            for sender in senders:
                sender.start()
            while done.total() < faults or any(sender.is_alive() for sender in senders):
                done[_disturb(server, members, source)] += 1
                time.sleep(source.uniform(0, 1))
            wrong = [sender.wrong for sender in senders if sender.wrong is not None]
            assert not wrong, wrong
            until_s = time.monotonic() + 60 + traffic.events / SLOWEST_PER_S
            while status(here)["pending"]:
                assert time.monotonic() < until_s, "delivery stands still"
                time.sleep(1)
            until(lambda: visitors(customerio.url) == 0)
            verdict = judge(traffic, customerio.url, here)
        with psycopg.connect(server.url("postgres")) as link:
            (gaps,) = link.execute("SELECT max(position) - count(*) FROM hogline.journal").fetchone() or (-1,)
    return Outcome(done["kill"], done["freeze"], done["crash"], time.monotonic() - begin_s, gaps, verdict)


def _disturb(server: Server, members: list[Member], source: Random) -> str:
    """Returns what was done."""
    if source.random() < CRASHES:
        server.stop("immediate")
        time.sleep(source.uniform(0, 1))
        server.start()
        return "crash"
    member = source.choice(members)
    assert member.running is not None
    if source.random() < 0.5:
        member.end(kill=True)
        time.sleep(source.uniform(0, 1))
        member.start()
        return "kill"
    member.running.process.send_signal(signal.SIGSTOP)
    time.sleep(source.uniform(0.8, 1.8) * LEASE_S)
    member.running.process.send_signal(signal.SIGCONT)
    return "freeze"


def print_figures(work: Path, seed: int, part: float) -> None:
    with private(durable=True) as server:
        everywhere.update(settings(server))
        events_each = max(12, int(EVENTS / PEOPLE * part))
        traffic = Traffic(people=PEOPLE, events_each=events_each, per_s=SENT_PER_S, batches=0.5, visits=VISITS)
        outcome = rage(server, work, traffic, int(FAULTS * part), seed)
    for name, value in {**msgspec.to_builtins(outcome), **msgspec.to_builtins(outcome.verdict)}.items():
        if name != "verdict":
            print(f"  {name}: {value}")
    if not outcome.good:
        sys.exit("Something is missing, out of order or miscounted.")
