"""An ASGI app on a port, in the event loop that runs already.

uvicorn speaks HTTP; here it gets limits for a request's head, no signal handlers, and a stop that waits.
Knows nothing of the app.
"""

from __future__ import annotations

import asyncio
import socket
from types import TracebackType
from typing import Any, Self

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from hogline.sources.asgi import App, Header, problem
from hogline.sources.limits import DEFAULT, Limits

KEEP_ALIVE_S = 75
STOP_S = 10
_BACKLOG = 2_048
_OFFER = (b"connection", b"upgrade", b"http2-settings")
"""The headers that offer another protocol."""


class _Parser:
    """httptools' parser, but one that stays with HTTP/1.1 whatever else a sender offers.

    To httptools the message ends where it is offered to go on in another protocol (`Upgrade: h2c`, as Java's HTTP
    client and `curl --http2` do), even if a body follows. To pass over an offer is any server's right (RFC 9110, 7.8).
    """

    def __init__(self, protocol: _LimitedProtocol) -> None:
        self._protocol = protocol
        self._parser = httptools.HttpRequestParser(protocol)

    def feed_data(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            head = self._protocol.head_without_offer(self._parser.get_method(), self._parser.get_http_version())
            self._parser = httptools.HttpRequestParser(self._protocol)
            self.feed_data(head + data[offer.args[0] :])

    def get_http_version(self) -> str:
        return self._parser.get_http_version()

    def get_method(self) -> bytes:
        return self._parser.get_method()

    def should_keep_alive(self) -> bool:
        return self._parser.should_keep_alive()

    def should_upgrade(self) -> bool:
        """Whether the message ends with its head: it comes again, without the offer."""
        return self._parser.should_upgrade()


class _LimitedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with limits for what stands before a body: count, bytes, and time."""

    limits: Limits = DEFAULT

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.parser = _Parser(self)  # type: ignore[assignment]  # all of it that uvicorn uses
        self._head_timer: asyncio.TimerHandle | None = None
        self._header_bytes = 0
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._refused:
            super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._header_bytes = 0
        if self._head_timer is None:
            self._start_head_timer()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.limits.url_bytes:
            self._refuse(414, f"The address is longer than {self.limits.url_bytes:,} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        limits = self.limits
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > limits.header_bytes:
            self._refuse(431, f"The headers are longer than {limits.header_bytes:,} bytes.")
        elif len(self.headers) >= limits.headers:
            self._refuse(431, f"There are more than {limits.headers} headers.")
        else:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_head_timer()
        if not self._refused and not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._refused and not self.parser.should_upgrade():
            super().on_message_complete()

    def head_without_offer(self, method: bytes, version: str) -> bytes:
        """The head that was read, as it would stand if nothing but HTTP/1.1 had been offered. Raises
        `httptools.HttpParserError` where that cannot be: CONNECT asks for a tunnel, which is nobody's here."""
        if method == b"CONNECT":
            raise httptools.HttpParserInvalidMethodError("CONNECT")
        kept = [(name, value) for name, value in self.headers if name not in _OFFER]
        if any(name == b"connection" and b"close" in value.lower() for name, value in self.headers):
            kept.append((b"connection", b"close"))
        lines = [b"%s %s HTTP/%s\r\n" % (method, self.url, version.encode()), *map(_line, kept), b"\r\n"]
        return b"".join(lines)

    def _refuse(self, status: int, sentence: str) -> None:
        """Answer without asking the app, and close."""
        if self._refused:
            return
        self._refused = True
        self._stop_head_timer()
        reply = problem(status, sentence, close=True)
        lines = [b"HTTP/1.1 %d \r\n" % status, *(_line(header) for header in reply.headers), b"\r\n"]
        self.transport.write(b"".join((*lines, reply.body)))
        self.transport.close()

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.limits.head_s, self._head_too_slow)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_too_slow(self) -> None:
        self._head_timer = None
        self._refuse(408, f"The headers did not arrive within {self.limits.head_s:g} seconds.")


def _line(header: Header) -> bytes:
    return b"%s: %s\r\n" % header


class Listener:
    """`async with Listener(app, host, port) as listener:` accepts connections on `listener.port` until the
    block ends. Starting raises OSError if the address cannot be had. Stopping twice does nothing."""

    def __init__(
        self,
        app: App,
        host: str,
        port: int,
        *,
        limits: Limits = DEFAULT,
        stop_s: int = STOP_S,
    ) -> None:
        self.host = host
        self.port = port
        """0 until started: the system chooses one."""
        protocol: type[HttpToolsProtocol] = type("_Protocol", (_LimitedProtocol,), {"limits": limits})
        config = uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=stop_s,
        )
        config.load()
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        self._sockets: list[socket.socket] = []
        self._ticking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        bound = _bind(self.host, self.port)
        self.port = bound.getsockname()[1]
        self._sockets = [bound]
        await self._server.startup(sockets=self._sockets)
        self._ticking = asyncio.create_task(self._server.main_loop())

    async def stop(self) -> None:
        """Accept nothing more, answer what is open within `stop_s` seconds, then cut."""
        ticking, self._ticking = self._ticking, None
        if ticking is None:
            return
        self._server.should_exit = True
        await ticking
        await self._server.shutdown(sockets=self._sockets)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio only turns Nagle's algorithm off where the protocol is named; with it every answer, which is
    # written in two parts, waits 40 ms for the other side's acknowledgement.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(_BACKLOG)
        bound.settimeout(0)
    except OSError:
        bound.close()
        raise
    return bound
