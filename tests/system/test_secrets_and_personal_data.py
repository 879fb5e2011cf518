"""Secrets and personal data stand in nothing that Hogline prints: every one of them has `canary` in it, and all
output of every process is read for it.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import msgspec
import pytest

from hogline.sources.http import create_app
from hogline.sources.limits import ReceivingLimits
from hogline.sources.server import Listener
from hogline.sources.tokens import TokenCheck
from hogline.testing import processes
from hogline.testing.processes import HOGLINE, WITHIN_S, basic, environment, get, put, until

SITE, KEY = "canary0site0id", "canary0api0key"
EMAIL, DISTINCT_ID, VALUE = "canary.ada@example.com", "canary-user-77", "canary value 88"
WRONG_TOKEN = "phc_canary_wrong"
CREDENTIALS = {"HOGLINE_SITE_ID": SITE, "HOGLINE_API_KEY": KEY}

BUGS = """
import sys
import hogline.destinations.customerio as room
from hogline.cli.app import main
from hogline.sources import webhooks

def event(head, address, entry, *rest):
    if entry.name == "crash in planning":
        raise ValueError(f"{entry!r}")
    return right_event(head, address, entry, *rest)

def read_answer(operations, response, now_s):
    if any(b"crash after sending" in operation.body for operation in operations):
        raise RuntimeError(f"{operations!r} {response!r}")
    return right_read_answer(operations, response, now_s)

def read_webhook(body, *rest, **named):
    if b"crash in reading" in body:
        raise KeyError(body)
    return right_read_webhook(body, *rest, **named)

