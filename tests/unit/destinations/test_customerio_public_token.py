"""What a stranger cannot do with the public token: merge two known people; and, if emails are protected, change one."""

from __future__ import annotations

import pytest
from customerio_cases import Life, customer, event, history, options, plan
from msgspec.structs import replace

from hogline.model import Event

PROTECTED = options(protect_emails=True)


def ada() -> Life:
    return customer("u1", PROTECTED, email="ada@example.com")


def from_a_stranger(it: Event) -> Event:
    return replace(it, public=True)


def email_after(it: Event, life: Life, with_options: object = PROTECTED) -> str | None:
    plan(it, life, with_options)  # type: ignore[arg-type]
    return life.person().email


def test_a_dangerous_merge_from_the_public_token_is_no_join_and_is_counted() -> None:
    merge = event("$merge_dangerously", properties={"alias": "u2"})
    both = [event("$identify", who, properties={"$anon_distinct_id": f"{who}-anon"}) for who in ("u1", "u2")]
    plans, life = history(*both, from_a_stranger(merge))
    assert plans[2].adjusted == ("merge_from_public_token",)
    assert life.who("u2") == "u2"
    plans, life = history(*both, merge)
    assert plans[2].adjusted == ("merged_dangerously",)
    assert life.who("u2") == "u1"


@pytest.mark.parametrize("name", ["$identify", "$create_alias"])
def test_joins_that_posthog_protects_are_followed(name: str) -> None:
    other = "$anon_distinct_id" if name == "$identify" else "alias"
    _, life = history(from_a_stranger(event(name, properties={other: "v1"})))
    assert life.who("v1") == "u1"


@pytest.mark.parametrize(
    ("it", "kept"),
    [
        (event(set={"email": "eve@example.com", "plan": "pro"}), "email_protected"),
        (event(unset=("email",), set={"plan": "pro"}), "email_protected"),
        (event(set={"email": "ADA@example.com", "plan": "pro"}), None),
    ],
)
def test_a_known_email_is_protected_and_all_else_is_learned(it: Event, kept: str | None) -> None:
    life = ada()
    made = plan(from_a_stranger(it), life)
    assert life.values() == {"email": "ada@example.com", "plan": "pro"}
    assert made.adjusted == ((kept,) if kept else ())


def test_an_email_that_is_not_known_is_learned_from_anybody() -> None:
    life = Life(PROTECTED)
    assert email_after(from_a_stranger(event(set={"email": "ada@example.com"})), life) == "ada@example.com"


def test_servers_change_it_and_so_does_everybody_where_it_is_not_protected() -> None:
    change = event(set={"email": "eve@example.com"})
    assert email_after(change, ada()) == "eve@example.com"
    assert email_after(from_a_stranger(change), ada(), options()) == "eve@example.com"
    assert not options().protect_emails
