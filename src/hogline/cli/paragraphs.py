"""The text of `--help`: a paragraph fills the width of the terminal, wherever its lines end in the source."""

from __future__ import annotations

import re

from cyclopts.help import DefaultFormatter
from rich.console import Console, ConsoleOptions
from rich.text import Text


class Paragraphs(DefaultFormatter):
    def render_description(self, console: Console, options: ConsoleOptions, description: object) -> None:
        """As cyclopts does. An indented line stays a separate line."""
        text = getattr(description, "primary_renderable", None)
        if isinstance(text, Text):
            text.plain = re.sub(r"(?<=\S)\n(?=\S)", " ", text.plain)
        super().render_description(console, options, description)
