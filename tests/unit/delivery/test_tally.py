"""A tally counts what becomes of the events that somebody waits for, and of no others."""

import asyncio

import pytest

from hogline.core.settle import Outcome
from hogline.delivery.tally import Tally

pytestmark = pytest.mark.anyio


def test_events_settled_before_they_are_claimed_count() -> None:
    tally = Tally()
    tally.note(
        [Outcome(1, "delivered", ""), Outcome(2, "filtered", "no_email"), Outcome(3, "failed", "event_too_large")]
    )
    tally.claim(range(1, 3))
    assert (tally.claimed, tally.delivered, dict(tally.filtered), dict(tally.failures)) == (
        2,
        1,
        {"no_email": 1},
        {},
    )


def test_other_peoples_events_do_not_count() -> None:
    tally = Tally()
    tally.claim(range(5, 7))
    tally.note([Outcome(4, "delivered", ""), Outcome(5, "delivered", ""), Outcome(7, "delivered", "")])
    assert tally.delivered == 1
    tally.claim(range(8, 9))
    tally.note([Outcome(8, "delivered", "")])
    assert tally.delivered == 2


async def test_waiting_ends_when_all_that_was_claimed_is_settled() -> None:
    tally = Tally()
    tally.claim(range(1, 3))
    waiting = asyncio.ensure_future(tally.wait())
    tally.note([Outcome(1, "delivered", "")])
    await asyncio.sleep(0)
    assert not waiting.done()
    tally.note([Outcome(2, "filtered", "no_email")])
    await waiting
