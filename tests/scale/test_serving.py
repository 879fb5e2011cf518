"""A whole Hogline whose store is in PostgreSQL: real processes, from the first event to the customer."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import msgspec
import psycopg
import pytest
from msgspec import Struct

from hogline.store.datadir.secrets import Vault
from hogline.store.event_log import read_sent
from hogline.testing.postgresql import Server
from hogline.testing.processes import (
    WITHIN_S,
    Running,
    all_events,
    assert_adds_up,
    ended,
    environment,
    post,
    sandbox,
    serving,
    until,
)


class Host(Struct):
    """A machine with a data directory, and the store that it uses."""

    data: Path
    env: dict[str, str]

    def run(self, *arguments: str, code: int = 0, stdin: bytes | None = None) -> str:
        """What it writes: to standard error if it is to fail."""
        done = ended([*arguments], environment(self.data, **self.env), stdin)
        out, err = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == code, (out, err)
        return err if code else out

    def json(self, *arguments: str) -> Any:
        return msgspec.json.decode(self.run(*arguments, "--json"))

    def serving(self) -> AbstractContextManager[Running]:
        return serving(self.data, **self.env)

    def connect(self, sandbox_url: str) -> None:
        self.run(
            "connect", "customerio", "--site-id", "sandbox-site", "--api-key", "sandbox-key",
            "--tracking-endpoint", sandbox_url,
        )  # fmt: skip

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json("status")["connections"][0]
        assert_adds_up(found)
        return found


@pytest.fixture
def host(tmp_path: Path, url: str) -> Host:
    return Host(tmp_path / "data", {"HOGLINE_STORE": url, "HOGLINE_SECRET_KEY": Vault.new_key()})


@pytest.fixture(scope="module")
def customerio() -> Iterator[Running]:
    with sandbox() as running:
        yield running


def send(running: Running, token: str, name: str, who: str = "ada") -> int:
    event = {"event": name, "distinct_id": who, "properties": {"$set": {"email": f"{who}@example.org"}}}
    return post(f"{running.url}/webhook", event, token)


def arrived(customerio: Running, name: str) -> bool:
    return any(event["name"] == name for event in all_events(customerio.url))


def test_everything_is_found_again_on_a_host_that_kept_nothing(host: Host, customerio: Running) -> None:
    host.connect(customerio.url)
    token = host.json("token")["token"]
    host.run("accounts", "add", "grace", "--role", "viewer", stdin=b"a long enough one\n")
    host.run("api-tokens", "add", "reports", "--role", "viewer")
    with host.serving() as running:
        assert send(running, token, "before the move") == 200
        until(lambda: arrived(customerio, "before the move"))
        until(lambda: host.status()["pending"] == 0)
        assert running.stop() == 0
    shutil.rmtree(host.data)
    with host.serving() as running:
        assert host.status()["delivered"] == 1
        assert host.json("token")["token"] == token
        assert "grace" in host.run("accounts")
        assert "reports" in host.run("api-tokens")
        assert send(running, token, "after the move") == 200
        until(lambda: arrived(customerio, "after the move"))
        until(lambda: host.status()["delivered"] == 2)
        assert running.stop() == 0
    noted = [line for line in host.run("audit", "--json").splitlines() if '"account_added"' in line]
    assert len(noted) == 1
    assert not list(host.data.glob("journal.db*"))
    assert not list(host.data.glob("state.db*"))
    assert not list(host.data.glob("audit.db*"))
    assert not list(host.data.glob("history.db*"))


def test_a_second_process_on_the_same_store_is_refused_in_a_sentence(host: Host, tmp_path: Path) -> None:
    other = Host(tmp_path / "other", host.env)
    with host.serving() as running:
        assert "Another Hogline on" in other.run("serve", code=1)
        assert other.json("status") == host.json("status")  # the owner answers
        running.kill()
        assert host.json("status")["connections"] == []  # the lock on its directory shows that it is dead


def test_a_process_that_lost_the_store_ends_and_writes_nothing_more(host: Host, customerio: Running) -> None:
    host.connect(customerio.url)
    token = host.json("token")["token"]
    with host.serving() as running, psycopg.connect(host.env["HOGLINE_STORE"], autocommit=True) as link:
        assert send(running, token, "still mine") == 200
        until(lambda: host.status()["pending"] == 0)
        running.process.send_signal(signal.SIGSTOP)
        with link.transaction():
            link.execute("SET search_path = hogline")
            link.execute("UPDATE store SET epoch = epoch + 1, owner = gen_random_uuid()")
            link.execute("UPDATE writer SET epoch = epoch + 1, owner = (SELECT owner FROM store)")
        before = link.execute("SELECT number FROM hogline.writer ORDER BY name").fetchall()
        running.process.send_signal(signal.SIGCONT)
        assert status_of_send(running, token) != 200
        assert running.process.wait(WITHIN_S) == 1
        assert link.execute("SELECT number FROM hogline.writer ORDER BY name").fetchall() == before
        assert link.execute("SELECT last FROM hogline.journal_end").fetchone() == (1,)


def test_while_postgresql_is_away_senders_wait_and_nothing_is_lost(
    host: Host, customerio: Running, postgresql: Server
) -> None:
    host.connect(customerio.url)
    token = host.json("token")["token"]
    with host.serving() as running:
        assert send(running, token, "before the outage") == 200
        postgresql.stop("immediate")
        try:
            until(lambda: status_of_send(running, token) == 503)
        finally:
            postgresql.start()
        until(lambda: status_of_send(running, token) == 200)
        assert send(running, token, "after the outage") == 200
        until(lambda: arrived(customerio, "after the outage"))
        until(lambda: is_idle(host))
        assert arrived(customerio, "before the outage")
        assert running.stop() == 0


def is_idle(host: Host) -> bool:
    try:
        return bool(host.status()["pending"] == 0)
    except AssertionError:  # it can write again, and not read yet
        return False


def status_of_send(running: Running, token: str) -> int:
    try:
        return send(running, token, "during the outage")
    except HTTPError as refused:
        with refused:
            return refused.code
    except OSError:  # no answer in time: its commit is in doubt
        return 0


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"HOGLINE_STORE": "postgresql://nobody@127.0.0.1:1/x"}, "PostgreSQL cannot be reached at HOGLINE_STORE"),
        ({"HOGLINE_STORE": "mysql://x"}, "HOGLINE_STORE must be a PostgreSQL URL"),
        ({"HOGLINE_SECRET_KEY": ""}, "HOGLINE_STORE needs HOGLINE_SECRET_KEY"),
        ({"HOGLINE_SECRET_KEY": Vault.new_key()}, "was made with another HOGLINE_SECRET_KEY"),
    ],
)
def test_what_is_wrong_is_one_sentence(host: Host, variables: dict[str, str], sentence: str) -> None:
    host.run("status")
    said = Host(host.data, host.env | variables).run("status", code=1)
    assert sentence in said
    assert said.count("\n") == 1


def everything(url: str) -> bytes:
    """All rows of all tables, and what is compressed in them."""
    found = b""
    with psycopg.connect(url) as link:
        for (table,) in link.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'hogline'").fetchall():
            with link.cursor().copy(f"COPY hogline.{table} TO STDOUT (FORMAT binary)".encode()) as rows:
                found += b"".join(map(bytes, rows))
            if table.startswith("event_shipments"):
                for *_, sent in link.execute(f"TABLE hogline.{table}".encode()).fetchall():
                    found += msgspec.msgpack.encode(read_sent(sent))
    return found


def test_a_forgotten_person_is_in_no_table_and_others_are(host: Host, customerio: Running) -> None:
    host.connect(customerio.url)
    token = host.json("token")["token"]
    with host.serving() as running:
        for who in ("canary", "zoe"):
            assert send(running, token, "seen", who) == 200
        until(lambda: host.status()["pending"] == 0)
        assert len(host.json("events")["events"]) == 2
        assert everything(host.env["HOGLINE_STORE"]).count(b"canary") > 3
        host.run("people", "forget", "canary")
        assert running.stop() == 0
    kept = everything(host.env["HOGLINE_STORE"])
    assert b"canary" not in kept
    assert b"zoe@example.org" in kept


def test_after_a_copy_nothing_is_sent_again_and_what_waited_goes_on(
    host: Host, customerio: Running, tmp_path: Path
) -> None:
    files = Host(tmp_path / "files", {"HOGLINE_SECRET_KEY": host.env["HOGLINE_SECRET_KEY"]})
    files.connect(customerio.url)
    token = files.json("token")["token"]
    with files.serving() as running:
        assert send(running, token, "sent from files") == 200
        until(lambda: files.status()["delivered"] == 1)
        files.run("pause", "customerio")
        assert send(running, token, "waited in files") == 200
        assert running.stop() == 0
    before = shown(files)
    host.run("store", "copy", "--from", str(files.data))
    assert shown(host) == before
    with host.serving() as running:
        host.run("resume", "customerio")
        until(lambda: arrived(customerio, "waited in files"))
        until(lambda: host.status()["delivered"] == 2)
        assert [event["name"] for event in all_events(customerio.url)].count("sent from files") == 1
        assert host.status()["requests"] == before[0]["requests"] + 1
        assert running.stop() == 0
    back = Host(tmp_path / "back", files.env)
    host.run("store", "copy", "--to", str(back.data))
    assert shown(back) == shown(host)


def shown(host: Host) -> tuple[dict[str, Any], Any]:
    """Without what passes with time."""
    return host.status() | {"lag_s": None}, host.json("events")
