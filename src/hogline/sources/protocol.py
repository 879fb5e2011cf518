"""HTTP/1.1 on one connection, as uvicorn speaks it, within limits: of a request's head, of what all bodies take
together, and of time in every state that a connection can be in.

There are two deadlines. One is for what the sender owes: a head, a body, the next request. The other is for what we
owe: an answer, sent completely. One of them always runs; the caller of `check` enforces it. Knows nothing of the app.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from hogline.sources.addresses import TrustedProxies, subscriber
from hogline.sources.asgi import CLIENT, CROWDED, RETRY, Header, Reply, problem
from hogline.sources.budget import Budget
from hogline.sources.connections import Connections
from hogline.sources.limits import ReceivingLimits
from hogline.sources.parser import Http1Parser

_Owed: TypeAlias = Literal["head", "body", "request"]

_ONE_READ = 64 * 1024
_CHUNKING = 8
"""How many bytes of a chunked body may be none of its content, for each that is: chunks of a byte each are allowed."""


class _Outlet:
    """The transport as the answer to one request sees it: closing it is the connection's business."""

    def __init__(self, transport: asyncio.Transport, wrote: Callable[[], None], close: Callable[[], None]) -> None:
        self._transport = transport
        self._wrote = wrote
        self.close = close

    def write(self, data: bytes) -> None:
        self._transport.write(data)
        self._wrote()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class LimitedProtocol(HttpToolsProtocol):
    limits: ReceivingLimits
    others: Connections
    budget: Budget
    proxies: TrustedProxies

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.parser = Http1Parser(self)  # type: ignore[assignment]  # all of it that uvicorn uses
        self._owed: _Owed = "head"
        self._owed_by_s = math.inf
        self._answered_by_s = math.inf
        self._in_head = True
        """Headers that come when it is over are trailers."""
        self._header_bytes = 0
        self._hidden_bytes = 0
        """Of the request that is read, what the parser told nothing of: it keeps a line until it is whole."""
        self._body_bytes = 0
        self._keeps_open = False
        """Whether the connection stays open behind the request that is read, once its body is here."""
        self._held_bytes = 0
        """What bodies on this connection have of the budget."""
        self._proxied = False
        self._clients: deque[str] = deque()
        """Whose requests are being answered, where a proxy says so."""
        self.deaf = False
        """Nothing more is taken."""
        self._refusal: Reply | None = None
        """It waits for the answers before it."""
        self._lingers = False
        """Everything is answered; what still comes is thrown away."""
        self._drained_bytes = 0

    # the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        peer = self.client[0] if self.client else ""
        self._proxied = self.proxies.trusts(peer)
        self._expect("head", self.limits.head_s)
        if not self.others.admit(self, None if self._proxied else subscriber(self.proxies.client(peer, ""))):
            self.deaf = True
            self._say(problem(503, CROWDED, RETRY, close=True))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.deaf = True
        self._owed_by_s = self._answered_by_s = math.inf
        self._release(0)
        while self._clients:
            self.others.asked(self._clients.popleft())
        self.others.gone(self)
        super().connection_lost(exc)

    def evict(self) -> None:
        self.deaf = True
        self.transport.abort()

    def shutdown(self) -> None:
        self._keeps_open = False
        super().shutdown()

    def check(self, now_s: float) -> None:
        """Hold the deadlines."""
        if now_s >= self._answered_by_s:
            self.evict()
        elif now_s >= self._owed_by_s:
            self._owed_by_s = math.inf
            match self._owed:
                case "head":
                    self._refuse(408, f"The headers did not arrive within {self.limits.head_s:g} seconds.")
                case "body":
                    sentence = f"The body did not arrive within {self.limits.body_s:g} seconds. Send it again."
                    self._refuse(408, sentence, RETRY)
                case "request":
                    self._close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._owe(self.limits.write_s)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._owe(self.limits.answer_s)

    def _expect(self, owed: _Owed, within_s: float) -> None:
        self._owed = owed
        self._owed_by_s = self.loop.time() + within_s

    def _owe(self, within_s: float) -> None:
        self._answered_by_s = self.loop.time() + within_s

    def _wrote(self) -> None:
        if not self.flow.write_paused:
            self._owe(self.limits.answer_s)

    # a request, as it is parsed

    def data_received(self, data: bytes) -> None:
        if self.parser is None:
            return
        if self.deaf and not self._drains_body:
            self._drain(len(data))
            return
        self._hidden_bytes += len(data)
        super().data_received(data)
        limits = self.limits
        if self._hidden_bytes > limits.url_bytes + limits.header_bytes + _ONE_READ + _CHUNKING * self._body_bytes:
            self._refuse(431, f"The headers are longer than {limits.header_bytes:,} bytes.")

    def on_message_begin(self) -> None:
        if self.deaf:
            return
        super().on_message_begin()
        self._header_bytes = self._body_bytes = 0
        self._in_head = True
        self._expect("head", self.limits.head_s)

    def on_url(self, url: bytes) -> None:
        if self.deaf:
            return
        super().on_url(url)
        if len(self.url) > self.limits.url_bytes:
            self._refuse(414, f"The URL is longer than {self.limits.url_bytes:,} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.deaf:
            return
        limits = self.limits
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > limits.header_bytes:
            self._refuse(431, f"The headers are longer than {limits.header_bytes:,} bytes.")
        elif len(self.headers) >= limits.headers:
            self._refuse(431, f"There are more than {limits.headers} headers.")
        elif self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.deaf or self.parser.should_upgrade():
            return
        if len(self.pipeline) >= self.limits.pipelined:
            self._refuse(503, "Too many requests at the same time on this connection. Send this again.", RETRY)
            return
        if self._proxied and not self._client_may_ask():
            self._refuse(503, CROWDED, RETRY)
            return
        waits = self._answering
        super().on_headers_complete()
        self._in_head = False
        cycle = self.cycle
        cycle.transport = _Outlet(self.transport, self._wrote, self._answered_last)  # type: ignore[assignment]
        # An answer that does not wait for the body closes: what is left of the body is no request.
        self._keeps_open, cycle.keep_alive = cycle.keep_alive, False
        self.others.busy(self)
        if waits:
            self._owed_by_s = math.inf  # until its turn comes nothing of it is read
        else:
            self._expect("body", self.limits.body_s)

    def _client_may_ask(self) -> bool:
        forwarded_for = b",".join(value for name, value in self.headers if name == b"x-forwarded-for")
        client = self.proxies.client(self.client[0] if self.client else "", forwarded_for.decode("latin-1"))
        # `client` stays the connection's other end: whether that is a trusted proxy is for the app to ask, too.
        self.scope[CLIENT] = client  # type: ignore[literal-required]
        whose = subscriber(client)
        if not self.others.may_ask(whose):
            return False
        self._clients.append(whose)
        return True

    def on_body(self, body: bytes) -> None:
        self._hidden_bytes -= len(body)
        self._body_bytes += len(body)
        if self._drains_body:
            self._drain(len(body))
        elif self.deaf:
            return
        elif self.budget.grow(self._held_bytes, len(body)):
            self._held_bytes += len(body)
            super().on_body(body)
        else:
            self._refuse(503, CROWDED, RETRY)

    def on_message_complete(self) -> None:
        self._hidden_bytes = 0
        if self._drains_body:
            self._close()
        elif not self.deaf and not self.parser.should_upgrade():
            self.cycle.keep_alive = self._keeps_open
            super().on_message_complete()
            self._owed_by_s = math.inf
            if self._answered_by_s == math.inf:
                self._owe(self.limits.answer_s)

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)
        self._in_head = True  # it is unknown where a body would end

    # answers

    @property
    def _answering(self) -> bool:
        """Whether an answer is still to be given by the app."""
        return self.cycle is not None and not self.cycle.response_complete

    def on_response_complete(self) -> None:
        upcoming = self.pipeline[-1][0] if self.pipeline else None
        self._release(sum(len(cycle.body) for cycle, _ in self.pipeline))
        if self._clients:
            self.others.asked(self._clients.popleft())
        super().on_response_complete()
        if self.transport.is_closing() or self._lingers:
            return
        if upcoming is not None:
            self._owe(self.limits.answer_s)
            if upcoming.more_body:
                self._expect("body", self.limits.body_s)
            return
        self._answered_by_s = math.inf
        if self._refusal is not None:
            self._say(self._refusal)
            self._linger()
        elif not self.deaf:
            self.others.idle(self)
            if self._owed_by_s == math.inf:  # else the next head has begun
                self._expect("request", self.limits.idle_s)

    def _answered_last(self) -> None:
        """The app has answered, and wants no other request on this connection."""
        self._refusal = None
        self._linger()

    def _refuse(self, status: int, sentence: str, headers: tuple[Header, ...] = ()) -> None:
        """Answer a request without the app, behind those before it, and close."""
        if self.deaf:
            return
        self.deaf = True
        self._owed_by_s = math.inf
        reply = problem(status, sentence, headers, close=True)
        waits = self._give_up() if not self._in_head and self.cycle.more_body else self._answering
        if waits:
            self._refusal = reply
        else:
            self._say(reply)
            self._linger()

    def _give_up(self) -> bool:
        """The request whose body is being read no longer goes to the app. Returns whether others come before it."""
        cycle = self.cycle
        if cycle.response_started:
            self.transport.abort()
        waiting = [entry for entry in self.pipeline if entry[0] is not cycle]
        behind_others = len(waiting) < len(self.pipeline)
        self.pipeline = deque(waiting)
        cycle.disconnected = cycle.response_complete = True
        cycle.message_event.set()
        return behind_others

    def _say(self, reply: Reply) -> None:
        self._refusal = None
        if not self.transport.is_closing():
            head = (b"HTTP/1.1 %d \r\n" % reply.status, *(b"%s: %s\r\n" % header for header in reply.headers), b"\r\n")
            self.transport.write(b"".join((*head, reply.body)))

    def _release(self, still_held_bytes: int) -> None:
        self.budget.release(self._held_bytes)
        # What is left was there before, so there is room for it.
        self.budget.grow(0, still_held_bytes)
        self._held_bytes = still_held_bytes

    # the end

    @property
    def _drains_body(self) -> bool:
        """What still comes belongs to the body of the last request: it may end."""
        return self._lingers and not self._in_head

    def _linger(self) -> None:
        """Everything is answered. Close once the sender is through with what it sends: it would find the connection
        broken otherwise, instead of the answer, and most take that for a reason to try again for ever.
        """
        whole = not self._in_head and self.cycle is not None and not self.cycle.more_body
        self.deaf = True
        self._owed_by_s = math.inf
        self.pipeline.clear()
        self._release(0)
        if whole or self.transport.is_closing():
            self._close()
        else:
            self._lingers = True
            self.transport.write_eof()  # for clients that wait for the end
            self._owe(self.limits.linger_s)
            self.others.idle(self)
            self.flow.resume_reading()

    def _drain(self, more_bytes: int) -> None:
        self._drained_bytes += more_bytes
        if self._drained_bytes > self.limits.linger_bytes:
            self.evict()

    def _close(self) -> None:
        """What was written still goes out, if the sender takes it in time."""
        self.deaf = True
        self._owed_by_s = math.inf
        self._owe(self.limits.linger_s)
        self.transport.close()
