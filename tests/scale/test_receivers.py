"""Processes that only receive, beside the one that owns the store: real ones."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.error import HTTPError

import pytest
from many import Store, names, send

from hogline.store.datadir.secrets import Vault
from hogline.testing.postgresql import Server
from hogline.testing.processes import (
    Running,
    connect,
    everywhere,
    hogline,
    hogline_json,
    post,
    status,
    until,
)


@pytest.fixture
def store(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    env = {"HOGLINE_STORE": url, "HOGLINE_SECRET_KEY": Vault.new_key()}
    for name, value in env.items():
        monkeypatch.setitem(everywhere, name, value)
    return Store(env, tmp_path)


def test_receivers_receive_beside_the_owner_and_without_one(store: Store, customerio: Running) -> None:
    owner = store.folder / "owner"
    connect(owner, customerio.url)
    token = hogline_json(owner, "token")["token"]
    with store.serving("a", "receive") as one, store.serving("b", "receive") as other:
        assert send(one, token, "before anybody delivers") == 200
        with store.serving("owner") as both:
            for number, running in enumerate((one, other, both)):
                assert send(running, token, f"to {number}") == 200
            until(lambda: {"before anybody delivers", "to 0", "to 1", "to 2"} <= names(customerio))
            until(lambda: status(owner)["delivered"] == 4)
            one.kill()
            assert send(other, token, "one less") == 200
            until(lambda: "one less" in names(customerio))
            assert both.stop() == 0
        assert send(other, token, "after the owner") == 200
        assert other.stop() == 0


def test_receivers_know_of_changes_within_seconds(store: Store, customerio: Running) -> None:
    owner = store.folder / "owner"
    connect(owner, customerio.url)
    old = hogline_json(owner, "token")["token"]
    with store.serving("owner") as _, store.serving("a", "receive") as receiver:
        new = hogline_json(owner, "token", "--rotate")["token"]
        until(lambda: send(receiver, new, "with the new one") == 200)
        hogline(owner, "token", "--revoke", old)
        until(lambda: send(receiver, old, "with the old one") == 401)
        until(lambda: status(owner)["pending"] == 0)
        hogline(owner, "people", "suppress", "eve")
        time.sleep(3)
        received = status(owner)["received"]
        assert send(receiver, new, "not kept", "eve") == 200
        assert status(owner)["received"] == received


def test_while_postgresql_is_away_senders_are_told_to_come_again(
    store: Store, customerio: Running, postgresql: Server
) -> None:
    owner = store.folder / "owner"
    connect(owner, customerio.url)
    token = hogline_json(owner, "token")["token"]
    with store.serving("a", "receive") as receiver:
        assert send(receiver, token, "before") == 200
        postgresql.stop("immediate")
        try:
            until(lambda: send(receiver, token, "meanwhile") == 503)
            with pytest.raises(HTTPError) as refused:
                post(f"{receiver.url}/webhook", {"event": "meanwhile", "distinct_id": "ada"}, token)
            with refused.value as answer:
                assert int(answer.headers["retry-after"]) > 0
        finally:
            postgresql.start()
        until(lambda: send(receiver, token, "after") == 200)
        assert receiver.stop() == 0
    assert status(owner)["received"] >= 2


def test_a_role_needs_a_store_that_can_be_shared(tmp_path: Path) -> None:
    said = hogline(tmp_path / "data", "serve", "--only", "receive", code=1).stderr
    assert "HOGLINE_STORE" in said
    assert said.count("\n") == 1
