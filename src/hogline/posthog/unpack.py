"""The encodings that PostHog's SDKs wrap a capture body in, taken off: bytes in, JSON text out.

gzip and deflate, base64, a form field `data`, lz64 (of old posthog-js). Nothing is ever inflated beyond the
limit. Knows nothing of what the JSON says.
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Mapping
from urllib.parse import parse_qsl

from msgspec import Struct

from hogline.posthog import lz64
from hogline.posthog.received import Unreadable

_GZIP = b"\x1f\x8b"
_GZIP_LAYERS = 2
"""A proxy may compress what an SDK compressed already."""
_GZIP_MEMBERS = 16
_FORM_FIELDS = 50
_FORM = "application/x-www-form-urlencoded"


class Unpacked(Struct, frozen=True):
    text: bytes
    """JSON, as far as one can tell from its first character."""
    fields: Mapping[str, str] = {}
    """What else a form said, such as the token."""


def unpack(body: bytes, *, content_type: str, content_encoding: str, compression: str, limit_bytes: int) -> Unpacked:
    """The JSON text in a body. Raises `Unreadable`: 413 if it would be longer than `limit_bytes`.

    The bytes themselves decide wherever they can; the headers and `compression` (of the query or the form)
    only where they cannot.
    """
    body = inflate(body, content_encoding=content_encoding, limit_bytes=limit_bytes)
    if _is_json(body):
        return Unpacked(body)
    start = body[:4096].lstrip()
    if start.startswith(b"data=") or b"&data=" in start or content_type.lower().startswith(_FORM):
        fields = _form_fields(body)
        data = fields.pop("data", "")
        compression = fields.get("compression", compression)
        text = unpack_text(data.encode(), compression=compression, limit_bytes=limit_bytes)
        return Unpacked(text, fields)
    return Unpacked(unpack_text(body, compression=compression, limit_bytes=limit_bytes))


def unpack_text(data: bytes, *, compression: str, limit_bytes: int) -> bytes:
    """The JSON text in the value of `data=`, which may be JSON, base64 or lz64. Raises `Unreadable`."""
    if _is_json(data):
        return data
    if not data.strip():
        raise Unreadable("There is nothing to read: the body is empty.", reason="empty")
    # A form turns the `+` of base64 that was not percent-encoded into a space.
    coded = data.strip().replace(b" ", b"+").replace(b"\n", b"").replace(b"\r", b"")
    if compression == "lz64":
        return _lz64(coded, limit_bytes)
    coded = coded.replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=")
    try:
        decoded = binascii.a2b_base64(coded + b"=" * (-len(coded) % 4), strict_mode=True)
    except binascii.Error:
        raise Unreadable(
            "The body is neither JSON nor gzip, base64 or a form with a field `data`.", reason="not_json"
        ) from None
    return inflate(decoded, content_encoding="", limit_bytes=limit_bytes)


def inflate(body: bytes, *, content_encoding: str, limit_bytes: int) -> bytes:
    """The body without its compression, whatever it claims about it. Raises `Unreadable`."""
    if content_encoding == "deflate" and not body.startswith(_GZIP):
        body = _inflated(body, zlib.MAX_WBITS, limit_bytes)
    layers = 0
    while body.startswith(_GZIP):
        layers += 1
        if layers > _GZIP_LAYERS:
            raise Unreadable(f"The body is compressed more than {_GZIP_LAYERS} times over.", reason="not_gzip")
        body = _inflated(body, zlib.MAX_WBITS | 16, limit_bytes)
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
            raise Unreadable("The compressed body ends too early.", reason="not_gzip")
        parts.append(part)
        body = stream.unused_data
        if not body.startswith(_GZIP):
            # Padding after the stream is ignored, as gunzip does.
            return b"".join(parts)
    raise Unreadable(f"The body has more than {_GZIP_MEMBERS} gzip members.", reason="not_gzip")


def _too_large(limit_bytes: int) -> Unreadable:
    return Unreadable(f"The body is longer than {limit_bytes:,} bytes once it is decompressed.", 413, "too_large")


def _lz64(coded: bytes, limit_bytes: int) -> bytes:
    try:
        return lz64.decompress(coded, limit_bytes)
    except lz64.TooLarge:
        raise _too_large(limit_bytes) from None
    except ValueError:
        raise Unreadable("The body is not valid lz64.", reason="not_lz64") from None


def _form_fields(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace").strip(), keep_blank_values=True, max_num_fields=_FORM_FIELDS)
    except ValueError:
        raise Unreadable(f"The form has more than {_FORM_FIELDS} fields.", reason="not_json") from None
    return dict(pairs)


def _is_json(body: bytes) -> bool:
    return body[:1] in (b"{", b"[") or body[:64].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")
