"""Decompression of lz64: LZ-string in base64, which posthog-js sent until 2021.

LZ-string is LZW with two kinds of literals (8 and 16 bits), codes that grow by a bit as the dictionary
grows, and bits in reverse order within each code. Knows nothing of HTTP.
"""

from __future__ import annotations

import binascii

MAX_CODED_BYTES = 64 * 1024
"""Python needs about 60 ms for that; senders of lz64 send a few kilobytes."""
MAX_TEXT_BYTES = 2 * 1024 * 1024
"""A few kilobytes can become any number; a text takes several times its bytes while it is put together."""

_LITERAL_8, _LITERAL_16, _END = 0, 1, 2


class TooLarge(Exception):
    """The text would be longer than allowed."""


class _Bits:
    """Codes out of a stream of bits, each with its lowest bit first."""

    def __init__(self, data: bytes) -> None:
        self._bits = format(int.from_bytes(data), f"0{len(data) * 8}b") if data else ""
        self._at = 0

    def take(self, width: int) -> int:
        end = self._at + width
        if end > len(self._bits):
            raise ValueError
        code = int(self._bits[self._at : end][::-1], 2)
        self._at = end
        return code


def decompress(coded: bytes, limit_bytes: int) -> bytes:
    """The text as UTF-8. Raises `TooLarge` and ValueError."""
    if len(coded) > MAX_CODED_BYTES:
        raise TooLarge
    limit_bytes = min(limit_bytes, MAX_TEXT_BYTES)
    coded = coded.rstrip(b"=")
    # Filled up with zero bits: LZ-string writes lengths that base64 does not know.
    bits = _Bits(binascii.a2b_base64(coded + b"A" * (-len(coded) % 4), strict_mode=True))
    text = "".join(_entries(bits, limit_bytes))
    # Characters beyond 16 bits come as two surrogates; one of them alone is left to `repair`.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _entries(bits: _Bits, limit_bytes: int) -> list[str]:
    literal = _literal(bits, bits.take(2))
    if literal is None:
        return []
    dictionary = ["", "", "", literal]
    entries = [literal]
    previous = literal
    length = 1
    width = 3
    grows_in = 4
    while (code := bits.take(width)) != _END:
        if code in (_LITERAL_8, _LITERAL_16):
            dictionary.append(_literal(bits, code) or "")
            code = len(dictionary) - 1
            grows_in -= 1
            if grows_in == 0:
                grows_in = 1 << width
                width += 1
        if code < len(dictionary):
            entry = dictionary[code]
        elif code == len(dictionary):
            entry = previous + previous[0]
        else:
            raise ValueError
        length += len(entry)
        if length > limit_bytes:
            raise TooLarge
        entries.append(entry)
        dictionary.append(previous + entry[0])
        previous = entry
        grows_in -= 1
        if grows_in == 0:
            grows_in = 1 << width
            width += 1
    return entries


def _literal(bits: _Bits, code: int) -> str | None:
    """The character that follows; None at the end. Raises ValueError for a code that is none of these."""
    match code:
        case 0:
            return chr(bits.take(8))
        case 1:
            return chr(bits.take(16))
        case 2:
            return None
        case _:
            raise ValueError
