"""What the sandbox needs of ASGI: reading a body, sending an answer (whole, late, in drops), cutting the line.

Knows nothing of what is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from starlette.types import Message, Receive, Scope, Send

from hogline.sandbox.replies import SandboxReply

ABORT = "hogline.sandbox.abort"
"""The ASGI extension by which the server lets an application cut the connection."""
MAX_BODY_BYTES = 16_000_000
_DRIPS = 20


class BodyTooLarge(Exception):
    """More than the sandbox is willing to read."""


class Disconnected(Exception):
    """The client went away, or the line was cut."""


async def read_body(receive: Receive) -> bytes:
    """Raises `BodyTooLarge` and `Disconnected`."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Disconnected
    body = cast("bytes", message.get("body", b""))
    if not message.get("more_body"):
        return body
    chunks = [body]
    size = len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body = message.get("body", b"")
        chunks.append(body)
        size += len(body)
        if size > MAX_BODY_BYTES:
            raise BodyTooLarge
    return b"".join(chunks)


def header(scope: Scope, name: bytes) -> bytes | None:
    """`name` in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return cast("bytes", value)
    return None


def start(answer: SandboxReply) -> Message:
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers]
    headers.append((b"content-length", b"%d" % len(answer.body)))
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


async def respond(send: Send, answer: SandboxReply) -> None:
    await send(start(answer))
    await send({"type": "http.response.body", "body": answer.body})


async def drip(send: Send, answer: SandboxReply, seconds: float, stopping: asyncio.Event) -> None:
    """Sends the head immediately, and the body in up to twenty pieces over this many seconds."""
    await send(start(answer))
    size = max(1, -(-len(answer.body) // _DRIPS))
    pieces = [answer.body[at : at + size] for at in range(0, len(answer.body), size)]
    for piece in pieces:
        await pause(seconds / len(pieces), stopping)
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def pause(seconds: float, stopping: asyncio.Event) -> None:
    """Wait, but not for longer than the sandbox runs."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        pass


async def cut(scope: Scope, receive: Receive) -> None:
    """Reset the connection without an answer; raises `Disconnected` where there is none to reset."""
    extension = (scope.get("extensions") or {}).get(ABORT)
    if extension is None:
        raise Disconnected
    cast("Callable[[], None]", extension["abort"])()
    # The server learns of the loss from its loop; if the application returned earlier, the server would respond.
    while (await receive())["type"] != "http.disconnect":
        pass
