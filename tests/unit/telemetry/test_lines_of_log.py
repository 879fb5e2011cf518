"""What log lines say of requests received, shipments, requests sent, and of a connection's state."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import threading
from collections.abc import Awaitable
from pathlib import Path
from uuid import UUID

import pytest
import structlog

from hogline.clock import SystemClock
from hogline.destinations.base import Unreachable
from hogline.model import Response
from hogline.telemetry import crash, logs
from hogline.telemetry.delivery import DeliveryWatch
from hogline.telemetry.internal_errors import kind_and_place
from hogline.telemetry.receiving import ReceivingWatch

Lines = list[dict[str, object]]
UUIDS = [str(UUID(int=n)) for n in range(45)]


class TickingClock(SystemClock):
    """It moves whenever it is read."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def now_s(self) -> float:
        self.at_s += 0.25
        return self.at_s


def test_a_path_that_is_no_route_is_not_quoted(lines: Lines) -> None:
    ReceivingWatch().answered("id", "", 404, 0.0, ())
    assert lines[0]["route"] == "unknown"


def test_a_received_request_is_a_line_with_its_events(lines: Lines) -> None:
    watch = ReceivingWatch()
    watch.answered("7-1", "/batch", 200, watch.now_s(), UUIDS[:3])
    (line,) = lines
    assert float(str(line.pop("ms"))) >= 0
    assert line == {
        "event": "received", "log_level": "debug", "request": "7-1", "route": "/batch", "status": 200, "events": 3,
        "uuids": UUIDS[:3],
    }  # fmt: skip


def test_many_events_stand_in_several_lines_and_none_is_left_out(lines: Lines) -> None:
    ReceivingWatch().answered("7-1", "/batch", 200, 0.0, UUIDS)
    with DeliveryWatch("shop", TickingClock()).shipment(UUIDS):
        pass
    for kind in ("received", "shipment"):
        told = [line["uuids"] for line in lines if line["event"] == kind]
        assert [len(some) for some in told if isinstance(some, list)] == [20, 20, 5]
        assert [uuid for some in told if isinstance(some, list) for uuid in some] == UUIDS


def test_a_request_without_events_is_one_line(lines: Lines) -> None:
    ReceivingWatch().answered("7-1", "/batch", 401, 0.0, ())
    assert [(line["status"], line["uuids"]) for line in lines] == [(401, [])]


def test_ids_of_requests_never_repeat() -> None:
    one, other = ReceivingWatch(), ReceivingWatch()
    ids = [watch.new_id() for watch in (one, other) for _ in range(100)]
    assert len(set(ids)) == 200
    assert all(name.isascii() and name.replace("-", "").isalnum() for name in ids)


async def answering(response: Response) -> Response:
    return response


async def failing() -> Response:
    raise Unreachable("no connection")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "status"),
    [(lambda: answering(Response(207, {}, b"ada@example.com")), "207"), (failing, "unreachable: no connection")],
)
async def test_a_request_sent_is_a_line_and_tells_the_listener(
    answer: type[Awaitable[Response]], status: str, lines: Lines
) -> None:
    told: list[tuple[str, float]] = []
    watch = DeliveryWatch("shop", TickingClock(), lambda connection, took_s: told.append((connection, took_s)))
    with watch.shipment(UUIDS):
        if status == "207":
            assert (await watch.timed(answer(), 3, 500)).status == 207
        else:
            with pytest.raises(Unreachable):
                await watch.timed(answer(), 3, 500)
    assert structlog.contextvars.get_contextvars() == {}
    assert told == [("shop", 0.25)]
    line = lines[-1]
    assert line == {
        "event": "request", "log_level": "debug", "connection": "shop", "operations": 3, "bytes": 500, "status": status,
        "ms": 250.0, "shipment": 1, "first": UUIDS[0], "last": UUIDS[-1],
    }  # fmt: skip


