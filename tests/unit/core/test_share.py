"""A process's share of a connection's lanes."""

from __future__ import annotations

import pytest

from hogline.core.share import PLACES, Far, Latest, Share, Wait


def test_the_last_event_of_a_group_is_where_it_was_heard_last() -> None:
    latest = Latest(begun=10)
    latest.heard(7, 11)
    latest.heard(7, 14)
    assert latest.of(7) == 14
    assert latest.of(8) == 10  # what came before this process listens, nobody knows


def test_what_was_not_heard_may_be_of_any_group() -> None:
    latest = Latest(begun=10)
    latest.heard(7, 14)
    latest.skipped(20)
    latest.heard(8, 21)
    assert [latest.of(group) for group in (7, 8, 9)] == [20, 21, 20]


def test_groups_with_one_place_have_the_later_event() -> None:
    latest = Latest(begun=0)
    latest.heard(7, 14)
    latest.heard(7 + PLACES, 15)
    assert latest.of(7) == 15


@pytest.mark.parametrize(
    ("far", "past"),
    [({}, False), ({1: Far(14, 20)}, True), ({1: Far(13, 20)}, False), ({1: Far(14, 19)}, False)],
)
def test_it_may_go_when_the_other_lane_is_that_far(far: dict[int, Far], *, past: bool) -> None:
    ours = Share([0], begun=0)
    ours.hear(far)
    assert ours.is_past([Wait(1, 14, 20)]) == past
