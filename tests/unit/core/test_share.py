"""A process's share of a connection's lanes."""

from __future__ import annotations

import pytest

from hogline.core import share
from hogline.core.share import Far, Share, Wait


def test_an_id_waits_for_its_last_event_in_the_other_lane() -> None:
    ours = Share([0, 2], begun=10)
    ours.heard("ada", 11)
    ours.heard("ada", 14)
    assert ours.wait(1, "ada", 20) == Wait(1, 14, 20)
    assert ours.wait(1, "bob", 20) == Wait(1, 10, 20)  # what came before this process listens, nobody knows


def test_of_too_many_ids_the_first_may_have_had_an_event_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "MOST_GROUPS", 2)
    ours = Share([0], begun=0)
    for position, group in enumerate(("ada", "bob", "cay"), 1):
        ours.heard(group, position)
    assert [ours.wait(1, group, 9).settled for group in ("ada", "bob", "cay", "dan")] == [1, 2, 3, 1]


@pytest.mark.parametrize(
    ("far", "past"),
    [({}, False), ({1: Far(14, 20)}, True), ({1: Far(13, 20)}, False), ({1: Far(14, 19)}, False)],
)
def test_it_may_go_when_the_other_lane_is_that_far(far: dict[int, Far], *, past: bool) -> None:
    ours = Share([0], begun=0)
    ours.hear(far)
    assert ours.is_past([Wait(1, 14, 20)]) == past
