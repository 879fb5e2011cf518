"""Two that receive and two that deliver, killed, frozen and restarted at random moments, while PostgreSQL crashes."""

from __future__ import annotations

import secrets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from urllib.error import HTTPError, URLError

import psycopg
import pytest
from many import Store, freeze, thaw

from hogline.store.datadir.secrets import Vault
from hogline.testing.postgresql import Server, private
from hogline.testing.processes import Running, connect, everywhere, hogline_json, post, sandbox, status, until

sys.path.insert(0, str(Path(__file__).parents[2]))  # senders and judge are those of `make soak`

from bench.soak.traffic import Sender, Target, Traffic
from bench.soak.verdict import judge

LEASE_S = 2.0


@pytest.fixture(scope="module")
def durable() -> Iterator[Server]:
    with private(durable=True) as server:
        yield server


@pytest.fixture
def customerio() -> Iterator[Running]:
    """A new one for each: what it has is judged."""
    with sandbox() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path, durable: Server, monkeypatch: pytest.MonkeyPatch) -> Store:
    url = durable.url("postgres")
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(b"DROP SCHEMA IF EXISTS hogline CASCADE")
    env = {
        "HOGLINE_STORE": url,
        "HOGLINE_SECRET_KEY": Vault.new_key(),
        "HOGLINE_STORE_LEASE_S": str(LEASE_S),
        "HOGLINE_LOG_LEVEL": "error",
        "HOGLINE_QUIET_AFTER_KILL_S": "0.5",
    }
    for name, value in env.items():
        monkeypatch.setitem(everywhere, name, value)
    return Store(env, tmp_path)


class Member:
    """One process, in one life after the other."""

    def __init__(self, store: Store, name: str, only: str) -> None:
        self._store, self.name, self.only = store, name, only
        self._life = ExitStack()
        self.running: Running | None = None

    def start(self) -> None:
        self.running = self._life.enter_context(self._store.serving(self.name, self.only))

    def end(self, *, kill: bool) -> None:
        running, self.running = self.running, None
        if running is not None:
            if kill:
                running.kill()
            else:
                assert running.stop() == 0
        self._life.close()


@contextmanager
def four(store: Store) -> Iterator[list[Member]]:
    members = [
        Member(store, name, only)
        for name, only in (("r1", "receive"), ("r2", "receive"), ("d1", "deliver"), ("d2", "deliver"))
    ]
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
        pass


def disturb(member: Member, source: Random) -> None:
    if source.random() < 0.5:
        member.end(kill=True)
        time.sleep(source.uniform(0, 1))
        member.start()
    elif member.running is not None:
        freeze(member.running)
        time.sleep(source.uniform(0.1, 1.5 * LEASE_S))
        thaw(member.running)


@pytest.mark.timeout(400)
def test_whatever_is_killed_or_frozen_nothing_is_missing_or_counted_twice(
    store: Store, durable: Server, customerio: Running
) -> None:
    seed = secrets.randbits(32)
    source = Random(seed)
    here = store.folder / "here"
    connect(here, customerio.url)
    traffic = Traffic(people=40, events_each=100, per_s=120)
    with four(store) as members:
        target = Either(hogline_json(here, "token")["token"], members[:2], source)
        senders = [Sender(traffic, number, 4, target, Random(source.random())) for number in range(4)]
        for sender in senders:
            sender.start()
        faults = 0
        while any(sender.is_alive() for sender in senders):
            if source.random() < 0.12:
                durable.stop("immediate")
                time.sleep(source.uniform(0, 1))
                durable.start()
            else:
                disturb(source.choice(members), source)
            faults += 1
            time.sleep(source.uniform(0, 1))
        assert [sender.wrong for sender in senders] == [None] * 4, seed
        until(lambda: status(here)["pending"] == 0)
        verdict = judge(traffic, customerio.url, here)
        with psycopg.connect(durable.url("postgres")) as link:
            (gaps,) = link.execute("SELECT max(position) - count(*) FROM hogline.journal").fetchone() or (None,)
    assert verdict.good, (seed, faults, verdict)
    assert verdict.at_customerio == traffic.events - verdict.refused, (seed, verdict)
    assert faults > 5
    assert gaps == 0


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


@pytest.mark.timeout(300)
def test_a_rolling_restart_refuses_no_request(store: Store, customerio: Running) -> None:
    here = store.folder / "here"
    connect(here, customerio.url)
    with four(store) as members:
        steady = Steady(members[:2], hogline_json(here, "token")["token"])
        steady.start()
        for member in members:
            member.end(kill=False)
            member.start()
        steady.over.set()
        steady.join()
        until(lambda: status(here)["pending"] == 0)
        assert steady.refused == []
        assert status(here)["received"] == status(here)["delivered"] == len(steady.took_s)
        assert sorted(steady.took_s)[int(0.99 * len(steady.took_s))] < 10, "it waited for something"
