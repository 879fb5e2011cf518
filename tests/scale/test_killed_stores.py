"""`kill -9` at random moments, on hosts that keep nothing, while PostgreSQL crashes and comes back."""

from __future__ import annotations

import secrets
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import psycopg
import pytest

from hogline.store.datadir.secrets import Vault
from hogline.testing.postgresql import Server, private
from hogline.testing.processes import everywhere

sys.path.insert(0, str(Path(__file__).parents[2]))  # the storms are those of `make soak`, shorter

from bench.soak.storm import Storm, rage
from bench.soak.traffic import Traffic


@pytest.fixture(scope="module")
def durable() -> Iterator[Server]:
    with private(durable=True) as server:
        yield server


class Crashes:
    """PostgreSQL crashes and starts again, at random moments, until it is told to stop."""

    def __init__(self, server: Server, source: Random) -> None:
        self.number = 0
        self._server, self._source = server, source
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def go_on(self) -> None:
        if not self._thread.is_alive():
            self._thread.start()

    def end(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._source.uniform(0.5, 4)):
            self._server.stop("immediate")
            self._over.wait(self._source.uniform(0, 1))
            self._server.start()
            self.number += 1


@pytest.mark.timeout(300)
def test_whatever_is_killed_nothing_that_was_answered_is_missing_or_counted_twice(
    durable: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = secrets.randbits(32)
    # A host that kept nothing waits for half a lease, and PostgreSQL crashes all the while.
    store = {
        "HOGLINE_STORE": durable.url("postgres"),
        "HOGLINE_SECRET_KEY": Vault.new_key(),
        "HOGLINE_STORE_LEASE_S": "6",
    }
    for name, value in store.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setitem(everywhere, name, value)

    def forget_all(_url: str, last: bool) -> None:  # noqa: FBT001  # as the storm calls it
        shutil.rmtree(tmp_path / "data", ignore_errors=True)
        crashes.end() if last else crashes.go_on()

    traffic = Traffic(people=60, events_each=150)
    crashes = Crashes(durable, Random(seed))
    try:
        outcome = rage(Storm(traffic=traffic, kills=10, seed=seed, each_start=forget_all), tmp_path)
    finally:
        crashes.end()

    assert outcome.verdict.good, (seed, crashes.number, outcome)
    assert outcome.verdict.at_customerio == 9_000, (seed, outcome)
    assert crashes.number > 0
    with psycopg.connect(durable.url("postgres")) as link:
        (gaps,) = link.execute("SELECT max(position) - count(*) FROM hogline.journal").fetchone() or (None,)
    assert gaps == 0
