"""Accounts and API tokens that two processes have changed: both changes count."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hogline.store.postgresql.merging import merged

ADA = {"name": "ada", "role": "admin"}
BOB = {"name": "bob", "role": "viewer"}
BASE = {"accounts": [ADA, BOB], "key": "k", "ended": {"old": 1}}


def both(base: Any, mine: Any, theirs: Any) -> tuple[Any, bool]:
    content, is_lost = merged(*(msgspec.json.encode(one) for one in (base, mine, theirs)))
    return msgspec.json.decode(content), is_lost


@pytest.mark.parametrize(
    ("base", "one", "other", "result"),
    [
        (BASE, BASE | {"ended": {"old": 1, "a": 2}}, BASE | {"ended": {"b": 3}}, BASE | {"ended": {"a": 2, "b": 3}}),
        ([ADA, BOB], [ADA | {"role": "editor"}, BOB], [ADA | {"signed_in_ms": 5}, BOB],
         [ADA | {"role": "editor", "signed_in_ms": 5}, BOB]),
        ([ADA], [ADA, BOB], [ADA | {"signed_in_ms": 5}], [ADA | {"signed_in_ms": 5}, BOB]),
        ([ADA, BOB], [BOB], [ADA], []),
        ([], [ADA], [BOB], [ADA, BOB]),
        ([ADA], [ADA, BOB], [ADA, BOB], [ADA, BOB]),
        ({"password": "x"}, {"accounts": [ADA]}, {"accounts": [ADA]}, {"accounts": [ADA]}),
    ],
    ids=["sign-outs", "a role and a sign-in", "one more and a sign-in", "removals", "additions", "the same", "upgrades"],
)  # fmt: skip
def test_what_is_not_the_same_thing_comes_together(base: Any, one: Any, other: Any, result: Any) -> None:
    for mine, theirs in ((one, other), (other, one)):
        found, is_lost = both(base, mine, theirs)
        assert (sorted(found, key=str), is_lost) == (sorted(result, key=str), False)
        if isinstance(result, dict):
            assert found == result


def test_what_was_removed_stays_removed_whatever_the_other_changed_in_it() -> None:
    used = [ADA, BOB | {"used_ms": 5}]
    assert both([ADA, BOB], [ADA], used) == ([ADA], False)
    assert both([ADA, BOB], used, [ADA]) == ([ADA], True)


@pytest.mark.parametrize(
    ("base", "mine", "theirs"),
    [
        ([ADA], [ADA | {"role": "editor"}], [ADA | {"role": "viewer"}]),
        ([], [BOB | {"password": "mine"}], [BOB | {"password": "theirs", "stamp": 1}]),
        ([], [{"name": "x"}, {"name": "x", "twice": 1}], [ADA]),
        ({"a": 1}, {"a": []}, {"a": {}}),
        ([1], [2], [3]),
        ("base", "mine", "theirs"),
    ],
)
def test_of_one_thing_that_both_changed_theirs_counts(base: Any, mine: Any, theirs: Any) -> None:
    assert both(base, mine, theirs) == (theirs, True)


def test_what_is_not_json_is_one_value() -> None:
    assert merged(b"", b"\xff", b"theirs") == (b"theirs", True)
    assert merged(b"", b"", b"theirs") == (b"theirs", False)


names = st.sampled_from("abcd")
fields = st.fixed_dictionaries({"role": st.integers(0, 3), "used_ms": st.integers(0, 3)})
tables = st.dictionaries(names, fields).map(lambda found: [{"name": name, **one} for name, one in found.items()])


@given(tables, tables, tables)
def test_nothing_but_the_same_thing_is_ever_lost(base: Any, mine: Any, theirs: Any) -> None:
    found, is_lost = both(base, mine, theirs)
    assert both(base, base, theirs) == (theirs, False)
    assert both(base, mine, base) == (mine, False)
    if is_lost:
        return
    by_name = {one["name"]: one for one in found}
    for changed in (mine, theirs):
        for one in changed:
            before: dict[str, Any] = next((each for each in base if each["name"] == one["name"]), {})
            changes = {field: value for field, value in one.items() if before.get(field) != value}
            now = by_name.get(one["name"])
            if now is not None:
                assert changes.items() <= now.items()
            else:
                assert any(one["name"] not in {each["name"] for each in version} for version in (mine, theirs))
