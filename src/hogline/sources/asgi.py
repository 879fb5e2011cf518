"""The few things of ASGI that receiving needs: its types, reading a body within limits, answering.

Raw ASGI instead of request and response objects: this is the path every event takes. Knows no routes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol, TypeAlias

import msgspec
from msgspec import Struct

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Header: TypeAlias = tuple[bytes, bytes]

CLIENT = "hogline.client"
"""In a scope: the address of the client that a trusted proxy speaks for."""


class App(Protocol):
    """An ASGI application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


_CLOSE = (b"connection", b"close")


class Disconnected(Exception):
    """The sender has gone before its request was complete; there is nobody to answer."""


class RequestRejected(Exception):
    """A request that is answered with an error. The sentence quotes nothing of what was sent."""

    def __init__(self, status: int, sentence: str, headers: Iterable[Header] = ()) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = tuple(headers)

    @property
    def answer(self) -> Reply:
        return problem(self.status, self.sentence, self.headers)


class Reply(Struct, frozen=True):
    status: int
    body: bytes
    headers: tuple[Header, ...]


def answer(
    status: int, body: bytes, content_type: bytes = b"application/json", headers: Iterable[Header] = ()
) -> Reply:
    return Reply(
        status,
        body,
        ((b"content-type", content_type), (b"content-length", b"%d" % len(body)), *headers),
    )


NO_CONTENT = Reply(204, b"", ())


def reply_json(status: int, value: object, headers: Iterable[Header] = ()) -> Reply:
    return answer(status, msgspec.json.encode(value), headers=headers)


def problem(status: int, sentence: str, headers: Iterable[Header] = (), *, close: bool = False) -> Reply:
    """`{"error": sentence}`; `close`: the connection cannot be used for another request."""
    return reply_json(status, {"error": sentence}, (*headers, _CLOSE) if close else headers)


CROWDED = "Hogline is overloaded. Send this again later."
RETRY: tuple[Header, ...] = ((b"retry-after", b"5"),)
NOT_FOUND = problem(
    404,
    "Not found. Send events to POST /webhook (with the token in the Authorization header), POST /webhook/<token>, or "
    "the capture routes /i/v0/e, /e, /track, /engage, /capture and /batch.",
)


def crowded() -> RequestRejected:
    return RequestRejected(503, CROWDED, RETRY)


async def send_reply(send: Send, reply: Reply, more_headers: tuple[Header, ...] = ()) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [*reply.headers, *more_headers],
        }
    )
    await send({"type": "http.response.body", "body": reply.body})


async def read_body(receive: Receive, headers: dict[bytes, bytes], limit_bytes: int) -> bytes:
    """The body of a request. How long it may take is the server's business (`protocol`), and so is what becomes of the
    rest of one that is too large. Raises `RequestRejected` (413) and `Disconnected`.
    """
    if _announced_bytes(headers) > limit_bytes:
        raise _too_large(limit_bytes)
    message = await _next(receive)
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)
        return body
    parts = [body]
    length = len(body)
    while message.get("more_body", False):
        if length > limit_bytes:
            raise _too_large(limit_bytes)
        message = await _next(receive)
        parts.append(message.get("body", b""))
        length += len(parts[-1])
    if length > limit_bytes:
        raise _too_large(limit_bytes)
    return b"".join(parts)


async def discard_body(receive: Receive, limit_bytes: int) -> None:
    """Let a body pass by, so that the connection is ready for the next request; of a longer one only so much. Raises
    `Disconnected`.
    """
    passed = 0
    more = True
    while more and passed <= limit_bytes:
        message = await _next(receive)
        passed += len(message.get("body", b""))
        more = message.get("more_body", False)


async def _next(receive: Receive) -> Message:
    message = await receive()
    if message["type"] != "http.request":
        raise Disconnected
    return message


def _announced_bytes(headers: dict[bytes, bytes]) -> int:
    """Content-Length; 0 if there is none that can be read (the server has checked it)."""
    text = headers.get(b"content-length", b"")
    return int(text) if text.isdigit() and len(text) < 20 else 0


def _too_large(limit_bytes: int) -> RequestRejected:
    return RequestRejected(413, f"The body is larger than {limit_bytes:,} bytes. Send it in parts.")
