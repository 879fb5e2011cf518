"""The destinations that a connection can be made to: the list that the console and the command line show.

Ours come first; then those of installed packages, which name an object that satisfies `Destination` in the entry point
group `hogline.destinations`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

from hogline.destinations.base import BadDestination, Destination
from hogline.destinations.customerio import CUSTOMERIO
from hogline.destinations.engage import ENGAGE
from hogline.destinations.missing import missing

GROUP = "hogline.destinations"
_KEY = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def find(installed: list[EntryPoint]) -> Mapping[str, Destination[Any]]:
    """All destinations by key, in the order in which they are shown. Raises `BadDestination`."""
    # Each destination has options of a type of its own, which only itself makes and reads.
    found: dict[str, Destination[Any]] = {destination.key: destination for destination in (CUSTOMERIO, ENGAGE)}
    for point in sorted(installed, key=lambda point: point.name):
        package = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        try:
            destination: Destination[Any] = point.load()
            key = destination.key
        except Exception as error:  # whatever a package does when it is imported
            raise BadDestination(
                f"The destination {point.name!r} of {package} cannot be loaded ({type(error).__name__}). Update or "
                "uninstall that package."
            ) from error
        if not isinstance(key, str) or not _KEY.fullmatch(key) or key in found:
            raise BadDestination(
                f"The destination {point.name!r} of {package} needs a key of its own in small letters. Update or "
                "uninstall that package."
            )
        found[key] = destination
    return MappingProxyType(found)


DESTINATIONS = find(list(entry_points(group=GROUP)))
"""By key, in the order in which they are shown."""


def destination_of(key: str) -> Destination[Any]:
    """The destination of a connection; a stand-in if its package is not installed anymore."""
    return DESTINATIONS.get(key) or missing(key)
