"""What a stranger cannot do with the public token: merge two known people; and, if emails are protected, change one."""

from __future__ import annotations

import pytest
from customerio_cases import NOW_MS, customer, event, options, plan
from msgspec.structs import replace

from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Event, Person
from hogline.posthog.joins import join_of

PROTECTED = options(protect_emails=True)
ADA = customer(email="ada@example.com", accepted={"email": "ada@example.com"}, attributes_ms=NOW_MS - 1)


def from_a_stranger(it: Event) -> Event:
    return replace(it, public=True)


def email_after(it: Event, person: Person | None, with_options: object = PROTECTED) -> str | None:
    after = plan(it, person, with_options).person  # type: ignore[arg-type]
    return None if after is None else after.email


def test_a_dangerous_merge_from_the_public_token_is_no_join_and_is_counted() -> None:
    merge = event("$merge_dangerously", properties={"alias": "u2"})
    assert join_of(merge) is not None
    assert join_of(from_a_stranger(merge)) is None
    assert "merge_from_public_token" in plan(from_a_stranger(merge), ADA).adjusted
    assert plan(merge, ADA).adjusted == ()


@pytest.mark.parametrize("name", ["$identify", "$create_alias"])
def test_joins_that_posthog_protects_are_followed(name: str) -> None:
    other = "$anon_distinct_id" if name == "$identify" else "alias"
    assert join_of(from_a_stranger(event(name, properties={other: "v1"}))) is not None


@pytest.mark.parametrize(
    ("it", "kept"),
    [
        (event(set={"email": "eve@example.com", "plan": "pro"}), "email_protected"),
        (event(unset=("email",), set={"plan": "pro"}), "email_protected"),
        (event(set={"email": "ADA@example.com", "plan": "pro"}), None),
    ],
)
def test_a_known_email_is_protected_and_all_else_is_learned(it: Event, kept: str | None) -> None:
    made = plan(from_a_stranger(it), ADA, PROTECTED)
    assert made.person is not None
    assert made.person.email == "ada@example.com"
    assert made.person.attribute("plan") == "pro"
    assert made.adjusted == ((kept,) if kept else ())


def test_an_email_that_is_not_known_is_learned_from_anybody() -> None:
    assert email_after(from_a_stranger(event(set={"email": "ada@example.com"})), None) == "ada@example.com"


def test_servers_change_it_and_so_does_everybody_where_it_is_not_protected() -> None:
    change = event(set={"email": "eve@example.com"})
    assert email_after(change, ADA) == "eve@example.com"
    assert email_after(from_a_stranger(change), ADA, options()) == "eve@example.com"
    assert not CUSTOMERIO.read_options({"site_id": "a", "api_key": "b"}).protect_emails
