"""PostgreSQL fails over to a standby that has not received the last commits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from many import Store, names

from hogline.store.datadir.secrets import Vault
from hogline.store.postgresql.presence import FAILED_OVER
from hogline.testing.postgresql import Server, private
from hogline.testing.processes import Running, connect, everywhere, hogline_json, post, status, until


@pytest.fixture
def server() -> Iterator[Server]:
    with private() as made:
        yield made


@pytest.fixture
def store(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Store:
    env = {
        "HOGLINE_STORE": server.url("postgres"),
        "HOGLINE_SECRET_KEY": Vault.new_key(),
        "HOGLINE_STORE_LEASE_S": "3",
        "HOGLINE_SHARE_BEHIND_S": "0",
    }
    for name, value in env.items():
        monkeypatch.setitem(everywhere, name, value)
    return Store(env, tmp_path)


def events(kind: str) -> list[dict[str, object]]:
    return [{"event": f"{kind} {n}", "distinct_id": f"{kind}-user-{n}"} for n in range(100)]


def shared(store: Store) -> bool:
    return sorted(one["lanes"] for one in store.workers()) == [0, 16, 16]


def answered(receiver: Running, body: dict[str, object], token: str) -> int:
    try:
        return post(f"{receiver.url}/batch", body, token)
    except HTTPError as refused:  # PostgreSQL was away a moment ago
        with refused:
            return refused.code


def _said(running: Running) -> bytes:
    assert running.process.stderr is not None
    return running.process.stderr.read()


def test_what_the_standby_has_is_delivered_though_commits_are_lost(
    store: Store, server: Server, customerio: Running
) -> None:
    connect(store.folder / "first", customerio.url)
    token = hogline_json(store.folder / "first", "token")["token"]
    standby = server.folder / "standby"
    with store.serving("r", "receive") as receiver:

        def receive(kind: str) -> None:
            until(lambda: answered(receiver, {"api_key": token, "batch": events(kind)}, token) == 200)

        def delivered(kind: str) -> bool:
            return {f"{kind} {n}" for n in range(100)} <= names(customerio)

        with store.serving("a", "deliver") as a, store.serving("b", "deliver") as b:
            until(lambda: shared(store))
            receive("early")
            until(lambda: delivered("early"))
            server.stop()
            server.fork(standby)
            server.start()
            until(lambda: status(store.folder / "looking")["pending"] == 0)
            receive("lost")
            until(lambda: delivered("lost"))
            server.fail_over(standby)
            until(lambda: store.owner() != 0)
            receive("late")  # where the lost events were
            until(lambda: delivered("late"))
            until(lambda: status(store.folder / "looking")["pending"] == 0)
            found = status(store.folder / "looking")
            a.kill()
            b.kill()
            # One that had nothing in memory at that time has nothing to say.
            assert any(FAILED_OVER.encode() in _said(running) for running in (a, b))
    assert found["received"] == found["delivered"] == 200
