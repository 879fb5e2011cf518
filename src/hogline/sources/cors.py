"""What a browser must be told so that pages of other origins may send events: any page may, the token decides
what is kept."""

from __future__ import annotations

from collections.abc import Mapping

from hogline.sources.asgi import Header

_MIRRORED_BYTES = 2_000


def cors_headers(method: str, headers: Mapping[bytes, bytes]) -> tuple[Header, ...]:
    """The headers of the answer; none if the request does not come from a page."""
    origin = _mirrored(headers, b"origin")
    if not origin:
        return ()
    granted: tuple[Header, ...] = (
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"origin"),
    )
    if method != "OPTIONS":
        return granted
    return (
        *granted,
        (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
        (b"access-control-allow-headers", _mirrored(headers, b"access-control-request-headers")),
        (b"access-control-max-age", b"86400"),
    )


def _mirrored(headers: Mapping[bytes, bytes], name: bytes) -> bytes:
    """A header's value if it can be sent back, else nothing."""
    value = headers.get(name, b"")
    printable = value.isascii() and value.decode("ascii").isprintable()
    return value if printable and len(value) <= _MIRRORED_BYTES else b""
