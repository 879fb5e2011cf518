"""Nothing from outside reaches a terminal raw: ids, names, values and answers, whatever is printed about them."""

from __future__ import annotations

import io
import json
import re
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from hogline import cli
from hogline.cli.printing import SafeConsole, table_of
from hogline.delivery.client import Client
from hogline.escaping import HARMFUL, escaped, escaped_json, escaped_lines
from hogline.model import Request, Response
from hogline.telemetry.logs import set_up_logs

EVIL = "x\x1b]0;title\x07\x1b[2J\x9b31m\u202ecod.exe\u2066\u200e\r\nFORGED LINE\x7f\u2028\U000e0041"
RAW = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
"""A line end is ours; escape sequences are not looked for, as standard output is no terminal here."""


@given(st.text())
def test_no_text_keeps_anything_harmful(text: str) -> None:
    assert not HARMFUL.search(escaped(text))
    assert not set(HARMFUL.findall(escaped_lines(text))) - set("\t\n\r")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_says_the_same(text: str) -> None:
    written = escaped_json(msgspec.json.encode({text: [text]}).decode())
    assert json.loads(written) == {text: [text]}
    assert not set(HARMFUL.findall(written))


@pytest.mark.parametrize(
    "text", ["Zoë", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "👩\u200d💻", "日本", "ada@example.com", "a b"]
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert escaped(text) == text


@given(st.text(max_size=50), st.text(max_size=20))
def test_styled_text_and_tables_are_harmless_too(text: str, cell: str) -> None:
    file = io.StringIO()
    console = SafeConsole(file=file, width=60, color_system=None, force_terminal=False)
    table = Table("one", "two", box=None)
    table.add_row(Text(cell, style="red"), Text.assemble((text, "bold"), cell))
    console.print(Text(text, style="bold"))
    console.print(text, markup=False)
    console.print(table)
    assert not RAW.search(file.getvalue())


def test_styles_stay_where_they_were() -> None:
    file = io.StringIO()
    SafeConsole(file=file, width=60, color_system="standard", force_terminal=True).print(
        Text.assemble(("a\x1bb", "bold"), "c")
    )
    shown = file.getvalue()
    assert "\\x1b" in shown
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == "a\\x1bbc\n"


async def answers(_: Client, request: Request) -> Response:
    """Customer.io, whose answers are hostile too."""
    if request.method == "GET":
        return Response(200, {}, b'{"url": "https://track.customer.io", "region": "us", "environment_id": 1}')
    batch = msgspec.json.decode(request.body, type=dict[str, list[dict[str, object]]])["batch"]
    errors = [
        {"batch_index": index, "reason": EVIL, "field": EVIL, "message": EVIL}
        for index, operation in enumerate(batch)
        if str(operation.get("name", "")).startswith("refuse")
    ]
    return Response(207, {}, msgspec.json.encode({"errors": errors}))


AT = "2026-11-01T10:00:00Z"
EVENTS = [
    {
        "event": "$identify",
        "distinct_id": EVIL,
        "timestamp": AT,
        "$set": {"email": "e@x.example", EVIL: EVIL, "p": EVIL},
    },
    {"event": f"bought {EVIL}", "distinct_id": EVIL, "timestamp": AT, "properties": {EVIL: EVIL}},
    {"event": f"refuse {EVIL}", "distinct_id": EVIL, "timestamp": AT, "properties": {EVIL: EVIL}},
    {
        "event": "$groupidentify",
        "distinct_id": EVIL,
        "timestamp": AT,
        "properties": {"$group_type": EVIL, "$group_key": EVIL},
    },
]
SEEN = [
    ["connections"], ["status"], ["people"], ["people", "list", "x"], ["people", "show", "shop", EVIL],
    ["failures"], ["failures", "show", "shop", "3"], ["failures", "export", "shop"], ["check", "shop"], ["token"],
    ["failures", "retry", "shop", "--all"], ["audit"], ["audit", "--json"], ["accounts"],
    ["configure", "shop", "--event-allowlist", f"a,{EVIL}"], ["connections"], ["connections", "--json"],
    ["people", "--json"], ["failures", "--json"], ["status", "--json"], ["failures", "show", "shop", "3", "--json"],
    ["people", "show", "nowhere", EVIL], ["check", EVIL], ["connect", "customerio", "--name", EVIL],
    ["people", "forget", EVIL], [EVIL], ["send", EVIL], ["preview", EVIL], ["accounts", "role", EVIL, "viewer"],
]  # fmt: skip


def test_no_command_prints_anything_raw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Client, "send", answers)
    for name, value in {"HOGLINE_DATA": str(tmp_path / "data"), "HOGLINE_SITE_ID": "a", "HOGLINE_API_KEY": "b"}.items():
        monkeypatch.setenv(name, value)
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in EVENTS) + EVIL.encode() + b"\n")
    said = run(["connect", "customerio", "--name", "shop"], monkeypatch, capfd)
    assert "is connected" in said
    everything = [["preview", str(events)], ["preview", str(events), "--json"], ["send", str(events)], *SEEN]
    for command in everything:
        said = run(command, monkeypatch, capfd)
        assert said, command
        assert not RAW.search(said), (command, RAW.findall(said))
        assert not any(line.startswith("FORGED LINE") for line in said.splitlines()), command


def run(command: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> str:
    """What a command prints, on either side."""
    monkeypatch.setattr(sys, "argv", ["hogline", *command])
    with warnings.catch_warnings(), suppress(SystemExit):
        warnings.simplefilter("ignore")  # a test asks as a shell does
        cli.main()
    return "".join(capfd.readouterr())


def test_a_log_line_is_harmless_too(capfd: pytest.CaptureFixture[str]) -> None:
    import structlog  # noqa: PLC0415  # set up here only

    for form in ("console", "json"):
        set_up_logs(form, "info")
        structlog.get_logger().warning("connection waiting", reason=EVIL, uuids=[EVIL])
    assert not RAW.search("".join(capfd.readouterr()))
    structlog.reset_defaults()


def test_nothing_else_in_the_commands_writes_to_a_terminal() -> None:
    """`printing` is the one place: whoever prints by another way is found here."""
    folder = Path(cli.__file__).parent
    found = [
        f"{file.name}: {line.strip()}"
        for file in folder.glob("*.py")
        if file.name != "printing.py"
        for line in file.read_text("utf-8").splitlines()
        if re.search(r"\bprint\(|std(out|err)\.write|Console\(", line)
        and not re.search(r"\b(out|err)\.print\(|escaped\(", line)
    ]
    assert found == []


def test_a_table_wraps_what_is_long_and_cuts_nothing() -> None:
    table = table_of("number", "distinct_id")
    table.add_row("1", "x" * 200)
    console = SafeConsole(file=io.StringIO(), width=40)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count("x") == 200
