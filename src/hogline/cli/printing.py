"""The one place through which commands print. Whatever the text, nothing in it is obeyed by the terminal: styles are
ours and are added behind this.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import IO

import msgspec
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from hogline.escaping import HARMFUL, escaped, escaped_json


class SafeConsole(Console):
    """Every text that is rendered, alone or in a table, comes through `render` before it is laid out. So no text
    contains a line break: print twice to get two lines.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        if isinstance(renderable, str):
            renderable = self.render_str(renderable)
        return super().render(_escaped(renderable) if isinstance(renderable, Text) else renderable, options)


def _escaped(text: Text) -> Text:
    """With its styles where they were."""
    found = list(HARMFUL.finditer(text.plain))
    if not found:
        return text
    parts, at = [], 0
    for one in found:
        parts += [text[at : one.start()], Text(escaped(one[0]), style="dim")]
        at = one.end()
    joined = text.blank_copy("").join([*parts, text[at:]]) if at < len(text.plain) else text.blank_copy("").join(parts)
    joined.end = text.end
    return joined


out = SafeConsole(highlight=False, soft_wrap=True)
err = SafeConsole(stderr=True, highlight=False, soft_wrap=True)


def table_of(*titles: str) -> Table:
    """A table whose values wrap if they are long, and are never cut: people copy ids, and programs read them."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in titles:
        table.add_column(title, overflow="fold", no_wrap=title in _ON_ONE_LINE)
    return table


_ON_ONE_LINE = {"id", "number", "received", "when"}


def print_json(value: object) -> None:
    sys.stdout.write(escaped_json(msgspec.json.format(msgspec.json.encode(value)).decode()) + "\n")


def print_json_line(value: object, to: IO[str] | None = None) -> None:
    (to or sys.stdout).write(escaped_json(msgspec.json.encode(value).decode()) + "\n")


def moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
