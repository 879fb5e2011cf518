"""Stands in for a destination whose package is no longer installed, so that its connections can be seen and deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, cast

from hogline.destinations.base import Destination, InvalidOptions, Option, OptionProblem


class _Missing:
    """Only what a page or a command asks before it reads options. No options can be read, so nothing else is called."""

    summary = "Its package is not installed."
    options: tuple[Option, ...] = ()
    people = None

    def __init__(self, key: str) -> None:
        self.key = self.title = key
        self.cannot_forget = f"The package of {key} is not installed. Delete them there yourself."

    def read_options(self, values: Mapping[str, object]) -> NoReturn:
        del values
        sentence = f"The destination {self.key!r} is not installed. Install its package, or disconnect this connection."
        raise InvalidOptions([OptionProblem("", sentence)])


def missing(key: str) -> Destination[Any]:
    """A destination whose `read_options` always raises `InvalidOptions`."""
    return cast("Destination[Any]", _Missing(key))
