"""Two that receive and four that deliver, killed, frozen and restarted at random moments, while PostgreSQL crashes."""

from __future__ import annotations

import secrets
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.error import HTTPError, URLError

import pytest
from many import send

from hogline.testing.postgresql import Server, private
from hogline.testing.processes import connect, everywhere, hogline_json, post, sandbox, status, until

sys.path.insert(0, str(Path(__file__).parents[2]))  # the storm is that of `make soak`, shorter

from bench.soak.shared import RECEIVERS, Member, all_members, rage, settings
from bench.soak.traffic import Traffic


@pytest.fixture
def durable(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with private(durable=True) as server:
        for name, value in settings(server).items():
            monkeypatch.setitem(everywhere, name, value)
        yield server


@pytest.mark.timeout(400)
def test_whatever_is_killed_or_frozen_nothing_is_missing_or_counted_twice(durable: Server, tmp_path: Path) -> None:
    seed = secrets.randbits(32)
    traffic = Traffic(people=40, events_each=100, per_s=120, visits=3)
    outcome = rage(durable, tmp_path, traffic, 8, seed)
    assert outcome.good, (seed, outcome)
    assert outcome.verdict.at_customerio == traffic.events - outcome.verdict.refused, (seed, outcome)
    assert outcome.kills + outcome.freezes + outcome.crashes >= 8


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
            event = {"event": "steady", "distinct_id": "ada", "properties": {"n": n}}
            began = time.monotonic()
            while not any(self._sent(one, event) for one in self._receivers):
                time.sleep(0.01)
            self.took_s.append(time.monotonic() - began)
            time.sleep(0.02)

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


def _takes(member: Member, token: str) -> bool:
    return member.running is not None and send(member.running, token, "first") == 200


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("durable")
def test_a_rolling_restart_refuses_no_request(tmp_path: Path) -> None:
    here = tmp_path / "here"
    with sandbox() as customerio, all_members(tmp_path) as members:
        connect(here, customerio.url)
        token = hogline_json(here, "token")["token"]
        for member in members[:RECEIVERS]:  # receivers know a new token within a second
            until(partial(_takes, member, token))
        steady = Steady(members[:RECEIVERS], token)
        steady.start()
        for member in members:
            member.end(kill=False)
            member.start()
        steady.over.set()
        steady.join()
        until(lambda: status(here)["pending"] == 0)
        assert steady.refused == []
        assert status(here)["received"] == status(here)["delivered"] == 2 + len(steady.took_s)
        assert sorted(steady.took_s)[int(0.99 * len(steady.took_s))] < 10, "it waited for something"
