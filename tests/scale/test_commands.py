"""Commands on any machine: the process that delivers answers them through PostgreSQL."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from many import Store, freeze, send, thaw

from hogline.store.datadir.secrets import Vault
from hogline.testing.processes import (
    Running,
    all_events,
    connect,
    environment,
    everywhere,
    hogline,
    hogline_json,
    status,
    until,
)


@pytest.fixture
def store(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    env = {"HOGLINE_STORE": url, "HOGLINE_SECRET_KEY": Vault.new_key(), "HOGLINE_STORE_LEASE_S": "3"}
    for name, value in env.items():
        monkeypatch.setitem(everywhere, name, value)
    return Store(env, tmp_path)


def test_every_machine_can_give_commands(store: Store, customerio: Running) -> None:
    here, there = store.folder / "here", store.folder / "there"
    with store.serving("a", "deliver"), store.serving("r", "receive") as receiver:
        connect(here, customerio.url)
        token = hogline_json(there, "token")["token"]
        until(lambda: send(receiver, token, "first") == 200)
        until(lambda: status(here)["delivered"] == 1)
        hogline(there, "pause", "customerio")
        assert send(receiver, token, "second") == 200
        until(lambda: status(here)["pending"] == 1)
        assert status(there)["state"] == "paused"
        hogline(here, "resume", "customerio")
        until(lambda: status(there)["delivered"] == 2)
        rows = here.parent / "rows.jsonl"
        rows.write_text('{"event": "from a file", "distinct_id": "ada", "timestamp": "2026-11-01T09:00:00Z"}\n')
        assert "Run this command there" in hogline(there, "send", str(rows), code=1).stderr
        hogline(there, "send", "--as-it-comes", "-", stdin=rows.read_bytes())
        until(lambda: any(event["name"] == "from a file" for event in all_events(customerio.url)))
        assert "Connection 'nobody' not found" in hogline(there, "pause", "nobody", code=1).stderr
        hogline(here, "people", "forget", "ada")
        assert "connection_disabled" in hogline(there, "audit", "--json").stdout
    with psycopg.connect(store.env["HOGLINE_STORE"]) as link:
        assert link.execute("SELECT count(*) FROM hogline.task").fetchone() == (0,)
    assert not (here / "control.sock").exists()


def test_an_account_outlives_the_machine_on_which_it_was_made(store: Store) -> None:
    here = store.folder / "here"
    with store.serving("a", "deliver") as a:
        until(lambda: store.owner() == a.process.pid)
        hogline(here, "accounts", "add", "grace", "--role", "viewer", stdin=b"a long enough one\n")
        a.kill()
    shutil.rmtree(store.folder / "a")
    assert "grace" in hogline(here, "accounts").stdout


def test_a_command_waits_for_the_next_owner(store: Store, customerio: Running) -> None:
    here = store.folder / "here"
    connect(here, customerio.url)
    with store.serving("a", "deliver") as a:
        until(lambda: store.owner() == a.process.pid)
        with store.serving("b", "deliver") as b:
            freeze(a)
            began = time.monotonic()
            assert status(here)["pending"] == 0
            assert time.monotonic() - began > 0.5
            assert store.owner() == b.process.pid
            thaw(a)


def test_without_an_owner_a_command_does_it_itself(store: Store) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "hogline", "token", "--rotate"],
            env=environment(store.folder / name),
            stdout=subprocess.DEVNULL,
        )
        for name in ("here", "there")
    ]
    assert [one.wait(60) for one in both] == [0, 0]
    assert len(hogline_json(store.folder / "here", "token")["older"]) == 2
