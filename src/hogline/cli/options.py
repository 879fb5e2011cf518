"""Connection options on the command line, generated from what each destination declares.

Knows no destination by name: a new destination gets its options here without a change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from hogline.destinations.base import Destination, Option
from hogline.environment import PREFIX, from_environment
from hogline.settings import Settings


def options_type(destinations: Iterable[Destination[Any]], *, imports: bool = False) -> type:
    """A dataclass with a field for each option of these destinations, all of them None unless given.

    Options of the same key are one field. `imports`: with the files that options can be taken from.
    """
    chosen = list(destinations)
    declared: dict[str, tuple[str, Any, None]] = {}
    for destination in chosen:
        group = Group(f"Options of a {destination.title} connection")
        for option in destination.options:
            owners = [other for other in chosen if any(each.key == option.key for each in other.options)]
            shared = len(owners) > 1
            parameter = Parameter(
                help=_help(destination, option) if not shared else _shared_help(option),
                group=Group("Options of several destinations", sort_key=0) if shared else group,
                allow_leading_hyphen=True,
            )
            kinds = {_type(each) for other in owners for each in other.options if each.key == option.key}
            kind = kinds.pop() if len(kinds) == 1 else str | None  # each reads it as it means it
            declared.setdefault(option.key, (option.key, Annotated[kind, parameter], None))
        for key, importer in destination.imports.items() if imports else ():
            parameter = Parameter(
                help=f"{importer.hint} Options you also give on the command line take precedence.", group=group
            )
            declared[key] = (key, Annotated[Path | None, parameter], None)
    made = make_dataclass("Options", declared.values(), frozen=True)
    made.__module__ = __name__  # Python says `types`, and Cyclopts takes those for values
    return Parameter(name="*")(made)


def given(options: object) -> dict[str, Any]:
    """The options that were given, by key."""
    values = {field.name: getattr(options, field.name) for field in fields(options)}  # type: ignore[arg-type]  # made above
    return {key: value for key, value in values.items() if value is not None}


def variables(destination: Destination[Any], option: Option) -> tuple[str, ...]:
    """The environment variables that a secret is read from, the first that is set: `HOGLINE_<DESTINATION>_<OPTION>`,
    and those that the option names itself. A destination never gets another's secret, nor one of Hogline's own.
    """
    names = (f"{destination.key}_{option.key}", *option.variables)
    return tuple(f"{PREFIX}{name.upper()}" for name in names if name not in Settings.model_fields)


def secret_from_environment(destination: Destination[Any], option: Option) -> str | None:
    """Raises `InvalidSettings` for a file that cannot be read."""
    names = (variable.removeprefix(PREFIX).lower() for variable in variables(destination, option))
    return next((value for name in names if (value := from_environment(name))), None)


def _type(option: Option) -> Any:  # noqa: ANN401  # a type
    kinds: Mapping[str, type] = {"yes_no": bool, "whole_number": int}
    return kinds.get(option.kind, str) | None


def _help(destination: Destination[Any], option: Option) -> str:
    said = [option.hint]
    if option.choices:
        values = [choice.value for choice in option.choices] + [option.example] * bool(option.other)
        said.append(f"One of: {', '.join(values)}.")
    if option.secret:
        told = [f"Set {variable} or {variable}_FILE instead, or" for variable in variables(destination, option)[-1:]]
        said.append(
            f"Secret: other users of this machine can see it on the command line. "
            f"{' '.join([*told, 'leave' if told else 'Leave'])} it out and Hogline asks."
        )
    return " ".join([*said, *_default(option)])


def _shared_help(option: Option) -> str:
    return " ".join([f"{option.title}.", *_default(option)])


def _default(option: Option) -> list[str]:
    if option.kind == "yes_no":
        return [f"(default: {'yes' if option.default else 'no'})"]
    return [f"(default: {option.default})"] if option.default != "" else []
