"""Where older events stand in the journal, and what became of them."""

from __future__ import annotations

from hogline.core.items import Item, Origin
from hogline.core.settle import Outcome
from hogline.model import Refusal
from hogline.store.backfilled import Backfilled, Stretch, Taken


def made() -> Backfilled:
    """Run 7 for connection 1 at 3 to 4 and 6 to 9, run 8 for every connection at 12."""
    return Backfilled([Stretch(6, 8, 7, 1), Stretch(3, 4, 7, 1), Stretch(9, 9, 7, 1), Stretch(12, 12, 8, 0)], {7: 6})


def item(source: Origin, position: int, **changes: object) -> Item:
    found = Item(source, position, "u1", None)
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def test_positions_that_follow_one_another_are_one_stretch() -> None:
    its = made()
    assert its.stretches == [Stretch(3, 4, 7, 1), Stretch(6, 9, 7, 1), Stretch(12, 12, 8, 0)]
    its.add(13, 14, Taken(8, 3, 0))
    its.add(15, 14, Taken(8, 5, 0))
    assert (its.of(8), its.taken[8]) == ([Stretch(12, 14, 8, 0)], 5)
    its.trim(4)
    assert its.stretches[0] == Stretch(6, 9, 7, 1)


def test_a_connection_passes_over_what_is_for_another() -> None:
    its = made()
    assert its.elsewhere(2, 1, 20) == (range(3, 5), range(6, 10))
    assert its.elsewhere(2, 4, 5) == (range(3, 5),)
    assert its.elsewhere(1, 1, 20) == ()
    assert its.elsewhere(2, 13, 20) == ()
    assert Backfilled((), {}).elsewhere(2, 1, 20) == ()


def test_what_became_of_older_events_is_counted_by_run_and_live_ones_are_not() -> None:
    outcomes = [
        Outcome(1, "delivered", ""),
        Outcome(3, "delivered", "", ("name_cut",)),
        Outcome(4, "filtered", "no_email"),
        Outcome(5, "delivered", ""),
        Outcome(6, "held", "no_email"),
        Outcome(7, "failed", "invalid"),
        Outcome(12, "delivered", ""),
        Outcome(13, "delivered", ""),
        Outcome(9, "held", "no_email"),
        Outcome(10, "delivered", ""),
        Outcome(2, "delivered", ""),
    ]
    counts = made().count(outcomes, [item(Origin.JOURNAL, 3)])
    assert counts == {
        7: {"delivered": 1, "adjusted name_cut": 1, "filtered no_email": 1, "held": 2, "failed invalid": 1},
        8: {"delivered": 1},
    }
    assert made().count(outcomes, []) == {}
    assert Backfilled((), {}).count(outcomes, [item(Origin.JOURNAL, 3)]) == {}


def test_what_was_held_and_goes_now_is_held_no_more() -> None:
    refused = (Refusal("invalid", "No."),)
    items = [
        item(Origin.HELD, 3),
        item(Origin.HELD, 4, filtered="suppressed"),
        item(Origin.HELD, 6, refusals=refused),
        item(Origin.HELD, 7, held=True),
        item(Origin.HELD, 1),
    ]
    assert made().count([], items) == {7: {"held": -3, "delivered": 1, "filtered suppressed": 1, "failed invalid": 1}}


def test_a_retry_was_counted_when_it_failed() -> None:
    assert made().count([Outcome(3, "delivered", "")], [item(Origin.RETRY, 3)]) == {}
