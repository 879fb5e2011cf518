"""The destinations you can connect: the list that the console and the commands show.

Hogline's own come first, then those of installed packages. A package names an object that satisfies `Destination` in
the entry point group `hogline.destinations`. A package that cannot be used is left out, with a sentence that says why.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, NamedTuple

from hogline.destinations.base import PACE, Destination, Option
from hogline.destinations.customerio import CUSTOMERIO
from hogline.destinations.engage import ENGAGE
from hogline.destinations.missing import missing

GROUP = "hogline.destinations"
OURS: tuple[Destination[Any], ...] = (CUSTOMERIO, ENGAGE)
TAKEN = frozenset({"common", "data", "enable", "help", "json", "name", "options", "paused", "version"})
"""Not possible as an option's key: `hogline connect` and `hogline configure` use these themselves."""
# No underscore, so that HOGLINE_<DESTINATION>_<OPTION> belongs to one destination.
_KEY = re.compile(r"[a-z][a-z0-9]{0,31}")
_OPTION_KEY = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_MEMBERS = sorted(name for name in {*Destination.__annotations__, *vars(Destination)} if not name.startswith("_"))


_METHODS = {
    name: list(inspect.signature(method).parameters)[1:]
    for name, method in sorted(vars(Destination).items())
    if inspect.isfunction(method) and not name.startswith("_")
}
"""The names of the arguments of each method."""


class Catalogue(NamedTuple):
    destinations: Mapping[str, Destination[Any]]
    """By key, in the order in which they are shown."""
    problems: Mapping[str, str]
    """A sentence for each package that cannot be used, by the name of its entry point."""


def find(installed: Sequence[EntryPoint]) -> Catalogue:
    """Our own, and those of these packages. Never raises, whatever a package does."""
    # Each destination has its own type of options, which only it creates and reads.
    found: dict[str, Destination[Any]] = {destination.key: destination for destination in OURS}
    problems: dict[str, str] = {}
    for point in sorted(installed, key=lambda point: (point.name, point.value)):
        package = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        try:
            destination = point.load()
            problem = problem_of(destination) or (
                f"has a key that is taken: {destination.key}" if destination.key in found else ""
            )
        except Exception as error:  # anything a package does when it is imported
            problem = f"cannot be loaded ({type(error).__name__})"
        if problem:
            problems[point.name] = (
                f"The destination {point.name!r} of {package} {problem}. Update or uninstall that package."
            )
        else:
            found[destination.key] = destination
    return Catalogue(MappingProxyType(found), MappingProxyType(problems))


def problem_of(destination: Any) -> str:  # noqa: ANN401  # whatever it is
    """Why an object cannot be used, as the rest of a sentence; empty: it can."""
    absent = [name for name in _MEMBERS if not hasattr(destination, name)]
    if absent:
        return f"is not a destination: it has no {', '.join(absent)}"
    for name, expected in _METHODS.items():
        if not _takes(getattr(destination, name), expected):
            return f"was written for another version of Hogline, which calls {name}({', '.join(expected)})"
    key, options = destination.key, destination.options
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        return "needs a key of lowercase letters and digits"
    if not isinstance(options, tuple) or not all(isinstance(option, Option) for option in options):
        return "needs a tuple of options"
    return _problem_of_options(key, options)


def _takes(method: Any, expected: Sequence[str]) -> bool:  # noqa: ANN401  # whatever it is
    """Whether it can be called with these arguments, as Hogline does: by position."""
    try:
        inspect.signature(method).bind(*expected)
    except (TypeError, ValueError):
        return False
    return True


def _problem_of_options(destination: str, options: tuple[Option, ...]) -> str:
    keys = [option.key for option in options]
    bad = [each for each in keys if not _OPTION_KEY.fullmatch(each) or each in TAKEN or keys.count(each) > 1]
    if bad:
        return f"has an option whose key cannot be used: {bad[0]}"
    if PACE.key not in keys:
        return f"needs the option {PACE.key}"
    ours = {variable for other in OURS for option in other.options for variable in option.variables}
    wants = {f"{destination}_{option.key}" for option in options}
    if destination not in {other.key for other in OURS}:
        wants |= {variable for option in options for variable in option.variables}
    if wants & ours:
        return "asks for environment variables that are not its own"
    return ""


DESTINATIONS, PROBLEMS = find(list(entry_points(group=GROUP)))


def destination_of(key: str) -> Destination[Any]:
    """The destination of a connection, or a stand-in if its package is no longer installed or cannot be used."""
    return DESTINATIONS.get(key) or missing(key, PROBLEMS.get(key, ""))
