"""The fold's bounds, and who is suppressed."""

from __future__ import annotations

import pytest
from desk_bench import Life, event
from msgspec.structs import replace

from hogline.core.fold import LARGEST_VALUE_BYTES, MOST_FACTS, names_suppressed
from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Event
from hogline.posthog.entry import entry_of


def life(**options: object) -> Life:
    return Life(CUSTOMERIO, CUSTOMERIO.read_options({"site_id": "site", "api_key": "key", **options}))


def test_the_1001st_name_is_not_known_but_known_ones_still_change() -> None:
    its = life()
    its.say(event(set={f"a{n}": n for n in range(MOST_FACTS)}))
    its.say(event(set={"b": 1, "a1": "new"}))
    values = its.values()
    assert (len(values), values["a1"], "b" in values) == (MOST_FACTS, "new", False)


@pytest.mark.parametrize(
    "value", ["x" * (LARGEST_VALUE_BYTES + 1), ["x" * LARGEST_VALUE_BYTES], {"a": "x" * LARGEST_VALUE_BYTES}]
)
def test_a_value_that_no_destination_takes_is_not_known(value: object) -> None:
    its = life()
    its.say(event(set={"bio": value, "plan": "pro"}))
    assert its.values() == {"plan": "pro"}


def test_the_same_value_again_is_known_as_of_when_it_was_first_said() -> None:
    its = life()
    its.say(event(set={"plan": "pro"}))
    first = its.person()
    its.say(event(set={"plan": "pro"}))
    its.say(event(at_s=1_700_000_060, set={"plan": "pro"}))
    fact = its.person().facts["plan"]
    assert (fact.at, fact.ms - first.facts["plan"].ms) == (first.facts["plan"].at, 60_000)
    assert its.person().version == first.version


class Eve:
    """One suppressed person."""

    def __bool__(self) -> bool:
        return True

    def __call__(self, text: str) -> bool:
        return text in {"eve", "eve@x.co"}


SUPPRESSED: dict[str, tuple[Event, bool]] = {
    "by the id": (event(distinct_id="eve"), True),
    "somebody else": (event(), False),
    "by an alias": (event("$create_alias", properties={"alias": "eve"}), True),
    "by the email that is set": (event(set={"email": "eve@x.co"}), True),
    "by the email of set_once": (replace(event(), set_once={"email": "eve@x.co"}), True),
    "by the email that PostHog has": (event(person_properties={"email": "eve@x.co"}), True),
    "another email": (event(set={"email": "bob@x.co"}), False),
    "an email that is none": (event(set={"email": ["eve@x.co"]}), False),
    "an email that is anything else": (event(properties={"email": "eve@x.co"}), False),
}


@pytest.mark.parametrize(("it", "is_suppressed"), SUPPRESSED.values(), ids=SUPPRESSED)
def test_who_is_suppressed(it: Event, *, is_suppressed: bool) -> None:
    assert names_suppressed(entry_of(it), Eve()) is is_suppressed
    its = Life(CUSTOMERIO, CUSTOMERIO.read_options({"site_id": "a", "api_key": "b"}), suppressed=Eve())
    made = its.say(it)
    assert (made.filtered == "suppressed", made.operations == ()) == (is_suppressed, is_suppressed)


def test_an_email_under_another_name_is_looked_at_too() -> None:
    assert names_suppressed(entry_of(event(set={"Mail": "eve@x.co"})), Eve(), "Mail")


def test_a_loaded_group_is_read_in_few_steps_and_says_when_it_changed() -> None:
    its = life()
    for who, other in (("u1", "v1"), ("u2", "v2"), ("u1", "v3")):
        its.say(event("$identify", who, properties={"$anon_distinct_id": other}))
    its.say(event("$merge_dangerously", "u1", properties={"alias": "u2"}))
    its.crash()
    its.known.load(["v1", "v2", "v3", "stranger"])
    assert {its.who(one) for one in ("v1", "v2", "v3", "u2")} == {"u1"}
    assert {2, 4} <= set(its.known.changes("v2"))
    assert its.known.members("v1") == {"u1", "u2", "v1", "v2", "v3"}
    assert [its.known.who("v2", at) for at in (1, 2, 3, 4)] == ["v2", "u2", "u2", "u1"]


def test_an_id_that_is_an_address_is_the_email_of_whom_it_is_joined_with() -> None:
    its = life()
    its.say(event("$identify", "u1", properties={"$anon_distinct_id": "ann@x.co"}))
    assert its.person().email == "ann@x.co"


def test_also_if_their_own_email_was_taken_away() -> None:
    its = life()
    its.say(event(set={"email": "old@x.co"}))
    its.say(event(unset=("email",)))
    its.say(event("$identify", "u1", properties={"$anon_distinct_id": "ann@x.co"}))
    assert its.person().email == "ann@x.co"
