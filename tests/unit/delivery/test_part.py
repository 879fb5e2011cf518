"""What of a connection each of several processes carries."""

from __future__ import annotations

from bisect import bisect_left

import pytest

from hogline.core.lanes import LANES
from hogline.delivery.gate import Rate
from hogline.delivery.part import Part
from hogline.testing.clock import ManualClock


def parts(per_second: int, shares: int) -> list[int]:
    return [Part(range(place, LANES, shares), {}.get, shares).of(per_second) for place in range(shares)]  # type: ignore[arg-type]  # not called


@pytest.mark.parametrize("shares", range(1, 8))
@pytest.mark.parametrize("per_second", [8, 50, 99, 100])
def test_all_parts_together_are_the_whole_rate(shares: int, per_second: int) -> None:
    found = parts(per_second, shares)
    assert sum(found) == per_second
    assert max(found) - min(found) <= 1


@pytest.mark.parametrize("per_second", [20, 99, 100])
def test_four_processes_with_enough_to_send_use_the_rate_and_never_more(per_second: int) -> None:
    clock, passed_ms = ManualClock(), list[int]()
    rates = [Rate(one, clock) for one in parts(per_second, 4)]
    for ms in range(20_000):
        clock.at_s = ms / 1_000
        for rate in rates:
            while rate.wait_s() == 0:
                rate.take()
                passed_ms.append(ms)
    assert len(passed_ms) >= 0.95 * 20 * per_second
    assert max(n + 1 - bisect_left(passed_ms, ms - 999) for n, ms in enumerate(passed_ms)) <= per_second


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 1), (2, 3)])
def test_nothing_is_above_the_rate_when_parts_change_hands(before: int, after: int) -> None:
    """Whoever takes up a part knows nothing of what others sent a moment ago."""
    clock, passed_ms = ManualClock(), list[int]()
    for begin_ms, shares in ((0, before), (5_000, after), (10_000, before), (15_000, after)):
        clock.at_s = begin_ms / 1_000
        rates = [Rate(one, clock) for one in parts(20, shares)]
        for rate in rates:
            rate.spend()
        for ms in range(begin_ms, begin_ms + 5_000):
            clock.at_s = ms / 1_000
            for rate in rates:
                while rate.wait_s() == 0:
                    rate.take()
                    passed_ms.append(ms)
    assert len(passed_ms) >= 0.7 * 20 * 20
    assert max(n + 1 - bisect_left(passed_ms, ms - 999) for n, ms in enumerate(passed_ms)) <= 20
