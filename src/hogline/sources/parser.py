"""httptools' parser, but one that stays with HTTP/1.1 whatever else a sender offers. Knows nothing of limits."""

from __future__ import annotations

from typing import Protocol

import httptools

from hogline.sources.asgi import Header

_OFFER = (b"connection", b"upgrade", b"http2-settings")
"""The headers that offer another protocol."""


class Listens(Protocol):
    """Whom the parser tells what it reads; its other callbacks are those of httptools."""

    url: bytes
    headers: list[tuple[bytes, bytes]]

    @property
    def deaf(self) -> bool:
        """It wants to be told nothing more."""
        ...


class Http1Parser:
    """To httptools the message ends where it is offered to go on in another protocol (`Upgrade: h2c`, as Java's HTTP
    client and `curl --http2` do), even if a body follows. To pass over an offer is any server's right (RFC 9110, 7.8).
    """

    def __init__(self, listens: Listens) -> None:
        self._listens = listens
        self._parser = httptools.HttpRequestParser(listens)

    def feed_data(self, data: bytes) -> None:
        """Raises `httptools.HttpParserError`."""
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                if self._listens.deaf:
                    return
                data = self._head_without_offer() + data[offer.args[0] :]
                self._parser = httptools.HttpRequestParser(self._listens)
            else:
                return

    def _head_without_offer(self) -> bytes:
        """The head that was read, as it would stand if nothing but HTTP/1.1 had been offered. Raises
        `httptools.HttpParserError` where that cannot be: CONNECT asks for a tunnel, which is nobody's here.
        """
        method = self._parser.get_method()
        if method == b"CONNECT":
            raise httptools.HttpParserInvalidMethodError("CONNECT")
        headers = self._listens.headers
        kept: list[Header] = [(name, value) for name, value in headers if name not in _OFFER]
        if any(name == b"connection" and b"close" in value.lower() for name, value in headers):
            kept.append((b"connection", b"close"))
        version = self._parser.get_http_version().encode()
        lines = (b"%s: %s\r\n" % header for header in kept)
        return b"".join((b"%s %s HTTP/%s\r\n" % (method, self._listens.url, version), *lines, b"\r\n"))

    def get_http_version(self) -> str:
        return self._parser.get_http_version()

    def get_method(self) -> bytes:
        return self._parser.get_method()

    def should_keep_alive(self) -> bool:
        return self._parser.should_keep_alive()

    def should_upgrade(self) -> bool:
        """Whether the message ends with its head: it comes again, without the offer."""
        return self._parser.should_upgrade()
