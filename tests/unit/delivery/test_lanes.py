"""Lanes: events spread by person, and the positions that say what is settled."""

from __future__ import annotations

from desk_bench import Life, event

from hogline.core.items import Item, Origin
from hogline.core.lanes import LANES, Lane, Lanes, lane_of
from hogline.core.shipment import Shipment
from hogline.destinations.customerio import CUSTOMERIO
from hogline.model import Event
from hogline.posthog.entry import entry_of


def somebody_in(lane: int) -> str:
    """An id that travels in this lane."""
    return next(name for n in range(10_000) if lane_of(name := f"id-{n}") == lane)


ADA, ANON, BOB = somebody_in(3), somebody_in(9), somebody_in(5)


def item(position: int, who: str) -> Item:
    return Item(Origin.JOURNAL, position, who, entry_of(event(distinct_id=who)), 100, lane_of(who), people=(who,))


def lanes_with(*ids: str, settled: dict[int, int] | None = None) -> Lanes:
    lanes = Lanes(0, settled or {})
    for position, who in enumerate(ids, 1):
        lanes.read = position
        lanes.add(item(position, who))
    return lanes


def lane(lanes: Lanes, who: str) -> Lane:
    return lanes.all[lane_of(who)]


def test_one_persons_events_are_in_one_lane_in_order() -> None:
    lanes = lanes_with(ADA, BOB, ADA, ADA)
    assert [one.position for one in lane(lanes, ADA).waiting] == [1, 3, 4]


def test_who_waits_longest_goes_first() -> None:
    lanes = lanes_with(BOB, ADA, ANON, ADA)
    assert [one.number for one in lanes.waiting_longest()] == [lane_of(who) for who in (BOB, ADA, ANON)]


def test_a_lane_in_flight_is_not_ready() -> None:
    lanes = lanes_with(ADA, BOB)
    lane(lanes, ADA).shipment = object()
    assert [one.number for one in lanes.waiting_longest()] == [lane_of(BOB)]


def test_nothing_read_nothing_settled() -> None:
    assert lanes_with().positions(object()) == {}


def test_idle_lanes_follow_what_was_read_so_that_nobody_holds_the_journal_back() -> None:
    lanes = lanes_with(ADA, BOB)
    waiting = {lane_of(ADA), lane_of(BOB)}
    idle = {number: 2 for number in range(LANES) if number not in waiting}
    assert lanes.positions(object()) == idle | {lane_of(BOB): 1}


def test_a_shipped_lane_is_settled_up_to_what_still_waits_in_it() -> None:
    lanes, shipment = lanes_with(ADA, BOB, ADA), object()
    lane(lanes, ADA).shipment = shipment
    lanes.take(lane(lanes, ADA))
    assert lanes.positions(shipment)[lane_of(ADA)] == 2


def test_a_lane_in_flight_keeps_its_position_when_another_settles() -> None:
    lanes, mine, other = lanes_with(ADA, BOB), object(), object()
    for who, shipment in ((ADA, mine), (BOB, other)):
        lane(lanes, who).shipment = shipment
        lanes.take(lane(lanes, who))
    assert lane_of(ADA) not in lanes.positions(other)
    assert lanes.positions(mine)[lane_of(ADA)] == 2


def test_reading_begins_where_the_slowest_lane_was() -> None:
    assert Lanes(5, dict.fromkeys(range(LANES), 40) | {3: 7}).read == 7
    assert Lanes(5, {3: 40}).read == 5


def test_what_waits_or_flies_is_measured_until_it_is_settled() -> None:
    lanes, shipment = lanes_with(ADA), object()
    lane(lanes, ADA).shipment = shipment
    taken = lanes.take(lane(lanes, ADA))
    assert (lanes.size_bytes, lanes.waiting) == (100, 0)
    lanes.settled(lanes.positions(shipment), shipment, [taken])
    assert (lanes.size_bytes, lanes.waiting_longest()) == (0, [])
    assert (lane(lanes, ADA).settled, lane(lanes, ADA).out) == (1, None)


# As the desk uses them: one visitor was seen, and so was Ada; at the third position both become one, in one lane.


def life() -> Life:
    return Life(CUSTOMERIO, CUSTOMERIO.read_options({"site_id": "site", "api_key": "key"}))


def joins(who: str = ADA, other: str = ANON) -> Event:
    return event("$identify", who, properties={"$anon_distinct_id": other})


def positions(shipment: Shipment) -> list[int]:
    return [one.position for one in shipment.items]


