"""What a JSON text would come to if it were decoded, found out before it is: how deep it is nested, and how much
memory its values take. Pure counting over bytes, in one pass each.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Literal

MAX_DEPTH = 100
"""How deep arrays and objects may be nested. Ours: real events stay below 20."""
MOST_DECODED_BYTES = 64 * 1024 * 1024
"""Memory that one text may take once it is decoded: 12 MB of ordinary events, or 7 MB if one of them has an emoji."""
_MOST_BRACKETS = 1_000_000

# What CPython takes for each, at most in the long run (64-bit, with the place that it has in its parent).
_OBJECT_BYTES = 256
_ARRAY_BYTES = 112
_VALUE_BYTES = 96

_LIGHT_BYTES = 256 * 1024
"""A text this short is within the limits, whatever it contains."""

_SQUARE = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b'[]{}"'))
_STEPS = bytes.maketrans(b"[]", b"\x01\xff")
_WIDE = re.compile(rb"[\xf0-\xf4]|\\u[dD][89abAB]")


class NotJson(ValueError):
    """The text cannot be read; `sentence` says why without quoting it. `status`: 413 if half of it could be."""

    def __init__(self, sentence: str, reason: str = "not_json", status: Literal[400, 413] = 400) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.reason = reason
        self.status: Literal[400, 413] = status


def check_bounds(text: bytes) -> None:
    """Raises `NotJson` for a text that is nested too deep, or takes too much memory. Exact for JSON; what is none is
    none the worse for it.
    """
    objects, arrays = text.count(b"{"), text.count(b"[")
    if len(text) > _LIGHT_BYTES and _decoded_bytes(text, objects, arrays) > MOST_DECODED_BYTES:
        raise NotJson("The JSON has too many values. Send it in parts.", "too_many_values", 413)
    if objects + arrays > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise NotJson(f"The JSON is nested more than {MAX_DEPTH} levels deep.", "too_deep")


def _decoded_bytes(text: bytes, objects: int, arrays: int) -> int:
    """At most so much, within a few per cent. Commas and brackets in texts count too: they are few."""
    if objects + arrays + text.count(b"}") + text.count(b"]") > _MOST_BRACKETS:
        return MOST_DECODED_BYTES + 1
    values = objects * _OBJECT_BYTES + arrays * _ARRAY_BYTES + text.count(b",") * _VALUE_BYTES
    return values + len(text) * _bytes_a_character(text)


def _bytes_a_character(text: bytes) -> int:
    """What CPython needs for the characters of the widest text in it, and for a narrow copy while it is widened."""
    if text.isascii() and b"\\u" not in text:
        return 1
    return 5 if _WIDE.search(text) else 3


def _depth(text: bytes) -> int:
    """How deep brackets nest, not counting those inside of texts."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Most texts hold no bracket: of them nothing but two quotes is left.
    brackets = text.translate(_SQUARE, _NO_BRACKETS).replace(b'""', b"")
    if b'"' in brackets:
        brackets = b"".join(brackets.split(b'"')[::2])
    return max(accumulate(memoryview(brackets.translate(_STEPS)).cast("b")), default=0)
