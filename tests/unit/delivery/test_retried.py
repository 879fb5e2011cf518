"""What becomes of retried failures is counted, whatever is settled when."""

from __future__ import annotations

from hogline.core.settle import Outcome
from hogline.delivery.retried import Retried


def delivered(*positions: int) -> list[Outcome]:
    return [Outcome(position, "delivered", "") for position in positions]


def test_what_is_settled_before_it_is_claimed_counts() -> None:
    retried = Retried(0)
    retried.expect()
    retried.note(delivered(1, 7))
    retried.claim([1, 2])
    retried.note(delivered(8))
    retried.note([Outcome(2, "failed", "invalid")])
    assert (retried.total, retried.delivered, retried.failed, retried.left, retried.is_over) == (2, 1, 1, 0, True)


def test_a_second_retry_counts_along_with_one_that_is_under_way() -> None:
    retried = Retried(0)
    retried.expect()
    retried.claim([1, 2])
    retried.expect()
    retried.note(delivered(1, 3))
    assert not retried.is_over
    retried.claim([2, 3])
    assert (retried.total, retried.delivered, retried.left) == (3, 2, 1)


def test_a_retry_of_nothing_keeps_nothing_of_what_is_settled_later() -> None:
    retried = Retried(0)
    retried.expect()
    retried.note(delivered(1))
    retried.claim([])
    retried.note(delivered(*range(1_000)))
    assert (retried.is_over, retried._early) == (True, [])
