"""Two that receive and two that deliver on one PostgreSQL, killed and frozen. PostgreSQL crashes, too."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import msgspec
import psycopg
from msgspec import Struct

from bench.soak.traffic import Sender, Target, Traffic
from bench.soak.verdict import Verdict, judge
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
CRASHES = 0.12
"""This part of all faults is a crash of PostgreSQL."""


class Outcome(Struct, frozen=True):
    faults: int
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
def four(folder: Path) -> Iterator[list[Member]]:
    """Two receivers, and two that deliver."""
    members = [
        Member(folder / name, only) for name, only in zip("abcd", ["receive"] * 2 + ["deliver"] * 2, strict=True)
    ]
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
    }


def rage(server: Server, folder: Path, traffic: Traffic, seed: int) -> Outcome:
    """Send everything, disturbing all the while; then let Hogline finish, and judge."""
    source, here, faults, begin_s = Random(seed), folder / "here", 0, time.monotonic()
    with sandbox() as customerio:
        connect(here, customerio.url)
        with four(folder) as members:
            target = _Either(hogline_json(here, "token")["token"], members[:2], source)
            senders = [Sender(traffic, number, SENDERS, target, Random(source.random())) for number in range(SENDERS)]
            for sender in senders:
                sender.start()
            while any(sender.is_alive() for sender in senders):
                _disturb(server, members, source)
                faults += 1
                time.sleep(source.uniform(0, 1))
            wrong = [sender.wrong for sender in senders if sender.wrong is not None]
            assert not wrong, wrong
            until(lambda: status(here)["pending"] == 0)
            verdict = judge(traffic, customerio.url, here)
        with psycopg.connect(server.url("postgres")) as link:
            (gaps,) = link.execute("SELECT max(position) - count(*) FROM hogline.journal").fetchone() or (-1,)
    return Outcome(faults, time.monotonic() - begin_s, gaps, verdict)


def _disturb(server: Server, members: list[Member], source: Random) -> None:
    if source.random() < CRASHES:
        server.stop("immediate")
        time.sleep(source.uniform(0, 1))
        server.start()
        return
    member = source.choice(members)
    assert member.running is not None
    if source.random() < 0.5:
        member.end(kill=True)
        time.sleep(source.uniform(0, 1))
        member.start()
    else:  # maybe for longer than a lease
        member.running.process.send_signal(signal.SIGSTOP)
        time.sleep(source.uniform(0.1, 1.5 * LEASE_S))
        member.running.process.send_signal(signal.SIGCONT)


def print_figures(work: Path, seed: int, part: float) -> None:
    with private(durable=True) as server:
        everywhere.update(settings(server))
        outcome = rage(server, work, Traffic(people=500, events_each=max(2, int(400 * part)), per_s=200), seed)
    for name, value in {**msgspec.to_builtins(outcome), **msgspec.to_builtins(outcome.verdict)}.items():
        if name != "verdict":
            print(f"  {name}: {value}")
    if not outcome.good:
        sys.exit("Something is missing, out of order or miscounted.")
