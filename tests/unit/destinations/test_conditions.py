"""Conditions as an option gives them, with PostHog's operators."""

from __future__ import annotations

from typing import Any

import pytest

from hogline.destinations.conditions import NEVER, BadCondition, Condition, read_conditions

EVENT: dict[str, Any] = {
    "$host": "Localhost:5173",
    "total": 49,
    "paid": True,
    "tags": ["a", "b"],
    "gone": None,
    "n": "12.5",
}
PERSON: dict[str, Any] = {"email": "Ada@Acme.com", "plan": "rock and roll", "first name": "Ada"}

HOLDS: list[tuple[str, bool]] = [
    ("$host icontains localhost", True),
    ("$host ICONTAINS localhost", True),
    ("$host icontains example", False),
    ("$host not_icontains example", True),
    ("$host exact localhost:5173", True),
    ("$host is_not localhost:5173", False),
    ("nothing is_not x", True),
    ("nothing exact x", False),
    ("nothing not_icontains x", True),
    ("total exact 49", True),
    ("total exact 49.0", True),
    ("total exact 50", False),
    ("paid exact true", True),
    ("paid exact 1", False),
    ("tags icontains b", True),
    ("$host regex ^Local", True),
    ("$host regex ^5173", False),
    ("$host not_regex ^5173", True),
    ("$host is_set", True),
    ("gone is_set", False),
    ("gone is_not_set", True),
    ("nothing is_not_set", True),
    ("total gt 48", True),
    ("total gt 49", False),
    ("total gte 49", True),
    ("total lt 50", True),
    ("total lt 49", False),
    ("total lte 49", True),
    ("n gt 12", True),
    ("$host gt 1", False),
    ("paid gt 0", False),
    ("nothing gt 1", False),
    ("person.email icontains @acme.com", True),
    ("email icontains @acme.com", False),
    ('person.plan exact "rock and roll"', True),
    ('"person.first name" exact Ada', True),
    ("$host icontains x or total gt 1", True),
    ("$host icontains x\ntotal gt 1", True),
    ("$host icontains localhost and total gt 100", False),
    ("$host icontains localhost and total gt 1", True),
    ("$host icontains localhost\nand total gt 100", False),
    ("$host icontains localhost\nand\ntotal gt 100", False),
    ("total gt 100 and $host icontains localhost or paid exact true", True),
    ("\n\n$host   icontains   localhost\n", True),
    ('$host icontains "local\\"host"', False),
    ('$host icontains "\\q"', False),
]


@pytest.mark.parametrize(("text", "holds"), HOLDS)
def test_what_holds(text: str, *, holds: bool) -> None:
    assert read_conditions(text).hold(EVENT.get, PERSON.get) is holds


@pytest.mark.parametrize("text", ["", "  ", "\n \n", "and", "or and"])
def test_nothing_never_holds(text: str) -> None:
    assert read_conditions(text) == NEVER
    assert not read_conditions(text)


BAD = {
    "$host": "needs a property",
    "$host contains x": "needs a property",
    "$host icontains": "needs a value",
    "$host is_set yes": "takes no value",
    "$host regex (": "regular expression",
    "$host regex (?!www)": "regular expression",
    "$host regex \ud800": "regular expression",
    "total gt many": "needs a number",
    "a exact b and c": "needs a property",
}


@pytest.mark.parametrize(("text", "sentence"), BAD.items())
def test_a_mistake_is_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(BadCondition, match=sentence):
        read_conditions(text)


def test_only_the_beginning_of_a_value_is_looked_at() -> None:
    (together,) = read_conditions("text icontains end").any_of
    assert together == (Condition(of_person=False, name="text", operator="icontains", value="end"),)
    assert not together[0].holds({"text": "x" * 1_000 + "end"}.get, PERSON.get)


@pytest.mark.parametrize("expression", ["(a+)+$", "(a|a)*b", ".*.*.*.*=x", "(.*a){20}$"])
def test_no_value_keeps_a_regular_expression_busy(expression: str) -> None:
    """With backtracking, each of these would take longer than anyone waits."""
    assert not read_conditions(f"$current_url regex {expression}").hold(lambda _: "a" * 999 + "!", PERSON.get)
