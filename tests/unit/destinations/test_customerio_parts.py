"""An identify that Customer.io refuses is tried again in parts, so that one bad value does not cost the others."""

from __future__ import annotations

import pytest
from customerio_cases import PEOPLE, body, event, options, plan

from hogline.model import Refusal

SAID: dict[str, object] = {"plan": "pro", "city": "Bonn", "email": "ann@example.com"}


@pytest.mark.parametrize("by_email", [False, True])
@pytest.mark.parametrize(
    ("field", "parts"),
    [
        ("attributes.plan", [["email", "city"], ["plan"]]),
        ("plan", [["email", "city"], ["plan"]]),
        ("", [["email"], ["plan", "city"]]),
        ("identifiers", [["email"], ["plan", "city"]]),
    ],
)
def test_what_the_refusal_names_goes_alone_or_else_half_and_half(
    field: str, parts: list[list[str]], *, by_email: bool
) -> None:
    chosen = options(identify_by_email=by_email)
    made = plan(event(set=SAID), with_options=chosen)
    identify = made.operations[0]
    found = [body(part) for part in PEOPLE.parts(identify, Refusal("invalid", field=field))]
    assert [sorted(part["attributes"]) for part in found] == [sorted(names) for names in parts]
    assert all(part["identifiers"] == body(identify)["identifiers"] for part in found)


def test_one_attribute_or_an_event_has_no_parts() -> None:
    made = plan(event(set={"plan": "pro"}))
    for operation in made.operations:
        assert list(PEOPLE.parts(operation, Refusal("invalid", field="plan"))) == []


def test_without_its_attributes_an_identify_only_creates_the_customer() -> None:
    made = plan(event(set={"plan": "pro"}))
    identify, order = made.operations
    bare = PEOPLE.bare(identify)
    assert bare is not None
    assert body(bare) == {**body(identify), "attributes": {}}
    assert [PEOPLE.bare(bare), PEOPLE.bare(order)] == [None, None]
