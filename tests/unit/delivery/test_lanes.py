"""Lanes: events spread by person, and the positions that say what is settled."""

from delivery_cases import event

from hogline.delivery.lanes import LANES, Lanes, lane_of


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
