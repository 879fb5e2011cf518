"""The destinations that a connection can be made to: the list that the console and the command line show."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from hogline.destinations.base import Destination
from hogline.destinations.customerio import CUSTOMERIO
from hogline.destinations.engage import ENGAGE

# Each destination has options of a type of its own, which only itself makes and reads.
DESTINATIONS: Mapping[str, Destination[Any]] = MappingProxyType(
    {destination.key: destination for destination in (CUSTOMERIO, ENGAGE)}
)
"""By key, in the order in which they are shown."""
