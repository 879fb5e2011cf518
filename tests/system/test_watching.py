"""Somebody who watches: metrics, the log, `status --watch`, and how a stop is seen everywhere at once."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hogline.testing import forked
from hogline.testing.processes import (
    HOGLINE,
    WITHIN_S,
    Running,
    assert_adds_up,
    connect,
    environment,
    get,
    hogline,
    hogline_json,
    post,
    put,
    serving,
    status,
    until,
)


def metrics(url: str) -> dict[str, float]:
    """Every sample by its name and its labels' values."""
    page_url = f"{url}/metrics"
    with urlopen(Request(page_url), timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=")
        page = answer.read().decode()
    return {
        " ".join((sample.name, *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def clicked(distinct_id: str = "u1") -> dict[str, object]:
    return {"event": {"event": "clicked", "distinct_id": distinct_id, "uuid": str(uuid4()), "properties": {}}}


class Log:
    """What a `hogline serve` writes to a file as JSON lines."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @property
    def console_url(self) -> str:
        """Where figures and reasons are."""
        return self.file.read_text("utf-8").split("Console at ")[1].split("\n")[0]

    @property
    def lines(self) -> list[dict[str, Any]]:
        written = self.file.read_text("utf-8").splitlines()
        return [msgspec.json.decode(line) for line in written if line.startswith("{")]

    def has(self, event: str, **values: object) -> bool:
        return any(line["event"] == event and values.items() <= line.items() for line in self.lines)


@contextmanager
def logging_to(file: Path, data: Path, level: str = "debug") -> Iterator[tuple[Running, Log]]:
    env = environment(data, HOGLINE_LOG_FORMAT="json", HOGLINE_LOG_LEVEL=level)
    with file.open("wb") as err:
        process = forked.start(["serve"], env, stderr=err)
    try:
        until(lambda: b"Sign in" in file.read_bytes())
        url = file.read_text().split("Receiving at ")[1].split(";")[0]
        yield Running(process, url), Log(file)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(WITHIN_S)


def test_metrics_tell_what_status_tells_and_outlive_a_restart(data: Path, sandbox: str, tmp_path: Path) -> None:
    connect(data, sandbox, "--anonymous-users", "identified", "--name", "shop")
    for sent in (1, 2):
        with logging_to(tmp_path / "log", data) as (running, log):
            token = hogline_json(data, "token")["token"]
            post(f"{running.url}/webhook", clicked(), token)
            until(lambda sent=sent: status(data, "shop")["filtered"] == {"not_identified": sent})  # type: ignore[misc]
            time.sleep(1.1)  # the page shows figures that are up to a second old
            found = metrics(log.console_url)
            assert running.stop() == 0
        assert found["hogline_received_events_total shop"] == sent
        assert found["hogline_filtered_events_total shop not_identified"] == sent
        assert found["hogline_pending_events shop"] == 0
        assert found["hogline_connection_state shop delivering"] == 1
        assert found["hogline_disk_bytes journal"] > 0
        assert found["process_resident_memory_bytes"] > 0


def test_a_connection_that_stops_is_seen_everywhere(data: Path, sandbox: str, tmp_path: Path) -> None:
    connect(data, sandbox)
    with logging_to(tmp_path / "log", data, "info") as (running, log):
        token = hogline_json(data, "token")["token"]
        put(f"{sandbox}/sandbox/script", {"answers": [{"status": 503}, {"status": 401}]})
        post(f"{running.url}/webhook", clicked(), token)
        until(lambda: log.has("connection stopped"))
        reason = status(data)["reason"]
        with pytest.raises(HTTPError) as unready:
            get(f"{log.console_url}/readyz")
        assert unready.value.code == 503
        assert msgspec.json.decode(unready.value.read())["problems"] == [f"customerio: {reason}"]
        until(lambda: metrics(log.console_url)["hogline_connection_state customerio stopped"] == 1)
        assert metrics(log.console_url)["hogline_retries_total customerio 503"] == 1
        assert log.has("connection stopped", connection="customerio", reason=reason, level="warning")
        hogline(data, "resume", "customerio")
        until(lambda: status(data)["delivered"] == 1)
        hogline(data, "pause", "customerio")
        assert running.stop() == 0
    told = [line["event"] for line in log.lines if line["event"].startswith("connection ")]
    assert told == [
        "connection started",
        "connection waiting",
        "connection stopped",
        "connection resumed",
        "connection started",
        "connection ended",
        "connection paused",
    ]


def test_an_outage_is_two_lines_however_often_it_is_tried(data: Path, sandbox: str, tmp_path: Path) -> None:
    connect(data, sandbox)
    with logging_to(tmp_path / "log", data, "info") as (running, log):
        token = hogline_json(data, "token")["token"]
        put(f"{sandbox}/sandbox/script", {"answers": [{"status": 500, "times": 2}]})
        post(f"{running.url}/webhook", clicked(), token)
        until(lambda: log.has("connection delivering again"))
    told = [(line["level"], line["event"]) for line in log.lines]
    assert told == [
        ("info", "connection started"),
        ("warning", "connection waiting"),
        ("info", "connection delivering again"),
    ]


def test_one_event_can_be_followed_by_its_uuid_from_the_sender_to_customer_io(
    data: Path, sandbox: str, tmp_path: Path
) -> None:
    connect(data, sandbox)
    events = [clicked(f"u{n}")["event"] for n in range(50)]
    uuid = events[33]["uuid"]  # type: ignore[index]
    with logging_to(tmp_path / "log", data) as (running, log):
        token = hogline_json(data, "token")["token"]
        body = msgspec.json.encode({"api_key": token, "batch": events})
        batch_url = f"{running.url}/batch/"
        with urlopen(Request(batch_url, body), timeout=10) as answer:
            request_id = answer.headers["x-request-id"]
        until(lambda: status(data)["delivered"] == 50)
    (received,) = [line for line in log.lines if line["event"] == "received" and uuid in line["uuids"]]
    assert (received["request"], received["route"], received["status"]) == (request_id, "/batch", 200)
    assert received["events"] == 50
    assert len(received["uuids"]) <= 20
    (shipment,) = [line for line in log.lines if line["event"] == "shipment" and uuid in line["uuids"]]
    (request,) = [line for line in log.lines if line["event"] == "request" and line["shipment"] == shipment["shipment"]]
    assert request["status"] == "200"
    assert request["operations"] >= shipment["events"]


@contextmanager
def watching(data: Path, *more: str, stdout: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [*HOGLINE, "status", "--watch", *more],
        env=environment(data, TERM="xterm"),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended_cleanly(watch: subprocess.Popen[bytes]) -> bool:
    assert watch.stderr is not None
    return (watch.wait(WITHIN_S), watch.stderr.read()) == (0, b"")


def test_status_is_watched_through_the_start_and_end_of_serve_until_ctrl_c(data: Path, sandbox: str) -> None:
    connect(data, sandbox)
    with watching(data, "--json") as watch:

        def state() -> str:
            found = msgspec.json.decode(watch.stdout.readline())["connections"][0]  # type: ignore[union-attr]
            assert_adds_up(found)
            return str(found["state"])

        assert state() == "not_running"
        with serving(data) as running:
            until(lambda: state() == "delivering")
            assert running.stop() == 0
        until(lambda: state() == "not_running")
        watch.send_signal(signal.SIGINT)
        assert ended_cleanly(watch)


def test_on_a_terminal_it_has_a_screen_of_its_own_and_gives_it_back(data: Path, sandbox: str) -> None:
    connect(data, sandbox, "--name", "shop")
    terminal, theirs = pty.openpty()
    shown = b""
    try:
        with watching(data, stdout=theirs) as watch:
            os.close(theirs)
            while b"Ctrl-C to stop" not in shown or b"pending" not in shown:
                shown += os.read(terminal, 10_000)
            watch.send_signal(signal.SIGINT)
            with suppress(OSError):  # that is how Linux says that nobody writes there any more
                while more := os.read(terminal, 10_000):  # a terminal that nobody reads would hold it up
                    shown += more
            assert ended_cleanly(watch)
    finally:
        os.close(terminal)
    enters, leaves = shown.index(b"\x1b[?1049h"), shown.rindex(b"\x1b[?1049l")
    assert enters < shown.index(b"shop") < leaves
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")  # the cursor is back


def test_without_a_data_directory_that_can_be_used_watching_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = hogline(tmp_path / "file", "status", "--watch", code=1)
    assert refused.stderr.count("\n") == 1
    assert "--data" in refused.stderr
