"""What all parts of the service share: how to find a connection and open it, and how to say that something cannot be
done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import Struct

from hogline.clock import Clock
from hogline.delivery.installed import Installed, installed
from hogline.destinations.base import Destination, InvalidOptions
from hogline.store.base import Connection, State


class CannotDo(Exception):
    """It cannot be done. The text is one sentence that says why and what to do."""


class ConsoleDoor(Struct, frozen=True):
    """Where the console is, and its first password until someone chooses another."""

    url: str
    first_password: str | None = None
    """If it was just created: to print in a terminal, and nowhere else."""
    first_password_file: Path | None = None
    """Where it is stored until you set another."""

    def __repr__(self) -> str:
        return f"ConsoleDoor(url={self.url!r})"


@dataclass
class Addresses:
    """Where this process can be reached. The runtime fills it in: it listens after the service has started."""

    receives: str
    """The URL that events are sent to, without a path."""
    watched: str | None = None
    """Where `/metrics` and `/readyz` are, if they have a separate address."""
    console: ConsoleDoor | None = None


async def connection_named(state: State, name: str) -> Connection:
    """Raises `CannotDo` if there is none."""
    connections = await state.connections()
    for connection in connections:
        if connection.name == name:
            return connection
    names = ", ".join(connection.name for connection in connections)
    raise CannotDo(
        f"Connection {name!r} not found. Your connections: {names}."
        if names
        else f"Connection {name!r} not found. You have no connections yet. Create one with `hogline connect`."
    )


async def note_stopped(state: State, clock: Clock, connection: Connection, reason: str) -> None:
    """The connection stopped itself: keep why."""
    for found in await state.connections():
        if found.id == connection.id:  # otherwise it was removed in the meantime
            await state.change_connection(evolved(found, stopped=reason, since_ms=clock.time_ms()))


def opened(connection: Connection) -> Installed[Any]:
    """Raises `CannotDo` if the connection's options are no longer valid."""
    try:
        return installed(connection)
    except InvalidOptions as invalid:
        raise CannotDo(str(invalid)) from None


def read_options(destination: Destination[Any], values: Mapping[str, object]) -> Any:  # noqa: ANN401  # the destination's own
    try:
        return destination.read_options(values)
    except InvalidOptions as invalid:
        raise CannotDo(str(invalid)) from None


def evolved(connection: Connection, **changes: object) -> Connection:
    return Connection(**{**{field: getattr(connection, field) for field in connection.__struct_fields__}, **changes})
