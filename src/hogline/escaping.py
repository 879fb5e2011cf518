"""Text from outside made harmless to look at: what a terminal would obey, or what would turn a line around, is shown
as an escape instead.

Escape sequences begin with a control character (ESC, or a C1 control), lines are forged with line ends, and
bidirectional controls make text look like other text. Joiners stay: Persian, Indic scripts and emoji are written with
them.
"""

from __future__ import annotations

import re

_HARMFUL = (
    "\x00-\x1f\x7f-\x9f"  # C0 and C1 controls, DEL
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional marks, embeddings, overrides, isolates
    "\u2028\u2029"  # line and paragraph separators
    "\u200b\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # invisible
    "\ud800-\udfff"  # surrogates, which no terminal and no page can be sent
)
HARMFUL = re.compile(f"[{_HARMFUL}]")
_HARMFUL_ON_A_PAGE = re.compile(f"(?![\\t\\n\\r])[{_HARMFUL}]")


def escaped(text: str) -> str:
    r"""On one line, without control characters: they become `\x1b`, `\u202e`, `\n`, as written here."""
    return HARMFUL.sub(_as_escape, text)


def escaped_lines(text: str) -> str:
    """Like `escaped`, for a page: keeps line ends and tabs, which are harmless there."""
    return _HARMFUL_ON_A_PAGE.sub(_as_escape, text)


def escaped_json(text: str) -> str:
    """JSON text that says the same, in printable characters and its own line ends."""
    return _HARMFUL_ON_A_PAGE.sub(_as_json_escape, text)


def _as_escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _as_json_escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    if number < 0x10000:
        return f"\\u{number:04x}"
    number -= 0x10000
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"
