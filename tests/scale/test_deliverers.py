"""Processes that deliver in turn: one does, the others stand by. Real ones."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from many import SAYS, Store, freeze, names, send, thaw

from hogline.store.datadir.secrets import Vault
from hogline.testing.processes import Running, connect, environment, everywhere, hogline, hogline_json, until

LEASE_S = 3.0


@pytest.fixture
def store(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    env = {
        "HOGLINE_STORE": url,
        "HOGLINE_SECRET_KEY": Vault.new_key(),
        "HOGLINE_STORE_LEASE_S": str(LEASE_S),
        "HOGLINE_JOURNAL_RETENTION_DAYS": "1",
    }
    for name, value in env.items():
        monkeypatch.setitem(everywhere, name, value)
    return Store(env, tmp_path)


def test_the_next_one_delivers_after_a_stop_a_kill_and_a_freeze(store: Store, customerio: Running) -> None:
    connect(store.folder / "first", customerio.url)
    token = hogline_json(store.folder / "first", "token")["token"]
    with (
        store.serving("r", "receive") as receiver,
        store.serving("a", "deliver") as a,
        store.serving("b", "deliver") as b,
        store.serving("c", "deliver") as c,
    ):
        until(lambda: store.owner() == a.process.pid)
        assert {(one["role"], one["pid"]) for one in store.workers()} == {
            ("receive", receiver.process.pid),
            *(("deliver", one.process.pid) for one in (a, b, c)),
        }
        assert send(receiver, token, "to the first") == 200
        until(lambda: "to the first" in names(customerio))

        assert a.stop() == 0
        until(lambda: store.owner() in {b.process.pid, c.process.pid})
        second, third = (b, c) if store.owner() == b.process.pid else (c, b)
        assert send(receiver, token, "to the second") == 200
        until(lambda: "to the second" in names(customerio))

        freeze(second)
        assert send(receiver, token, "to the third") == 200
        until(lambda: "to the third" in names(customerio))
        assert store.owner() == third.process.pid
        thaw(second)
        until(lambda: all(one["seen_s"] < LEASE_S for one in store.workers()))
        assert send(receiver, token, "again to the third") == 200
        until(lambda: "again to the third" in names(customerio))
        assert store.owner() == third.process.pid

        third.kill()
        assert send(receiver, token, "back to the second") == 200
        until(lambda: "back to the second" in names(customerio))
        assert store.owner() == second.process.pid
        assert second.stop() == 0
    assert "pending" in hogline(store.folder / "first", "workers").stdout


@contextmanager
def changed(code: str, data: Path, only: str = "") -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A process whose code was changed, once it is ready; and what it said before."""
    command = [sys.executable, "-c", code, "serve", *(["--only", only] if only else [])]
    with subprocess.Popen(command, env=environment(data), stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = list[str]()
            while not re.search(SAYS[only], line := process.stderr.readline()):
                assert line, said
                said.append(line)
            yield process, said
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.communicate(timeout=30)
    assert process.returncode == 0


_IS_TAKEN_FOR_DEAD_WHILE_IT_STARTS = """
from hogline.cli.app import main
from hogline.store.postgresql.trouble import Fenced
from hogline.store.postgresql.opening import SmallFiles
fetch = SmallFiles.fetch
async def fenced(self):
    SmallFiles.fetch = fetch
    raise Fenced
SmallFiles.fetch = fenced
main()
"""


@pytest.mark.parametrize("only", ["deliver", ""])
def test_a_process_that_is_taken_for_dead_while_it_starts_starts_again(
    store: Store, customerio: Running, only: str
) -> None:
    connect(store.folder / "first", customerio.url)
    with changed(_IS_TAKEN_FOR_DEAD_WHILE_IT_STARTS, store.folder / "a", only) as (_, said):
        assert any("starting again" in line for line in said)


_FREEZES_WITHIN_A_TRANSACTION = """
import os
import signal
from hogline.cli.app import main
from hogline.store.postgresql.link import value
from hogline.store.postgresql.pen import Pen
write = Pen.write
def freezing(self, work):
    def frozen(link):
        result = work(link)
        if os.path.exists(os.environ["HOGLINE_DATA"] + "-freezes"):
            value(link, b"SELECT 1")
            os.kill(os.getpid(), signal.SIGSTOP)
        return result
    return write(self, frozen)
Pen.write = freezing
main()
"""


def test_the_next_one_delivers_although_the_owner_froze_within_a_transaction(store: Store, customerio: Running) -> None:
    connect(store.folder / "first", customerio.url)
    token = hogline_json(store.folder / "first", "token")["token"]
    freezes = store.folder / "a-freezes"
    with (
        store.serving("r", "receive") as receiver,
        changed(_FREEZES_WITHIN_A_TRANSACTION, store.folder / "a", "deliver") as (a, _),
        store.serving("b", "deliver") as b,
    ):
        until(lambda: store.owner() == a.pid)
        freezes.touch()
        assert send(receiver, token, "after it froze") == 200
        until(lambda: "after it froze" in names(customerio))
        assert store.owner() == b.process.pid
        freezes.unlink()
        a.send_signal(signal.SIGCONT)
        until(lambda: all(one["seen_s"] < LEASE_S for one in store.workers()))
        assert b.stop() == 0
        until(lambda: store.owner() == a.pid)


def test_a_deliverer_that_cannot_use_the_store_ends_with_a_sentence(store: Store) -> None:
    hogline(store.folder / "first", "status")
    another = Vault.new_key()
    said = hogline(store.folder / "a", "serve", "--only", "deliver", code=1, HOGLINE_SECRET_KEY=another).stderr
    assert "was made with another HOGLINE_SECRET_KEY" in said