@pytest.mark.anyio
async def test_without_debug_lines_only_the_listener_is_told(lines: Lines) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("info"))
    told: list[str] = []
    watch = DeliveryWatch("shop", TickingClock(), lambda connection, _: told.append(connection))
    with watch.shipment(iter(UUIDS)):
        await watch.timed(answering(Response(200, {}, b"")), 3, 500)
    ReceivingWatch().answered("1", "/batch", 200, 0.0, UUIDS)
    assert told == ["shop"]
    assert lines == []
    assert structlog.contextvars.get_contextvars() == {}


def test_a_connections_waiting_and_going_on_is_a_line_each_time_it_changes(lines: Lines) -> None:
    watch = DeliveryWatch("shop", TickingClock())
    for trouble in (None, None, "A", "A", "B", None, None, "A"):
        watch.standing(trouble)
    assert [(line["log_level"], line["event"], line.get("reason")) for line in lines] == [
        ("warning", "connection waiting", "A"),
        ("warning", "connection waiting", "B"),
        ("info", "connection delivering again", None),
        ("warning", "connection waiting", "A"),
    ]


def test_of_a_mistake_its_kind_and_place_are_told_and_never_its_text() -> None:
    with pytest.raises(KeyError) as raised:
        raise KeyError("ada@example.com")
    told = kind_and_place(BaseExceptionGroup("u1", [raised.value]))
    assert told.startswith("KeyError at test_lines_of_log.py:")
    assert "ada" not in told
    assert kind_and_place(ValueError("u1")) == "ValueError at ?"


@pytest.mark.parametrize("form", ["json", "console"])
def test_log_lines_are_json_or_for_people(form: str, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    monkeypatch.setattr("sys.excepthook", sys.excepthook)  # both are put back after the test
    monkeypatch.setattr("threading.excepthook", threading.excepthook)
    handlers = logging.getLogger().handlers
    try:
        logs.set_up_logs("json" if form == "json" else "console", "info")
        structlog.contextvars.bind_contextvars(shipment=3)
        structlog.get_logger("x").info("connection waiting", connection="shop")
        structlog.get_logger("x").debug("not wanted")
        logging.getLogger("aiohttp").error("ada@example.com")
    finally:
        logging.getLogger().handlers = handlers
    (line,) = written.getvalue().splitlines()
    if form == "json":
        told = json.loads(line)
        assert told.pop("timestamp").endswith("Z")
        assert told == {"level": "info", "event": "connection waiting", "connection": "shop", "shipment": 3}
    else:
        assert "connection waiting" in line
        assert "shop" in line


def test_a_crash_tells_where_it_was_and_not_what_it_was_about(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.excepthook", None)
    monkeypatch.setattr("threading.excepthook", None)
    crash.hide_texts_of_crashes()
    address = "ada@example.com"
    with pytest.raises(KeyError) as raised:
        raise KeyError(address)
    sys.excepthook(raised.type, raised.value, raised.tb)
    told = [capsys.readouterr().err]
    threading.excepthook(threading.ExceptHookArgs([raised.type, raised.value, raised.tb, None]))
    told.append(capsys.readouterr().err)
    for text in told:
        assert "test_lines_of_log.py" in text
        assert "KeyError" in text
        assert "Please report this bug" in text
        assert "ada@" not in text


def test_ctrl_c_is_no_mistake(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.excepthook", None)
    monkeypatch.setattr("threading.excepthook", None)
    crash.hide_texts_of_crashes()
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert "report" not in capsys.readouterr().err


def test_the_documentation_names_lines_that_exist() -> None:
    root = Path(__file__).parents[3]
    (_, page) = (root / "docs/watching.md").read_text("utf-8").split("| line | level | when |\n")
    named = [name for row in page.split("\n\n")[0].splitlines() for name in re.findall(r"`([^`]+)`", row.split("|")[1])]
    code = "".join(file.read_text("utf-8") for file in (root / "src/hogline").rglob("*.py"))
    assert len(named) > 30
    assert [name for name in named if f'"{name}' not in code] == []
