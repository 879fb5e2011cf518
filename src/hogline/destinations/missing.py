"""In place of a destination whose package is no longer installed, or broken, so that its connections can be deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, cast

from hogline.destinations.base import Destination, InvalidOptions, Option, OptionProblem, Reason


class _Missing:
    """Only what a page or a command asks before it reads options. No options can be read, so nothing else is called."""

    summary = "Its package cannot be used."
    options: tuple[Option, ...] = ()
    reasons: Mapping[str, Reason] = {}  # nothing is ever written to it
    people = None

    def __init__(self, key: str, why: str) -> None:
        self.key = self.title = key
        self.cannot_forget = f"The package of {key} cannot be used. Delete them there yourself."
        self._why = why

    def read_options(self, values: Mapping[str, object]) -> NoReturn:
        del values
        raise InvalidOptions([OptionProblem("", self._why)])


def missing(key: str, why: str = "") -> Destination[Any]:
    """A destination whose `read_options` always raises `InvalidOptions`. `why`: if its package is installed, but
    cannot be used.
    """
    absent = f"The destination {key!r} is not installed. Install its package, or disconnect this connection."
    return cast("Destination[Any]", _Missing(key, why or absent))