def test_a_join_takes_what_came_before_in_the_other_lane_along() -> None:
    its = life()
    its.feed(event(distinct_id=ANON), event(distinct_id=ADA), joins(), event(distinct_id=ANON))
    shipment = its.desk.plan(its.now_ms)
    assert shipment is not None
    assert sorted(positions(shipment)) == [1, 2, 3, 4]
    assert positions(shipment).index(1) < positions(shipment).index(3)


def test_a_join_waits_until_what_is_in_flight_of_the_other_lane_is_settled() -> None:
    its = life()
    visitors = its.out(event(distinct_id=ANON))
    its.feed(event(distinct_id=ADA), joins(), event(distinct_id=ANON))
    adas = its.desk.plan(its.now_ms)
    assert adas is not None
    assert (positions(visitors), positions(adas)) == ([1], [2])
    its.land(adas)
    assert its.desk.plan(its.now_ms) is None  # in flight is not settled, and what follows waits with it
    its.land(visitors)
    joined = its.desk.plan(its.now_ms)
    assert joined is not None
    assert positions(joined) == [3, 4]


def test_a_lane_that_waits_for_another_is_not_settled_beyond_what_waits_in_it() -> None:
    its = life()
    visitors = its.out(event(distinct_id=ANON))
    its.feed(event(distinct_id=ADA), joins())
    adas = its.desk.plan(its.now_ms)
    assert adas is not None
    root = its.desk.lanes.all[lane_of(its.known.group(ADA))]
    its.land(adas)
    assert root.settled <= 2
    its.land(visitors)


def test_what_comes_later_in_the_lane_that_is_left_holds_nobody_back() -> None:
    its = life()
    its.feed(joins(), event(distinct_id=somebody_else_in(9)))
    shipment = its.desk.plan(its.now_ms, most_events=1)
    assert shipment is not None
    assert positions(shipment) == [1]


def somebody_else_in(number: int) -> str:
    return next(name for n in range(10_000) if lane_of(name := f"other-{n}") == number)


def test_a_join_within_one_lane_waits_for_nobody() -> None:
    its = life()
    its.feed(event(distinct_id=ADA), joins(ADA, somebody_else_in(3)))
    shipment = its.desk.plan(its.now_ms)
    assert shipment is not None
    assert positions(shipment) == [1, 2]


def test_after_a_crash_what_a_lane_had_settled_is_passed_over_and_the_rest_is_not() -> None:
    its = life()
    first = its.out(event(distinct_id=ADA))
    its.out(event(distinct_id=BOB))
    its.land(first)
    its.feed(event(distinct_id=ADA))
    its.crash()
    shipment = its.desk.plan(its.now_ms)
    assert shipment is not None
    assert sorted(positions(shipment)) == [2, 3]


def test_a_join_that_was_settled_before_a_crash_is_passed_over_with_all_before_it() -> None:
    its = life()
    its.say(event(distinct_id=ANON), event(distinct_id=ADA), joins())
    its.feed(event(distinct_id=ANON))
    its.crash()
    shipment = its.desk.plan(its.now_ms)
    assert shipment is not None
    assert positions(shipment) == [4]


def test_what_is_sent_again_goes_before_what_waits_and_as_whose_it_is_now() -> None:
    its = life()
    its.say(event(distinct_id=ANON), event(distinct_id=ADA), joins())
    its.feed(event(distinct_id=ADA))
    its.desk.resends.add(Item(Origin.RETRY, 1, ANON, entry_of(event(distinct_id=ANON))))
    shipment = its.desk.plan(its.now_ms)
    assert shipment is not None
    assert [(one.origin, one.position, one.person) for one in shipment.items] == [
        (Origin.RETRY, 1, ADA),
        (Origin.JOURNAL, 4, ADA),
    ]


def test_what_is_sent_again_goes_to_the_person_as_of_the_joins_that_are_settled() -> None:
    its = life()
    its.say(event(distinct_id=ANON))
    its.out(event(distinct_id=ADA))  # so the join has to wait
    its.feed(joins())
    its.desk.resends.add(Item(Origin.RETRY, 1, ANON, entry_of(event(distinct_id=ANON))))
    shipment = its.desk.plan(its.now_ms)
    assert shipment is not None
    assert [(one.origin, one.person) for one in shipment.items] == [(Origin.RETRY, ANON)]


def test_somebody_who_is_in_another_shipment_is_not_sent_again_meanwhile() -> None:
    its = life()
    its.say(event(distinct_id=ADA))
    busy = its.out(event(distinct_id=ADA))
    its.desk.resends.add(Item(Origin.RETRY, 1, ADA, entry_of(event(distinct_id=ADA))))
    assert its.desk.plan(its.now_ms) is None
    its.land(busy)
    shipment = its.desk.plan(its.now_ms)
    assert shipment is not None
    assert positions(shipment) == [1]