right_event, room.CUSTOMERIO.people.event = room.CUSTOMERIO.people.event, event
right_read_answer, room.CUSTOMERIO.read_answer = room.CUSTOMERIO.read_answer, read_answer
right_read_webhook, webhooks.read_webhook = webhooks.read_webhook, read_webhook
sys.argv = ["hogline", *sys.argv[1:]]
main()
"""
"""A Hogline with mistakes that put the payload into their text."""


class Printed:
    """All that was printed or answered, by where."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.pieces: list[tuple[str, bytes]] = []
        self.forbidden: list[bytes] = [
            b"canary",
            basic(SITE, KEY).removeprefix("Basic ").encode(),
            base64.b64encode(EMAIL.encode()).rstrip(b"="),
        ]

    def run(
        self, *arguments: str, code: int = 0, env: dict[str, str] | None = None, command: tuple[str, ...] = ()
    ) -> str:
        """`command`: instead of `hogline`."""
        own = environment(self.data, **(env or {}))
        done = (
            subprocess.run([*command, *arguments], env=own, capture_output=True, timeout=60, check=False)
            if command
            else processes.ended([*arguments], own)
        )
        self.pieces.append((" ".join(arguments), done.stdout + done.stderr))
        assert done.returncode == code, done
        return done.stdout.decode()

    def ask(self, url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> int:
        """The status of the answer; what it says is kept."""
        try:
            with urlopen(Request(url, body, headers or {}), timeout=10) as answer:
                return self._answered(answer)
        except HTTPError as refused:
            with refused:
                return self._answered(refused)

    def _answered(self, answer: Any) -> int:
        self.pieces.append(("answer", bytes(answer.headers) + b"\n" + answer.read()))
        return int(answer.status)

    @property
    def leaks(self) -> list[str]:
        """Where something stands that must not, with some of what is around it."""
        return [
            f"{where}: {found[0]!r}"
            for where, text in self.pieces
            for word in self.forbidden
            for found in re.finditer(rb".{0,80}" + re.escape(word) + rb".{0,20}", text, re.IGNORECASE)
        ]


@pytest.fixture
def printed(data: Path) -> Printed:
    return Printed(data)


@pytest.fixture
def canary_sandbox() -> Iterator[str]:
    with processes.started(
        ["sandbox", "--listen", "127.0.0.1:0", "--site-id", SITE, "--api-key", KEY],
        environment(Path("unused")),
        "stdout",
        r"at (http://[\d.:]+)",
    ) as running:
        yield running.url


@contextmanager
def serving(
    printed: Printed, form: str, err: Path, command: tuple[str, ...] = HOGLINE
) -> Iterator[tuple[str, str, int]]:
    """The URLs of the receiving side and of the console, and the process id, of a `hogline serve` that logs everything.
    Its output is kept.
    """
    env = environment(printed.data, HOGLINE_LOG_FORMAT=form, HOGLINE_LOG_LEVEL="debug")
    with err.open("wb") as file:
        process = subprocess.Popen([*command, "serve"], env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        until(lambda: b"Sign in" in err.read_bytes())
        said = err.read_text()
        yield said.split("Receiving at ")[1].split(";")[0], said.split("Console at ")[1].split("\n")[0], process.pid
        process.terminate()
        assert process.wait(WITHIN_S) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(WITHIN_S)
        printed.pieces.append(("serve", err.read_bytes()))


def event(name: str = "canary event", uuid: str = "", **properties: object) -> dict[str, object]:
    return {
        "uuid": uuid,
        "event": name,
        "distinct_id": DISTINCT_ID,
        "timestamp": "2026-11-01T10:00:00Z",
        "properties": {"canary name": VALUE, "$set": {"email": EMAIL, "canary attribute": VALUE}, **properties},
    }


def webhook(**more: Any) -> bytes:
    return msgspec.json.encode({"event": event(**more), "person": {"id": "canary", "properties": {"email": EMAIL}}})


ECHO = {"reason": "invalid", "field": f"attributes.{EMAIL}", "message": f"{EMAIL} of {DISTINCT_ID}: {VALUE} {KEY}"}
ANSWERS = [
    {"status": 207, "body": {"errors": [{**ECHO, "batch_index": 0}]}},
    {"status": 400, "body": {"errors": [ECHO]}, "times": 3},
    {"status": 503, "body": {"meta": {"error": ECHO["message"]}}, "headers": {"Retry-After": "0"}},
    {"status": 200, "body": f"<html>{EMAIL}</html>"},
    {"status": 200, "reset": "before"},
    {"status": 401, "body": {"meta": {"error": ECHO["message"]}}},
]
"""A Customer.io that says back what it was sent."""


def test_nothing_that_is_printed_logged_or_answered_has_a_secret_or_a_person_in_it(
    printed: Printed, canary_sandbox: str, tmp_path: Path
) -> None:
    at = ("connect", "customerio", "--tracking-endpoint", canary_sandbox)
    printed.run(*at, code=1, env={**CREDENTIALS, "HOGLINE_API_KEY": "canary-wrong-key"})
    printed.run(*at, code=1, env={**CREDENTIALS, "HOGLINE_SITE_ID": "canary with blanks"})
    printed.run(*at, env=CREDENTIALS)
    token = msgspec.json.decode(printed.run("token", "--json"))["token"]
    printed.pieces.pop()  # the one place where the token belongs
    printed.forbidden.append(token.encode())
    with serving(printed, "json", tmp_path / "log") as (url, console, _):
        send_all_that_is_good_and_bad(printed, url, token)
        until(lambda: get_metric(printed, console, "pending_events") == 0)
        put(f"{canary_sandbox}/sandbox/script", {"answers": ANSWERS})
        until(
            lambda: printed.ask(f"{url}/webhook/{token}", webhook()) == 200 and printed.ask(f"{console}/readyz") == 503
        )
        for command in ("status", "status --json", "connections", "connections --json", "check customerio"):
            printed.run(*command.split())
        put(f"{canary_sandbox}/sandbox/script", {"answers": [{"status": 401, "path": "/api/v1/accounts"}]})
        printed.run("resume", "customerio", code=1)
        printed.run("resume", "customerio")
        printed.run("configure", "customerio", "--tracking-endpoint", "http://canary.example", code=1)
        printed.ask(f"{url}/healthz")
        printed.ask(f"{console}/metrics")
    printed.run("disconnect", "customerio")
    assert printed.leaks == []
    log = dict(printed.pieces)["serve"]
    for line in (
        b'"connection stopped"',
        b'"connection waiting"',
        b'"received"',
        b'"request"',
        b'"connection resumed"',
    ):
        assert line in log  # all of it did happen


def get_metric(printed: Printed, url: str, name: str) -> float:
    assert printed.ask(f"{url}/metrics") == 200
    found = re.search(rb"^hogline_%s\S* (\S+)$" % name.encode(), printed.pieces[-1][1], re.MULTILINE)
    return float(found[1]) if found else 0.0


def send_all_that_is_good_and_bad(printed: Printed, url: str, token: str) -> None:
    bearer = {"authorization": f"Bearer {token}"}
    batch = msgspec.json.encode({"api_key": token, "batch": [event(), event("$identify", uuid="canary")]})
    good: list[tuple[str, bytes, dict[str, str]]] = [
        ("/webhook", webhook(), bearer),
        (f"/webhook/{token}", webhook(), {}),
        ("/batch", batch, {}),
        ("/e/?compression=gzip-js", gzip.compress(batch), {}),
        ("/capture/", msgspec.json.encode({**event(), "properties": {"token": token}}), {}),
        (f"/flags/?v=2&token={token}", batch, {}),
    ]
    bad: list[tuple[str, bytes, dict[str, str]]] = [
        (f"/webhook/{WRONG_TOKEN}", webhook(), {}),
        ("/webhook", webhook(), {"authorization": f"Basic {basic(SITE, KEY)}", "x-request-id": EMAIL}),
        ("/webhook", f'{{"{EMAIL}'.encode(), bearer),
        ("/webhook", msgspec.json.encode({"event": {"event": 5, "distinct_id": EMAIL}}), bearer),
        ("/batch", f'{{"api_key": "{token}", "batch": ["{EMAIL}"]}}'.encode(), {}),
        ("/batch", msgspec.json.encode({"api_key": WRONG_TOKEN, "batch": [event()]}), {}),
        ("/e/", b"data=" + base64.b64encode(f"{EMAIL} {token}".encode()), {}),
        (f"/e/?data={EMAIL}", b"", {"content-encoding": "canary"}),
        (f"/{EMAIL}/{token}", b"{}", {}),
        (f"/array/{token}/canary", b"{}", {}),
    ]
    for path, body, headers in good:
        assert printed.ask(url + path, body, headers) == 200
    for path, body, headers in bad:
        assert 400 <= printed.ask(url + path, body, headers) < 500
    assert printed.ask(f"{url}/array/{WRONG_TOKEN}/nothing") == 404


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_mistake_of_hoglines_tells_nobody_what_it_was_about(
    form: str, printed: Printed, canary_sandbox: str, tmp_path: Path
) -> None:
    printed.run("connect", "customerio", "--tracking-endpoint", canary_sandbox, env=CREDENTIALS)
    token = msgspec.json.decode(printed.run("token", "--json"))["token"]
    printed.pieces.pop()
    printed.forbidden.append(token.encode())
    with serving(printed, form, tmp_path / "log", (sys.executable, "-c", BUGS)) as (url, console, _):
        assert printed.ask(f"{url}/webhook/{token}", webhook(name="crash in reading")) == 500
        assert printed.ask(f"{url}/webhook/{token}", webhook(name="crash in planning")) == 200
        assert printed.ask(f"{url}/webhook/{token}", webhook()) == 200
        until(lambda: b"planning failed" in (tmp_path / "log").read_bytes())
        assert printed.ask(f"{url}/webhook/{token}", webhook(name="crash after sending")) == 200
        until(lambda: printed.ask(f"{console}/readyz") == 503)
        printed.run("status")
        printed.run("connections")
    assert printed.leaks == []
    log = dict(printed.pieces)["serve"]
    for where in (b"KeyError at ", b"ValueError", b"RuntimeError at "):
        assert where in log


def test_a_command_that_crashes_tells_nobody_what_it_was_about(printed: Printed, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(msgspec.json.encode(event("crash in planning")) + b"\n")
    printed.run("preview", str(file), code=1, command=(sys.executable, "-c", BUGS))
    assert b"ValueError" in printed.pieces[0][1]
    assert b"Please report this bug" in printed.pieces[0][1]
    assert printed.leaks == []


def test_no_secret_is_an_argument_of_a_process_or_lies_readable_in_the_data_directory(
    printed: Printed, canary_sandbox: str, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text(KEY + "\n")
    put(f"{canary_sandbox}/sandbox/script", {"answers": [{"path": "/api/v1/accounts", "hang_s": 1}]})
    env = environment(printed.data, HOGLINE_SITE_ID=SITE, HOGLINE_API_KEY_FILE=str(key))
    connecting = subprocess.Popen([*HOGLINE, "connect", "customerio", "--tracking-endpoint", canary_sandbox], env=env)
    until(lambda: not get(f"{canary_sandbox}/sandbox/script")["answers"])  # it waits for the answer now
    printed.pieces.append(("ps of connect", arguments_of(connecting.pid)))
    assert connecting.wait(WITHIN_S) == 0
    with serving(printed, "json", tmp_path / "log") as (url, console, pid):
        token = msgspec.json.decode(printed.run("token", "--json"))["token"]
        printed.pieces.pop()
        printed.forbidden.append(token.encode())
        printed.ask(f"{url}/webhook/{token}", webhook())
        printed.pieces.append(("ps of serve", arguments_of(pid)))
        until(lambda: get_metric(printed, console, "delivered_events") == 1)
    assert printed.leaks == []
    personal = re.compile(rb"canary(?!0)")
    files = [file for file in printed.data.rglob("*") if file.is_file()]
    assert {"journal.db", "state.db"} <= {file.name for file in files}
    for file in files:
        kept = file.read_bytes()
        assert SITE.encode() not in kept
        assert KEY.encode() not in kept
        assert token.encode() not in kept
        assert file.stat().st_mode & 0o077 == 0 or printed.data.stat().st_mode & 0o077 == 0
    assert any(personal.search(file.read_bytes()) for file in files)  # people do stand there: it was looked at rightly


def arguments_of(pid: int) -> bytes:
    """As every user of the machine can see them."""
    listed = Path(f"/proc/{pid}/cmdline")  # what ps reads where there is one
    if listed.exists():
        shown = listed.read_bytes()
    else:
        shown = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, check=True).stdout
    assert b"hogline" in shown
    return shown


def test_an_old_token_is_good_until_it_is_revoked_and_not_a_moment_longer(data: Path, sandbox: str) -> None:
    processes.connect(data, sandbox)
    printed = Printed(data)
    with processes.serving(data) as running:

        def allowed(token: str) -> bool:
            by_webhook = printed.ask(f"{running.url}/webhook/{token}", webhook())
            by_capture = printed.ask(f"{running.url}/e/", msgspec.json.encode({**event(), "api_key": token}))
            assert by_webhook == by_capture
            assert by_webhook in {200, 401}
            return by_webhook == 200

        old = processes.hogline_json(data, "token")["token"]
        assert allowed(old)
        rotated = processes.hogline_json(data, "token", "--rotate")
        new = rotated["token"]
        assert new != old
        assert rotated["older"] == [old]
        assert allowed(old)
        assert allowed(new)
        assert processes.hogline_json(data, "token", "--revoke", old) == {
            "token": new,
            "webhook_url": f"{running.url}/webhook/{new}",
            "public_token": rotated["public_token"],
        }
        assert not allowed(old)
        assert allowed(new)
        refused = processes.hogline(data, "token", "--revoke", new, code=1)
        assert new not in refused.stderr
        assert allowed(new)
    with processes.serving(data) as running:
        assert not allowed(old)
        assert allowed(new)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://track.customer.io",
        "http://10.0.0.1:8010",
        "http://localhost.example.com",
        "ftp://127.0.0.1",
        "https://canary:canary@track.customer.io",
    ],
)
def test_credentials_go_over_https_or_stay_on_this_machine(endpoint: str, printed: Printed) -> None:
    printed.run("connect", "customerio", "--no-enable", "--tracking-endpoint", endpoint, code=1, env=CREDENTIALS)
    assert b"Tracking Endpoint" in printed.pieces[0][1]
    assert printed.pieces[0][1].count(b"\n") == 1
    assert printed.leaks == []


SLOW: dict[str, Callable[[], list[bytes]]] = {
    "nothing at all": list,
    "a head that never ends": lambda: [b"POST /e/ HTTP/1.1\r\n", *[b"x: y\r\n"] * 100],
    "a body that never comes": lambda: [b"POST /e/ HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n"],
    "a body that drips": lambda: [b"POST /e/ HTTP/1.1\r\nhost: x\r\ncontent-length: 999\r\n\r\n", *[b"{"] * 100],
}


@pytest.mark.anyio
@pytest.mark.parametrize("pieces", SLOW.values(), ids=SLOW.keys())
async def test_a_slow_sender_is_cut_off_while_others_are_served(pieces: Callable[[], list[bytes]]) -> None:
    limits = ReceivingLimits(head_s=0.2, body_s=0.2, headers=1_000)
    app = create_app(_Nowhere(), TokenCheck(["token"]), _ready, lambda: 0, limits)
    async with Listener(app, "127.0.0.1", 0, limits=limits) as listener, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        dripping = asyncio.create_task(_drip(writer, pieces()))
        quick, quick_writer = await asyncio.open_connection("127.0.0.1", listener.port)
        quick_writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert (await quick.read()).startswith(b"HTTP/1.1 200")
        answer = await reader.read()  # until the connection is closed
        assert answer.startswith(b"HTTP/1.1 408")
        dripping.cancel()
        for each in (writer, quick_writer):
            each.close()


async def _drip(writer: asyncio.StreamWriter, pieces: list[bytes]) -> None:
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.02)


class _Nowhere:
    async def append(self, events: object, refused: object = None) -> int:
        raise AssertionError("nothing of a slow sender is kept")


async def _ready() -> list[str]:
    return []
