"""The few things of ASGI that receiving needs: its types, reading a body within limits, answering.

Raw ASGI instead of request and response objects: this is the path every event takes. Knows no routes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol, TypeAlias

import msgspec
from msgspec import Struct

from hogline.sources.limits import Limits

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Header: TypeAlias = tuple[bytes, bytes]


class App(Protocol):
    """An ASGI application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


_CLOSE = (b"connection", b"close")


class Disconnected(Exception):
    """The sender has gone before its request was complete; there is nobody to answer."""


class Refusal(Exception):
    """A request that is answered with an error. The sentence quotes nothing of what was sent."""

    def __init__(self, status: int, sentence: str, headers: Iterable[Header] = (), *, close: bool = False) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = (*headers, _CLOSE) if close else tuple(headers)

    @property
    def answer(self) -> Answer:
        return problem(self.status, self.sentence, self.headers)


class Answer(Struct, frozen=True):
    status: int
    body: bytes
    headers: tuple[Header, ...]


def answer(
    status: int, body: bytes, content_type: bytes = b"application/json", headers: Iterable[Header] = ()
) -> Answer:
    return Answer(
        status,
        body,
        ((b"content-type", content_type), (b"content-length", b"%d" % len(body)), *headers),
    )


NO_CONTENT = Answer(204, b"", ())


def answer_json(status: int, value: object, headers: Iterable[Header] = ()) -> Answer:
    return answer(status, msgspec.json.encode(value), headers=headers)


def problem(status: int, sentence: str, headers: Iterable[Header] = (), *, close: bool = False) -> Answer:
    """`{"error": sentence}`; `close`: the connection cannot be used for another request."""
    return answer_json(status, {"error": sentence}, (*headers, _CLOSE) if close else headers)


NOT_FOUND = problem(
    404,
    "There is nothing here. Events go to POST /webhook (with the token in the Authorization header) or POST "
    "/webhook/<token>, or to the capture routes /i/v0/e, /e, /track, /engage, /capture and /batch.",
)


async def send_answer(send: Send, reply: Answer, more_headers: tuple[Header, ...] = ()) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [*reply.headers, *more_headers],
        }
    )
    await send({"type": "http.response.body", "body": reply.body})


async def read_body(receive: Receive, headers: dict[bytes, bytes], limit_bytes: int, limits: Limits) -> bytes:
    """The body of a request. Raises `Refusal` (408, 413) and `Disconnected`."""
    announced = _announced_bytes(headers)
    if announced > limit_bytes and b"expect" in headers:
        # The sender waits for leave to send: it gets none.
        raise _too_large(limit_bytes, close=True)
    try:
        async with asyncio.timeout(limits.body_s):
            if announced > limit_bytes:
                await _discard(receive, limits)
                raise _too_large(limit_bytes)
            message = await _next(receive)
            body: bytes = message.get("body", b"")
            if not message.get("more_body", False):
                if len(body) > limit_bytes:
                    raise _too_large(limit_bytes)
                return body
            return await _read_on(receive, body, limit_bytes, limits)
    except TimeoutError:
        raise Refusal(
            408, f"The body did not arrive within {limits.body_s:g} seconds: send it again.", close=True
        ) from None


async def _read_on(receive: Receive, first: bytes, limit_bytes: int, limits: Limits) -> bytes:
    parts = [first]
    length = len(first)
    more = True
    while more:
        if length > limit_bytes:
            parts.clear()
            await _discard(receive, limits)
            raise _too_large(limit_bytes)
        message = await _next(receive)
        part = message.get("body", b"")
        parts.append(part)
        length += len(part)
        more = message.get("more_body", False)
    if length > limit_bytes:
        raise _too_large(limit_bytes)
    return b"".join(parts)


async def _discard(receive: Receive, limits: Limits) -> None:
    """Read the rest of a body that is too large, so that its sender comes to read our answer instead of
    finding the connection broken, which most senders take for a reason to try again for ever."""
    left = 4 * limits.batch_body_bytes
    more = True
    while more:
        message = await _next(receive)
        left -= len(message.get("body", b""))
        if left < 0:
            raise _too_large(limits.batch_body_bytes, close=True)
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


def _too_large(limit_bytes: int, *, close: bool = False) -> Refusal:
    return Refusal(413, f"The body is longer than {limit_bytes:,} bytes: send it in parts.", close=close)
