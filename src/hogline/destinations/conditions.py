r"""Conditions on an event and its person, with PostHog's operators, as an option gives them.

    $host icontains localhost
    person.email regex @example\.com$ and plan is_not "pro and more"

Each line stands by itself: one that holds is enough. `and` binds conditions that have to hold together, be it in one
line or at the beginning of the next; `or` is another line. A name is an event property, with `person.` before it a
property of the person. Quotes keep blanks, `and` and `or` in a name or a value.

Regular expressions are RE2's, as in PostHog. They take time in proportion to the text, so nobody can keep Hogline busy
with a value that is looked at, such as a URL.

Sources: PostHog's property filters (`property_to_expr` in its HogQL).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec
import re2
from msgspec import Struct

LONGEST_VALUE = 1_000
"""How many characters of a value are looked at."""
OPERATORS = (
    "exact", "is_not", "icontains", "not_icontains", "regex", "not_regex", "is_set", "is_not_set", "gt", "gte", "lt",
    "lte",
)  # fmt: skip

Lookup: TypeAlias = Callable[[str], object]
"""The value of a property; None: it is missing."""

_WITHOUT_VALUE = frozenset({"is_set", "is_not_set"})
_NEGATED = {"is_not": "exact", "not_icontains": "icontains", "not_regex": "regex", "is_not_set": "is_set"}
_PIECES = re.compile(r'"(?:[^"\\]|\\.)*"|[ \t]+(?:and|or)(?=[ \t])|.', re.IGNORECASE)
_CONDITION = re.compile(r'("(?:[^"\\]|\\.)*"|\S+)\s+(\w+)(?:\s+(.*))?', re.DOTALL)
_PERSON = "person."
_RE2 = re2.Options()
_RE2.log_errors = False  # it would print the expression
_RE2.never_capture = True
_RE2.max_mem = 1_000_000


class BadCondition(ValueError):
    """A sentence that continues after the option's title."""


class Condition(Struct, frozen=True):
    of_person: bool
    name: str
    operator: str
    value: str = ""

    def holds(self, event: Lookup, person: Lookup) -> bool:
        found = person(self.name) if self.of_person else event(self.name)
        plain = _NEGATED.get(self.operator, self.operator)
        return _holds(plain, found, self.value) != (plain != self.operator)


class Conditions(Struct, frozen=True):
    any_of: tuple[tuple[Condition, ...], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.any_of)

    def hold(self, event: Lookup, person: Lookup) -> bool:
        return any(all(one.holds(event, person) for one in together) for together in self.any_of)


NEVER = Conditions()


def read_conditions(text: str) -> Conditions:
    """Raises `BadCondition`."""
    lines: list[list[Condition]] = []
    for joins, condition in _conditions(text):
        read = _condition(condition)
        if joins and lines:
            lines[-1].append(read)
        else:
            lines.append([read])
    return Conditions(tuple(tuple(line) for line in lines))


def _conditions(text: str) -> Iterator[tuple[bool, str]]:
    """Each condition, and whether it has to be true together with the one before it."""
    joins = False
    for line in text.splitlines():
        piece = ""
        for part in _PIECES.findall(f" {line.strip()} "):
            word = part.strip().lower()
            if word in {"and", "or"} and part != word:
                if piece.strip():
                    yield joins, piece.strip()
                joins, piece = word == "and", ""
            else:
                piece += part
        if piece.strip():
            yield joins, piece.strip()
            joins = False


def _condition(text: str) -> Condition:
    found = _CONDITION.fullmatch(text)
    operator = found[2].lower() if found else ""
    if found is None or operator not in OPERATORS:
        raise BadCondition(f"needs a property, one of {', '.join(OPERATORS)}, and a value: $host icontains localhost.")
    name, value = _unquoted(found[1]), _unquoted((found[3] or "").strip())
    of_person = name.startswith(_PERSON)
    if bool(value) == (operator in _WITHOUT_VALUE):
        needs = "takes no value" if value else "needs a value"
        raise BadCondition(f"{operator} {needs}: $host icontains localhost, email is_set.")
    if operator in {"regex", "not_regex"}:
        try:
            _expression(value)
        except (re2.error, UnicodeEncodeError):
            raise BadCondition(
                "has a regular expression that cannot be read. It must be RE2, as in PostHog: no (?=…), (?!…) or \\1."
            ) from None
    elif operator in {"gt", "gte", "lt", "lte"} and _number(value) is None:
        raise BadCondition(f"{operator} needs a number.")
    return Condition(of_person, name.removeprefix(_PERSON), operator, value)


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return msgspec.json.decode(text, type=str)
        except msgspec.DecodeError:
            return text[1:-1]
    return text


def _holds(operator: str, found: object, wanted: str) -> bool:
    if operator == "is_set":
        return found is not None
    if found is None:
        return False
    text, number, limit = _text(found)[:LONGEST_VALUE], _number(found), _number(wanted)
    both = number is not None and limit is not None
    match operator:
        case "exact":
            return text.lower() == wanted.lower() or (both and number == limit)
        case "icontains":
            return wanted.lower() in text.lower()
        case "regex":
            return _expression(wanted).search(text) is not None
    assert operator in _COMPARED  # reading accepts no others
    return number is not None and limit is not None and _COMPARED[operator](number, limit)


_COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    "gt": lambda number, limit: number > limit,
    "gte": lambda number, limit: number >= limit,
    "lt": lambda number, limit: number < limit,
    "lte": lambda number, limit: number <= limit,
}


@lru_cache(maxsize=1_024)
def _expression(pattern: str) -> Any:  # noqa: ANN401  # re2 has no types
    return re2.compile(pattern, _RE2)


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None
