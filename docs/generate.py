#!/usr/bin/env python3
"""Writes the parts of the documentation that the code itself knows: `docs/commands.md` from every command's
`--help`, `docs/settings.md` from the settings, what each role may do in `docs/console.md`, and the results of the
examples in `docs/behaviour.md`.

Run it as `.venv/bin/python docs/generate.py`; with `--check` it writes nothing and ends with exit code 1 if
something is out of date. What it writes depends on nothing of the machine: no terminal, no clock, no data.
"""

from __future__ import annotations

import asyncio
import io
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

import msgspec
from cyclopts import App
from pydantic_core import PydanticUndefined
from rich.console import Console

from hogline.cli.app import app
from hogline.sending import Preview
from hogline.service.rights import RIGHTS
from hogline.settings import PREFIX, Settings
from hogline.store.base import Connection
from hogline.store.roles import ROLES, includes
from hogline.views import OperationView, PreviewedEvent

DOCS = Path(__file__).parent
WIDTH = 100
NOW_MS = 1_793_600_000_000
"""When the examples are previewed: 2 November 2026."""

_EXAMPLE = re.compile(
    r"^```jsonl(?P<options>[^\n]*)\n(?P<events>.*?)^```\n\n```text\n(?P<result>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)

COMMANDS_HEAD = """\
# Commands

*Written by `docs/generate.py` from what each command says under `--help`. Do not edit.*

Every command works whether or not `hogline serve` runs on the same data directory: beside a running one it asks that
process through its control socket, otherwise it does the work itself.

Exit codes: 0, done. 1, could not be done (one sentence on standard error says why), or, of `send` and `preview`, a line
of the file holds no event, or, of `send`, something became a dead letter or is still waiting. 2, asked in a wrong way.
130, interrupted.

Settings that hold for all commands, such as `HOGLINE_DATA`, stand in [settings.md](settings.md).
"""

SETTINGS_HEAD = """\
# Settings

*Written by `docs/generate.py` from `src/hogline/settings.py`. Do not edit.*

Every setting is an environment variable. `<NAME>_FILE` names a file that holds the value instead, which is the way for
secrets; the variable itself wins over the file. `--data` on the command line wins over both.

| variable | default | what it is |
|---|---|---|
"""

SETTINGS_TAIL = """
The data directory is, unless set otherwise, `~/.local/share/hogline` on Linux and
`~/Library/Application Support/hogline` on macOS. It is made with mode 0700 and holds `journal.db`, `state.db`,
`history.db`, `audit.db`, `secret.key`, `console.json` (accounts, with hashed passwords), `api_tokens.json` (hashes),
`first-password` until you set another, and, while Hogline serves, `control.sock`. Back up all of it, with `secret.key`:
without that key the stored credentials cannot be read. Hogline refuses a directory or files of another user, files that
are symbolic links, and files that everybody can read or write; a copy that was unpacked with wide permissions needs
`chmod 600` first.

`hogline connect` reads the secrets of the new connection from the environment if you do not give them as options: from
`HOGLINE_<DESTINATION>_<OPTION>`, or from the file that `HOGLINE_<DESTINATION>_<OPTION>_FILE` names. For example,
`HOGLINE_ENGAGE_PUBLIC_KEY`. Customer.io's also have short names: `HOGLINE_SITE_ID` and `HOGLINE_API_KEY`. All other
options of a connection are listed under [The options](behaviour.md#the-options).

Requests to destinations go through the proxy that `HTTPS_PROXY` names, if it is set.
"""


def commands() -> str:
    """`docs/commands.md`."""
    chains = list(_chains(app, ()))  # all are read before the first says which there are
    return "\n".join([COMMANDS_HEAD, *(_section(tokens) for tokens in chains)])


def _chains(command: App, tokens: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """A command and those below it, each as what is typed behind `hogline`."""
    yield tokens
    for name in sorted(name for name in command if not name.startswith("-")):
        yield from _chains(command[name], (*tokens, name))


def _section(tokens: Sequence[str]) -> str:
    text = io.StringIO()
    plain = Console(file=text, width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False)
    app.help_print(list(tokens), console=plain)
    lines = [line.rstrip() for line in text.getvalue().strip().splitlines()]
    return f"## {' '.join(('hogline', *tokens))}\n\n```text\n" + "\n".join(lines) + "\n```\n"


def settings() -> str:
    """`docs/settings.md`."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (PydanticUndefined, None, "") else f"`{field.default}`"
        shown = default or ("the platform's" if field.default_factory else "none")
        choices = " or ".join(f"`{choice}`" for choice in get_args(field.annotation) if isinstance(choice, str))
        described = f"{field.description} {choices[:1].upper()}{choices[1:]}.".replace(" .", "")
        rows.append(f"| `{PREFIX}{name.upper()}` | {shown} | {described} |\n")
    return SETTINGS_HEAD + "".join(rows) + SETTINGS_TAIL


def with_rights(page: str) -> str:
    """The page with the table of what each role may do between its two marks."""
    rows = "".join(
        f"| {right.what} | " + " | ".join("yes" if includes(role, right.least) else "" for role in ROLES) + " |\n"
        for right in RIGHTS
    )
    table = f"| | {' | '.join(ROLES)} |\n|---|{'---|' * len(ROLES)}\n{rows}"
    return re.sub(r"(?<=<!-- rights -->\n).*?(?=<!-- /rights -->)", lambda _: table, page, flags=re.DOTALL)


def with_results(page: str) -> str:
    """The page with the result under each example: what `hogline preview` shows of its events.

    An example is a fence `jsonl`, with options of the connection behind it if they are not the defaults, and
    a fence `text` for the result.
    """
    return _EXAMPLE.sub(
        lambda found: (
            f"```jsonl{found['options']}\n{found['events']}```\n\n"
            f"```text\n{result(found['events'], _options(found['options']))}```"
        ),
        page,
    )


def _options(text: str) -> Mapping[str, object]:
    return dict(word.split("=", 1) for word in shlex.split(text))


def result(events: str, options: Mapping[str, object]) -> str:
    """What these events come to, one after the other, for somebody of whom nothing was known."""
    connection = Connection(
        id=1,
        name="customerio",
        destination="customerio",
        options={"site_id": "site", "api_key": "key", **options},
        enabled=True,
        stopped=None,
        start=0,
        created_ms=NOW_MS,
    )
    lines = list(enumerate(events.encode().splitlines(), 1))
    previewed, bad = asyncio.run(Preview(None, [connection], _Clock(), from_file=True).lines(lines))
    if bad:
        raise ValueError(f"An example in behaviour.md cannot be read: {bad[0].sentence}")
    return "".join(_shown(event) for event in previewed)


def _shown(event: PreviewedEvent) -> str:
    lines = [f"{event.event}  {event.distinct_id}"]
    if event.joined is not None:
        lines.append(f"  joins: {event.joined.distinct_id} is {event.joined.into} from now on")
    if event.filtered:
        lines.append(f"  {'held' if event.held else 'not sent'}: {event.filtered}")
    for released in event.released:
        lines.append(f"  released: {released.event}")
        lines += _operations(released.operations, "    ")
    if event.refused:
        lines.append(f"  dead letter: {event.refused}")
    lines += _operations(event.operations, "  ")
    if event.follows:
        lines.append("  after a pause:")
        lines += _operations(event.follows, "    ")
    if event.adjusted:
        lines.append(f"  adjusted: {', '.join(event.adjusted)}")
    return "\n".join(lines) + "\n"


def _operations(operations: Sequence[OperationView], indent: str) -> list[str]:
    return [
        f"{indent}{one.action}{'' if one.route == 'batch' else f' ({one.route})'}  "
        + msgspec.json.encode(one.body).decode()
        for one in operations
    ]


class _Clock:
    def now_s(self) -> float:
        return 0.0

    def time_ms(self) -> int:
        return NOW_MS

    async def sleep(self, seconds: float) -> None:
        """Nothing waits here."""


def pages() -> dict[Path, str]:
    """What the generated pages must hold, by file."""
    behaviour, console = DOCS / "behaviour.md", DOCS / "console.md"
    return {
        DOCS / "commands.md": commands(),
        DOCS / "settings.md": settings(),
        console: with_rights(console.read_text("utf-8")),
        behaviour: with_results(behaviour.read_text("utf-8")),
    }


def main() -> None:
    wanted = pages()
    stale = [page for page, text in wanted.items() if not page.exists() or page.read_text("utf-8") != text]
    for page in stale:
        sys.stdout.write(f"{page.name} {'is out of date' if '--check' in sys.argv else 'written'}\n")
        if "--check" not in sys.argv:
            page.write_text(wanted[page], "utf-8")
    if stale and "--check" in sys.argv:
        sys.exit(1)


if __name__ == "__main__":
    main()
