"""Installed as users install it, into a folder of its own: shown everywhere, and 10,000 events arrive in order although
the process is killed.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from hogline.testing.processes import hogline, hogline_json, post, serving, status, until
from receiver import TYPED, receiving

PACKAGE = Path(__file__).parents[1]
EVENTS, PEOPLE = 10_000, 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package is installed. What builds it is there already, so nothing is downloaded."""
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--no-build-isolation", "--target", str(target), str(PACKAGE)], check=True, timeout=60)
    return target


@pytest.fixture(autouse=True)
def _installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(folder))


def batch(numbers: range) -> dict[str, object]:
    return {
        "batch": [
            {
                "uuid": f"0199f3a0-0000-7000-8000-{number:012d}",
                "event": "ordered",
                "distinct_id": f"user-{number % PEOPLE}",
                "timestamp": "2026-11-01T10:00:00Z",
                "properties": {"n": number},
            }
            for number in numbers
        ]
    }


def test_it_is_offered_by_commands_and_its_secret_comes_from_its_own_variable(tmp_path: Path) -> None:
    assert "webhook" in hogline(tmp_path, "connect", "--help").stdout
    shown = hogline(tmp_path, "connect", "webhook", "--help").stdout
    assert "--signing-secret" in shown
    assert "HOGLINE_WEBHOOK_SIGNING_SECRET" in shown
    with receiving() as receiver:
        hogline(tmp_path, "connect", "webhook", "--url", receiver.url, HOGLINE_WEBHOOK_SIGNING_SECRET=TYPED)
        refused = b64encode(bytes(32)).decode()
        wrong = hogline(
            tmp_path, "connect", "webhook", "--url", receiver.url, "--signing-secret", f"whsec_{refused}",
            code=1,
        )  # fmt: skip
    assert wrong.stderr.startswith("hogline: The URL refused the signature (401).")


def test_it_is_in_the_consoles_catalogue_and_in_the_api(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    token = hogline_json(tmp_path, "api-tokens", "add", "tests", "--role", "viewer")["token"]
    with serving(tmp_path, HOGLINE_CONSOLE=address):
        headers = {"authorization": f"Bearer {token}"}
        with urlopen(Request(f"http://{address}/api/destinations", headers=headers), timeout=10) as answer:
            destinations = {one["key"]: one for one in json.loads(answer.read())["items"]}
    assert [option["key"] for option in destinations["webhook"]["options"]][:2] == ["url", "signing_secret"]


def test_10_000_events_arrive_in_order_although_the_process_is_killed(tmp_path: Path) -> None:
    with receiving() as receiver:
        hogline(tmp_path, "connect", "webhook", "--url", receiver.url, "--signing-secret", TYPED, "--paused")
        token = hogline_json(tmp_path, "token")["token"]
        with serving(tmp_path) as running:
            for start in range(0, EVENTS, 500):
                body = {"api_key": token, **batch(range(start, start + 500))}
                assert post(f"{running.url}/batch", body, token) == 200
            receiver.crash_at, receiver.crash = EVENTS // 4, running.process.kill
            hogline(tmp_path, "resume", "webhook")
            running.process.wait(30)
        assert EVENTS // 4 <= len(receiver.events) < EVENTS
        with serving(tmp_path) as running:
            until(lambda: status(tmp_path, "webhook")["pending"] == 0)
            assert running.stop() == 0
    assert status(tmp_path, "webhook")["delivered"] == EVENTS
    assert receiver.forged == 0
    assert receiver.largest > 1
    for person in range(PEOPLE):
        theirs = [one["properties"]["n"] for one in receiver.events if one["distinct_id"] == f"user-{person}"]
        assert theirs == list(range(person, EVENTS, PEOPLE))
