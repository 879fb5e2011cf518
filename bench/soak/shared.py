"""Two that receive and four that deliver on one PostgreSQL, killed and frozen. PostgreSQL crashes, too, and so does
Kafka if the journal begins there. Visitors sign up, so people move between those that deliver."""

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
from hogline.service.topic_reader import COUNT_EVERY_S
from hogline.store.datadir.secrets import Vault
from hogline.testing import kafka
from hogline.testing.kafka import Broker
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
"""This part of all faults is a crash of PostgreSQL, and as many are one of Kafka."""
TOPIC = "hogline"
FAULTS = 400
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
    broker_crashes: int
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
def all_members(folder: Path, *, deliverers: int = DELIVERERS) -> Iterator[list[Member]]:
    """Those that receive, and those that deliver."""
    roles = ["receive"] * RECEIVERS + ["deliver"] * deliverers
    members = [Member(folder / f"{only}-{number}", only) for number, only in enumerate(roles)]
    try:
        for member in members:
            member.start()
        yield members
    finally:
        for member in members:
            member.end(kill=True)


class Either(Target):
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


def settings(server: Server, broker: Broker | None = None) -> dict[str, str]:
    """Variables of all processes, and an empty database. With a broker, the journal begins there."""
    url = server.url("postgres")
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(b"DROP SCHEMA IF EXISTS hogline CASCADE")
    return {
        **({} if broker is None else {"HOGLINE_JOURNAL": f"kafka://{broker.address}/{TOPIC}"}),
        "HOGLINE_STORE": url,
        "HOGLINE_SECRET_KEY": Vault.new_key(),
        "HOGLINE_STORE_LEASE_S": str(LEASE_S),
        "HOGLINE_LOG_LEVEL": "error",
        "HOGLINE_QUIET_AFTER_KILL_S": "0.5",
        "HOGLINE_SHARE_BEHIND_S": "0",
        "HOGLINE_MERGE_DELAY_S": "1",
    }


def rage(
    server: Server, folder: Path, traffic: Traffic, faults: int, seed: int, *, broker: Broker | None = None
) -> Outcome:
    """Send everything, disturbing all the while; then let Hogline finish, and judge."""
    source, here, begin_s = Random(seed), folder / "here", time.monotonic()
    done = Counter[str]()
    with sandbox() as customerio:
        connect(here, customerio.url)
        with all_members(folder) as members:
            target = Either(hogline_json(here, "token")["token"], members[:RECEIVERS], source)
            senders = [Sender(traffic, number, SENDERS, target, Random(source.random())) for number in range(SENDERS)]
            for sender in senders:
                sender.start()
            while done.total() < faults or any(sender.is_alive() for sender in senders):
                done[disturb(server, members, source, broker)] += 1
                time.sleep(source.uniform(0, 1))
            wrong = [sender.wrong for sender in senders if sender.wrong is not None]
            assert not wrong, wrong
            until_s = time.monotonic() + 60 + traffic.events / SLOWEST_PER_S
            while not (broker is None or _all_taken(here)) or status(here)["pending"]:
                assert time.monotonic() < until_s, "delivery stands still"
                time.sleep(1)
            until(lambda: visitors(customerio.url) == 0)
            verdict = judge(traffic, customerio.url, here)
        with psycopg.connect(server.url("postgres")) as link:
            (gaps,) = link.execute("SELECT max(position) - count(*) FROM hogline.journal").fetchone() or (-1,)
    seconds = time.monotonic() - begin_s
    return Outcome(done["kill"], done["freeze"], done["crash"], done["broker crash"], seconds, gaps, verdict)


def _all_taken(here: Path) -> bool:
    """Whether everything in the topic is in the store: looked at twice, because the number is not always new."""
    for _ in range(2):
        (source,) = hogline_json(here, "source", "list")["sources"]
        if source["state"] != "reading" or source["behind"]:
            return False
        time.sleep(2 * COUNT_EVERY_S)
    return True


def disturb(server: Server, members: list[Member], source: Random, broker: Broker | None) -> str:
    """Kill or freeze one of them, or let a server crash. Returns what was done."""
    chance = source.random()
    if broker is not None and chance > 1 - CRASHES:
        broker.stop()
        time.sleep(source.uniform(0, 1))
        broker.start()
        return "broker crash"
    if chance < CRASHES:
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
    _print_figures(work, seed, part, None)


def print_with_kafka(work: Path, seed: int, part: float) -> None:
    with kafka.private() as broker:
        _print_figures(work, seed, part, broker)


def _print_figures(work: Path, seed: int, part: float, broker: Broker | None) -> None:
    with private(durable=True) as server:
        everywhere.update(settings(server, broker))
        events_each = max(12, int(EVENTS / PEOPLE * part))
        traffic = Traffic(people=PEOPLE, events_each=events_each, per_s=SENT_PER_S, batches=0.5, visits=VISITS)
        outcome = rage(server, work, traffic, int(FAULTS * part), seed, broker=broker)
    for name, value in {**msgspec.to_builtins(outcome), **msgspec.to_builtins(outcome.verdict)}.items():
        if name != "verdict":
            print(f"  {name}: {value}")
    if not outcome.good:
        sys.exit("Something is missing, out of order or miscounted.")
