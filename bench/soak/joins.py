"""Killed while people are joined: households of many ids, at eight connections with other options, and Customer.io
failing all the while.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from random import Random
from typing import IO
from unittest.mock import patch
from urllib.request import Request, urlopen

import msgspec
from msgspec import Struct

from bench.soak import faults, joined
from bench.soak.households import Households
from bench.soak.joined import Choice, Verdict
from bench.soak.process import Process, Started
from bench.soak.storm import STANDSTILL_S, Storm, _Raging
from hogline.testing.processes import hogline, hogline_json

MERGE_DELAY_S = "1"


class Installed(Struct, frozen=True):
    """A connection, and its workspace at the sandbox."""

    choice: Choice
    by_email: bool

    @property
    def name(self) -> str:
        return f"{self.choice}{'-by-email' if self.by_email else ''}"

    def arguments(self) -> list[str]:
        """Of `hogline connect`."""
        hold = ["--hold-days", "30"] if self.choice in {"identified", "emails"} else []
        return [
            "--name", self.name, "--site-id", self.name, "--api-key", "sandbox-key",
            "--anonymous-users", self.choice, "--identify-by-email" if self.by_email else "--no-identify-by-email",
            "--max-requests-per-second", "1000", *hold,
        ]  # fmt: skip


_CHOICES: tuple[Choice, ...] = ("all", "identified", "emails", "anonymous-events")
CONNECTIONS = [Installed(choice, by_email) for choice in _CHOICES for by_email in (False, True)]


class Outcome(Struct, frozen=True):
    kills: int
    kills_during_start: int
    seconds: float
    sent: int
    """Events, each of which was answered with 2xx at last."""
    sent_again: int
    """Requests that had to be sent once more, because it was down or died before it answered."""
    verdicts: dict[str, Verdict]

    @property
    def good(self) -> bool:
        return all(verdict.good for verdict in self.verdicts.values())


class Witness(Process):
    """The sandbox with a memory for merges."""

    def _launched(self, env: dict[str, str], out: IO[bytes]) -> Started:
        names = [one.name for one in CONNECTIONS]
        command = [sys.executable, str(Path(__file__).with_name("witness.py")), *names]
        return subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)


class _UntilMerged(_Raging):
    def finish(self, data: Path) -> None:
        """The rest is sent and delivered, and what is due is done, with nobody in its way."""
        self._storm.each_start(self._url, True)  # noqa: FBT003  # as the storm does
        self._victim.start()
        self._target.url = self._victim.wait_ready()
        self._until(lambda: not any(sender.is_alive() for sender in self.senders))
        before, since_s = (-1, -1), time.monotonic()
        while (left := _left(data)) != (0, 0):
            if left != before:
                before, since_s = left, time.monotonic()
            assert time.monotonic() < since_s + STANDSTILL_S, f"{left[0]} events stay pending, {left[1]} things due"
            time.sleep(0.1)
        code = self._victim.stop()
        assert code == 0, f"SIGTERM ended it with {code}"
        assert not self._victim.complaints(), self._victim.complaints()[:3]


def _left(data: Path) -> tuple[int, int]:
    """How many events are pending, and for how many people something is due."""
    pending = sum(int(one["pending"]) for one in hogline_json(data, "status")["connections"])
    with closing(sqlite3.connect(f"file:{data / 'state.db'}?mode=ro", uri=True)) as database:
        # What waits for other options is due in some hundred million years.
        (due,) = database.execute("SELECT count(*) FROM told WHERE due_ms BETWEEN 1 AND 1 << 60").fetchone()
    return pending, due


def killed(work: Path, *, kills: int, households: int, events_each: int, faults_each: int, seed: int) -> Outcome:
    """`faults_each`: so many faults of Customer.io's at each connection before each kill, and after the last. Raises
    AssertionError if Hogline does not finish, or ends otherwise than by a kill.
    """
    begin_s, source = time.monotonic(), Random(seed)
    traffic = Households(people=households, events_each=events_each, batches=0.3, seed=seed)
    data = work / "data"

    def each_start(url: str, last: bool) -> None:  # noqa: FBT001  # as the storm calls it
        for one in CONNECTIONS:
            follow(url, one, faults.script(source, faults_each, 1 if last else 600))

    storm = Storm(traffic=traffic, kills=kills, seed=seed, each_start=each_start)
    customerio = Witness("sandbox", data, work / "witness.log")
    customerio.start()
    try:
        with patch.dict(os.environ, HOGLINE_MERGE_DELAY_S=MERGE_DELAY_S):
            url = customerio.wait_ready()
            for one in CONNECTIONS:
                hogline(data, "connect", "customerio", "--tracking-endpoint", url, *one.arguments())
            raging = _UntilMerged(
                storm, url, Process("serve", data, work / "serve.log"), hogline_json(data, "token")["token"]
            )
            try:
                during_start = raging.kill_all()
                raging.finish(data)
            finally:
                raging.end()
            verdicts = judged(traffic, url, data)
    finally:
        customerio.end()
    sent_again = sum(sender.unanswered for sender in raging.senders)
    return Outcome(kills, during_start, time.monotonic() - begin_s, traffic.events, sent_again, verdicts)


def judged(traffic: Households, url: str, data: Path) -> dict[str, Verdict]:
    """By connection."""
    counts = joined.counts(data)
    return {
        one.name: joined.judge(traffic, one.choice, url, one.name, counts[one.name], by_email=one.by_email)
        for one in CONNECTIONS
    }


def follow(url: str, one: Installed, script: object) -> None:
    """Let the sandbox do so at this workspace from now on."""
    request = Request(f"{url}/sandbox/script?workspace={one.name}", msgspec.json.encode(script), method="PUT")
    request.add_header("content-type", "application/json")
    with urlopen(request, timeout=60):  # loopback
        pass


ROUNDS = 10
"""Of the long run: a sandbox keeps all that it is sent, at eight workspaces, so its memory is the limit of one."""


def print_rounds(work: Path, seed: int, part: float) -> None:
    """Two million events with 50 kills, in rounds that each begin with an empty data directory."""
    sent = kills = deliveries = 0
    for number in range(max(1, int(ROUNDS * part))):
        folder = work / str(number)
        folder.mkdir()
        outcome = killed(folder, kills=5, households=5_000, events_each=40, faults_each=20, seed=seed + number)
        sent += outcome.sent
        kills += outcome.kills
        deliveries += sum(verdict.at_customerio for verdict in outcome.verdicts.values())
        wrong = {name: verdict for name, verdict in outcome.verdicts.items() if not verdict.good}
        print(
            f"  round {number + 1}: {outcome.seconds:.0f} s, {len(wrong)} of {len(outcome.verdicts)} connections wrong",
            flush=True,
        )
        for name, verdict in wrong.items():
            print(f"  {name}: {verdict}")
        if wrong:
            sys.exit("Somebody is two, or nobody, or something of theirs is missing.")
        shutil.rmtree(folder)
    print(f"  events: {sent:,}; at Customer.io: {deliveries:,}; kills: {kills}; wrong: 0")


def print_figures(work: Path, seed: int, part: float) -> None:
    """One row for each connection."""
    outcome = killed(
        work, kills=max(2, int(100 * part)), households=max(20, int(625 * part)), events_each=40, faults_each=4,
        seed=seed,
    )  # fmt: skip
    for figure in ("kills", "kills_during_start", "seconds", "sent", "sent_again"):
        print(f"  {figure}: {getattr(outcome, figure)}")
    for name, verdict in outcome.verdicts.items():
        print(f"  {name}: {verdict}")
    if not outcome.good:
        sys.exit("Somebody is two, or nobody, or something of theirs is missing.")
