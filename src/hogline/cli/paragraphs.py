"""The text of `--help`: a paragraph fills the width of the terminal, wherever its lines end in the source."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from cyclopts.help import DefaultFormatter, HelpPanel
    from cyclopts.help.inline_text import InlineText
    from rich.console import Console, ConsoleOptions


class Paragraphs:
    """Help as cyclopts formats it. An indented line stays a separate line."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        self._formatter()(console, options, panel)

    def render_usage(self, console: Console, options: ConsoleOptions, usage: object) -> None:
        self._formatter().render_usage(console, options, usage)

    def render_description(self, console: Console, options: ConsoleOptions, description: InlineText) -> None:
        text = description.primary_renderable
        if isinstance(text, Text):
            text.plain = re.sub(r"(?<=\S)\n(?=\S)", " ", text.plain)
        self._formatter().render_description(console, options, description)

    @staticmethod
    def _formatter() -> DefaultFormatter:
        from cyclopts.help import DefaultFormatter  # noqa: PLC0415  # slow to import, and only for help

        return DefaultFormatter()
