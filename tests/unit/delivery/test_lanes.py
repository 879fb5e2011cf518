"""Lanes: events spread by person, and the positions that say what is settled."""

from delivery_cases import event
from hogline.delivery.routes import Move

from hogline.core.lanes import LANES, Item, Lanes, Source, lane_of
from hogline.store.base import Route


def lanes_with(*distinct_ids: str) -> Lanes:
    lanes = Lanes(0, {})
    for position, distinct_id in enumerate(distinct_ids, 1):
        lanes.add(position, event(distinct_id), 100)
    return lanes


def test_one_persons_events_are_in_one_lane_in_order() -> None:
    lanes = lanes_with("ada", "bob", "ada", "ada")
    ada = next(lane for lane in lanes.ready() if lane.number == lane_of("ada"))
    assert [item.position for item in ada.waiting if item.distinct_id == "ada"] == [1, 3, 4]


def test_who_waits_longest_goes_first() -> None:
    lanes = lanes_with("ada", "bob", "cleo", "ada")
    heads = [lane.waiting[0].position for lane in lanes.ready()]
    assert heads == sorted(heads)


def test_a_busy_lane_is_not_ready() -> None:
    lanes = lanes_with("ada", "bob")
    first = lanes.ready()[0]
    first.busy = True
    assert first not in lanes.ready()


def test_nothing_read_nothing_settled() -> None:
    assert lanes_with().settle([]) == {}


def test_idle_lanes_follow_what_was_read_so_that_nobody_holds_the_journal_back() -> None:
    lanes = lanes_with("ada", "bob")
    positions = lanes.settle([])
    waiting = {lane_of("ada"): 0, lane_of("bob"): 1}
    assert positions == {number: 2 for number in range(LANES) if number not in waiting} | {
        number: position for number, position in waiting.items() if position > 0
    }


def test_a_shipped_lane_is_settled_up_to_what_still_waits_in_it() -> None:
    lanes = lanes_with("ada", "bob", "ada")
    lane = next(lane for lane in lanes.ready() if lane.number == lane_of("ada"))
    lane.busy = True
    lane.waiting.popleft()
    assert lanes.settle([lane])[lane.number] == 2


def test_a_lane_in_flight_keeps_its_position_when_another_settles() -> None:
    lanes = lanes_with("ada", "bob")
    ada, bob = lanes.ready()
    for lane in (ada, bob):
        lane.busy = True
        lane.waiting.popleft()
    assert ada.number not in lanes.settle([bob])


def test_after_a_restart_what_a_lane_had_settled_is_passed_over_and_the_rest_is_not() -> None:
    lanes = Lanes(0, {lane_of("ada"): 2, lane_of("bob"): 0})
    for position, who in enumerate(("ada", "bob", "ada"), 1):
        lanes.add(position, event(who), 100)
    assert sorted(item.position for lane in lanes.ready() for item in lane.waiting) == [2, 3]


def test_reading_begins_where_the_slowest_lane_was() -> None:
    assert Lanes(5, dict.fromkeys(range(LANES), 40) | {3: 7}).read == 7
    assert Lanes(5, {3: 40}).read == 5


def test_what_waits_or_flies_is_measured_until_it_is_settled() -> None:
    lanes = lanes_with("ada")
    lane = lanes.ready()[0]
    lane.busy = True
    item = lane.waiting.popleft()
    assert lanes.size_bytes == 100
    lanes.settled(lanes.settle([lane]), [lane], [item])
    assert lanes.size_bytes == 0
    assert lanes.ready() == []


def somebody_in(lane: int) -> str:
    """An id that travels in this lane."""
    return next(name for n in range(10_000) if lane_of(name := f"id-{n}") == lane)


ADA, ANON = somebody_in(3), somebody_in(9)


def with_a_join() -> Lanes:
    """The visitor was seen, and so was Ada; at the third position both become one, in her lane."""
    lanes = lanes_with(ANON, ADA)
    lanes.join(3, event(ADA), 100, ADA, other=ANON, routes=(Route(ANON, 3, ADA, 0),), leaving=[ADA, ANON])
    lanes.add(4, event(ANON), 100, ADA)
    return lanes


def taken(lanes: Lanes, number: int) -> list[Item]:
    """All that may go of a lane that is ready, now in flight."""
    lane = next(lane for lane in lanes.ready() if lane.number == number)
    lane.busy = True
    items = []
    while line := lanes.line(lane):
        items.append(line[0])
        lane.take(line)
    return items


