"""The functions of the service over a Unix socket in the data directory, for commands while another process is
running.

One line of JSON per call and one per answer. The socket is private to its user, so no other authentication is needed.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import msgspec

from hogline.runtime.remote import MAY_BE_DONE, Call, Remote, Reply, perform
from hogline.service import CannotDo, Service
from hogline.service.actor import system_user
from hogline.service.rights import permitted

LONGEST_LINE_BYTES = 64_000_000
_PEER = struct.Struct("3i")
"""The peer's process, user and group."""
LONGEST_PATH_BYTES = 100  # the kernel's limit is 104 (macOS) or 108 (Linux)


class Unanswered(Exception):
    """Nobody answers at the socket."""


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
                writer.write(msgspec.json.encode(await perform(theirs, line)) + b"\n")
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


class _Caller(Remote):
    """Calls over the socket, one at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._one_at_a_time = asyncio.Lock()
        self._calls = 0

    async def ask(self, function: str, arguments: dict[str, msgspec.Raw]) -> Reply:
        async with self._one_at_a_time:
            self._calls += 1
            call = Call(self._calls, function, arguments)
            line = msgspec.json.encode(call) + b"\n"
            if len(line) > LONGEST_LINE_BYTES:
                raise CannotDo("The request is too large. Use a smaller file, or stop the running Hogline first.")
            try:
                self._writer.write(line)
                await self._writer.drain()
                while line := await self._reader.readline():
                    answer = msgspec.json.decode(line, type=Reply)
                    if answer.number in {call.number, 0}:
                        return answer
            except ConnectionError:
                pass
        raise CannotDo(f"The running Hogline stopped before it responded. {MAY_BE_DONE}")


@asynccontextmanager
async def reached(path: Path) -> AsyncIterator[Service]:
    """The service of the process that answers at the socket. Raises `Unanswered`."""
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST_LINE_BYTES)
    except OSError:
        raise Unanswered from None
    try:
        yield cast("Service", _Caller(reader, writer))
    finally:
        writer.close()
