"""A connection that is opened: its destination, and its options as that destination understands them.

The one place that reads a stored connection's raw options. Everyone else works with the typed ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from hogline.destinations.base import Destination, Rules
from hogline.destinations.catalogue import destination_of
from hogline.destinations.given import grown
from hogline.store.base import Connection

OptionsT = TypeVar("OptionsT")


@dataclass(frozen=True, slots=True)
class Installed(Generic[OptionsT]):
    connection: Connection
    destination: Destination[OptionsT]
    options: OptionsT

    @property
    def rules(self) -> Rules | None:
        """Who is sent; None if the destination has no people."""
        people = self.destination.people
        return None if people is None else people.rules(self.options)

    def __repr__(self) -> str:
        return f"Installed({self.connection!r})"


def installed(connection: Connection) -> Installed[Any]:
    """Open a connection. Raises `InvalidOptions` if its options are no longer valid or its destination's package is no
    longer installed; the text says what to do.
    """
    destination = destination_of(connection.destination)
    options = destination.read_options(grown(destination.options, connection.options))
    return Installed(connection, destination, options)