def land(lanes: Lanes, number: int, items: list[Item]) -> dict[int, int]:
    lane = next(lane for lane in lanes._lanes if lane.number == number)
    positions = lanes.settle([lane])
    lanes.settled(positions, [lane], items)
    return positions


def test_a_join_waits_until_what_came_before_in_the_other_lane_is_settled() -> None:
    lanes = with_a_join()
    assert [item.position for item in taken(lanes, 3)] == [2]
    visitors = taken(lanes, 9)
    assert [item.position for item in visitors] == [1]
    land(lanes, 3, [])
    assert 3 not in [lane.number for lane in lanes.ready()]  # in flight is not settled
    land(lanes, 9, visitors)
    assert [item.position for item in taken(lanes, 3)] == [3, 4]


def test_what_follows_a_join_in_its_lane_waits_with_it() -> None:
    lanes = with_a_join()
    land(lanes, 3, taken(lanes, 3))
    assert [lane.number for lane in lanes.ready()] == [9]


def test_a_lane_that_waits_for_another_is_not_settled_beyond_what_waits_in_it() -> None:
    lanes = with_a_join()
    assert land(lanes, 3, taken(lanes, 3))[3] == 2


def test_a_join_within_one_lane_waits_for_nobody() -> None:
    lanes = lanes_with(ADA)
    lanes.join(2, event(ADA), 100, ADA, other="x", routes=(), leaving=[ADA, ADA])
    assert [item.position for item in taken(lanes, 3)] == [1, 2]


def test_what_comes_later_in_the_lane_that_is_left_holds_nobody_back() -> None:
    lanes = with_a_join()
    lanes.add(5, event(ANON), 100, ANON)  # somebody else of that lane
    land(lanes, 3, taken(lanes, 3))
    lane = next(lane for lane in lanes.ready() if lane.number == 9)
    lane.busy = True
    first = lanes.line(lane)[0]
    lane.take(lanes.line(lane))
    land(lanes, 9, [first])
    assert [item.position for item in taken(lanes, 3)] == [3, 4]


def test_a_join_waits_for_what_is_sent_again_in_the_lane_that_is_left() -> None:
    lanes = lanes_with(ADA)
    retried = Item(1, ANON, event(ANON), 100, Source.RETRY)
    lanes.add_again(retried)
    lanes.join(2, event(ADA), 100, ADA, other=ANON, routes=(), leaving=[ADA, ANON])
    land(lanes, 3, taken(lanes, 3))
    assert [lane.number for lane in lanes.ready()] == [9]
    land(lanes, 9, taken(lanes, 9))
    assert [item.position for item in taken(lanes, 3)] == [2]


def test_what_is_sent_again_after_a_join_waits_for_what_its_id_left_behind() -> None:
    lanes = lanes_with(ANON)
    lanes.add_again(Item(0, ANON, event(ANON), 100, Source.RETRY), ADA, [Move(ANON, 2)])
    assert [lane.number for lane in lanes.ready()] == [9]
    land(lanes, 9, taken(lanes, 9))
    assert [item.source for item in taken(lanes, 3)] == [Source.RETRY]


def test_what_is_sent_again_goes_before_what_waits_unless_it_has_to_wait_itself() -> None:
    lanes = lanes_with(ANON, ADA)
    lanes.add_again(Item(0, ADA, event(ADA), 100, Source.RETRY))
    lanes.add_again(Item(0, ANON, event(ANON), 100, Source.RETRY), ADA, [Move(ANON, 2)])
    items = taken(lanes, 3)
    assert [(item.source, item.position) for item in items] == [(Source.RETRY, 0), (Source.JOURNAL, 2)]


def test_a_join_that_was_settled_before_a_crash_is_passed_over_with_all_before_it() -> None:
    lanes = Lanes(0, {3: 3, 9: 1})
    lanes.add(1, event(ANON), 100)
    lanes.add(2, event(ADA), 100)
    lanes.join(3, event(ADA), 100, ADA, other=ANON, routes=(), leaving=[ADA, ANON])
    lanes.add(4, event(ANON), 100, ADA)
    assert [item.position for lane in lanes.ready() for item in lane.waiting] == [4]
