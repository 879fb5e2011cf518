"""The functions of the service over a Unix socket in the data directory, for commands while another process is
running.

One line of JSON per call and one per answer; the functions' type annotations define the values. The socket is private
to its user, so no other authentication is needed. Knows nothing about what the functions do.
"""

from __future__ import annotations

import asyncio
import inspect
import socket
import struct
import typing
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import structlog
from msgspec import Struct

from hogline.service import CannotDo, Service
from hogline.service.actor import system_user
from hogline.service.rights import least_role, permitted
from hogline.store.base import Unusable, Unwritable

log = structlog.get_logger("hogline.control")

LONGEST_LINE_BYTES = 64_000_000
_PEER = struct.Struct("3i")
"""The peer's process, user and group."""
LONGEST_PATH_BYTES = 100  # the kernel's limit is 104 (macOS) or 108 (Linux)


class Unanswered(Exception):
    """Nobody answers at the socket."""


class _Call(Struct):
    number: int
    function: str
    arguments: dict[str, msgspec.Raw]


class _Reply(Struct, omit_defaults=True):
    number: int = 0
    """The call's number: a cancelled caller leaves its answer unread. 0: the call could not be read."""
    result: msgspec.Raw = msgspec.Raw(b"null")
    cannot_do: str | None = None


class _Function(NamedTuple):
    signature: inspect.Signature
    types: dict[str, Any]
    """Of its arguments, and of its result under `return`."""


@cache
def _function(name: str) -> _Function | None:
    """A function of the service, as `part.function`; None if it may not be called."""
    if least_role(name) is None:
        return None
    part, _, function = name.partition(".")
    method = getattr(typing.get_type_hints(Service)[part], function)
    return _Function(inspect.signature(method), typing.get_type_hints(method))


@asynccontextmanager
async def offered(service: Service, path: Path) -> AsyncIterator[None]:
    """Answer calls at the socket until the context ends; unfinished calls are cancelled then.

    The data directory must be held. Raises `CannotDo` if the socket cannot be created.
    """
    if len(bytes(path)) > LONGEST_PATH_BYTES:
        raise CannotDo(f"The path of the data directory is too long for a Unix socket ({path}). Choose a shorter one.")
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        talks.add(task)
        theirs = permitted(service, system_user(_user_of(writer)))
        try:
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await _perform(theirs, line)) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # the caller went away, or it is none of our clients
        except asyncio.CancelledError:
            pass  # we stop; asyncio would report a cancelled talk as a failure
        finally:
            talks.discard(task)
            writer.close()

    try:
        path.unlink(missing_ok=True)  # of a process that was killed
        server = await asyncio.start_unix_server(talk, path, limit=LONGEST_LINE_BYTES)
        path.chmod(0o600)
    except OSError as error:
        raise CannotDo(
            f"Cannot create a socket in the data directory ({error.strerror}: {path}). Choose another one with --data."
        ) from None
    try:
        yield
    finally:
        server.close()
        for task in talks:
            task.cancel()
        if talks:
            await asyncio.wait(talks)
        await server.wait_closed()
        path.unlink(missing_ok=True)


def _user_of(writer: asyncio.StreamWriter) -> int | None:
    """The user at the other end of the socket; None: the system does not say, and it is private to ours."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    try:
        found = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    except OSError:  # the caller is gone
        return None
    uid: int = _PEER.unpack(found)[1]
    return uid


async def _perform(service: Service, line: bytes) -> _Reply:
    number = 0
    try:
        call = msgspec.json.decode(line, type=_Call)
        number, function = call.number, _function(call.function)
        if function is None:
            return _Reply(
                number, cannot_do="The running Hogline does not know this command. Is it a different version?"
            )
        arguments = {name: msgspec.json.decode(raw, type=function.types[name]) for name, raw in call.arguments.items()}
        function.signature.bind(service, **arguments)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, KeyError, TypeError) as error:
        log.warning("a call was not understood", error=type(error).__name__)
        return _Reply(
            number, cannot_do="The running Hogline did not understand this command. Is it a different version?"
        )
    try:
        result = await attrgetter(call.function)(service)(**arguments)
        return _Reply(number, msgspec.Raw(msgspec.json.encode(result)))
    except (CannotDo, Unwritable, Unusable) as error:
        return _Reply(number, cannot_do=str(error))
    except Exception as error:
        # An internal error. Its text may quote an event, so the caller only learns its type.
        log.error("a command failed", function=call.function, error=type(error).__name__)  # noqa: TRY400  # as above
        return _Reply(
            number,
            cannot_do=f"Internal error in the running Hogline ({type(error).__name__}). Its log has the details.",
        )


class _Remote:
    """Looks like a `Service`; every function of its parts is a call over the socket, one at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._one_at_a_time = asyncio.Lock()
        self._calls = 0

    def __getattr__(self, part: str) -> _RemotePart:
        if part not in typing.get_type_hints(Service):
            raise AttributeError(part)
        return _RemotePart(part, self.ask)

    async def ask(self, function: str, arguments: dict[str, msgspec.Raw]) -> _Reply:
        async with self._one_at_a_time:
            self._calls += 1
            call = _Call(self._calls, function, arguments)
            line = msgspec.json.encode(call) + b"\n"
            if len(line) > LONGEST_LINE_BYTES:
                raise CannotDo("The request is too large. Use a smaller file, or stop the running Hogline first.")
            try:
                self._writer.write(line)
                await self._writer.drain()
                while line := await self._reader.readline():
                    answer = msgspec.json.decode(line, type=_Reply)
                    if answer.number in {call.number, 0}:
                        return answer
            except ConnectionError:
                pass
        raise CannotDo("The running Hogline stopped before it responded. Try again.")


class _RemotePart:
    def __init__(self, name: str, ask: Callable[[str, dict[str, msgspec.Raw]], Awaitable[_Reply]]) -> None:
        self._name = name
        self._ask = ask

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        full_name = f"{self._name}.{name}"
        function = _function(full_name)
        if function is None:
            raise AttributeError(name)

        async def call(*positional: object, **named: object) -> object:
            given = function.signature.bind(self, *positional, **named).arguments
            del given["self"]
            arguments = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in given.items()}
            answer = await self._ask(full_name, arguments)
            if answer.cannot_do is not None:
                raise CannotDo(answer.cannot_do)
            return msgspec.json.decode(answer.result, type=function.types["return"])

        return call


def is_remote(service: Service) -> bool:
    """Whether it is the service of another process."""
    return isinstance(service, _Remote)


@asynccontextmanager
async def reached(path: Path) -> AsyncIterator[Service]:
    """The service of the process that answers at the socket. Raises `Unanswered`."""
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST_LINE_BYTES)
    except OSError:
        raise Unanswered from None
    try:
        yield cast("Service", _Remote(reader, writer))
    finally:
        writer.close()
