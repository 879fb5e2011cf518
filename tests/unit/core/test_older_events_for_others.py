"""Older events that are for another connection: nothing is sent, and what they say of people counts."""

from __future__ import annotations

from desk_bench import Life, event

from hogline.core.items import ELSEWHERE
from hogline.destinations.customerio import CUSTOMERIO
from hogline.destinations.engage import ENGAGE


def passes_over(its: Life, *stretches: range) -> Life:
    its.desk._arrivals._elsewhere = lambda _first, _last: stretches  # as its constructor takes it
    return its


def test_they_are_filtered_and_their_joins_count() -> None:
    its = Life(CUSTOMERIO, CUSTOMERIO.read_options({"site_id": "site", "api_key": "key"}))
    its.say(event("first"))
    passes_over(its, range(2, 4))
    made = its.say(event("first"), event("$identify", properties={"$anon_distinct_id": "visitor"}), event("second"))
    assert [item.filtered for item in made.items] == [ELSEWHERE, ELSEWHERE, None]
    assert its.who("visitor") == "u1"
    assert [one.kind for one in made.settled.outcomes] == ["filtered", "filtered", "delivered"]


def test_a_destination_without_people_passes_over_them_too() -> None:
    its = passes_over(Life(ENGAGE, ENGAGE.read_options({"public_key": "a", "secret_key": "b"})), range(1, 2))
    made = its.say(event("ordered"), event("ordered"))
    assert [item.filtered for item in made.items] == [ELSEWHERE, None]
    assert len(made.operations) == 1
