"""The encodings that PostHog's SDKs wrap a capture body in, taken off: bytes in, JSON text out.

gzip, deflate, brotli, zstd, base64, a form field `data`, lz64 (of old posthog-js). Nothing is ever inflated beyond the
limit. Knows nothing of what the JSON says.
"""

from __future__ import annotations

import binascii
import re
import sys
import zlib
from collections.abc import Callable, Mapping

import brotli  # type: ignore[import-untyped]  # it has no types
from msgspec import Struct

from hogline.posthog import lz64
from hogline.posthog.received import Unreadable

if sys.version_info >= (3, 14):  # pragma: no cover
    from compression import zstd
else:
    from backports import zstd

MOST_CODED_BYTES = 2 * 1024 * 1024
"""Of a form, or of base64: SDKs that write them send a few kilobytes."""
_GZIP = b"\x1f\x8b"
_GZIP_MEMBERS = 16
_FORM_FIELDS = 50
_FORM = "application/x-www-form-urlencoded"
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_ESCAPED = {b"%02x" % byte: bytes([byte]) for byte in range(256)}


class Unpacked(Struct, frozen=True):
    text: bytes
    """JSON, judging by its first character."""
    fields: Mapping[str, str] = {}
    """What else a form said, such as the token."""


def unpack(body: bytes, *, content_type: str, content_encoding: str, compression: str, limit_bytes: int) -> Unpacked:
    """The JSON text in a body. Raises `Unreadable`: 413 if it would be longer than `limit_bytes`.

    The bytes themselves decide wherever they can; the headers and `compression` (of the query or the form)
    only where they cannot. What an SDK compressed, something on the way may have compressed once more, and then says so
    in a header; only an attacker compresses twice.
    """
    body = _uncoded(body, content_encoding, limit_bytes)
    compressed = body.startswith(_GZIP)
    body = _unzipped(body, limit_bytes)
    if _is_json(body):
        return Unpacked(body)
    start = body[:4096].lstrip()
    if start.startswith(b"data=") or b"&data=" in start or content_type.lower().startswith(_FORM):
        data, fields = _form_fields(body)
        compression = fields.get("compression", compression)
        return Unpacked(
            unpack_text(data, compression=compression, limit_bytes=limit_bytes, compressed=compressed), fields
        )
    return Unpacked(unpack_text(body, compression=compression, limit_bytes=limit_bytes, compressed=compressed))


def unpack_text(data: bytes, *, compression: str, limit_bytes: int, compressed: bool = False) -> bytes:
    """The JSON text in the value of `data=`, which may be JSON, base64 or lz64. `compressed`: it was compressed as a
    whole, and is not once more within. Raises `Unreadable`.
    """
    if _is_json(data):
        return data
    if len(data) > MOST_CODED_BYTES:
        raise _coded_too_large()
    if not data.strip():
        raise Unreadable("The body is empty.", reason="empty")
    # A form turns the `+` of base64 that was not percent-encoded into a space.
    coded = data.strip().replace(b" ", b"+").replace(b"\n", b"").replace(b"\r", b"")
    if compression == "lz64":
        return _lz64(coded, limit_bytes)
    coded = coded.replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=")
    try:
        decoded = binascii.a2b_base64(coded + b"=" * (-len(coded) % 4), strict_mode=True)
    except binascii.Error:
        raise Unreadable(
            "The body is not JSON, gzip, base64, or a form with a field `data`.", reason="not_json"
        ) from None
    return decoded if compressed else _unzipped(decoded, limit_bytes)


def inflate(body: bytes, *, content_encoding: str, limit_bytes: int) -> bytes:
    """The body without its compression, whatever it claims about it. Raises `Unreadable`."""
    return _unzipped(_uncoded(body, content_encoding, limit_bytes), limit_bytes)


def _uncoded(body: bytes, content_encoding: str, limit_bytes: int) -> bytes:
    """The body without the compression that a header names, if it has it."""
    if content_encoding == "deflate" and not body.startswith(_GZIP):
        return _inflated(body, zlib.MAX_WBITS, limit_bytes)
    if content_encoding in _DECODERS:
        return _decoded(body, content_encoding, limit_bytes)
    return _unzipped(body, limit_bytes) if content_encoding in {"gzip", "x-gzip"} else body


