"""The functions of the service over a Unix socket in the data directory, for commands beside a running process.

One line of JSON for each call and one for its answer; a function's own type annotations say what its values
are. The socket is private to its user, so there is nothing more to prove. Knows nothing of what the functions
do.
"""

from __future__ import annotations

import asyncio
import inspect
import typing
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast

import msgspec
import structlog
from msgspec import Struct

from hogline.service import Mistake, Service
from hogline.store.base import Unwritable

log = structlog.get_logger("hogline.control")

LONGEST_LINE_BYTES = 64_000_000
LONGEST_PATH_BYTES = 100  # the kernel's limit is 104 (macOS) or 108 (Linux)


class Unanswered(Exception):
    """Nobody answers at the socket."""


class _Call(Struct):
    function: str
    arguments: dict[str, msgspec.Raw]


class _Answer(Struct, omit_defaults=True):
    result: msgspec.Raw = msgspec.Raw(b"null")
    mistake: str | None = None


@cache
def _types(function: str) -> dict[str, Any]:
    """Of the function's arguments, and of its result under `return`; empty if it may not be called."""
    method = getattr(Service, function, None)
    if function.startswith("_") or not inspect.iscoroutinefunction(method) or function in {"start", "close"}:
        return {}
    return typing.get_type_hints(method)


@asynccontextmanager
async def offered(service: Service, socket: Path) -> AsyncIterator[None]:
    """Answer calls at the socket as long as the context lasts. The data directory must be held."""
    if len(bytes(socket)) > LONGEST_PATH_BYTES:
        raise Mistake(f"The path of the data directory is too long for its socket ({socket}). Choose a shorter one.")
    socket.unlink(missing_ok=True)

    writers: set[asyncio.StreamWriter] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await _perform(service, line)) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # the caller went away, or it is none of our clients
        finally:
            writers.discard(writer)
            writer.close()

    server = await asyncio.start_unix_server(talk, socket, limit=LONGEST_LINE_BYTES)
    socket.chmod(0o600)
    try:
        yield
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await server.wait_closed()
        socket.unlink(missing_ok=True)


async def _perform(service: Service, line: bytes) -> _Answer:
    try:
        call = msgspec.json.decode(line, type=_Call)
        types = _types(call.function)
        if not types:
            return _Answer(mistake="The running Hogline does not know this command; is it another version?")
        arguments = {name: msgspec.json.decode(raw, type=types[name]) for name, raw in call.arguments.items()}
        result = await getattr(service, call.function)(**arguments)
        return _Answer(result=msgspec.Raw(msgspec.json.encode(result)))
    except (Mistake, Unwritable) as mistake:
        return _Answer(mistake=str(mistake))
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        log.warning("a call was not understood", error=type(error).__name__)
        return _Answer(mistake="The running Hogline did not understand this command; is it another version?")


class _Remote:
    """Looks like a `Service`; every function is a call over the socket, one at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._one_at_a_time = asyncio.Lock()

    def __getattr__(self, function: str) -> Callable[..., Awaitable[object]]:
        types = _types(function)
        if not types:
            raise AttributeError(function)
        names = [name for name in inspect.signature(getattr(Service, function)).parameters if name != "self"]

        async def call(*positional: object, **named: object) -> object:
            given = {**dict(zip(names, positional, strict=False)), **named}
            arguments = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in given.items()}
            answer = await self._ask(_Call(function, arguments))
            if answer.mistake is not None:
                raise Mistake(answer.mistake)
            return msgspec.json.decode(answer.result, type=types["return"])

        return call

    async def _ask(self, call: _Call) -> _Answer:
        async with self._one_at_a_time:
            try:
                self._writer.write(msgspec.json.encode(call) + b"\n")
                await self._writer.drain()
                line = await self._reader.readline()
            except ConnectionError:
                line = b""
        if not line:
            raise Mistake("The running Hogline stopped before it answered. Try again.")
        return msgspec.json.decode(line, type=_Answer)


@asynccontextmanager
async def reached(socket: Path) -> AsyncIterator[Service]:
    """The service of the process that answers at the socket. Raises `Unanswered`."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket, limit=LONGEST_LINE_BYTES)
    except OSError:
        raise Unanswered from None
    try:
        yield cast("Service", _Remote(reader, writer))
    finally:
        writer.close()
