"""Real processes: `hogline` commands, a `hogline serve`, a `hogline sandbox`. Each ends with its test."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import msgspec

from hogline.testing import forked

HOGLINE = (sys.executable, "-m", "hogline")
WITHIN_S = 30.0
everywhere: dict[str, str] = {}
"""Variables of all commands of a test, such as HOGLINE_STORE. Otherwise they get none that begins with HOGLINE_."""


def environment(data: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOGLINE_")}
    any_port = {"HOGLINE_LISTEN": "127.0.0.1:0", "HOGLINE_CONSOLE": "127.0.0.1:0"}
    return {**kept, **any_port, "HOGLINE_DATA": str(data), "COLUMNS": "120"} | everywhere | more


def hogline(
    data: Path, *arguments: str | Path, code: int = 0, stdin: bytes | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, and look at its exit code."""
    done = ended([*map(str, arguments)], environment(data, **more), stdin)
    result = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
    assert result.returncode == code, (result.stdout, result.stderr)
    return result


def ended(arguments: list[str], env: dict[str, str], stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run one command to its end; what it read and wrote, and its exit code."""
    with TemporaryFile() as out, TemporaryFile() as err:
        given = subprocess.DEVNULL if stdin is None else subprocess.PIPE
        command = forked.start(arguments, env, stdin=given, stdout=out, stderr=err)
        if command.stdin is not None:
            with suppress(BrokenPipeError), command.stdin as pipe:  # it ended before it had read all
                pipe.write(stdin or b"")
        code = command.wait(60)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(["hogline", *arguments], code, out.read(), err.read())


def hogline_json(data: Path, *arguments: str | Path, code: int = 0, stdin: bytes | None = None) -> Any:
    return msgspec.json.decode(hogline(data, *arguments, "--json", code=code, stdin=stdin).stdout)


def status(data: Path, name: str = "customerio") -> dict[str, Any]:
    """One connection's status, which adds up."""
    connections = hogline_json(data, "status")["connections"]
    found: dict[str, Any] = next(connection for connection in connections if connection["name"] == name)
    assert_adds_up(found)
    return found


def assert_adds_up(found: dict[str, Any]) -> None:
    filtered, dead = sum(found["filtered"].values()), sum(found["failures"].values())
    assert found["received"] == found["delivered"] + filtered + found["held"] + dead + found["pending"], found
    assert found["pending"] >= 0


class Running:
    """A process that goes on until it is stopped, and the URL that it said it has."""

    def __init__(self, process: forked.Command, url: str) -> None:
        self.process = process
        self.url = url

    def kill(self) -> None:
        """As a crash does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(WITHIN_S)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WITHIN_S)


@contextmanager
def started(arguments: list[str], env: dict[str, str], stream: str, says: str) -> Iterator[Running]:
    """`says`: what its first words look like, with the URL as a group; they come on that stream."""
    pipes: dict[str, Any] = {stream: subprocess.PIPE}
    process = forked.start(arguments, env, **pipes)
    try:
        said: IO[bytes] = getattr(process, stream)
        heard, match = "", None
        while match is None and (line := said.readline().decode()):  # lines of the log may come before
            heard += line
            match = re.search(says, line)
        assert match, heard
        yield Running(process, match[1])
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(WITHIN_S)
        getattr(process, stream).close()


@contextmanager
def sandbox() -> Iterator[Running]:
    with started(
        ["sandbox", "--listen", "127.0.0.1:0"], environment(Path("unused")), "stdout", r"at (http://[\d.:]+)"
    ) as running:
        yield running


@contextmanager
def serving(
    data: Path, *, only: str = "", says: str = r"Receiving at (http://[\d.:]+)", **more: str
) -> Iterator[Running]:
    """`only`: the role; `says`: what it says when it is ready, with the URL as a group."""
    arguments = ["serve", *(["--only", only] if only else [])]
    with started(arguments, environment(data, **more), "stderr", says) as running:
        yield running


def connect(data: Path, sandbox_url: str, *options: str) -> None:
    hogline(
        data, "connect", "customerio", "--site-id", "sandbox-site", "--api-key", "sandbox-key",
        "--tracking-endpoint", sandbox_url, *options,
    )  # fmt: skip


def get(url: str) -> Any:
    with urlopen(Request(url), timeout=10) as answer:
        return msgspec.json.decode(answer.read())


def put(url: str, value: object) -> None:
    with urlopen(
        Request(url, msgspec.json.encode(value), {"content-type": "application/json"}, method="PUT"), timeout=10
    ):
        pass


def post(url: str, value: object, token: str) -> int:
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    with urlopen(Request(url, msgspec.json.encode(value), headers), timeout=10) as answer:
        return int(answer.status)


def api_status(console_url: str, token: str) -> int:
    """What the API answers to this token."""
    request = Request(f"{console_url}/api/status", headers={"authorization": f"Bearer {token}"})
    try:
        with urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except HTTPError as refused:
        with refused:
            return refused.code


def people(sandbox_url: str) -> dict[str, Any]:
    """The sandbox's people by id (or email)."""
    return {person["id"] or person["email"]: person for person in get(f"{sandbox_url}/sandbox/people?limit=1000")}


def all_events(sandbox_url: str) -> list[dict[str, Any]]:
    """Every event that the sandbox keeps, in the order of their first acceptance."""
    events: list[dict[str, Any]] = []
    after = 0
    while page := get(f"{sandbox_url}/sandbox/events?limit=1000&after={after}"):
        events += page
        after = page[-1]["sequence"]
    return events


def until(true: Callable[[], bool]) -> None:
    """Returns as soon as something is true; fails if it never is."""
    end = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def basic(site_id: str, api_key: str) -> str:
    return "Basic " + base64.b64encode(f"{site_id}:{api_key}".encode()).decode()
