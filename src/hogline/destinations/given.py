"""Reads options one at a time by their kind, and collects all mistakes.

A sentence about a mistake never repeats a value, which may be a secret. Knows no destination.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hogline.destinations.base import InvalidOptions, Option, OptionProblem

_PIECES = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^,])+')


def modern(options: Sequence[Option], values: Mapping[str, object]) -> dict[str, object]:
    """Values whose older names, or older answers, are still used."""
    older = {option.key: option for option in options if option.instead}
    turned = {option.key: option for option in options if option.becomes and not option.instead}
    found = {
        key: becomes(turned[key], value) if key in turned and value != "" else value
        for key, value in values.items()
        if key not in older
    }
    for key, option in older.items():
        if values.get(key) is not None:
            found.setdefault(option.instead, becomes(option, values[key]))
    return found


def becomes(option: Option, value: object) -> object:
    """What a value of an option that used to be yes or no means today."""
    if not option.becomes:
        return value
    said = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
    answer = said.strip().lower() if isinstance(said, str) else "?"
    if answer in {"yes", "true"}:
        return option.becomes[1]
    return option.becomes[0] if answer in {"no", "false", ""} else value


def over(options: Sequence[Option], stored: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    """Stored values with these on top, whatever name an option was given under. None resets an option."""
    names = {option.key: option.instead or option.key for option in options}
    meant = {names.get(key, key) for key in given}
    kept = {key: value for key, value in stored.items() if names.get(key, key) not in meant}
    return begun(options, {**kept, **{key: value for key, value in given.items() if value is not None}})


def begun(options: Sequence[Option], values: Mapping[str, object]) -> dict[str, object]:
    """Values that also say what older connections leave out."""
    new = {option.key: option.default for option in options if option.before is not None}
    given = {option.instead or option.key for option in options if option.key in values}
    return {**{key: value for key, value in new.items() if key not in given}, **values}


def grown(options: Sequence[Option], values: Mapping[str, object]) -> dict[str, object]:
    """The values of a stored connection, completed by what applies to connections that are older than an option."""
    old = {option.key: option.before for option in options if option.before is not None}
    given = {option.instead or option.key for option in options if option.key in values}
    return {**{key: value for key, value in old.items() if key not in given}, **values}


class OptionReader:
    """Given values, read one option at a time. Mistakes are collected."""

    def __init__(self, destination: str, options: Sequence[Option], values: Mapping[str, object]) -> None:
        """None counts as not given. `destination` is its title."""
        self._destination = destination
        self._options = {option.key: option for option in options}
        given = {key: value for key, value in values.items() if value is not None}
        self._values = modern(options, given)
        self._problems = [
            OptionProblem(key, f"{destination} has no option “{key[:50]}”.")
            for key in given
            if key not in self._options
        ]
        for option in options:
            if option.instead and {option.instead, option.key} <= given.keys():
                newer = self._options[option.instead].title
                self.problem(option.key, f"is an older name of {newer}. Give only one of them.")

    def check(self) -> None:
        """Raises `InvalidOptions` if there was a mistake."""
        if self._problems:
            raise InvalidOptions(self._problems)

    def problem(self, key: str, sentence: str) -> None:
        """A mistake; the sentence continues after the option's title."""
        self._problems.append(OptionProblem(key, f"{self._options[key].title} {sentence}"))

    def text(self, key: str) -> str:
        """The text without surrounding blanks, or the default if none was given."""
        value = self._values.get(key, self._options[key].default)
        if isinstance(value, str):
            return value.strip()
        self.problem(key, "must be a text.")
        return ""

    def credential(self, key: str) -> str:
        """The text as it may appear in a header; empty if it is a mistake."""
        mistakes = len(self._problems)
        text = self.text(key)
        if len(self._problems) > mistakes:
            return ""
        if not text:
            self.problem(key, f"is missing. {self._options[key].hint}")
        elif not (text.isascii() and text.isprintable()) or " " in text:
            self.problem(key, f"contains blanks or characters that {self._destination} does not use. Copy it again.")
        else:
            return text
        return ""

    def yes_no(self, key: str) -> bool:
        value = self._values.get(key, self._options[key].default)
        if isinstance(value, bool):
            return value
        answer = value.strip().lower() if isinstance(value, str) else "?"
        if answer not in {"yes", "true", "no", "false", ""}:
            self.problem(key, "must be Yes or No.")
        return answer in {"yes", "true"}

    def choice(self, key: str) -> str:
        """One of the choices, or whatever else was given if something else is possible."""
        option = self._options[key]
        text = self.text(key) or str(option.default)
        values = [choice.value for choice in option.choices]
        if text not in values and not option.other:
            self.problem(key, f"must be one of: {', '.join(values)}.")
        return text

    def names(self, key: str) -> frozenset[str]:
        return frozenset(name.strip() for name in self.text(key).split(",")) - {""}

    def pairs(self, key: str) -> list[tuple[str, str]]:
        """`name=value` pairs in order. A quoted value may contain commas. Without `=`, the value is empty."""
        pieces = [piece.partition("=") for piece in _PIECES.findall(self.text(key)) if piece.strip()]
        return [(name.strip(), value.strip()) for name, _, value in pieces]

    def whole_number(self, key: str) -> int:
        option = self._options[key]
        value = self._values.get(key, option.default)
        if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 20:
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and option.allows(value):
            return value
        self.problem(key, f"must be a whole number from {option.minimum} to {option.maximum}.")
        return 0
