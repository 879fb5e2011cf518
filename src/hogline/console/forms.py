"""A form made from what a destination declares of its options, and what was typed into it. Pure.

Secrets go in and never come out: a field knows only whether one is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData

from hogline.destinations.base import Destination, InvalidOptions, Option
from hogline.destinations.given import modern

OTHER = "other"
"""The choice whose value is in the text field next to it."""
_KEPT = "kept"
"""Placeholder for an unchanged secret: the form does not know it, and it was valid when it was set."""


@dataclass(frozen=True, kw_only=True)
class Field:
    option: Option
    value: str
    """As it is typed; of a secret, nothing; of a yes or no, `yes` or nothing."""
    is_set: bool
    problem: str
    is_first_problem: bool = False
    """The one to begin with."""

    @property
    def id(self) -> str:
        return f"option-{self.option.key}"

    @property
    def is_other(self) -> bool:
        return bool(self.option.other) and self.value not in {choice.value for choice in self.option.choices}


def fields(
    destination: Destination[Any],
    values: Mapping[str, object],
    problems: Mapping[str, str] | None = None,
    *,
    secrets_are_set: bool = False,
) -> list[Field]:
    """A field for each option, with its value where there is one, else with its default."""
    values = modern(destination.options, values)
    first = next((option.key for option in destination.options if (problems or {}).get(option.key)), None)
    return [
        Field(
            option=option,
            value="" if option.secret else _typed(values.get(option.key, option.default)),
            is_set=option.secret and secrets_are_set,
            problem=(problems or {}).get(option.key, ""),
            is_first_problem=option.key == first,
        )
        for option in destination.options
        if not option.instead
    ]


def typed(destination: Destination[Any], form: FormData) -> dict[str, object]:
    """Values by key, for `connect`, `configure` and `test_options`. Empty secrets are left out."""
    values: dict[str, object] = {}
    for option in destination.options:
        if option.instead:
            continue
        text = text_of(form, option.key)
        if option.kind == "yes_no":
            values[option.key] = text != ""
        elif option.kind == "choice" and text == OTHER:
            values[option.key] = text_of(form, f"{option.key}-{OTHER}")
        elif text or not option.secret:
            values[option.key] = text
    return values


def problems_of(
    destination: Destination[Any], values: Mapping[str, object], *, secrets_are_set: bool = False
) -> dict[str, str]:
    """A sentence for each option that cannot be used, by key."""
    kept = {option.key: _KEPT for option in destination.options if option.secret and secrets_are_set}
    try:
        destination.read_options({**kept, **values})
    except InvalidOptions as invalid:
        return {problem.key: problem.sentence for problem in reversed(invalid.problems)}
    return {}


@dataclass(frozen=True)
class Change:
    """What somebody else changed while a form was open."""

    title: str
    was: str
    now: str


def changes_of(destination: Destination[Any], changes: Mapping[str, tuple[object, object]]) -> list[Change]:
    """In words, in the order of the form."""
    return [
        Change(option.title, *(option.in_words(value) for value in changes[option.key]))
        for option in destination.options
        if option.key in changes
    ]


def only_changed(
    destination: Destination[Any], values: Mapping[str, object], opened: Mapping[str, object]
) -> dict[str, object]:
    """Of what was typed, what is not as the form was when it was opened."""
    defaults = {option.key: option.default for option in destination.options}
    return {
        key: value for key, value in values.items() if _typed(value) != _typed(opened.get(key, defaults.get(key, "")))
    }


def text_of(form: FormData, key: str) -> str:
    value = form.get(key, "")
    return value.strip() if isinstance(value, str) else ""


def _typed(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return str(value)