def _decoded(body: bytes, content_encoding: str, limit_bytes: int) -> bytes:
    """Brotli or zstd taken off, as a header says. What is JSON instead was unpacked on the way; its first byte alone
    does not tell, since brotli may begin with any.
    """
    try:
        text, is_whole = _DECODERS[content_encoding](body, limit_bytes + 1)
    except (brotli.error, zstd.ZstdError):
        if _is_json(body):
            return body
        raise Unreadable("The compressed body is damaged.", reason="not_gzip") from None
    if len(text) > limit_bytes:
        raise _too_large(limit_bytes)
    if not is_whole:
        raise Unreadable("The compressed body is truncated.", reason="not_gzip")
    return text


def _unbrotlied(body: bytes, most: int) -> tuple[bytes, bool]:
    """About this many bytes at most, fewer only at the end; and whether that is everything."""
    stream = brotli.Decompressor()
    text = stream.process(body, output_buffer_limit=most)
    return text, stream.is_finished()


def _unzstded(body: bytes, most: int) -> tuple[bytes, bool]:
    stream = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})
    text = stream.decompress(body, max_length=most)
    return text, stream.eof


_ZSTD_WINDOW_LOG = 23
"""8 MiB: what RFC 9659 allows a sender over HTTP. Without a bound a few bytes could ask for 128 MiB."""
_DECODERS: Mapping[str, Callable[[bytes, int], tuple[bytes, bool]]] = {"br": _unbrotlied, "zstd": _unzstded}


def _unzipped(body: bytes, limit_bytes: int) -> bytes:
    """The body without one layer of gzip, if it has any."""
    if body.startswith(_GZIP):
        return _inflated(body, zlib.MAX_WBITS | 16, limit_bytes)
    if len(body) > limit_bytes:
        raise _too_large(limit_bytes)
    return body


def _inflated(body: bytes, wbits: int, limit_bytes: int) -> bytes:
    """One layer of gzip (all of its members) or zlib taken off."""
    parts: list[bytes] = []
    room = limit_bytes
    for _ in range(_GZIP_MEMBERS):
        stream = zlib.decompressobj(wbits)
        try:
            part = stream.decompress(body, room + 1)
        except zlib.error:
            raise Unreadable("The compressed body is damaged.", reason="not_gzip") from None
        room -= len(part)
        if room < 0:
            raise _too_large(limit_bytes)
        if not stream.eof:
            raise Unreadable("The compressed body is truncated.", reason="not_gzip")
        parts.append(part)
        body = stream.unused_data
        if not body.startswith(_GZIP):
            # Padding after the stream is ignored, as gunzip does.
            return b"".join(parts)
    raise Unreadable(f"The body has more than {_GZIP_MEMBERS} gzip members.", reason="not_gzip")


def _too_large(limit_bytes: int) -> Unreadable:
    return Unreadable(f"The body is larger than {limit_bytes:,} bytes after decompression.", 413, "too_large")


def _lz64(coded: bytes, limit_bytes: int) -> bytes:
    try:
        return lz64.decompress(coded, limit_bytes)
    except lz64.TooLarge:
        raise _too_large(limit_bytes) from None
    except ValueError:
        raise Unreadable("The body is not valid lz64.", reason="not_lz64") from None


def _form_fields(body: bytes) -> tuple[bytes, dict[str, str]]:
    """The value of `data`, and the other fields."""
    if len(body) > MOST_CODED_BYTES:
        raise _coded_too_large()
    if body.count(b"&") >= _FORM_FIELDS:
        raise Unreadable(f"The form has more than {_FORM_FIELDS} fields.", reason="not_json")
    data, fields = b"", {}
    for field in body.strip().split(b"&"):
        name, _, value = field.partition(b"=")
        if _unescaped(name) == b"data":
            data = _unescaped(value)
        else:
            fields[_unescaped(name).decode("utf-8", "replace")] = _unescaped(value).decode("utf-8", "replace")
    return data, fields


def _unescaped(text: bytes) -> bytes:
    """Without percent-encoding; a percent sign that encodes nothing stays."""
    text = text.replace(b"+", b" ")
    return _ESCAPE.sub(_unescape, text) if b"%" in text else text


def _unescape(match: re.Match[bytes]) -> bytes:
    return _ESCAPED[match[1].lower()]


def _coded_too_large() -> Unreadable:
    sentence = f"A form or base64 body can have up to {MOST_CODED_BYTES:,} bytes. Send this as JSON."
    return Unreadable(sentence, 413, "too_large")


def _is_json(body: bytes) -> bool:
    return body[:1] in (b"{", b"[") or body[:64].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")
