"""All processes of a store are restarted, one after the other, while events arrive: what senders notice of it."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path
from statistics import median
from urllib.error import HTTPError, URLError

from msgspec import Struct

from bench.soak.shared import RECEIVERS, Member, all_members, settings
from hogline.testing.postgresql import private
from hogline.testing.processes import connect, everywhere, hogline_json, post, sandbox, status, until

SENDERS = 8
ROUNDS = 3
PAUSE_S = 0.02
PEOPLE = 500


class Steady(threading.Thread):
    """Sends one event after the other to whichever receiver takes it."""

    def __init__(self, receivers: list[Member], token: str) -> None:
        super().__init__(daemon=True)
        self._receivers, self._token = receivers, token
        self.over = threading.Event()
        self.refused: list[int] = []
        self.took_s: list[float] = []

    def run(self) -> None:
        n = 0
        while not self.over.is_set():
            n += 1
            event = {"event": "steady", "distinct_id": f"person-{n % PEOPLE}", "properties": {"n": n}}
            began = time.monotonic()
            while not any(self._sent(one, event) for one in self._receivers):
                time.sleep(0.01)
            self.took_s.append(time.monotonic() - began)
            time.sleep(PAUSE_S)

    def _sent(self, receiver: Member, event: object) -> bool:
        if receiver.running is None:
            return False
        try:
            return post(f"{receiver.running.url}/webhook", event, self._token) == 200
        except HTTPError as refused:
            with refused:
                self.refused.append(refused.code)
        except (URLError, OSError):  # it is stopping, or gone
            pass
        return False


class Outcome(Struct, frozen=True, kw_only=True):
    requests: int
    refused: list[int]
    """Statuses."""
    took_s: list[float]
    """Until an event was answered with 200, in order. If a receiver is gone, another one is asked, as a load balancer
    does."""
    received: int
    delivered: int


def restarts(folder: Path, *, senders: int, rounds: int) -> Outcome:
    here = folder / "here"
    with sandbox() as customerio, all_members(folder) as members:
        connect(here, customerio.url)
        token = hogline_json(here, "token")["token"]
        receivers = members[:RECEIVERS]
        for receiver in receivers:  # they know a new token within a second
            until(partial(_takes, receiver, token))
        steady = [Steady(receivers, token) for _ in range(senders)]
        for one in steady:
            one.start()
        for _ in range(rounds):
            for member in members:
                member.end(kill=False)
                member.start()
        for one in steady:
            one.over.set()
        for one in steady:
            one.join()
        until(lambda: status(here)["pending"] == 0)
        found = status(here)
    return Outcome(
        requests=sum(len(one.took_s) for one in steady),
        refused=[code for one in steady for code in one.refused],
        took_s=sorted(took_s for one in steady for took_s in one.took_s),
        received=found["received"] - RECEIVERS,
        delivered=found["delivered"] - RECEIVERS,
    )


def _takes(receiver: Member, token: str) -> bool:
    """Costs an event."""
    if receiver.running is None:
        return False
    try:
        return post(f"{receiver.running.url}/webhook", {"event": "first", "distinct_id": "ada"}, token) == 200
    except (HTTPError, URLError, OSError) as refused:
        if isinstance(refused, HTTPError):
            refused.close()
        return False


def print_figures(work: Path, _seed: int, part: float) -> None:
    with private(durable=True) as server:
        everywhere.update(settings(server))
        found = restarts(work, senders=SENDERS, rounds=max(1, int(ROUNDS * part)))
    took_s = found.took_s
    print(f"  {found.requests:,} requests, {len(found.refused)} refused; received {found.received:,}, delivered"
          f" {found.delivered:,}; answered within {median(took_s):.3f} s (median),"
          f" {took_s[int(0.99 * len(took_s))]:.2f} s (99 %), {took_s[-1]:.2f} s (all)")  # fmt: skip
