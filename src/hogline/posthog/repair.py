"""JSON text into values that can be kept, whatever the sender put into it.

Ordinary text goes through one typed decode. Only what that refuses (NaN, infinities, lone surrogates, bytes
that are no UTF-8, enormous numbers) takes the slow way, and only what looks suspicious is walked value by
value. Knows nothing of events.
"""

from __future__ import annotations

import json
import re

import msgspec

from hogline.posthog.bounds import NotJson, check_bounds

INTEGER_AS_TEXT = "integer_as_text"
SURROGATE_REPLACED = "lone_surrogate_replaced"
NUL_REMOVED = "nul_removed"

_LEAST_INTEGER = -(2**63)
_GREATEST_INTEGER = 2**64 - 1
_READABLE_DIGITS = 4_000  # Python converts no more than 4,300 digits.
_BOM = b"\xef\xbb\xbf"
_SURROGATE = re.compile("[\ud800-\udfff]")

_decoder = msgspec.json.Decoder()


class Decoded(msgspec.Struct, frozen=True):
    value: object
    suspicious: bool
    """Something in it may have to be repaired before it can be kept."""


class _Digits(str):
    """An integer with more digits than Python converts."""

    __slots__ = ()


def decode(text: bytes) -> Decoded:
    """The value of a JSON text, before `repair`. Raises `NotJson`."""
    if text.startswith(_BOM):
        text = text[3:]
    check_bounds(text)
    try:
        return Decoded(_decoder.decode(text), b"\\u0000" in text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Decoded(_decode_slowly(text), suspicious=True)


def _decode_slowly(text: bytes) -> object:
    try:
        # Bytes that are no UTF-8 become lone surrogates, which `repair` replaces.
        value: object = json.loads(text.decode("utf-8", "surrogateescape"), parse_int=_integer)
    except json.JSONDecodeError as wrong:
        if not text.strip():
            raise NotJson("This is empty.", "empty") from None
        place = f"line {wrong.lineno}, column {wrong.colno}" if b"\n" in text.strip() else f"column {wrong.colno}"
        raise NotJson(f"This is not valid JSON (error at {place}).") from None
    return value


def _integer(digits: str) -> int | _Digits:
    return int(digits) if len(digits) <= _READABLE_DIGITS else _Digits(digits)


def repair(value: object, reasons: list[str]) -> object:
    """The value with all that cannot be kept replaced; each kind of change is added once to `reasons`.

    Integers beyond 64 bits become their digits, lone surrogates become U+FFFD, NUL characters go, in names
    as in values.
    """
    if isinstance(value, str):
        return _repair_text(value, reasons)
    if isinstance(value, dict):
        return {_repair_text(name, reasons): repair(inner, reasons) for name, inner in value.items()}
    if isinstance(value, list):
        return [repair(inner, reasons) for inner in value]
    if isinstance(value, int) and not _LEAST_INTEGER <= value <= _GREATEST_INTEGER:
        note(reasons, INTEGER_AS_TEXT)
        return str(value)
    return value


def _repair_text(text: str, reasons: list[str]) -> str:
    if isinstance(text, _Digits):
        note(reasons, INTEGER_AS_TEXT)
        return str(text)
    if "\0" in text:
        note(reasons, NUL_REMOVED)
        text = text.replace("\0", "")
    if not text.isascii() and _SURROGATE.search(text):
        note(reasons, SURROGATE_REPLACED)
        text = _SURROGATE.sub("\ufffd", text)
    return text


def note(reasons: list[str], reason: str) -> None:
    if reason not in reasons:
        reasons.append(reason)
