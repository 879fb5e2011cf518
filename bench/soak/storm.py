"""Senders, a `hogline serve` that is killed again and again, and a sandbox Customer.io: all real processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

from msgspec import Struct

from bench.soak.process import Process
from bench.soak.traffic import Sender, Target, Traffic
from bench.soak.verdict import Verdict, judge
from hogline.testing.processes import connect, hogline_json

SENDERS = 6
STANDSTILL_S = 120.0
DURING_START = 0.2
"""So many kills come before or just as it is ready."""


class Storm(Struct, frozen=True, kw_only=True):
    traffic: Traffic
    kills: int
    seed: int
    each_start: Callable[[str, bool], None] = lambda _url, _last: None
    """Called with the sandbox's URL before each start, and whether it is the last one, that nobody kills."""


class Outcome(Struct, frozen=True):
    kills: int
    kills_during_start: int
    seconds: float
    sent_again: int
    """Requests that had to be sent once more, because it was down or died before it answered."""
    verdict: Verdict


def rage(storm: Storm, work: Path) -> Outcome:
    """Send everything, killing all the while; then let Hogline finish, and judge. Raises AssertionError if it does
    not finish, or ends otherwise than by a kill.
    """
    begin_s = time.monotonic()
    data = work / "data"
    customerio = Process("sandbox", data, work / "sandbox.log", "--listen", "127.0.0.1:0")
    customerio.start()
    try:
        url = customerio.wait_ready()
        connect(data, url)
        raging = _Raging(storm, url, Process("serve", data, work / "serve.log"), hogline_json(data, "token")["token"])
        try:
            during_start = raging.kill_all()
            raging.finish(data)
        finally:
            raging.end()
        sent_again = sum(sender.unanswered for sender in raging.senders)
        verdict = judge(storm.traffic, url, data)
    finally:
        customerio.end()
    seconds = time.monotonic() - begin_s
    return Outcome(storm.kills, during_start, seconds, sent_again, verdict)


class _Raging:
    def __init__(self, storm: Storm, url: str, victim: Process, token: str) -> None:
        self._storm = storm
        self._source = Random(storm.seed)
        self._url = url
        self._victim = victim
        self._target = Target(token)
        self.senders = [
            Sender(storm.traffic, number, SENDERS, self._target, Random(self._source.random()))
            for number in range(SENDERS)
        ]

    @property
    def _answered(self) -> int:
        for sender in self.senders:
            assert sender.wrong is None, sender.wrong
        return sum(sender.answered for sender in self.senders)

    def kill_all(self) -> int:
        """Returns how many kills came while it started."""
        for sender in self.senders:
            sender.start()
        during_start = 0
        for left in range(self._storm.kills, 0, -1):
            self._storm.each_start(self._url, False)  # noqa: FBT003  # the only two arguments
            self._victim.start()
            if self._source.random() < DURING_START:
                during_start += 1
                self._while_it_starts()
            else:
                self._target.url = self._victim.wait_ready()
                self._let_receive(self._source.randint(0, 2 * (self._storm.traffic.events - self._answered) // left))
            self._victim.kill()
            self._target.url = None
        return during_start

    def _while_it_starts(self) -> None:
        time.sleep(self._source.uniform(0, 1.1 * self._victim.startup_s))

    def _let_receive(self, events: int) -> None:
        """Until so many more are answered, and for a moment that has nothing to do with that."""
        least = min(self._answered + events, self._storm.traffic.events)
        self._until(lambda: self._answered >= least)
        time.sleep(self._source.uniform(0, 0.2))

    def _until(self, true: Callable[[], bool]) -> None:
        before, since_s = self._answered, time.monotonic()
        while not true():
            if self._answered != before:
                before, since_s = self._answered, time.monotonic()
            assert time.monotonic() < since_s + STANDSTILL_S, "nothing goes on"
            time.sleep(0.005)

    def finish(self, data: Path) -> None:
        """The rest is sent and delivered, with nobody in its way."""
        self._storm.each_start(self._url, True)  # noqa: FBT003  # as above
        self._victim.start()
        self._target.url = self._victim.wait_ready()
        self._until(lambda: not any(sender.is_alive() for sender in self.senders))
        before, since_s = -1, time.monotonic()
        while pending := int(hogline_json(data, "status")["connections"][0]["pending"]):
            if pending != before:
                before, since_s = pending, time.monotonic()
            assert time.monotonic() < since_s + STANDSTILL_S, f"{pending} events stay pending"
            time.sleep(0.1)
        code = self._victim.stop()
        assert code == 0, f"SIGTERM ended it with {code}"
        assert not self._victim.complaints(), self._victim.complaints()[:3]

    def end(self) -> None:
        for sender in self.senders:
            sender.stop.set()
        self._victim.end()
        for sender in self.senders:
            with suppress(RuntimeError):  # it was never started
                sender.join(STANDSTILL_S)
